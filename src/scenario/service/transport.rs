//! From `tls`, `proxy`, `local_address` and `connect_to` to how the service is reached: certificates and
//! keys are read and checked, so that a wrong one is found before the run.
//!
//! Not here: how a key is found in its file (`private_key`).

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::{address, private_key};
use crate::error::Diagnostic;
use crate::plan::{Authorities, ClientChoice, ConnectTo, Identity, NoProxy, Proxy, Tls, Transport};
use crate::scenario::keys::connection::{ProxyFile, TlsFile};
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::names::Names;
use crate::scenario::options::Options;
use crate::scenario::yaml::decode::Located;
use crate::scenario::yaml::findings::Findings;

/// The largest file of certificates or keys; bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// What carries the requests: `given` by the command line, or else by the scenario.
pub(crate) fn client(file: &ScenarioFile, given: Option<ClientChoice>) -> ClientChoice {
    given.unwrap_or_else(|| file.client.copied().unwrap_or_default())
}

/// How `client` reaches the service; what cannot be understood, or
/// cannot be done by it, is reported.
pub(crate) fn transport(
    file: &ScenarioFile,
    options: &Options,
    client: ClientChoice,
    names: &Names<'_>,
    folder: &Path,
    findings: &mut Findings,
) -> Transport {
    let mut compiler = TransportCompiler {
        names,
        folder,
        findings,
    };
    let tls = file.tls.get().map(|tls| compiler.tls(tls));
    let proxy = file.proxy.get().and_then(|proxy| compiler.proxy(proxy));
    let addresses = file.local_address.get();
    let addresses = addresses.map_or(&[][..], |addresses| &addresses.0);
    let local_addresses = addresses.iter().filter_map(|text| compiler.address(text));
    let local_addresses = local_addresses.collect();
    let connect_to = compiler.connect_to(file, &options.connect_to);
    if !file.proxy.is_missing() && !connect_to.is_empty() {
        let diagnostic = Diagnostic::new("`connect_to` cannot be used with a `proxy`")
            .help("remove one of them: the proxy decides where its connections lead");
        compiler.findings.report(file.connect_to.key(), diagnostic);
    }
    Transport {
        client,
        tls: tls.unwrap_or_default(),
        proxy,
        local_addresses,
        connect_to,
    }
}

struct TransportCompiler<'a, 'n> {
    names: &'a Names<'n>,
    folder: &'a Path,
    findings: &'a mut Findings,
}

impl TransportCompiler<'_, '_> {
    fn tls(&mut self, file: &Located<TlsFile>) -> Tls {
        if let Some(password) = file.key_password.get() {
            self.findings.hide_literal(password);
        }
        let authorities = file.ca_file.get().and_then(|path| self.authorities(path));
        let identity = match (file.cert_file.get(), file.key_file.get()) {
            (Some(cert), key) => self.identity(cert, key.unwrap_or(cert), file.key_password.get()),
            (None, Some(key)) => {
                let diagnostic = Diagnostic::new("`key_file` without `cert_file`")
                    .help("add the certificate as `cert_file`");
                self.findings.report(Some(key.at), diagnostic);
                None
            }
            (None, None) => None,
        };
        Tls {
            authorities,
            identity,
            insecure: file.insecure.copied().unwrap_or(false),
            full_handshakes: file.resume.copied() == Some(false),
        }
    }

    fn authorities(&mut self, path: &Located<String>) -> Option<Authorities> {
        let certificates = self.certificates(path)?;
        let mut store = rustls::RootCertStore::empty();
        for certificate in &certificates {
            if let Err(error) = store.add(certificate.clone()) {
                self.report(path, &format!("not a CA certificate: {error}"));
                return None;
            }
        }
        Some(Authorities {
            path: path.value.clone(),
            certificates,
        })
    }

    fn identity(
        &mut self,
        cert: &Located<String>,
        key: &Located<String>,
        password: Option<&Located<String>>,
    ) -> Option<Identity> {
        let certificates = self.certificates(cert);
        let pem = self.read(key)?;
        let password = match password {
            Some(password) => Some(self.names.constant(password, self.findings)?),
            None => None,
        };
        let private = match private_key::read(&pem, password.as_deref()) {
            Ok(private) => private,
            Err(why) => {
                self.report(key, why);
                return None;
            }
        };
        let provider = aws_lc_rs::default_provider();
        match CertifiedKey::from_der(certificates?, private, &provider) {
            Ok(certified) => Some(Identity {
                path: cert.value.clone(),
                certified: Arc::new(certified),
            }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                self.report(key, "the key does not match the certificate");
                None
            }
            Err(error) => {
                self.report(key, &error.to_string());
                None
            }
        }
    }

    fn certificates(&mut self, path: &Located<String>) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.read(path)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Some(certificates),
            _ => {
                self.report(path, "it contains no certificate in PEM format");
                None
            }
        }
    }

    /// Reads a file of the machine, anywhere: certificates and keys are seldom kept beside scenarios.
    fn read(&mut self, path: &Located<String>) -> Option<Vec<u8>> {
        let name = self.names.constant(path, self.findings)?;
        let real = self.folder.join(name);
        let read = std::fs::metadata(&real).and_then(|metadata| {
            let bad = |why: &str| Err(std::io::Error::other(why.to_owned()));
            match metadata.is_file() {
                false => bad("it is not a regular file"),
                true if metadata.len() > MAX_PEM_BYTES => bad("it is larger than 1 MiB"),
                true => std::fs::read(&real),
            }
        });
        match read {
            Ok(content) => Some(content),
            Err(error) => {
                self.report(path, &error.to_string());
                None
            }
        }
    }

    fn report(&mut self, path: &Located<String>, why: &str) {
        let diagnostic = Diagnostic::new(format!("cannot use `{}`: {why}", path.value));
        self.findings.report(Some(path.at), diagnostic);
    }

    fn proxy(&mut self, file: &Located<ProxyFile>) -> Option<Proxy> {
        let written = file.url.get()?;
        self.findings.hide(address::credentials(&written.value));
        if let Some(password) = file.password.get() {
            self.findings.hide_literal(password);
        }
        let url = self.names.constant(written, self.findings)?;
        let url = match address::parse_url(&url) {
            Ok(url) if url.path() == "/" && url.query().is_none() => url,
            _ => {
                let diagnostic = Diagnostic::new("not a proxy URL").help(
                    "write it like `http://proxy.example.org:3128`; put credentials in \
                     `username` and `password`",
                );
                self.findings.report(Some(written.at), diagnostic);
                return None;
            }
        };
        let credentials = match (file.username.get(), file.password.get()) {
            (Some(name), Some(password)) => Some((
                self.names.constant(name, self.findings)?,
                self.names.constant(password, self.findings)?,
            )),
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => {
                let diagnostic = Diagnostic::new("a proxy needs both `username` and `password`");
                self.findings.report(Some(one.at), diagnostic);
                None
            }
        };
        let no_proxy = file.no_proxy.get().map_or(&[][..], |hosts| &hosts.0);
        let no_proxy = no_proxy.iter().filter_map(|written| {
            let host = self.names.constant(written, self.findings)?;
            if host.is_empty() {
                return None;
            }
            match NoProxy::parse(host.trim()) {
                Ok(read) => Some(read),
                Err(why) => {
                    let diagnostic = Diagnostic::new(why).help(
                        "write a name (`example.org`, with its subdomains), an address, a network \
                         (`10.0.0.0/8`), `host:port`, or `*` for all",
                    );
                    self.findings.report(Some(written.at), diagnostic);
                    None
                }
            }
        });
        Some(Proxy {
            no_proxy: no_proxy.collect(),
            url: url.as_str().trim_end_matches('/').to_owned(),
            credentials,
        })
    }

    /// What is `given` by the command line, and then the entries of the scenario for other places.
    fn connect_to(&mut self, file: &ScenarioFile, given: &[ConnectTo]) -> Vec<ConnectTo> {
        let mut entries: Vec<ConnectTo> = Vec::new();
        let is_known = |entries: &[ConnectTo], entry: &ConnectTo| {
            let mut known = entries.iter();
            known.any(|known| (&known.host, known.port) == (&entry.host, entry.port))
        };
        // The last one that is given counts.
        for entry in given.iter().rev() {
            if !is_known(&entries, entry) {
                entries.push(entry.clone());
            }
        }
        for (from, to) in file.connect_to.get().map_or(&[][..], |pairs| &pairs.0) {
            let Some(address) = self.names.constant(to, self.findings) else {
                continue;
            };
            match address::parse_connect_to(&from.text, &address) {
                Ok(entry) if is_known(&entries, &entry) => {}
                Ok(entry) => entries.push(entry),
                Err(diagnostic) => self.findings.report(Some(to.at), diagnostic),
            }
        }
        entries
    }

    fn address(&mut self, text: &Located<String>) -> Option<IpAddr> {
        let address = self.names.constant(text, self.findings)?;
        match address.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let diagnostic = Diagnostic::new(format!("`{address}` is not an IP address"))
                    .help("use an address of this machine, such as `10.0.0.5`");
                self.findings.report(Some(text.at), diagnostic);
                None
            }
        }
    }
}
