//! The keys of an endpoint: the request, its body, and how often it is chosen.
//!
//! Not here: what is expected of its responses (`response`), and how the keys become a request
//! (`request`).

use std::time::Duration;

use serde_json::{Value, json};

use super::auth::AuthChoice;
use super::response::{CheckFile, ExtractionFile};
use super::slo::SloFile;
use crate::plan::{HttpChoice, ThinkTime};
use crate::scenario::yaml::decode::{At, Decode, OneOrMany, Pairs, Size};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

mapping! {
    /// One kind of request. Exactly one method key names the path or URL.
    EndpointFile {
        /// The key of its statistics; method and path by default.
        name: String,
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
        /// How often it is chosen, relative to the others; 1 by default, 0 is never.
        weight: Weight,
        /// The wait after it, in place of that of its user.
        think_time: ThinkTime,
        /// Targets for this endpoint.
        slo: Pairs<SloFile>,
        /// For `--tags` and `--exclude-tags`.
        tags: OneOrMany<String>,
        /// What a response must be like; without `status`, 2xx and 3xx pass.
        check: OneOrMany<At<CheckFile>>,
        /// Variables of the user that are taken out of a response that passed.
        extract: Pairs<ExtractionFile>,
        /// Headers beside the defaults'.
        headers: Pairs<String>,
        /// A JSON body, written as YAML.
        json: Node,
        /// The fields of a URL-encoded form.
        form: Pairs<String>,
        /// A text body.
        body: String,
        /// A file whose content is the body, relative to the scenario.
        body_file: String,
        /// The parts of a multipart body: texts and files, by name.
        multipart: Pairs<OneOrMany<At<PartFile>>>,
        /// How the body is compressed: `gzip`.
        compress: Compress,
        /// From sending to the last byte.
        timeout: Duration,
        /// For name resolution, TCP and TLS; at most `timeout`.
        connect_timeout: Duration,
        /// How many redirects are followed, 0 to 100.
        max_redirects: u32,
        /// The largest response body on the wire; a larger one is cut off and fails as `body_too_large`.
        max_body: Size,
        /// How requests prove who sends them; `none` where the defaults say otherwise.
        auth: AuthChoice,
        /// The version of HTTP: `auto`, `1.1` or `2`.
        http_version: HttpChoice,
        /// Whether connections are kept open for the next request.
        keep_alive: bool,
    }
}

impl EndpointFile {
    /// Its schema by the name of its definition, since it may stand in so many places.
    pub(crate) fn schema_reference() -> Value {
        json!({"$ref": "#/definitions/request"})
    }
}

mapping! {
    /// A part of a multipart body: a text or a file; a text alone needs no mapping.
    PartFile or text {
        /// The text.
        text: String,
        /// A file, relative to the scenario.
        file: String,
        /// The name the file is sent under; its own by default.
        filename: String,
        /// The part's media type; of a file `application/octet-stream` by default.
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
        u32::decode(node, findings).map(Self)
    }

    fn schema() -> Value {
        u32::schema()
    }
}
