//! What was found wrong in the files of a run, collected so that all of it is shown at once.
//!
//! Here: places in files and the list of diagnostics. Not here: the wording of single errors.

use std::cell::Cell;
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
    files: Vec<SourceFile>,
    /// What was [written](Self::written) last, which what comes next is usually behind.
    last: Cell<Option<Position>>,
    found: Vec<(Option<Span>, Diagnostic)>,
    hidden: Vec<String>,
}

/// A file, as the user named it.
#[derive(Debug)]
struct SourceFile {
    name: String,
    text: Arc<str>,
    /// Where its lines start; bytes.
    lines: Vec<usize>,
}

/// A place in a line that was found by counting characters.
#[derive(Debug, Clone, Copy)]
struct Position {
    file: usize,
    line: usize,
    /// Characters before it.
    chars: usize,
    /// Bytes before it.
    bytes: usize,
}

impl SourceFile {
    fn new(name: String, text: Arc<str>) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        let lines = std::iter::once(0).chain(ends);
        let lines = lines.filter(|start| *start < text.len()).collect();
        Self { name, text, lines }
    }

    /// A line by its number, which counts from 1, without its end.
    fn line(&self, number: usize) -> Option<&str> {
        let position = number.saturating_sub(1);
        let start = *self.lines.get(position)?;
        let end = self.lines.get(position + 1).copied();
        let line = &self.text[start..end.unwrap_or(self.text.len())];
        Some(match line.strip_suffix('\n') {
            Some(line) => line.strip_suffix('\r').unwrap_or(line),
            None => line,
        })
    }
}

impl Findings {
    /// Makes a file known under the name that the user gave it.
    pub fn add_file(&mut self, name: &str, text: String) -> usize {
        let file = SourceFile::new(name.to_owned(), text.into());
        self.files.push(file);
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
        self.files[file].text.clone()
    }

    /// The characters that `span` covers.
    pub fn written(&self, span: Span) -> Option<String> {
        let line = self.line(span.file, span.line)?;
        let chars = span.column.saturating_sub(1);
        let is_before = |last: &Position| {
            (last.file, last.line) == (span.file, span.line) && last.chars <= chars
        };
        // A line may be as long as a file, and have a hundred thousand values.
        let last = self.last.get().filter(is_before);
        let (known_chars, known_bytes) = last.map_or((0, 0), |last| (last.chars, last.bytes));
        let mut rest = line[known_bytes..].char_indices();
        let Some((more, _)) = rest.nth(chars - known_chars) else {
            return Some(String::new());
        };
        let bytes = known_bytes + more;
        self.last.set(Some(Position {
            file: span.file,
            line: span.line,
            chars,
            bytes,
        }));
        Some(line[bytes..].chars().take(span.length).collect())
    }

    fn line(&self, file: usize, line: usize) -> Option<&str> {
        self.files.get(file)?.line(line)
    }

    /// The place of `needle` in the scalar that starts at `span`, or `span` itself where the
    /// text cannot be found as it stands (in escaped or folded text).
    pub fn inside(&self, span: Span, needle: &str) -> Span {
        let mut rest = span.length;
        let mut column = span.column;
        for number in span.line.max(1).. {
            let Some(line) = self.line(span.file, number) else {
                break;
            };
            let skipped = column.saturating_sub(1);
            let part: String = line.chars().skip(skipped).take(rest).collect();
            if let Some(byte) = part.find(needle) {
                return Span {
                    line: number,
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
        let file = &self.files.get(at.file)?.name;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_in_any_order() {
        let mut findings = Findings::default();
        let text = "a: é1\r\n\nb: [ü, 22, 333]\nlast\r";
        let file = findings.add_file("x", text.to_owned());
        let written = |line, column, length| {
            findings.written(Span {
                file,
                line,
                column,
                length,
            })
        };
        let of_line: Vec<_> = (1..6).map(|line| written(line, 1, 99)).collect();
        let lines = text.lines().map(|line| Some(line.to_owned()));
        assert_eq!(of_line, lines.chain([None]).collect::<Vec<_>>());
        for (line, column, length, expected) in [
            (3, 5, 1, "ü"),
            (3, 8, 2, "22"),
            (3, 12, 3, "333"),
            (3, 8, 2, "22"),
            (1, 5, 9, "1"),
            (3, 99, 1, ""),
            (3, 12, 3, "333"),
        ] {
            assert_eq!(written(line, column, length).as_deref(), Some(expected));
        }
        assert_eq!(Findings::default().written(Span::default()), None);
    }

    /// Searched for from the beginning each time, they would take minutes.
    #[test]
    fn a_hundred_thousand_values_are_found_one_after_the_other() {
        let mut findings = Findings::default();
        let numbers = 0..100_000;
        let below: String = numbers
            .clone()
            .map(|number| format!("{number}\n"))
            .collect();
        let beside: String = numbers
            .clone()
            .map(|number| format!("ü{number:05},"))
            .collect();
        let (below, beside) = (
            findings.add_file("x", below),
            findings.add_file("y", beside),
        );
        let place = |file, line, column| Span {
            file,
            line,
            column,
            length: 5,
        };
        for number in numbers.clone() {
            let found = findings.written(place(below, number + 1, 1));
            assert_eq!(found, Some(number.to_string()));
        }
        for number in numbers {
            let found = findings.written(place(beside, 1, number * 7 + 2));
            assert_eq!(found, Some(format!("{number:05}")));
        }
    }
}
