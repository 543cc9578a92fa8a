//! The request of an endpoint as its own headers and credentials see it, so that they can sign it.

use std::collections::BTreeMap;

use bytes::Bytes;

/// What is sent beside the headers and credentials that read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// Such as `POST`.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// The path, as it is sent.
    pub path: String,
    /// The query, as it is sent, without the `?`; empty if there is none.
    pub query: String,
    /// The body before it is compressed; empty if there is none.
    pub body: Bytes,
    /// The headers that read nothing of the request, by their lower-case names.
    pub headers: BTreeMap<String, String>,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPart {
    /// [`RequestView::method`].
    Method,
    /// [`RequestView::url`].
    Url,
    /// [`RequestView::path`].
    Path,
    /// [`RequestView::query`].
    Query,
    /// [`RequestView::body`].
    Body,
    /// [`RequestView::headers`].
    Headers,
}

impl RequestPart {
    /// All of them, with their names in `request.NAME`.
    pub const ALL: [(&'static str, Self); 6] = [
        ("method", Self::Method),
        ("url", Self::Url),
        ("path", Self::Path),
        ("query", Self::Query),
        ("body", Self::Body),
        ("headers", Self::Headers),
    ];
}
