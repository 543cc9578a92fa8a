//! An endpoint: one kind of request, the unit of statistics.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::plan::{
    Assignment, Auth, Body, Check, Extraction, Measure, RequestPart, Template, TemplatePart, Wire,
};

/// One kind of request. The key of all statistics is its [row](Endpoint::row), never the expanded URL.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    /// The name by which it is shown, and by which steps use it. Several endpoints may share one.
    pub name: String,
    /// Variables that are set before each request, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Assignment>,
    /// The name of the row of the statistics that its requests count in, where that is not its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Template>,
    /// The HTTP method.
    pub method: Method,
    /// A path below the URL of the service, an absolute URL, or a link: a URL that is filled in whole.
    pub url: Template,
    /// The URL of the host that a link is below, where a user class has its own. As the service's, not part of
    /// the plan that is compared and stored.
    #[serde(skip)]
    pub host: Option<String>,
    /// Headers of the request, in order. A literal value of a header that carries credentials is
    /// redacted when the plan is written.
    pub headers: Vec<Header>,
    /// The request body.
    pub body: Body,
    /// Whether the body is sent compressed by gzip.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
    /// How its requests are authenticated. Endpoints that share it share its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Arc<Auth>>,
    /// What it requires of its connections.
    #[serde(skip_serializing_if = "Wire::is_default")]
    pub wire: Wire,
    /// From sending to the last byte of the body, redirects included.
    #[serde(rename = "timeout_us", with = "crate::units::micros")]
    pub timeout: Duration,
    /// For name resolution, TCP and TLS together; at most `timeout`.
    #[serde(rename = "connect_timeout_us", with = "crate::units::micros")]
    pub connect_timeout: Duration,
    /// How many redirects are followed; with 0, a 3xx is the response.
    pub max_redirects: u32,
    /// The request fails if the body has more bytes on the wire than this.
    pub max_body: u64,
    /// Conditions on the response. Without one on the status, 2xx and 3xx pass.
    pub checks: Vec<Check>,
    /// The values to extract from a response that passed its checks, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extract: Vec<Extraction>,
    /// What is measured of a response that passed its checks, with what was extracted from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// For `--tags` and `--exclude-tags`.
    pub tags: Vec<String>,
    /// Whether a script makes its requests: URL, body and further headers are those that it gives.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scripted: bool,
}

impl Endpoint {
    /// The row of requests whose names, which templates make, have no rows of their own.
    pub const OTHER_ROW: &'static str = "other";

    /// The name of the row of the statistics that its requests count in. Where a template makes the name,
    /// that of the row for those without a row of their own.
    pub fn row(&self) -> &str {
        match &self.group {
            Some(group) => group.as_constant().unwrap_or(Self::OTHER_ROW),
            None => &self.name,
        }
    }

    /// Whether a template makes the name of the row.
    pub fn is_row_templated(&self) -> bool {
        let group = self.group.as_ref();
        group.is_some_and(|group| group.as_constant().is_none())
    }

    /// Whether the scenario itself sets this header.
    pub fn sets_header(&self, name: &str) -> bool {
        (self.headers.iter()).any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// Whether its URL is filled in as a whole.
    pub fn is_link(&self) -> bool {
        self.url.is_one_slot()
    }

    /// Whether its headers or credentials read this part of the request.
    pub fn reads_request(&self, part: RequestPart) -> bool {
        let auth = self.auth.iter().flat_map(|auth| auth.templates());
        let headers = self.headers.iter().map(|header| &header.value);
        let mut templates = headers.chain(auth);
        templates.any(|template| template.reads_request(part))
    }

    /// Whether its headers or credentials read any part of the request.
    pub fn signs_request(&self) -> bool {
        let mut parts = RequestPart::ALL.into_iter();
        parts.any(|(_, part)| self.reads_request(part))
    }

    /// Whether a check is about the URL that the response came from.
    pub fn checks_url(&self) -> bool {
        self.checks.iter().any(Check::needs_url)
    }

    /// Whether a check or an extraction needs the body, so that it must be kept.
    pub fn keeps_body(&self) -> bool {
        self.checks.iter().any(Check::needs_body)
            || self.extract.iter().any(Extraction::needs_body)
            || self.scripted
    }

    /// Whether a check or an extraction is about headers of the response, besides those that perfctl
    /// always reads.
    pub fn reads_headers(&self) -> bool {
        self.checks.iter().any(Check::needs_headers)
            || self.extract.iter().any(Extraction::needs_headers)
    }

    /// Whether a response may have this status: one that its checks allow, or without a check of the
    /// status, 2xx and 3xx.
    #[inline]
    pub fn expects_status(&self, status: u16) -> bool {
        if self.checks.is_empty() {
            return (200..400).contains(&status);
        }
        self.checks_expect_status(status)
    }

    fn checks_expect_status(&self, status: u16) -> bool {
        let mut is_checked = false;
        for check in self.checks.iter().filter(|check| check.is_status()) {
            if !check.allows_status(status) {
                return false;
            }
            is_checked = true;
        }
        is_checked || (200..400).contains(&status)
    }

    /// All its templates.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|header| &header.value);
        let auth = self.auth.iter().flat_map(|auth| auth.templates());
        let variables = self.variables.iter().filter_map(|one| one.value.template());
        std::iter::once(&self.url)
            .chain(variables)
            .chain(headers)
            .chain(self.body.templates())
            .chain(auth)
            .chain(&self.group)
            .chain(self.measures.iter().map(|measure| &measure.value))
    }

    /// The fixed text that its URLs begin with.
    pub fn url_start(&self) -> &str {
        match self.url.parts().first() {
            Some(TemplatePart::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether its requests need a token that is fetched before they are sent.
    pub fn needs_token(&self) -> bool {
        matches!(self.auth.as_deref(), Some(Auth::OAuth2(_)))
    }
}

/// A request header.
#[derive(Debug, Clone)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// The value.
    pub value: Template,
}

/// Whether headers of this (lower-case) name carry credentials.
pub fn is_secret_header(name: &str) -> bool {
    const WORDS: [&str; 7] = [
        "auth", "cookie", "token", "secret", "api-key", "apikey", "password",
    ];
    WORDS.iter().any(|word| name.contains(word))
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = if is_secret_header(&self.name) && self.value.is_literal_source() {
            "***"
        } else {
            self.value.source()
        };
        (&self.name, value).serialize(serializer)
    }
}

/// The HTTP methods a scenario can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names need no explanation")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
    ];

    /// The method of this name, in any case.
    ///
    /// # Errors
    /// A phrase that lists the methods, if there is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut methods = Self::ALL.into_iter();
        let found = methods.find(|method| method.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown method `{text}`; known: {names}")
        })
    }

    /// As it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}
