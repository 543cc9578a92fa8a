//! The TLS configuration that all workers share: trusted certificates and client certificate; and what every client
//! offers and keeps.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error::Error;
use crate::plan::{Auth, HttpChoice, Plan};

/// The TLS tickets that a virtual user keeps, of all servers.
pub(crate) const TICKETS: usize = 32;

/// The protocols that a handshake offers to a server (ALPN), which chooses one.
pub(crate) fn protocols(version: HttpChoice) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = match version {
        HttpChoice::Auto => &[b"h2", b"http/1.1"],
        HttpChoice::Http1 => &[b"http/1.1"],
        HttpChoice::Http2 => &[b"h2"],
    };
    names.iter().map(|name| name.to_vec()).collect()
}

/// The TLS configuration that all workers share.
#[derive(Clone)]
pub struct TlsConfig {
    /// Without its own store of sessions: each virtual user has one.
    pub config: rustls::ClientConfig,
    /// What `config` verifies certificates with.
    pub verifier: Arc<dyn ServerCertVerifier>,
}

/// The TLS configuration that all workers share: the certificates this machine and the plan trust,
/// and the client's own.
///
/// # Errors
/// When this machine has no certificates and `plan` needs some.
pub(super) fn tls_config(plan: &Plan, base: &str) -> Result<TlsConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = &plan.transport.tls;
    let authorities = tls.authorities.iter();
    let given = authorities.flat_map(|one| one.certificates.iter().cloned());
    let trust = (!tls.insecure).then(|| Trust {
        provider: provider.clone(),
        given: given.collect(),
        verifier: OnceLock::new(),
    });
    // Hundreds of files, which a plan of plain HTTP has no use for.
    if let Some(trust) = &trust
        && (plan.script.is_some() || has_url(plan, base, |url| !is_plain(url)))
        && let Err(error) = trust.verifier()
        && has_url(plan, base, |url| url.starts_with("https:"))
    {
        return Err(Error::Certificates(error.to_string()));
    }
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Verification {
        algorithms: provider.signature_verification_algorithms,
        trust,
    });
    let trusting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone());
    let mut config = match &tls.identity {
        None => trusting.with_no_client_auth(),
        Some(identity) => trusting.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
            identity.certified.clone(),
        ))),
    };
    config.alpn_protocols = protocols(HttpChoice::Auto);
    Ok(TlsConfig { config, verifier })
}

/// Whether a URL that is known before the run, as far as it is known, is one that `select` takes: that of the service,
/// of a proxy, of an endpoint or of a token.
fn has_url(plan: &Plan, base: &str, select: impl Fn(&str) -> bool + Copy) -> bool {
    let has_token = |auth: &Auth| auth.token_url().is_some_and(select);
    select(base)
        || (plan.transport.proxy.iter()).any(|proxy| select(&proxy.url))
        || (plan.endpoints.iter()).any(|endpoint| {
            select(endpoint.url.source())
                || endpoint.host.as_deref().is_some_and(select)
                || endpoint.auth.as_deref().is_some_and(has_token)
        })
}

/// Whether it is on the service, or without TLS. What starts with a template may be anything.
fn is_plain(url: &str) -> bool {
    url.starts_with('/') || url.starts_with("http:")
}

/// Verifies as a plan wants it. In any case, the handshake has to be signed with the certificate's key.
#[derive(Debug)]
struct Verification {
    algorithms: WebPkiSupportedAlgorithms,
    /// `None` accepts any certificate.
    trust: Option<Trust>,
}

impl ServerCertVerifier for Verification {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(trust) = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = trust.verifier()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if is_ca(&error) && trust.given.contains(end_entity) => {
                // Its time was looked at before; its name was not.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What the machine trusts, and the certificates that the plan names: as CAs, and where a server shows one of them
/// itself. `openssl req -x509` makes such a certificate, which is its own CA.
#[derive(Debug)]
struct Trust {
    provider: Arc<CryptoProvider>,
    given: Vec<CertificateDer<'static>>,
    /// Read from the machine when it is first needed: a redirect may lead to TLS that no plan knew of.
    verifier: OnceLock<Result<Verifier, rustls::Error>>,
}

impl Trust {
    fn verifier(&self) -> Result<&Verifier, rustls::Error> {
        let read = || Verifier::new_with_extra_roots(self.given.clone(), self.provider.clone());
        let verifier = self.verifier.get_or_init(read);
        verifier.as_ref().map_err(Clone::clone)
    }
}

/// Whether a certificate was refused only because it is that of a CA.
fn is_ca(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    let cause = other.0.downcast_ref::<webpki::Error>();
    cause == Some(&webpki::Error::CaUsedAsEndEntity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{load, plan};
    use crate::plan::{Model, Template};

    #[test]
    fn the_certificates_of_this_machine_are_read_where_a_url_may_need_them() {
        for (base, url, is_read) in [
            ("http://127.0.0.1:1", "/a", false),
            ("http://127.0.0.1:1", "http://a.example/", false),
            ("https://127.0.0.1:1", "/a", true),
            ("http://127.0.0.1:1", "https://a.example/", true),
            ("http://127.0.0.1:1", "{{ url }}", true),
        ] {
            let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
            plan.endpoints[0].url = Template::literal(url);
            let was_read = match tls_config(&plan, base) {
                Ok(tls) => !format!("{:?}", tls.verifier).contains("<uninit>"),
                // There are none.
                Err(Error::Certificates(_)) => true,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(was_read, is_read, "{base} {url}");
        }
    }
}
