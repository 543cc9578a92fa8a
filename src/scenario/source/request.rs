//! A request given on a command line: the one endpoint of a quick look.
//!
//! Here: what it consists of. Not here: its scenario (`text`), or how options and `curl` commands are
//! written (`cli`).

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::plan::{HttpChoice, Method};

/// A request given on a command line.
#[derive(Debug, Clone, PartialEq)]
pub struct QuickRequest {
    /// The HTTP method.
    pub method: Method,
    /// `http://` or `https://` URL, with its scheme in lower case.
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: QuickBody,
    /// How it authenticates.
    pub auth: Option<QuickAuth>,
    /// How many redirects are followed, 0 to 100; `None` for the default.
    pub max_redirects: Option<u32>,
    /// From sending to the last byte; `None` for the default.
    pub timeout: Option<Duration>,
    /// For name resolution, TCP and TLS; `None` for the default.
    pub connect_timeout: Option<Duration>,
    /// The version of HTTP.
    pub http_version: HttpChoice,
    /// Whether connections are kept open for the next request.
    pub keep_alive: bool,
    /// Whether certificates are not verified.
    pub is_insecure: bool,
    /// Whether `{{ }}` in its texts is a template; otherwise it is sent as it is.
    pub has_templates: bool,
}

/// The body of a quick look.
#[derive(Debug, Clone, PartialEq)]
pub enum QuickBody {
    /// None.
    None,
    /// Text.
    Text(String),
    /// JSON, written as YAML in a scenario; bytes may differ in white space.
    Json(Value),
    /// The content of a file, by its path.
    File(PathBuf),
    /// The parts of a form, in order.
    Multipart(Vec<QuickPart>),
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub struct QuickPart {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: QuickContent,
    /// The file name to send; that of the file by default.
    pub filename: Option<String>,
    /// The media type.
    pub content_type: Option<String>,
}

/// What a part of a multipart body holds.
#[derive(Debug, Clone, PartialEq)]
pub enum QuickContent {
    /// Text.
    Text(String),
    /// The content of a file, by its path.
    File(PathBuf),
}

/// User name and password.
#[derive(Debug, Clone, PartialEq)]
pub struct QuickAuth {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Whether it responds to a challenge (digest), instead of sending the password (basic).
    pub is_digest: bool,
}

impl QuickRequest {
    /// A GET request that follows redirects.
    pub fn get(url: String) -> Self {
        Self {
            method: Method::Get,
            url,
            headers: Vec::new(),
            body: QuickBody::None,
            auth: None,
            max_redirects: None,
            timeout: None,
            connect_timeout: None,
            http_version: HttpChoice::Auto,
            keep_alive: true,
            is_insecure: false,
            has_templates: true,
        }
    }

    /// The value of the first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Adds a header, unless there is one of this name.
    pub fn default_header(&mut self, name: &str, value: &str) {
        if self.header(name).is_none() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The files that it sends, in order.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let (one, parts) = match &mut self.body {
            QuickBody::File(path) => (Some(path), None),
            QuickBody::Multipart(parts) => (None, Some(parts)),
            QuickBody::None | QuickBody::Text(_) | QuickBody::Json(_) => (None, None),
        };
        let of_parts = parts.into_iter().flatten();
        one.into_iter()
            .chain(of_parts.filter_map(|part| match &mut part.content {
                QuickContent::File(path) => Some(path),
                QuickContent::Text(_) => None,
            }))
    }
}
