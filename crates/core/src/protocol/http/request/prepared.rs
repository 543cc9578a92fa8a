//! Prepared requests: what an endpoint always sends is built once, when the run starts, and a
//! request without templates is cloned, not rebuilt.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::rc::Rc;

use ::http::header::{self, HeaderName, HeaderValue};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use url::{Position, Url};

use super::header::header_value;
use super::outgoing::{Outgoing, check_length, host_and_port, is_same_host};
use crate::plan::{
    Auth, Body, BodyPiece, Endpoint, FileContent, RequestView, Template, TemplatePart,
    check_target, encoded_target, has_dot_segments,
};
use crate::protocol::http::auth::credentials;
use crate::protocol::{Rendered, Request};

const USER_AGENT: &str = concat!("perfctl/", env!("CARGO_PKG_VERSION"));

/// An endpoint's request, as far as it is always the same.
pub(crate) struct PreparedRequest {
    pub(crate) request: Outgoing,
    /// How long scheme and host of its URLs are, which are the same for all of them; 0 for a path.
    skipped: usize,
    /// Whether its URL is filled in as a whole.
    is_link: bool,
    /// Method and URL alone, where headers or credentials read them.
    bare: Option<Box<Outgoing>>,
    header_names: Vec<HeaderName>,
    /// The position of its auth group.
    group: Option<usize>,
    /// The header that holds the credentials.
    pub(crate) secret_header: Option<HeaderName>,
    /// For requests of scripts: the hosts that whole URLs may name.
    hosts: Option<Rc<BTreeSet<String>>>,
}

impl PreparedRequest {
    /// Builds it; parts with templates are left for [`Self::request`].
    ///
    /// # Errors
    /// What is wrong with a fixed part.
    pub(crate) fn new(
        endpoint: &Endpoint,
        base: &str,
        group: Option<usize>,
    ) -> Result<Self, String> {
        let wrong = |what: String| format!("endpoint `{}`: {what}", endpoint.name);
        let method = endpoint
            .method
            .as_str()
            .parse()
            .map_err(|_| wrong("unknown method".into()))?;
        let base = endpoint.host.as_deref().unwrap_or(base);
        let (root, skipped) = root(base, &endpoint.url).map_err(wrong)?;
        let mut request = Outgoing::new(method, root);
        if let Some(url) = endpoint.url.as_constant() {
            set_target(&mut request, &url[skipped..]).map_err(wrong)?;
        }
        let bare = (endpoint.signs_request()).then(|| Box::new(request.clone()));
        let headers = &mut request.headers;
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if endpoint.gzip {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        if !endpoint.wire.keep_alive {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut header_names = Vec::new();
        for header in &endpoint.headers {
            let name: HeaderName = header
                .name
                .parse()
                .map_err(|_| wrong(format!("`{}` is not a header name", header.name)))?;
            if let Some(value) = header.value.as_constant() {
                headers.insert(name.clone(), header_value(&name, value).map_err(wrong)?);
            }
            header_names.push(name);
        }
        let contents = match endpoint.body.varies() {
            true => Vec::new(),
            false => contents(&endpoint.body, None),
        };
        request.take(contents, true, endpoint.gzip);
        let mut secret_header = None;
        if let Some(auth) = &endpoint.auth {
            if !is_set_per_request(auth, endpoint) {
                let values = credentials::template_values(auth, &[]);
                credentials::insert(auth, &values, &mut request).map_err(wrong)?;
            }
            secret_header = auth.header_name().and_then(|name| name.parse().ok());
        }
        Ok(Self {
            request,
            skipped,
            is_link: endpoint.is_link(),
            bare,
            header_names,
            group,
            secret_header,
            hosts: None,
        })
    }

    /// Lets whole URLs that scripts give name one of these hosts.
    pub(crate) fn with_hosts(self, endpoint: &Endpoint, hosts: &Rc<BTreeSet<String>>) -> Self {
        Self {
            hosts: endpoint.scripted.then(|| hosts.clone()),
            ..self
        }
    }

    /// Where the request to send goes, but for an API key in its query. Borrowed where that is
    /// always the same.
    ///
    /// # Errors
    /// When what was rendered is not a valid URL.
    pub(crate) fn url(&self, request: &Request<'_>) -> Result<Cow<'_, Url>, String> {
        let fixed = &self.request.url;
        match &request.rendered {
            Some(rendered) if request.endpoint.url.as_constant().is_none() => {
                let mut out = Outgoing::new(self.request.method.clone(), fixed.clone());
                self.aim(&mut out, &rendered.url)?;
                Ok(Cow::Owned(out.url))
            }
            _ => Ok(Cow::Borrowed(fixed)),
        }
    }

    /// Makes `out` a request for the URL that was rendered.
    fn aim(&self, out: &mut Outgoing, rendered: &str) -> Result<(), String> {
        if self.is_link {
            // It was followed before.
            out.url = Url::parse(rendered).map_err(|error| format!("not a URL: {error}"))?;
            return Ok(());
        }
        if let Some(hosts) = &self.hosts
            && rendered.starts_with("http")
        {
            out.url = named(rendered, hosts)?;
            return check_length(&out.url);
        }
        let target = rendered.get(self.skipped..);
        set_target(out, target.ok_or("the URL has no host")?)
    }

    /// The URL of the user's host, which a link is below.
    pub(crate) fn home(&self) -> &Url {
        &self.request.url
    }

    /// Whether a request may go to another host than the user's: by a link, or as a script says.
    fn may_leave(&self) -> bool {
        self.is_link || self.hosts.is_some()
    }

    /// Whether a request goes to the host that its credentials are for.
    fn is_at_home(&self, request: &Request<'_>) -> bool {
        let is_home = |url: Cow<'_, Url>| is_same_host(&url, self.home());
        !self.may_leave() || self.url(request).is_ok_and(is_home)
    }

    /// The position of the auth group whose credentials are sent with a request.
    pub(crate) fn group_of(&self, request: &Request<'_>) -> Option<usize> {
        self.group.filter(|_| self.is_at_home(request))
    }

    /// What is sent beside headers and credentials.
    ///
    /// # Errors
    /// When what was rendered is not a valid URL.
    pub(crate) fn view(
        &self,
        endpoint: &Endpoint,
        rendered: &Rendered,
    ) -> Result<RequestView, String> {
        let mut out = self.bare.as_deref().unwrap_or(&self.request).clone();
        if endpoint.url.as_constant().is_none() {
            self.aim(&mut out, &rendered.url)?;
        }
        let (path, query) = match out.target().split_once('?') {
            Some((path, query)) => (path.to_owned(), query.to_owned()),
            None => (out.target().to_owned(), String::new()),
        };
        Ok(RequestView {
            method: endpoint.method.as_str(),
            url: format!("{}{}", &out.url[..Position::BeforePath], out.target()),
            path,
            query,
            body: match contents(&endpoint.body, Some(rendered)).as_slice() {
                [FileContent::Bytes(bytes)] => bytes.clone(),
                all => joined(all),
            },
            headers: BTreeMap::new(),
        })
    }

    /// The request to send.
    ///
    /// # Errors
    /// What is wrong with a rendered part.
    pub(crate) fn request(&self, request: &Request<'_>) -> Result<Outgoing, String> {
        let mut out = self.request.clone();
        let Some(rendered) = &request.rendered else {
            return Ok(out);
        };
        let endpoint = request.endpoint;
        if endpoint.url.as_constant().is_none() {
            self.aim(&mut out, &rendered.url)?;
        }
        for ((header, name), value) in endpoint
            .headers
            .iter()
            .zip(&self.header_names)
            .zip(&rendered.headers)
        {
            if let (None, Some(value)) = (header.value.as_constant(), value) {
                let value = header_value(name, value)?;
                out.headers.insert(name.clone(), value);
            }
        }
        let is_elsewhere = self.may_leave() && !is_same_host(&out.url, self.home());
        if is_elsewhere {
            out.forget_credentials(self.secret_header.as_ref());
        }
        if self.hosts.is_some() {
            // Those that a script gives beside the others.
            for header in endpoint.headers.iter().skip(self.header_names.len()) {
                let (name, value) = (&header.name, header.value.as_constant());
                let bad = |_| format!("`{name}` is not a header name");
                let name: HeaderName = name.parse().map_err(bad)?;
                let value = header_value(&name, value.unwrap_or_default())?;
                out.headers.insert(name, value);
            }
        }
        if endpoint.body.varies() {
            let contents = contents(&endpoint.body, Some(rendered));
            out.take(contents, false, endpoint.gzip);
        }
        if is_elsewhere {
            return Ok(out);
        }
        if let Some(auth) = &endpoint.auth
            && is_set_per_request(auth, endpoint)
        {
            let values = credentials::template_values(auth, &rendered.auth);
            credentials::insert(auth, &values, &mut out)?;
        }
        Ok(out)
    }
}

/// Whether the credentials are added to each request rather than once: where they vary, or belong
/// into a URL that does.
pub(crate) fn is_set_per_request(auth: &Auth, endpoint: &Endpoint) -> bool {
    let is_in_url = auth.header_name().is_none();
    auth.varies() || (is_in_url && endpoint.url.as_constant().is_none())
}

impl Outgoing {
    /// Takes these contents for its body, once for all requests or for this one alone.
    fn take(&mut self, contents: Vec<FileContent>, once: bool, gzip: bool) {
        let is_in_memory = |content: &FileContent| matches!(content, FileContent::Bytes(_));
        let body = match contents.as_slice() {
            [] => return,
            [FileContent::Bytes(bytes)] => bytes.clone(),
            // Not for each request, since it copies the files.
            all if (once || gzip) && all.iter().all(is_in_memory) => joined(all),
            _ => {
                self.contents = Some(contents.into());
                return;
            }
        };
        let body = if gzip { compressed(&body) } else { body };
        self.body = Some(body);
    }
}

/// What the body is made of, with its texts rendered where they vary.
fn contents(body: &Body, rendered: Option<&Rendered>) -> Vec<FileContent> {
    let text = |text: &str| FileContent::Bytes(Bytes::copy_from_slice(text.as_bytes()));
    match body {
        Body::None => Vec::new(),
        Body::Template(template) => {
            let rendered = rendered.and_then(|rendered| rendered.body.as_deref());
            let constant = template.as_constant();
            constant.or(rendered).map(text).into_iter().collect()
        }
        Body::File(file) => vec![file.content.clone()],
        Body::Pieces(pieces) => {
            let rendered = rendered.map_or(&[][..], |rendered| &rendered.pieces);
            let mut texts = rendered.iter();
            let content = |piece: &BodyPiece| match piece {
                BodyPiece::File(file) => file.content.clone(),
                BodyPiece::Text(template) => {
                    let rendered = texts.next().map_or("", String::as_str);
                    text(template.as_constant().unwrap_or(rendered))
                }
            };
            pieces.iter().map(content).collect()
        }
    }
}

fn joined(contents: &[FileContent]) -> Bytes {
    let parts = contents.iter().map(|content| match content {
        FileContent::Bytes(bytes) => &bytes[..],
        FileContent::OnDisk { .. } => &[],
    });
    parts.collect::<Vec<_>>().concat().into()
}

/// Compressed fast rather than well: it may be done for each request.
fn compressed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// The URL of the path `/` below the service, or below the host that an absolute URL begins with; and how
/// long scheme and host are in such a URL. Nothing that is filled in can change them.
fn root(base: &str, url: &Template) -> Result<(Url, usize), String> {
    let start = match url.parts().first() {
        Some(TemplatePart::Literal(text)) => text.as_str(),
        _ => "",
    };
    let (root, skipped) = match start.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            let length = scheme.len() + "://".len() + host.len();
            (&start[..length], length)
        }
        _ => (base, 0),
    };
    let root = format!("{}/", root.trim_end_matches('/'));
    let parsed = Url::parse(&root).map_err(|error| format!("`{root}` is not a URL: {error}"))?;
    Ok((parsed, skipped))
}

/// A whole URL, whose host is one of these.
///
/// # Errors
/// When it is not a URL, or names another host.
fn named(url: &str, hosts: &BTreeSet<String>) -> Result<Url, String> {
    let mut parsed = Url::parse(url).map_err(|error| format!("not a URL: {error}"))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("the URL has credentials: use the header `authorization`".to_owned());
    }
    parsed.set_fragment(None);
    let host = host_and_port(&parsed).unwrap_or_default();
    match hosts.contains(&host) {
        true => Ok(parsed),
        false => Err(format!(
            "`{host}` is not a host that the scenario names: add it to `allow_redirects_to`"
        )),
    }
}

/// Makes `out`, which goes to the path `/` below the service, a request for a path and query below it: only
/// these are parsed, which is a third of the work.
///
/// # Errors
/// When the text cannot be sent.
fn set_target(out: &mut Outgoing, target: &str) -> Result<(), String> {
    check_target(target)?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let base = out.url.path().trim_end_matches('/').to_owned();
    if has_dot_segments(target) {
        out.unresolved = Some(format!("{base}{}", encoded_target(target)).into());
    }
    match base.as_str() {
        "" => out.url.set_path(path),
        base => {
            let slash = if path.starts_with('/') { "" } else { "/" };
            out.url.set_path(&format!("{base}{slash}{path}"));
        }
    }
    out.url.set_query(query);
    check_length(&out.url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Escape, Slot};
    use proptest::prelude::*;

    /// The URL and the target for what was rendered to `url`, of which the first part is fixed.
    fn set(base: &str, fixed: &str, url: &str) -> Result<(Url, String), String> {
        let slot = TemplatePart::Slot {
            slot: Slot::Iteration,
            escape: Escape::None,
        };
        let template = Template::new("", vec![TemplatePart::Literal(fixed.into()), slot]);
        let (root, skipped) = root(base, &template)?;
        let mut out = Outgoing::new(::http::Method::GET, root);
        set_target(&mut out, &url[skipped..])?;
        let target = out.target().to_owned();
        Ok((out.url, target))
    }

    proptest! {
        #[test]
        fn setting_the_path_gives_the_same_url_as_parsing_all_of_it(
            base in prop::sample::select(vec!["http://[::1]:80", "https://h.example/api/v1", "http://h/a%20b"]),
            url in prop_oneof!["/[ -~]{0,12}", "/[a-z./%?:@]{0,20}"],
        ) {
            if let Ok((short, _)) = set(base, "/", &url) {
                prop_assert_eq!(Ok(short), Url::parse(&format!("{base}{url}")), "{}", url);
            }
        }

        /// Whatever is filled in, even as it is.
        #[test]
        fn no_value_changes_the_host(
            fixed in prop::sample::select(vec!["/", "/a", "//", "http://good.example/", "https://good.example:81/a", "http://good.example?"]),
            value in prop_oneof![any::<String>(), "[/\\\\@:?#.%a-z]{0,12}", "(http:)?//evil.example.*"],
        ) {
            let host = match fixed.starts_with("http") {
                true => "good.example",
                false => "service.example",
            };
            if let Ok((url, target)) = set("http://service.example", fixed, &format!("{fixed}{value}")) {
                prop_assert_eq!(url.host_str(), Some(host));
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert!(target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn paths_are_sent_as_they_are_or_not_at_all() {
        for (url, sent) in [
            ("/a?b={c}", "/api/a?b={c}"),
            ("//x/y", "/api//x/y"),
            ("/a/../b/./%2e%2E?x=..", "/api/a/../b/./%2e%2E?x=.."),
            ("/a/{..}/..", "/api/a/%7B..%7D/.."),
            ("/a%23%5C", "/api/a%23%5C"),
        ] {
            let (_, target) = set("http://h/api", "/", url).unwrap();
            assert_eq!(target, sent);
        }
        for bad in ["/a#b", "/a\\b", "/\u{e4}", "/a b", "/a\tb", "/a\r\nx: y"] {
            let error = set("http://h/api", "/", bad).unwrap_err();
            assert!(error.contains("cannot be sent"), "{bad}: {error}");
        }
    }
}
