//! Request bodies: JSON and forms written as YAML, text, files.
//!
//! Here: their rendering with slots, and what a body file must not be. Not here: multipart bodies
//! (`multipart`).

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use super::multipart;
use crate::error::Diagnostic;
use crate::plan::{Body, BodyFile, Escape, FileContent, Header, Slot, Template, TemplatePart};
use crate::scenario::keys::scenario::EndpointFile;
use crate::scenario::names::Names;
use crate::scenario::yaml::decode::{At, list};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::{Kind, Node};

/// The largest file that is held in memory; bytes. A larger one is read anew for each request.
const MAX_HELD_BYTES: u64 = 8 << 20;

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
        let mut json = Json {
            names,
            source: String::new(),
            parts: Vec::new(),
        };
        json.value(&node.value, findings);
        return (
            Body::Template(Template::new(json.source, json.parts)),
            Some("application/json".into()),
        );
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
    match file.body_file.get().map(|path| (path, read(path, folder))) {
        Some((_, Ok(file))) => (Body::File(file), None),
        Some((path, Err(diagnostic))) => {
            findings.report(Some(path.at), diagnostic);
            (Body::None, None)
        }
        None => (Body::None, None),
    }
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
            "`{}` is too large to be compressed for each request",
            file.path
        ))
        .help("compress the file, and send the header `Content-Encoding: gzip`")
    } else if headers.iter().any(is_encoded) {
        Diagnostic::new("both `compress` and the header `content-encoding`")
            .help("`compress` sends that header: keep one of them")
    } else if matches!(body, Body::None) {
        Diagnostic::new("there is no body to compress")
            .help("give one of `json`, `form`, `body`, `body_file`, `multipart`")
    } else {
        return true;
    };
    findings.report(Some(key), diagnostic);
    false
}

/// Writes a YAML value as JSON, with slots in its texts.
struct Json<'a> {
    names: &'a Names<'a>,
    source: String,
    parts: Vec<TemplatePart>,
}

impl Json<'_> {
    fn value(&mut self, node: &Node, findings: &mut Findings) {
        match &node.kind {
            Kind::Null => self.raw("null"),
            Kind::Scalar {
                json: serde_json::Value::String(text),
                ..
            } => {
                self.text(text, node.at, false, findings);
            }
            Kind::Scalar { json, .. } => self.raw(&json.to_string()),
            Kind::List(items) => {
                self.raw("[");
                for (i, item) in items.iter().enumerate() {
                    self.raw(if i > 0 { "," } else { "" });
                    self.value(item, findings);
                }
                self.raw("]");
            }
            Kind::Map(entries) => {
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
        let mut parts = self.names.parts(text, at, Escape::Json, findings);
        self.source.push('"');
        Escape::Json.push(text, &mut self.source);
        self.source.push('"');
        // What was a number in an answer, a row or an expression is sent as one.
        if let [
            TemplatePart::Slot {
                slot: Slot::Variable(_) | Slot::Expression(_),
                escape,
            },
        ] = parts.as_mut_slice()
            && !is_key
        {
            *escape = Escape::JsonValue;
            self.parts.extend(parts);
        } else {
            self.parts.push(TemplatePart::Literal("\"".into()));
            self.parts.extend(parts);
            self.parts.push(TemplatePart::Literal("\"".into()));
        }
    }
}

/// Reads a body file. A large one is only looked at.
pub(crate) fn read(path: &At<String>, folder: &Path) -> Result<BodyFile, Diagnostic> {
    let what = "body file";
    let (real, length) = inside(what, &path.value, folder)?;
    let content = match length > MAX_HELD_BYTES {
        // Opened all the same, so that one that cannot be read is an error now.
        true => std::fs::File::open(&real).map(|_| FileContent::OnDisk { path: real, length }),
        false => std::fs::read(&real).map(|bytes| FileContent::Bytes(bytes.into())),
    };
    Ok(BodyFile {
        path: path.value.clone(),
        content: content.map_err(|error| unusable(what, &path.value, &error.to_string()))?,
    })
}

/// Where a regular file below `folder` really is, without a way out, and its length in bytes.
///
/// # Errors
/// Why it cannot be used; `what` says for what.
pub(crate) fn inside(what: &str, path: &str, folder: &Path) -> Result<(PathBuf, u64), Diagnostic> {
    let bad = |why: &str| unusable(what, path, why);
    let relative = Path::new(path);
    let is_inside = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_inside || path.is_empty() {
        return Err(bad("it is not below the scenario's folder").help(
            "put it beside the scenario, and write its path without a leading `/` and without `..`",
        ));
    }
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let io = |error: std::io::Error| {
        bad(&error.to_string()).help("the path is relative to the scenario")
    };
    let root = folder.canonicalize().map_err(io)?;
    let real = root.join(relative).canonicalize().map_err(io)?;
    if !real.starts_with(&root) {
        return Err(bad("a symbolic link leads out of the scenario's folder"));
    }
    let metadata = std::fs::metadata(&real).map_err(io)?;
    if !metadata.is_file() {
        return Err(bad("it is not a regular file"));
    }
    Ok((real, metadata.len()))
}

fn unusable(what: &str, path: &str, why: &str) -> Diagnostic {
    Diagnostic::new(format!("cannot use the {what} `{path}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_read(path: &str, folder: &Path) -> Result<Vec<u8>, String> {
        let path = At {
            value: path.to_owned(),
            at: Span::default(),
        };
        match read(&path, folder)
            .map_err(|diagnostic| diagnostic.message)?
            .content
        {
            FileContent::Bytes(bytes) => Ok(bytes.into()),
            FileContent::OnDisk { length, .. } => Ok(format!("{length} bytes on disk").into()),
        }
    }

    #[test]
    fn body_files_are_regular_files_below_the_scenario() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(dir.path().join("data/a.csv"), "a,b").unwrap();
        assert_eq!(try_read("data/a.csv", dir.path()).unwrap(), b"a,b");
        assert_eq!(try_read("./data/a.csv", dir.path()).unwrap(), b"a,b");
        for (bad, part) in [
            ("../secret", "not below"),
            ("data/../../x", "not below"),
            ("/etc/passwd", "not below"),
            ("", "not below"),
            ("data", "regular"),
            ("nothing", "No such file"),
        ] {
            assert!(
                try_read(bad, dir.path()).unwrap_err().contains(part),
                "{bad}"
            );
        }
        let huge = std::fs::File::create(dir.path().join("huge")).unwrap();
        huge.set_len(100 * MAX_HELD_BYTES).unwrap();
        let on_disk = try_read("huge", dir.path()).unwrap();
        assert_eq!(on_disk, b"838860800 bytes on disk");
    }

    #[cfg(unix)]
    #[test]
    fn links_out_and_pipes_are_refused_without_being_opened() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
        assert!(
            try_read("link", dir.path())
                .unwrap_err()
                .contains("leads out")
        );
        let fifo = dir.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        // Opening it would block for ever.
        assert!(
            try_read("fifo", dir.path())
                .unwrap_err()
                .contains("regular")
        );
    }
}
