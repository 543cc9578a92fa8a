//! What was found wrong in the files of a run, collected so that all of it is shown at once.
//!
//! Here: places in files and the list of diagnostics. Not here: the wording of single errors.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Diagnostic, Error, SourceLocation};
use crate::plan::Secrets;

/// The largest scenario or profile file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A stretch of a line of one of the files. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span {
    /// Position in the list of files.
    pub file: usize,
    /// Line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Characters, at least 1; more than the line has is cut.
    pub length: usize,
}

/// All findings, and the files they point into.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    files: Vec<(String, Arc<str>)>,
    found: Vec<(Option<Span>, Diagnostic)>,
    hidden: Vec<String>,
}

impl Findings {
    /// Makes a file known under the name that the user gave it.
    pub fn add_file(&mut self, name: &str, text: String) -> usize {
        self.files.push((name.to_owned(), text.into()));
        self.files.len() - 1
    }

    /// Reads a file of at most 1 MiB. What is no regular file is not opened.
    ///
    /// # Errors
    /// Wrong usage when it is missing, too large, unreadable or not UTF-8.
    pub fn read_file(&mut self, path: &Path) -> Result<usize, Error> {
        self.try_read_file(path)
            .map_err(|why| Error::usage(format!("cannot use `{}`: {why}", path.display())))
    }

    /// As [`Self::read_file`].
    ///
    /// # Errors
    /// Why not, without the name of the file.
    pub fn try_read_file(&mut self, path: &Path) -> Result<usize, String> {
        let io = |error: std::io::Error| error.to_string();
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err("it is not a regular file".into());
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err("it is larger than 1 MiB".into());
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before =
                error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n');
            format!("line {} is not UTF-8 text", before.count())
        })?;
        Ok(self.add_file(&path.display().to_string(), text))
    }

    /// The content of a file.
    pub fn text(&self, file: usize) -> Arc<str> {
        self.files[file].1.clone()
    }

    /// The characters that `span` covers.
    pub fn written(&self, span: Span) -> Option<String> {
        let line = self.line(span.file, span.line)?;
        let chars = line.chars().skip(span.column.saturating_sub(1));
        Some(chars.take(span.length).collect())
    }

    fn line(&self, file: usize, line: usize) -> Option<&str> {
        self.files.get(file)?.1.lines().nth(line.saturating_sub(1))
    }

    /// The place of `needle` in the scalar that starts at `span`, or `span` itself where the
    /// text cannot be found as it stands (in escaped or folded text).
    pub fn inside(&self, span: Span, needle: &str) -> Span {
        let Some((_, text)) = self.files.get(span.file) else {
            return span;
        };
        let mut rest = span.length;
        let mut column = span.column;
        for (index, line) in text.lines().enumerate().skip(span.line.saturating_sub(1)) {
            let skipped = column.saturating_sub(1);
            let part: String = line.chars().skip(skipped).take(rest).collect();
            if let Some(byte) = part.find(needle) {
                return Span {
                    line: index + 1,
                    column: skipped + part[..byte].chars().count() + 1,
                    length: needle.chars().count(),
                    ..span
                };
            }
            // The line end counts as well.
            rest = rest.saturating_sub(part.chars().count() + 1);
            column = 1;
            if rest == 0 {
                break;
            }
        }
        span
    }

    /// Adds a finding; `None` when no file is involved.
    pub fn report(&mut self, at: Option<Span>, diagnostic: Diagnostic) {
        self.found.push((at, diagnostic));
    }

    /// Masks a secret in the source lines that are shown. Nothing to hide is an empty text.
    pub fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.hidden.push(secret.to_owned());
        }
    }

    /// Masks a secret that is written out. The shortest would make the source unreadable, and hide
    /// nothing.
    pub fn hide_literal(&mut self, text: &str) {
        if !text.contains("{{") && text.chars().count() >= Secrets::SHORTEST {
            self.hide(text);
        }
    }

    /// Sets what to write instead in the last finding, if it is at this place.
    pub fn explain_last(&mut self, at: Span, says: &str) {
        if let Some((place, diagnostic)) = self.found.last_mut()
            && *place == Some(at)
        {
            diagnostic.label = Some(says.to_owned());
        }
    }

    /// Whether a finding since the first `before` said to write this key.
    pub fn is_hinted(&self, before: usize, key: &str) -> bool {
        let quoted = [format!("`{key}`"), format!("`{key}:")];
        let labels = self.found[before..].iter();
        let mut labels = labels.filter_map(|(_, diagnostic)| diagnostic.label.as_deref());
        labels.any(|label| quoted.iter().any(|text| label.contains(text.as_str())))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// The value, if nothing was found.
    ///
    /// # Errors
    /// All findings, in file order, each once; those without a place last.
    pub fn into_result<T>(self, value: T) -> Result<T, Error> {
        if self.found.is_empty() {
            return Ok(value);
        }
        Err(Error::Invalid(self.into_diagnostics()))
    }

    fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by_key(|(at, _)| (at.is_none(), *at));
        found.dedup();
        found
            .into_iter()
            .map(|(at, diagnostic)| match at.and_then(|at| self.place(at)) {
                Some(place) => diagnostic.at(place),
                None => diagnostic,
            })
            .collect()
    }

    fn place(&self, at: Span) -> Option<SourceLocation> {
        let (file, _) = self.files.get(at.file)?;
        let mut source_line = self.line(at.file, at.line).unwrap_or_default().to_owned();
        for secret in &self.hidden {
            // As long as before, so that the caret still points at the same place.
            source_line = source_line.replace(secret, &"*".repeat(secret.chars().count()));
        }
        let rest = source_line
            .chars()
            .count()
            .saturating_sub(at.column.saturating_sub(1));
        Some(SourceLocation {
            file: file.clone(),
            line: at.line,
            column: at.column,
            length: at.length.clamp(1, rest.max(1)),
            source_line,
        })
    }
}
