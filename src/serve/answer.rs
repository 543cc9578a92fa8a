//! Responses: JSON, problems, files, and the headers that all of them have.

use std::path::Path;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use crate::error::{Diagnostic, Error};

/// What a page may do: load its own script and style, and ask this server.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What anything else may do.
const OTHER_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// How much of a file is sent at once; bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Why something is not done.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    #[serde(skip)]
    pub status: StatusCode,
    /// In a sentence.
    pub error: String,
    /// The next step.
    pub help: Option<String>,
    /// The run that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// What is wrong with the scenario or the options, with its places.
    pub findings: Vec<FindingEntry>,
    #[serde(skip)]
    pub allow: Option<Box<str>>,
}

/// What is wrong in a file.
#[derive(Debug, Serialize)]
pub(super) struct FindingEntry {
    message: String,
    file: Option<String>,
    /// From 1, as the column.
    line: Option<usize>,
    column: Option<usize>,
    label: Option<String>,
    help: Option<String>,
    /// As `perfctl validate` shows it.
    text: String,
}

impl Problem {
    /// Without more to say.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            help: None,
            active: None,
            findings: Vec::new(),
            allow: None,
        }
    }

    /// What is asked for is wrong.
    pub fn unprocessable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// It does not go with what there is now.
    pub fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// With the next step.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// All of it, as text.
    pub fn said(&self) -> String {
        let findings = self.findings.iter().map(|finding| finding.text.as_str());
        let all = [self.error.as_str()]
            .into_iter()
            .chain(self.help.as_deref());
        all.chain(findings).collect::<Vec<_>>().join("\n")
    }

    /// That there is nothing.
    pub fn no_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this path")
    }

    /// That there is no such run.
    pub fn no_run() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such run")
    }

    /// The response.
    pub fn response(self) -> Response {
        let mut response = json(self.status, &self);
        if let Some(Ok(allow)) = self.allow.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Usage { message, help } => Self {
                help,
                ..Self::unprocessable(message)
            },
            Error::Invalid(diagnostics) => Self {
                findings: diagnostics.iter().map(FindingEntry::of).collect(),
                ..Self::unprocessable("the scenario or its load is wrong")
            },
            Error::NotComparable(why) => {
                Self::conflict(format!("the runs cannot be compared: {}", why.join("; ")))
            }
            other => {
                let text = other.to_string();
                let text = text.trim_start_matches("error: ");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

impl FindingEntry {
    fn of(diagnostic: &Diagnostic) -> Self {
        let at = diagnostic.location.as_deref();
        Self {
            message: diagnostic.message.clone(),
            file: at.map(|at| at.file.clone()),
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            label: diagnostic.label.clone(),
            help: diagnostic.help.clone(),
            text: diagnostic.to_string(),
        }
    }
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => content(status, "application/json", bytes),
        Err(_) => content(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new()),
    }
}

/// Bytes of a type.
pub(super) fn content(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The same as a file to be saved under a name of letters, digits and points.
pub(super) fn attached(mut response: Response, name: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// A file, bit by bit.
pub(super) async fn file(path: &Path, kind: &'static str) -> Result<Response, Problem> {
    // Not what a link leads to.
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let missing = || Problem::new(StatusCode::NOT_FOUND, "the run has no such file");
    if !is_file {
        return Err(missing());
    }
    let opened = tokio::fs::File::open(path).await;
    let chunks = stream::unfold(opened.map_err(|_| missing())?, |mut file| async {
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(length) => {
                chunk.truncate(length);
                Some((Ok::<_, std::io::Error>(Bytes::from(chunk)), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Adds what keeps a response from being used by other pages, or as something else than it is.
pub(super) fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let kind = headers.get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes() == PAGE_TYPE.as_bytes())
        && !headers.contains_key(header::CONTENT_DISPOSITION);
    let policy = match is_page {
        true => PAGE_POLICY,
        false => OTHER_POLICY,
    };
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The type of a page.
pub(super) const PAGE_TYPE: &str = "text/html; charset=utf-8";
