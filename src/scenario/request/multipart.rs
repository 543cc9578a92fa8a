//! Multipart bodies (RFC 7578): parts of text and files, put into one body whose boundaries are
//! known before the run.

use std::ffi::OsStr;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::body_file;
use crate::error::Diagnostic;
use crate::plan::{BodyFile, BodyPiece, Escape, Template, TemplatePart};
use crate::scenario::keys::endpoint::PartFile;
use crate::scenario::names::Names;
use crate::scenario::yaml::decode::{Located, OneOrMany, Pairs};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::Key;

/// The pieces of the body, and its content type.
pub(crate) fn pieces(
    parts: &Located<Pairs<OneOrMany<Located<PartFile>>>>,
    names: &Names<'_>,
    folder: &Path,
    findings: &mut Findings,
) -> (Vec<BodyPiece>, String) {
    let mut compiled = Vec::new();
    for (key, values) in &parts.0 {
        for value in &values.0 {
            let mut compiler = PartCompiler {
                names,
                folder,
                findings,
            };
            compiled.extend(compiler.part(key, value));
        }
    }
    if parts.0.is_empty() {
        let diagnostic = Diagnostic::new("the multipart body has no parts")
            .help("add at least one, such as `file: {file: invoice.pdf}`");
        findings.report(Some(parts.at), diagnostic);
    }
    let boundary = boundary(&compiled);
    let mut body = BodyBuilder::default();
    for part in compiled {
        body.literal(&format!("--{boundary}\r\n"));
        body.template(&part.head);
        body.literal("\r\n");
        match part.content {
            PartContent::Text(template) => body.template(&template),
            PartContent::File(file) => body.file(file),
        }
        body.literal("\r\n");
    }
    body.literal(&format!("--{boundary}--\r\n"));
    (
        body.finish(),
        format!("multipart/form-data; boundary={boundary}"),
    )
}

/// A part, ready to be put between boundaries.
struct CompiledPart {
    /// Its header lines, each with its end.
    head: Template,
    content: PartContent,
}

enum PartContent {
    Text(Template),
    File(BodyFile),
}

/// Depends on everything that is known of the parts, so that it occurs in none of them, and the
/// same scenario has the same body in each run.
fn boundary(parts: &[CompiledPart]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.head.source());
        match &part.content {
            PartContent::Text(template) => hash.update(template.source()),
            PartContent::File(file) => hash.update(&file.path),
        }
    }
    let digits = hash.finalize();
    let digits = digits.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("perfctl-{}", digits.collect::<String>())
}

struct PartCompiler<'a, 'n> {
    names: &'a Names<'n>,
    folder: &'a Path,
    findings: &'a mut Findings,
}

impl PartCompiler<'_, '_> {
    fn part(&mut self, name: &Key, part: &Located<PartFile>) -> Option<CompiledPart> {
        let file = &part.value;
        let mut head = HeadBuilder::default();
        head.literal("Content-Disposition: form-data; name=\"");
        self.quoted(&name.text, name.at, &mut head);
        head.literal("\"");
        let (content, content_type) = match (file.text.get(), file.file.get()) {
            (Some(text), None) => {
                let template = self.names.template(text, Escape::None, self.findings);
                (PartContent::Text(template), None)
            }
            (None, Some(path)) => match body_file::read(path, self.folder) {
                Ok(read) => (PartContent::File(read), Some("application/octet-stream")),
                Err(diagnostic) => {
                    self.findings.report(Some(path.at), diagnostic);
                    return None;
                }
            },
            _ => {
                // A bad value was reported in its place.
                if file.text.is_missing() == file.file.is_missing() {
                    let diagnostic = Diagnostic::new("a part is either a text or a file")
                        .help("use either `text` or `file`");
                    self.findings.report(Some(part.at), diagnostic);
                }
                return None;
            }
        };
        // A text is a form field, unless it is given a file name: then services take it for a file.
        let own = match &content {
            PartContent::File(read) => Path::new(&read.path)
                .file_name()
                .map(OsStr::to_string_lossy),
            _ => None,
        };
        if file.filename.get().is_some() || own.is_some() {
            head.literal("; filename=\"");
            match (file.filename.get(), own) {
                (Some(name), _) => self.quoted(&name.value, name.at, &mut head),
                (None, own) => head.escaped(&own.unwrap_or_default()),
            }
            head.literal("\"");
        }
        head.literal("\r\n");
        let given = file.content_type.get();
        if let Some(given) = given {
            self.check_content_type(&given.value, given.at);
        }
        if let Some(content_type) = given.map(|given| &*given.value).or(content_type) {
            head.literal(&format!("Content-Type: {content_type}\r\n"));
        }
        let head = Template::new(head.source, head.parts);
        Some(CompiledPart { head, content })
    }

    /// Adds a name in quotes, with its templates.
    fn quoted(&mut self, text: &str, at: Span, head: &mut HeadBuilder) {
        let parts = self.names.parts(text, at, Escape::Quoted, self.findings);
        head.source.push_str(text);
        head.parts.extend(parts);
    }

    fn check_content_type(&mut self, text: &str, at: Span) {
        let is_token = |part: &str| !part.is_empty() && !part.contains([' ', '{', '}']);
        let essence = text.split(';').next().unwrap_or_default().trim();
        let is_good = http::HeaderValue::from_str(text).is_ok()
            && (essence.split_once('/'))
                .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        if !is_good {
            let diagnostic = Diagnostic::new(format!("`{text}` is not a media type"))
                .help("write it like `application/pdf`");
            self.findings.report(Some(at), diagnostic);
        }
    }
}

/// The head of a part, as it is put together.
#[derive(Default)]
struct HeadBuilder {
    source: String,
    parts: Vec<TemplatePart>,
}

impl HeadBuilder {
    fn literal(&mut self, text: &str) {
        self.source.push_str(text);
        self.parts.push(TemplatePart::Literal(text.to_owned()));
    }

    /// A name in quotes, as browsers write it.
    fn escaped(&mut self, name: &str) {
        let mut escaped = String::new();
        Escape::Quoted.push(name, &mut escaped);
        self.literal(&escaped);
    }
}

/// Joins neighbouring texts into one template each.
#[derive(Default)]
struct BodyBuilder {
    pieces: Vec<BodyPiece>,
    source: String,
    parts: Vec<TemplatePart>,
}

impl BodyBuilder {
    fn literal(&mut self, text: &str) {
        self.source.push_str(text);
        self.parts.push(TemplatePart::Literal(text.to_owned()));
    }

    fn template(&mut self, template: &Template) {
        self.source.push_str(template.source());
        self.parts.extend_from_slice(template.parts());
    }

    fn file(&mut self, file: BodyFile) {
        self.end_text();
        self.pieces.push(BodyPiece::File(file));
    }

    fn end_text(&mut self) {
        let (source, parts) = (
            std::mem::take(&mut self.source),
            std::mem::take(&mut self.parts),
        );
        self.pieces
            .push(BodyPiece::Text(Template::new(source, parts)));
    }

    fn finish(mut self) -> Vec<BodyPiece> {
        self.end_text();
        self.pieces
    }
}
