//! From an endpoint's keys to a request: method, URL, headers, limits.
//!
//! Not here: bodies (`body`), credentials (`auth`) and conditions on the response (`checks`).

pub(super) mod assign;
mod auth;
pub(super) mod body;
mod body_file;
pub(super) mod checks;
pub(super) mod extract;
mod header;
mod limits;
pub(super) mod measures;
mod multipart;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::keys::endpoint::{EndpointFile, METHODS};
use super::keys::scenario::DefaultsFile;
use super::keys::user::UserFile;
use super::names::Names;
use super::names::template::refuse_template;
use super::names::uses::{Inherited, Use};
use super::service::address::{self, EndpointUrl};
use super::yaml::counterparts::METHOD_IS_KEY;
use super::yaml::decode::{Field, Located, OneOrMany};
use super::yaml::findings::Findings;
use crate::error::Diagnostic;
use crate::plan::{
    Auth, Body, ClientChoice, Endpoint, Escape, Header, HttpChoice, Method, Template, TemplatePart,
    Wire, has_dot_segments,
};
use auth::AuthSetting;
use header::DefaultHeader;
use limits::EndpointLimits;

/// What all endpoints of a scenario have in common.
pub(super) struct RequestDefaults<'a> {
    /// Variables and environment.
    names: &'a Names<'a>,
    /// The folder of the scenario.
    folder: &'a Path,
    /// Headers of all requests.
    headers: Vec<DefaultHeader>,
    /// The lower-case names of the headers that user classes have.
    class_headers: BTreeSet<String>,
    /// How long requests may take, and what else bounds them.
    limits: EndpointLimits,
    /// The URL that paths are below, if it is not that of the scenario's service.
    host: Option<String>,
    /// How requests authenticate.
    auth: AuthSetting,
    /// The values it needs that are set during the run.
    auth_uses: Vec<Use>,
    /// What requests ask of their connections.
    wire: Wire,
    /// What carries the requests.
    client: ClientChoice,
}

impl<'a> RequestDefaults<'a> {
    /// From the scenario's `defaults`; `timeout` comes from the command line.
    pub fn new(
        defaults: &DefaultsFile,
        names: &'a Names<'a>,
        folder: &'a Path,
        timeout: Option<Duration>,
        client: ClientChoice,
        findings: &mut Findings,
    ) -> Self {
        let mut limits = EndpointLimits::default().with(
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
        let headers = header::of_defaults(&defaults.headers, names, findings);
        let auth = auth::setting(&defaults.auth, names, findings);
        let auth_uses = (names.log.take().into_iter()).map(|one| Use {
            inherited: Some(Inherited::Auth),
            ..one
        });
        refuse_auth_twice(&auth, headers.iter().map(|one| &one.header), findings);
        Self {
            names,
            folder,
            headers,
            class_headers: BTreeSet::new(),
            limits,
            host: None,
            auth,
            auth_uses: auth_uses.collect(),
            wire: wire(
                Wire::default(),
                &defaults.http_version,
                &defaults.keep_alive,
            ),
            client,
        }
    }

    /// The same where some of these classes have headers, which an endpoint can leave out.
    pub fn with_classes<'b>(mut self, users: impl Iterator<Item = &'b UserFile>) -> Self {
        let headers = users.filter_map(|user| user.headers.get());
        let names = headers.flat_map(|headers| &headers.0);
        self.class_headers = names
            .map(|(key, _)| key.text.to_ascii_lowercase())
            .collect();
        self
    }

    /// The same for a user class, whose paths are below `host` if it has its own; what is wrong with
    /// its headers and authentication is reported.
    pub fn of_class(&self, user: &UserFile, host: Option<String>, findings: &mut Findings) -> Self {
        self.names.log.take();
        let mut headers = header::of_defaults(&user.headers, self.names, findings);
        let auth = auth::setting(&user.auth, self.names, findings);
        let own_uses = (self.names.log.take().into_iter()).map(|one| Use {
            inherited: Some(Inherited::Auth),
            ..one
        });
        let own_uses = own_uses.collect();
        refuse_auth_twice(&auth, headers.iter().map(|one| &one.header), findings);
        let (auth, auth_uses) = match auth {
            // A header of the class takes precedence over the `auth` of `defaults`.
            AuthSetting::Unset => match &self.auth {
                AuthSetting::By(auth, _)
                    if has_auth_header(auth, headers.iter().map(|one| &one.header)) =>
                {
                    (AuthSetting::None, Vec::new())
                }
                auth => (auth.clone(), self.auth_uses.clone()),
            },
            own => (own, own_uses),
        };
        for default in &self.headers {
            let is_replaced = matches!(&auth, AuthSetting::By(auth, _)
                if auth.header_name() == Some(default.header.name.as_str()));
            let is_own = headers
                .iter()
                .any(|own| own.header.name == default.header.name);
            if !is_own && !is_replaced {
                headers.push(default.clone());
            }
        }
        Self {
            names: self.names,
            folder: self.folder,
            headers,
            class_headers: self.class_headers.clone(),
            limits: self.limits,
            host,
            auth,
            auth_uses,
            wire: self.wire,
            client: self.client,
        }
    }

    /// The timeout of requests without their own.
    pub fn timeout(&self) -> Duration {
        self.limits.timeout
    }

    /// What the endpoints use since the last call.
    pub fn take_uses(&self) -> Vec<Use> {
        self.names.log.take()
    }

    /// The request of `file`, and its host where the URL is absolute. What cannot be understood
    /// is reported. The names log what it uses.
    pub fn endpoint(
        &self,
        file: &Located<EndpointFile>,
        findings: &mut Findings,
    ) -> Option<(Endpoint, EndpointUrl)> {
        if file.variables.is_missing() {
            return self.request(file, findings);
        }
        let (variables, uses) = assign::of_endpoint(file, self.names, findings);
        let compiled = self.request(file, findings);
        // By then, its own variables are set.
        let is_own = |one: &Use| variables.iter().any(|own| own.variable == one.variable);
        let mut rest = self.names.log.take();
        rest.retain(|one| !is_own(one));
        self.names.log.add(uses.into_iter().chain(rest));
        let (endpoint, place) = compiled?;
        let endpoint = Endpoint {
            variables,
            ..endpoint
        };
        Some((endpoint, place))
    }

    /// The same without its variables.
    fn request(
        &self,
        file: &Located<EndpointFile>,
        findings: &mut Findings,
    ) -> Option<(Endpoint, EndpointUrl)> {
        let request_line = method(file, findings);
        let limits = self.limits.with(
            &file.timeout,
            &file.connect_timeout,
            &file.max_redirects,
            &file.max_body,
            findings,
        );
        let (mut headers, removed) = header::of_endpoint(
            &file.headers,
            (&self.headers, &self.class_headers),
            self.names,
            findings,
        );
        let auth = auth::setting(&file.auth, self.names, findings);
        refuse_auth_twice(&auth, headers.iter(), findings);
        let auth = match auth {
            AuthSetting::By(auth, _) => Some(auth),
            AuthSetting::None => None,
            // A header of the endpoint takes precedence over the defaults.
            AuthSetting::Unset => match &self.auth {
                AuthSetting::By(auth, _) if !has_auth_header(auth, headers.iter()) => {
                    self.names.log.add(self.auth_uses.iter().cloned());
                    Some(auth.clone())
                }
                _ => None,
            },
        };
        for DefaultHeader { header, uses } in &self.headers {
            let is_replaced = (auth.as_ref())
                .is_some_and(|auth| auth.header_name() == Some(header.name.as_str()));
            let is_own = headers.iter().any(|own| own.name == header.name);
            if !is_replaced && !is_own && !removed.contains(&header.name) {
                self.names.log.add(uses.iter().cloned());
                headers.push(header.clone());
            }
        }
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
        let own: Vec<usize> = extract.iter().map(|one| one.variable).collect();
        let uses = self.names.log.take();
        let measures = measures::measures(&file.measure, self.names, findings);
        // What is extracted is there when it is measured.
        let of_measures = self.names.log.take().into_iter();
        let of_measures = of_measures.filter(|one| !own.contains(&one.variable));
        self.names.log.add(uses.into_iter().chain(of_measures));
        let (method, url_text) = request_line?;
        if method == Method::Head && !matches!(body, Body::None) {
            findings.report(
                Some(url_text.at),
                Diagnostic::new("a HEAD request cannot have a body"),
            );
        }
        let before = findings.len();
        let group = self.group(file, findings);
        refuse_in_tags(&file.tags, findings);
        let below_host;
        let url_text = match &self.host {
            Some(host) if url_text.value.starts_with('/') => {
                below_host = Located {
                    value: format!("{host}{}", url_text.value),
                    at: url_text.at,
                };
                &below_host
            }
            _ => url_text,
        };
        let url = self.names.url(url_text, findings);
        if findings.len() > before {
            return None;
        }
        findings.hide(address::credentials(&url_text.value));
        let place = match address::check_url(&url) {
            Ok(place) => place,
            Err(diagnostic) => {
                findings.report(Some(url_text.at), diagnostic);
                return None;
            }
        };
        if self.client == ClientChoice::Reqwest && has_dots(&url) {
            let diagnostic = Diagnostic::new("the path has a segment `.` or `..`")
                .label("`reqwest` would resolve it")
                .help("use `client: direct`, which sends paths as they are written, or write the path without it");
            findings.report(Some(url_text.at), diagnostic);
        }
        let endpoint = Endpoint {
            name: name(file)?,
            variables: Vec::new(),
            group,
            method,
            host: self.host.clone().filter(|_| url.is_one_slot()),
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
            measures,
            tags: file.tags.get().map_or_else(Vec::new, |tags| tags.0.clone()),
            scripted: false,
        };
        body::refuse_unseen(&endpoint, file, findings);
        Some((endpoint, place))
    }
}

impl RequestDefaults<'_> {
    /// The name of the row, if it is not that of the endpoint or a template makes it.
    fn group(&self, file: &EndpointFile, findings: &mut Findings) -> Option<Template> {
        if let (Some(_), Some(name)) = (file.group.get(), file.name.get()) {
            let help = "`group` names the row of the statistics, and may be a template";
            refuse_template(&name.value, name.at, help, findings);
        }
        let name = file.name.get().filter(|name| name.value.contains("{{"));
        let text = file.group.get().or(name)?;
        let group = self.names.template(text, Escape::None, findings);
        if group.as_constant().is_none()
            && let Some(key) = file.slo.key()
        {
            let message = "SLOs cannot be used with a name that a template makes";
            let help = "the rows are not known before the run: write the SLO for all requests, or give \
                        the endpoint a fixed name";
            findings.report(Some(key), Diagnostic::new(message).help(help));
        }
        Some(group)
    }
}

/// Reports templates in tags.
pub(super) fn refuse_in_tags(tags: &Field<OneOrMany<String>>, findings: &mut Findings) {
    if let Some(tags) = tags.get() {
        for tag in &tags.0 {
            refuse_template(
                tag,
                tags.at,
                "tags select what runs, before anything is filled in",
                findings,
            );
        }
    }
}

/// Whether the path of a URL has a dot segment, whatever is filled in.
fn has_dots(url: &Template) -> bool {
    let text: String = (url.parts().iter())
        .map(|part| match part {
            TemplatePart::Literal(text) => text.as_str(),
            TemplatePart::Slot { .. } => "x",
        })
        .collect();
    let target = match text.split_once("://") {
        Some((_, rest)) if !text.starts_with('/') => {
            rest.find(['/', '?']).map_or("", |start| &rest[start..])
        }
        _ => &text,
    };
    has_dot_segments(target)
}

/// What is asked of connections: `base`, with what is written in its place.
fn wire(base: Wire, http_version: &Field<HttpChoice>, keep_alive: &Field<bool>) -> Wire {
    Wire {
        http_version: http_version.copied().unwrap_or(base.http_version),
        keep_alive: keep_alive.copied().unwrap_or(base.keep_alive),
    }
}

fn has_auth_header<'a>(auth: &Auth, mut headers: impl Iterator<Item = &'a Header>) -> bool {
    let name = auth.header_name();
    headers.any(|header| Some(&*header.name) == name)
}

/// Reports an `auth` beside the header that it would set.
fn refuse_auth_twice<'a>(
    auth: &AuthSetting,
    headers: impl Iterator<Item = &'a Header>,
    findings: &mut Findings,
) {
    if let AuthSetting::By(auth, at) = auth
        && has_auth_header(auth, headers)
    {
        let name = auth.header_name().unwrap_or_default();
        let diagnostic = Diagnostic::new(format!("`auth` conflicts with the header `{name}`"))
            .help("`auth` sets that header: remove one of them");
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

/// The row of the statistics that an endpoint counts in: its group, or its name. `None` if a template
/// makes its name.
pub(super) fn row(file: &EndpointFile) -> Option<String> {
    let given = file.group.get().or(file.name.get());
    match given {
        Some(row) => Some(row.value.clone()).filter(|row| !row.contains("{{")),
        None => name(file),
    }
}

fn is_about_methods(hint: &str) -> bool {
    let is_method = |name: &str| METHODS.contains(&name.trim_end_matches(['`', '?', ':']));
    let mut words = hint
        .split([' ', ','])
        .filter_map(|word| word.strip_prefix('`'));
    hint.starts_with(METHOD_IS_KEY) || words.next().is_some_and(is_method)
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
    file: &'a Located<EndpointFile>,
    findings: &mut Findings,
) -> Option<(Method, &'a Located<String>)> {
    let given: Vec<(Method, &Field<String>)> = methods(file).collect();
    match given.as_slice() {
        [(method, field)] => Some((*method, field.get()?)),
        // A method that is written otherwise was reported.
        [] if file.hints.iter().any(|hint| is_about_methods(hint)) => None,
        [] => {
            findings.report(
                Some(file.at),
                Diagnostic::new("the endpoint has no method")
                    .help("add one of `get`, `head`, `post`, `put`, `patch`, `delete`, `options`, such as `get: /health`"),
            );
            None
        }
        [_, (_, second), ..] => {
            findings.report(
                second.key().or(Some(file.at)),
                Diagnostic::new("the endpoint has more than one method")
                    .help("write one endpoint for each method"),
            );
            None
        }
    }
}
