//! Request bodies: JSON and forms written as YAML, text, files.
//!
//! Here: their rendering with slots. Not here: reading files (`body_file`) and multipart bodies
//! (`multipart`).

use std::borrow::Cow;
use std::path::Path;

use super::{body_file, multipart};
use crate::error::Diagnostic;
use crate::plan::{Body, Endpoint, Escape, Header, RequestPart, Template, TemplatePart};
use crate::scenario::keys::endpoint::EndpointFile;
use crate::scenario::names::Names;
use crate::scenario::names::template::{Piece, as_parts};
use crate::scenario::yaml::decode::list;
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::{Node, NodeKind};

/// Reports a body that headers or credentials read, and that is never in memory.
pub(super) fn refuse_unseen(endpoint: &Endpoint, file: &EndpointFile, findings: &mut Findings) {
    if let Some(large) = endpoint.body.on_disk()
        && endpoint.reads_request(RequestPart::Body)
    {
        let message = format!(
            "`request.body` cannot be read: `{}` is larger than 8 MiB",
            large.path
        );
        let diagnostic = Diagnostic::new(message).help(
            "such a file is never held in memory: use a smaller one, or leave out the header",
        );
        let key = file.body_file.key().or(file.multipart.key());
        findings.report(key, diagnostic);
    }
}

/// The body of an endpoint, and the content type that goes with it.
pub(crate) fn body(
    file: &EndpointFile,
    names: &Names<'_>,
    folder: &Path,
    findings: &mut Findings,
) -> (Body, Option<Cow<'static, str>>) {
    let given = [
        ("json", file.json.is_missing(), file.json.key()),
        ("form", file.form.is_missing(), file.form.key()),
        ("body", file.body.is_missing(), file.body.key()),
        (
            "body_file",
            file.body_file.is_missing(),
            file.body_file.key(),
        ),
        (
            "multipart",
            file.multipart.is_missing(),
            file.multipart.key(),
        ),
    ];
    let given: Vec<_> = given
        .into_iter()
        .filter(|(_, is_missing, _)| !is_missing)
        .collect();
    if let [_, (_, _, second), ..] = given.as_slice() {
        let keys = list(given.iter().map(|(key, ..)| *key));
        findings.report(
            *second,
            Diagnostic::new(format!("more than one body: {keys}")).help("keep one of them"),
        );
    }
    if let Some(node) = file.json.get() {
        let json = json(&node.value, names, findings);
        return (Body::Template(json), Some("application/json".into()));
    }
    if let Some(pairs) = file.form.get() {
        let mut source = Vec::new();
        let mut parts = Vec::new();
        for (key, value) in &pairs.0 {
            if !parts.is_empty() {
                parts.push(TemplatePart::Literal("&".into()));
            }
            source.push(format!("{}={}", key.text, value.value));
            parts.extend(names.parts(&key.text, key.at, Escape::Form, findings));
            parts.push(TemplatePart::Literal("=".into()));
            parts.extend(names.parts(&value.value, value.at, Escape::Form, findings));
        }
        let template = Template::new(source.join("&"), parts);
        return (
            Body::Template(template),
            Some("application/x-www-form-urlencoded".into()),
        );
    }
    if let Some(text) = file.body.get() {
        return (
            Body::Template(names.template(text, Escape::None, findings)),
            None,
        );
    }
    if let Some(parts) = file.multipart.get() {
        let (pieces, content_type) = multipart::pieces(parts, names, folder, findings);
        return (Body::Pieces(pieces), Some(content_type.into()));
    }
    match file
        .body_file
        .get()
        .map(|path| (path, body_file::read(path, folder)))
    {
        Some((_, Ok(file))) => (Body::File(file), None),
        Some((path, Err(diagnostic))) => {
            findings.report(Some(path.at), diagnostic);
            (Body::None, None)
        }
        None => (Body::None, None),
    }
}

/// The template of a YAML value as JSON.
pub(crate) fn json(node: &Node, names: &Names<'_>, findings: &mut Findings) -> Template {
    let mut json = JsonWriter {
        names,
        source: String::new(),
        parts: Vec::new(),
    };
    json.value(node, findings);
    Template::new(json.source, json.parts)
}

/// Whether the body is to be compressed; what cannot be is reported.
pub(crate) fn gzip(
    file: &EndpointFile,
    body: &Body,
    headers: &[Header],
    findings: &mut Findings,
) -> bool {
    let Some(key) = file.compress.key() else {
        return false;
    };
    let is_encoded = |header: &Header| header.name == "content-encoding";
    let diagnostic = if let Some(file) = body.on_disk() {
        Diagnostic::new(format!(
            "`{}` is too large to compress for each request",
            file.path
        ))
        .help("compress the file, and send the header `Content-Encoding: gzip`")
    } else if headers.iter().any(is_encoded) {
        Diagnostic::new("`compress` conflicts with the header `content-encoding`")
            .help("`compress` sets that header: remove one of them")
    } else if matches!(body, Body::None) {
        Diagnostic::new("there is no body to compress")
            .help("add one of `json`, `form`, `body`, `body_file`, `multipart`")
    } else {
        return true;
    };
    findings.report(Some(key), diagnostic);
    false
}

/// Writes a YAML value as JSON, with slots in its texts.
struct JsonWriter<'a> {
    names: &'a Names<'a>,
    source: String,
    parts: Vec<TemplatePart>,
}

impl JsonWriter<'_> {
    fn value(&mut self, node: &Node, findings: &mut Findings) {
        match &node.kind {
            NodeKind::Null => self.raw("null"),
            NodeKind::Scalar {
                json: serde_json::Value::String(text),
                ..
            } => {
                self.text(text, node.at, false, findings);
            }
            NodeKind::Scalar { json, .. } => self.raw(&json.to_string()),
            NodeKind::List(items) => {
                self.raw("[");
                for (i, item) in items.iter().enumerate() {
                    self.raw(if i > 0 { "," } else { "" });
                    self.value(item, findings);
                }
                self.raw("]");
            }
            NodeKind::Map(entries) => {
                self.raw("{");
                for (i, (key, value)) in entries.iter().enumerate() {
                    self.raw(if i > 0 { "," } else { "" });
                    self.text(&key.text, key.at, true, findings);
                    self.raw(":");
                    self.value(value, findings);
                }
                self.raw("}");
            }
        }
    }

    fn raw(&mut self, text: &str) {
        self.source.push_str(text);
        if !text.is_empty() {
            self.parts.push(TemplatePart::Literal(text.into()));
        }
    }

    fn text(&mut self, text: &str, at: Span, is_key: bool, findings: &mut Findings) {
        let mut pieces = self.names.pieces(text, at, findings);
        self.source.push('"');
        Escape::Json.push(text, &mut self.source);
        self.source.push('"');
        // What is nothing but one template keeps its type.
        let parts = match pieces.as_mut_slice() {
            [Piece::Known(value)] if !is_key => {
                vec![TemplatePart::Literal(value.to_string())]
            }
            [Piece::Slot(_)] if !is_key => as_parts(pieces, Escape::JsonValue),
            _ => {
                let quote = || TemplatePart::Literal("\"".into());
                let mut parts = vec![quote()];
                parts.extend(as_parts(pieces, Escape::Json));
                parts.push(quote());
                parts
            }
        };
        self.parts.extend(parts);
    }
}
