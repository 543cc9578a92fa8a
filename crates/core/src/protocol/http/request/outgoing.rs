//! A request that is ready to be sent, whatever sends it.

use std::sync::Arc;

use ::http::Method;
use ::http::header::{self, HeaderMap, HeaderName};
use bytes::Bytes;
use url::{Position, Url};

use super::payload;
use crate::plan::{FileContent, is_secret_header};

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Path and query as they are sent, where the URL cannot hold them: it resolves dot segments.
    pub(crate) unresolved: Option<Arc<str>>,
    pub(crate) headers: HeaderMap,
    /// Whole, if it is held in memory.
    pub(crate) body: Option<Bytes>,
    /// What is sent as the body otherwise.
    pub(crate) contents: Option<Arc<[FileContent]>>,
}

impl Outgoing {
    /// Without header fields and body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            unresolved: None,
            headers: HeaderMap::new(),
            body: None,
            contents: None,
        }
    }

    /// Path and query, as they are sent.
    pub(crate) fn target(&self) -> &str {
        match &self.unresolved {
            Some(target) => target,
            None => &self.url[Position::BeforePath..Position::AfterQuery],
        }
    }

    /// Adds a field to the query.
    pub(crate) fn append_to_query(&mut self, name: &str, value: &str) {
        self.url.query_pairs_mut().append_pair(name, value);
        if let Some(target) = &self.unresolved {
            let path = target.split('?').next().unwrap_or_default();
            let query = self.url.query().unwrap_or_default();
            self.unresolved = Some(format!("{path}?{query}").into());
        }
    }

    /// Removes what must not reach another host than the one it was written for. The header named
    /// `credentials` holds some.
    pub(crate) fn forget_credentials(&mut self, credentials: Option<&HeaderName>) {
        let secret: Vec<_> = self
            .headers
            .keys()
            .filter(|name| is_secret_header(name.as_str()) || Some(*name) == credentials)
            .cloned()
            .collect();
        for name in secret {
            self.headers.remove(name);
        }
        self.headers.remove(header::HOST);
    }

    /// The length of its body in bytes, as it is announced; `None` where no length is.
    pub(crate) fn length(&self) -> Option<u64> {
        let in_memory = self.body.as_ref().map(|body| body.len() as u64);
        let length = self.contents.as_deref().map(payload::length);
        match length.or(in_memory) {
            Some(length @ 1..) => Some(length),
            // An empty body is sent as none.
            _ => announces_empty(&self.method).then_some(0),
        }
    }
}

/// Whether requests of this method say so when they have no body: RFC 9110, section 8.6. Without it,
/// strict servers respond with 411.
pub(crate) fn announces_empty(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// The longest URL; bytes. The longest that reqwest can send, and eight times what servers accept.
const MAX_URL: usize = 65_534;

/// Whether a URL can be sent by any client.
///
/// # Errors
/// A sentence that says why not.
pub(crate) fn check_length(url: &Url) -> Result<(), String> {
    let length = url.as_str().len();
    match length > MAX_URL {
        true => Err(format!(
            "the URL has {length} bytes, and can have at most {MAX_URL}"
        )),
        false => Ok(()),
    }
}

/// `host:port` of a URL, with the port of the scheme where none is written.
pub(crate) fn host_and_port(url: &Url) -> Option<String> {
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

/// Whether both URLs go to the same host and port.
pub(crate) fn is_same_host(one: &Url, other: &Url) -> bool {
    let place = |url: &Url| url.port_or_known_default();
    one.host() == other.host() && place(one) == place(other)
}

/// The value of the `host` header of a request to this URL.
pub(crate) fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_the_port_unless_it_is_that_of_the_scheme() {
        for (url, expected) in [
            ("http://shop.example.org/a?b=c", "shop.example.org"),
            ("http://ann:secret@shop.example.org:80", "shop.example.org"),
            ("https://shop.example.org:80/", "shop.example.org:80"),
            ("http://127.0.0.1:8080/x:y@z", "127.0.0.1:8080"),
            ("http://[::1]/", "[::1]"),
            ("http://[::1]:8080?a", "[::1]:8080"),
        ] {
            assert_eq!(authority(&Url::parse(url).unwrap()), expected);
        }
    }
}
