//! The keys of an endpoint: the request, its body, and how often it is chosen.
//!
//! Not here: what is expected of its responses (`response`), and how the keys become a request
//! (`request`).

use serde_json::{Value, json};

use super::auth::AuthChoice;
use super::response::{CheckFile, ExtractionFile, MeasureFile};
use super::slo::SloFile;
use super::think_time::ThinkTimeFile;
use crate::plan::HttpChoice;
use crate::scenario::yaml::decode::{
    Decode, Located, MAX_COUNT, OneOrMany, Pairs, Size, TimeLimit, parse,
};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

mapping! {
    /// A request. Exactly one method key, such as `get`, gives its path or URL.
    EndpointFile {
        /// Name in reports and statistics. Defaults to method and path. Endpoints of the same name share a row. May be a template.
        name: String,
        /// Row of the statistics that the requests count in, if not that of `name`. May be a template.
        group: String,
        /// Path or URL of a GET request.
        get: String,
        /// Path or URL of a HEAD request.
        head: String,
        /// Path or URL of a POST request.
        post: String,
        /// Path or URL of a PUT request.
        put: String,
        /// Path or URL of a PATCH request.
        patch: String,
        /// Path or URL of a DELETE request.
        delete: String,
        /// Path or URL of an OPTIONS request.
        options: String,
        /// How often it is chosen, relative to the other endpoints and flows. Defaults to 1; 0 means never.
        weight: Weight,
        /// Wait after this request. Overrides the think time of the user.
        think_time: ThinkTimeFile,
        /// SLOs for this endpoint.
        slo: Pairs<SloFile>,
        /// Tags, for `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
        /// Variables to set before each request, in order. They keep their values until they are set again.
        variables: Pairs<Node>,
        /// Conditions that a response must meet. Without `status`, 2xx and 3xx pass.
        check: OneOrMany<Located<CheckFile>>,
        /// Variables to set from a response that passed its checks.
        extract: Pairs<ExtractionFile>,
        /// Numbers to keep of a response that passed its checks, with percentiles in the report.
        measure: OneOrMany<Located<MeasureFile>>,
        /// Headers, in addition to those in `defaults`; the same name overrides, and `null` removes.
        headers: Pairs<Option<String>>,
        /// JSON body, written as YAML.
        json: Node,
        /// Fields of a URL-encoded form.
        form: Pairs<String>,
        /// Text body.
        body: String,
        /// File whose content is the body, relative to the scenario.
        body_file: String,
        /// Parts of a multipart body, by name: texts and files.
        multipart: Pairs<OneOrMany<Located<PartFile>>>,
        /// Compression of the body: `gzip`.
        compress: Compress,
        /// Time limit of a request, from sending to the last byte.
        timeout: TimeLimit,
        /// Time limit of name resolution, TCP and TLS handshake; at most `timeout`.
        connect_timeout: TimeLimit,
        /// How many redirects to follow, 0 to 100.
        max_redirects: u32,
        /// Largest response body on the wire. A larger one is cut off, and the request fails as `body_too_large`.
        max_body: Size,
        /// Authentication; `none` disables what `defaults` sets.
        auth: AuthChoice,
        /// HTTP version: `auto`, `1.1` or `2`.
        http_version: HttpChoice,
        /// Whether to keep connections open for the next request.
        keep_alive: bool,
    }
}

/// The keys of which a request has one.
pub(crate) const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

impl EndpointFile {
    /// Its schema by the name of its definition, since it is allowed in so many places.
    pub(crate) fn schema_reference() -> Value {
        json!({"$ref": "#/definitions/request"})
    }
}

mapping! {
    /// A part of a multipart body: a text or a file. A text needs no mapping.
    PartFile or text {
        /// Text of the part.
        text: String,
        /// File to send, relative to the scenario.
        file: String,
        /// File name to send. Defaults to the name of the file.
        filename: String,
        /// Media type. Defaults to `application/octet-stream` for files.
        content_type: String,
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compress {
    /// By gzip.
    Gzip,
}

words! {
    Compress {
        "gzip" => Self::Gzip,
    }
}

/// How often something is chosen, relative to its alternatives; 1 by default, 0 is never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight(pub u32);

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl Decode for Weight {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a whole number", node, findings, |text| {
            let number = text
                .parse::<u32>()
                .ok()
                .filter(|weight| *weight <= MAX_COUNT);
            number.ok_or_else(|| {
                let why = match text.contains('.') {
                    true => "; weights are relative, so write 1 and 2 for 0.5 and 1",
                    false => "",
                };
                format!("`{text}` is not a whole number from 0 to {MAX_COUNT}{why}")
            })
        })
        .map(Self)
    }

    fn schema() -> Value {
        u32::schema()
    }
}
