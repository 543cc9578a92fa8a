//! From an endpoint's keys to a request: method, URL, headers, limits.
//!
//! Not here: bodies (`body`), credentials (`auth`) and conditions on the response (`checks`).

pub(super) mod auth;
pub(super) mod body;
pub(super) mod checks;
pub(super) mod extract;
pub(super) mod multipart;

use std::path::Path;
use std::time::Duration;

use super::keys::scenario::{DefaultsFile, EndpointFile};
use super::names::Names;
use super::service::{self, Place};
use super::transport;
use super::yaml::decode::{At, Field, Pairs, Size};
use super::yaml::findings::{Findings, Span};
use crate::error::Diagnostic;
use crate::plan::{
    Auth, Body, ClientChoice, Endpoint, Escape, Header, HttpChoice, Method, Slot, Template,
    TemplatePart, Wire,
};
use crate::units::format_duration;
use auth::Choice;

/// What all endpoints of a scenario have in common.
pub(super) struct Common<'a> {
    /// Variables and environment.
    pub names: &'a Names<'a>,
    /// The folder of the scenario.
    pub folder: &'a Path,
    /// Headers of all requests.
    pub headers: Vec<Header>,
    /// The timeout of a request.
    pub timeout: Duration,
    /// The connect timeout, at most `timeout`.
    pub connect_timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: u32,
    /// The largest response body; bytes.
    pub max_body: u64,
    /// How requests prove who sends them.
    pub auth: Choice,
    /// What requests ask of their connections.
    pub wire: Wire,
    /// What carries the requests.
    client: ClientChoice,
}

impl<'a> Common<'a> {
    /// From the scenario's `defaults`; `timeout` comes from the command line.
    pub fn new(
        defaults: &DefaultsFile,
        names: &'a Names<'a>,
        folder: &'a Path,
        timeout: Option<Duration>,
        client: ClientChoice,
        findings: &mut Findings,
    ) -> Self {
        let limits = Limits {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_redirects: 10,
            max_body: 100_000_000,
        };
        let mut limits = limits.with(
            &defaults.timeout,
            &defaults.connect_timeout,
            &defaults.max_redirects,
            &defaults.max_body,
            findings,
        );
        if let Some(timeout) = timeout {
            limits.timeout = timeout;
            limits.connect_timeout = limits.connect_timeout.min(timeout);
        }
        let headers = headers(&defaults.headers, names, findings);
        let auth = auth::choice(&defaults.auth, names, findings);
        refuse_two_proofs(&auth, &headers, findings);
        refuse_http2(client, &defaults.http_version, findings);
        Self {
            names,
            folder,
            headers,
            timeout: limits.timeout,
            connect_timeout: limits.connect_timeout,
            max_redirects: limits.max_redirects,
            max_body: limits.max_body,
            auth,
            wire: wire(
                Wire::default(),
                &defaults.http_version,
                &defaults.keep_alive,
            ),
            client,
        }
    }

    /// The request of `file`, and its host where the URL is absolute. What cannot be understood
    /// is reported.
    pub fn endpoint(
        &self,
        file: &At<EndpointFile>,
        findings: &mut Findings,
    ) -> Option<(Endpoint, Place)> {
        let request_line = method(file, findings);
        let limits = Limits {
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            max_redirects: self.max_redirects,
            max_body: self.max_body,
        }
        .with(
            &file.timeout,
            &file.connect_timeout,
            &file.max_redirects,
            &file.max_body,
            findings,
        );
        let mut headers = headers(&file.headers, self.names, findings);
        let auth = auth::choice(&file.auth, self.names, findings);
        refuse_two_proofs(&auth, &headers, findings);
        let auth = match auth {
            Choice::By(auth, _) => Some(auth),
            Choice::None => None,
            // A header of its own stands nearer than the defaults.
            Choice::Unsaid => match &self.auth {
                Choice::By(auth, _) if !is_proof_given(auth, &headers) => Some(auth.clone()),
                _ => None,
            },
        };
        for header in &self.headers {
            let is_replaced = (auth.as_ref())
                .is_some_and(|auth| auth.header_name() == Some(header.name.as_str()));
            if !is_replaced && headers.iter().all(|own| own.name != header.name) {
                headers.push(header.clone());
            }
        }
        refuse_http2(self.client, &file.http_version, findings);
        let (body, content_type) = body::body(file, self.names, self.folder, findings);
        if let Some(content_type) = content_type
            && headers.iter().all(|header| header.name != "content-type")
        {
            let value = Template::literal(content_type.as_ref());
            headers.push(Header {
                name: "content-type".into(),
                value,
            });
        }
        let gzip = body::gzip(file, &body, &headers, findings);
        let checks = file.check.get().map_or_else(Vec::new, |check| {
            checks::checks(check, self.names, findings)
        });
        let extract = extract::extractions(file, self.names, findings);
        let (method, url_text) = request_line?;
        if method == Method::Head && !matches!(body, Body::None) {
            findings.report(
                Some(url_text.at),
                Diagnostic::new("a HEAD request has no body"),
            );
        }
        let before = findings.len();
        let url = self.names.template(url_text, Escape::None, findings);
        if findings.len() > before {
            return None;
        }
        findings.hide(service::credentials(&url_text.value));
        let place = match service::check_url(&url) {
            Ok(place) => place,
            Err(diagnostic) => {
                findings.report(Some(url_text.at), diagnostic);
                return None;
            }
        };
        let endpoint = Endpoint {
            name: name(file)?,
            method,
            url,
            headers,
            body,
            gzip,
            auth,
            wire: wire(self.wire, &file.http_version, &file.keep_alive),
            timeout: limits.timeout,
            connect_timeout: limits.connect_timeout,
            max_redirects: limits.max_redirects,
            max_body: limits.max_body,
            checks,
            extract,
            tags: file.tags.get().map_or_else(Vec::new, |tags| tags.0.clone()),
        };
        Some((endpoint, place))
    }
}

/// What is asked of connections: `base`, with what is written in its place.
fn wire(base: Wire, http_version: &Field<HttpChoice>, keep_alive: &Field<bool>) -> Wire {
    Wire {
        http_version: http_version.copied().unwrap_or(base.http_version),
        keep_alive: keep_alive.copied().unwrap_or(base.keep_alive),
    }
}

fn refuse_http2(client: ClientChoice, version: &Field<HttpChoice>, findings: &mut Findings) {
    if let Some(version) = version.get()
        && client == ClientChoice::Direct
        && version.value == HttpChoice::Http2
    {
        transport::refuse(client, "HTTP/2", Some(version.at), findings);
    }
}

fn is_proof_given(auth: &Auth, headers: &[Header]) -> bool {
    let name = auth.header_name();
    headers.iter().any(|header| Some(&*header.name) == name)
}

/// Reports an `auth` beside a header that says the same in another way.
fn refuse_two_proofs(auth: &Choice, headers: &[Header], findings: &mut Findings) {
    if let Choice::By(auth, at) = auth
        && is_proof_given(auth, headers)
    {
        let name = auth.header_name().unwrap_or_default();
        let diagnostic = Diagnostic::new(format!("both `auth` and the header `{name}`"))
            .help("`auth` sends that header: keep one of them");
        findings.report(Some(*at), diagnostic);
    }
}

/// The name of an endpoint: its own, or method and path as written.
pub(super) fn name(file: &EndpointFile) -> Option<String> {
    match file.name.get() {
        Some(name) => Some(name.value.clone()),
        None => {
            let (method, url) =
                methods(file).find_map(|(method, field)| Some((method, field.get()?)))?;
            Some(format!("{} {}", method.as_str(), url.value))
        }
    }
}

fn methods(file: &EndpointFile) -> impl Iterator<Item = (Method, &Field<String>)> {
    [
        (Method::Get, &file.get),
        (Method::Head, &file.head),
        (Method::Post, &file.post),
        (Method::Put, &file.put),
        (Method::Patch, &file.patch),
        (Method::Delete, &file.delete),
        (Method::Options, &file.options),
    ]
    .into_iter()
    .filter(|(_, field)| !field.is_missing())
}

fn method<'a>(
    file: &'a At<EndpointFile>,
    findings: &mut Findings,
) -> Option<(Method, &'a At<String>)> {
    let given: Vec<(Method, &Field<String>)> = methods(file).collect();
    match given.as_slice() {
        [(method, field)] => Some((*method, field.get()?)),
        [] => {
            findings.report(
                Some(file.at),
                Diagnostic::new("the endpoint has no method")
                    .help("give it one of `get`, `head`, `post`, `put`, `patch`, `delete`, `options`, such as `get: /health`"),
            );
            None
        }
        [_, (_, second), ..] => {
            findings.report(
                second.key().or(Some(file.at)),
                Diagnostic::new("the endpoint has more than one method")
                    .help("write one endpoint for each"),
            );
            None
        }
    }
}

struct Limits {
    timeout: Duration,
    connect_timeout: Duration,
    max_redirects: u32,
    max_body: u64,
}

impl Limits {
    /// These, with what is written in their place.
    fn with(
        self,
        timeout: &Field<Duration>,
        connect_timeout: &Field<Duration>,
        max_redirects: &Field<u32>,
        max_body: &Field<Size>,
        findings: &mut Findings,
    ) -> Self {
        let mut positive = |field: &Field<Duration>| {
            let given = field.get()?;
            if given.value.is_zero() {
                findings.report(Some(given.at), Diagnostic::new("a timeout must be above 0"));
                return None;
            }
            Some(given.value)
        };
        let new_timeout = positive(timeout).unwrap_or(self.timeout);
        let new_connect = positive(connect_timeout);
        if let Some(given) = connect_timeout
            .get()
            .filter(|given| given.value > new_timeout)
        {
            let (connect, whole) = (format_duration(given.value), format_duration(new_timeout));
            findings.report(
                Some(given.at),
                Diagnostic::new(format!(
                    "the connect timeout {connect} is longer than the timeout {whole}"
                ))
                .help("connecting is part of the request: make it shorter, or the timeout longer"),
            );
        }
        if let Some(given) = max_redirects.get().filter(|given| given.value > 100) {
            let diagnostic = Diagnostic::new("more than 100 redirects are not followed");
            findings.report(Some(given.at), diagnostic);
        }
        Self {
            timeout: new_timeout,
            connect_timeout: new_connect.unwrap_or(self.connect_timeout).min(new_timeout),
            max_redirects: max_redirects.copied().unwrap_or(self.max_redirects),
            max_body: max_body.copied().map_or(self.max_body, |size| size.0),
        }
    }
}

fn headers(
    field: &Field<Pairs<String>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Header> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut headers: Vec<Header> = Vec::new();
    for (key, text) in pairs {
        let name = key.text.to_ascii_lowercase();
        if let Err(diagnostic) = check_header_name(&name, &headers) {
            findings.report(Some(key.at), diagnostic);
            continue;
        }
        let value = names.template(text, Escape::None, findings);
        if !value.parts().iter().all(is_header_text) {
            report_header_value(&key.text, text.at, findings);
        }
        headers.push(Header { name, value });
    }
    headers
}

/// Whether a header of this lower-case name may be given.
pub(super) fn check_header_name(name: &str, before: &[Header]) -> Result<(), Diagnostic> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(Diagnostic::new(format!("`{name}` is not a header name"))
            .help("use letters, digits and `-`"));
    }
    if matches!(name, "content-length" | "transfer-encoding" | "connection") {
        return Err(
            Diagnostic::new(format!("the header `{name}` is set by perfctl")).help("remove it"),
        );
    }
    if before.iter().any(|header| header.name == name) {
        return Err(
            Diagnostic::new(format!("the header `{name}` is given twice"))
                .help("names are compared without regard to case: keep one of them"),
        );
    }
    Ok(())
}

/// Whether a part may stand in a header. The value itself is not shown: it may be a secret.
pub(super) fn is_header_text(part: &TemplatePart) -> bool {
    let fits = |text: &str| http::HeaderValue::from_str(text).is_ok();
    match part {
        TemplatePart::Literal(text) => fits(text),
        TemplatePart::Slot {
            slot: Slot::RandomChoice(choices),
            ..
        } => choices.iter().all(|text| fits(text)),
        TemplatePart::Slot { .. } => true,
    }
}

/// Reports a value that no header can hold.
pub(super) fn report_header_value(name: &str, at: Span, findings: &mut Findings) {
    findings.report(
        Some(at),
        Diagnostic::new(format!(
            "the value of header `{name}` holds a line break or a control character"
        ))
        .help("a header is one line; look at the values of its templates, too"),
    );
}
