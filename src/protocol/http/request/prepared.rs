//! Prepared requests: what an endpoint always sends is built once, when the run starts, and a
//! request without templates is cloned, not rebuilt.

use std::borrow::Cow;
use std::io::Write as _;

use ::http::header::{self, HeaderName, HeaderValue};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use url::Url;

use super::header::header_value;
use super::outgoing::{Outgoing, check_length};
use crate::plan::{Auth, Body, BodyPiece, Endpoint, FileContent};
use crate::protocol::http::auth::credentials;
use crate::protocol::{Rendered, Request};

const USER_AGENT: &str = concat!("perfctl/", env!("CARGO_PKG_VERSION"));

/// An endpoint's request, as far as it is always the same.
pub(crate) struct Prepared {
    pub(crate) request: Outgoing,
    header_names: Vec<HeaderName>,
    /// The position of its auth group.
    pub(crate) group: Option<usize>,
    /// The header that holds the credentials.
    pub(crate) secret_header: Option<HeaderName>,
}

impl Prepared {
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
        let url = match endpoint.url.as_constant() {
            Some(url) => resolve(base, url).map_err(wrong)?,
            // Only the base is known yet; it is replaced at the first rendering.
            None => resolve(base, "/").map_err(wrong)?,
        };
        let mut request = Outgoing::new(method, url);
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
            header_names,
            group,
            secret_header,
        })
    }

    /// Where the request to send goes, but for an API key in its query. Borrowed where that is
    /// always the same.
    ///
    /// # Errors
    /// When what was rendered is not a valid URL.
    pub(crate) fn url(&self, request: &Request<'_>, base: &str) -> Result<Cow<'_, Url>, String> {
        let fixed = &self.request.url;
        match &request.rendered {
            Some(rendered) if request.endpoint.url.as_constant().is_none() => {
                let mut url = fixed.clone();
                set_url(&mut url, base, &rendered.url)?;
                Ok(Cow::Owned(url))
            }
            _ => Ok(Cow::Borrowed(fixed)),
        }
    }

    /// The request to send.
    ///
    /// # Errors
    /// What is wrong with a rendered part.
    pub(crate) fn request(&self, request: &Request<'_>, base: &str) -> Result<Outgoing, String> {
        let mut out = self.request.clone();
        let Some(rendered) = &request.rendered else {
            return Ok(out);
        };
        let endpoint = request.endpoint;
        if endpoint.url.as_constant().is_none() {
            set_url(&mut out.url, base, &rendered.url)?;
        }
        for ((header, name), value) in endpoint
            .headers
            .iter()
            .zip(&self.header_names)
            .zip(&rendered.headers)
        {
            if header.value.as_constant().is_none() {
                let value = header_value(name, value)?;
                out.headers.insert(name.clone(), value);
            }
        }
        if endpoint.body.varies() {
            let contents = contents(&endpoint.body, Some(rendered));
            out.take(contents, false, endpoint.gzip);
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

/// Makes `root`, the URL of the path `/` below `base`, the one that was rendered.
fn set_url(root: &mut Url, base: &str, rendered: &str) -> Result<(), String> {
    if !set_path_and_query(root, rendered) {
        *root = resolve(base, rendered)?;
    }
    check_length(root)
}

/// An absolute URL as it is, a path below `base`.
fn resolve(base: &str, url: &str) -> Result<Url, String> {
    let absolute = if url.starts_with("http://") || url.starts_with("https://") {
        url.to_owned()
    } else {
        let slash = if url.starts_with('/') { "" } else { "/" };
        format!("{base}{slash}{url}")
    };
    let url = Url::parse(&absolute)
        .map_err(|error| format!("`{absolute}` is not a valid URL: {error}"))?;
    check_length(&url)?;
    Ok(url)
}

/// Makes `root`, the URL of the path `/` below the base, that of another path below it: only the path
/// and the query are parsed, which is a third of the work. `false` where `url` is anything else than a
/// path of plain characters, and nothing was done.
fn set_path_and_query(root: &mut Url, url: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
    if !url.starts_with('/') || !url.bytes().all(is_plain) {
        return false;
    }
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    match root.path().trim_end_matches('/') {
        "" => root.set_path(path),
        base => {
            let path = format!("{base}{path}");
            root.set_path(&path);
        }
    }
    root.set_query(query);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn setting_the_path_gives_the_same_url_as_parsing_all_of_it(
            base in prop::sample::select(vec!["http://[::1]:80", "https://h.example/api/v1", "http://h/a%20b"]),
            url in prop_oneof!["/[ -~]{0,12}", "/[a-z./%?:@]{0,20}"],
        ) {
            let mut short = resolve(base, "/").unwrap();
            if set_path_and_query(&mut short, &url) {
                prop_assert_eq!(Ok(short), resolve(base, &url), "{}", url);
            }
        }
    }

    #[test]
    fn only_plain_paths_are_set_without_parsing() {
        let mut url = resolve("http://h/api", "/").unwrap();
        for other in [
            "http://other/",
            "a",
            "",
            "/a#b",
            "/a\\b",
            "/\u{e4}",
            "/a b",
            "/a\tb",
        ] {
            assert!(!set_path_and_query(&mut url, other), "{other}");
            assert_eq!(url.as_str(), "http://h/api/");
        }
        assert!(set_path_and_query(&mut url, "/a?b={c}"));
        assert_eq!(url.as_str(), "http://h/api/a?b={c}");
    }
}
