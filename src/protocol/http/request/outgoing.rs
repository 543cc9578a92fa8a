//! A request that is ready to be sent, whatever sends it.

use std::sync::Arc;

use ::http::Method;
use ::http::header::HeaderMap;
use bytes::Bytes;
use url::{Position, Url};

use super::payload;
use crate::plan::FileContent;

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

    /// The length of its body in bytes; `None` where it has none.
    pub(crate) fn length(&self) -> Option<u64> {
        let in_memory = self.body.as_ref().map(|body| body.len() as u64);
        let length = self.contents.as_deref().map(payload::length);
        // An empty body is sent as none.
        length.or(in_memory.filter(|length| *length > 0))
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
