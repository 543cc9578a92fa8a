//! Splits text into records: the fields and quotes of CSV, the lines of JSON lines.
//!
//! Not here: what the fields mean (`rows`).

use std::io::{BufRead, ErrorKind, Read};

use serde_json::{Map, Value};

/// The longest record; bytes.
pub(super) const MAX_RECORD: usize = 1 << 20;
/// The byte order mark, which some programs write at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An error in a data file, with its location. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    /// The line; 0 if the file cannot be read.
    pub line: u64,
    /// The column.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// Whether the reader may not wait, and would have to.
    pub(super) would_block: bool,
}

impl DataError {
    /// An error at this location.
    pub(super) fn new(line: u64, column: usize, message: String) -> Self {
        Self {
            line,
            column,
            message,
            would_block: false,
        }
    }
}

/// Line and content of a record; `None` at the end.
type NextRecord<T> = Result<Option<(u64, T)>, DataError>;

/// The records of a text, one after the other.
pub(super) struct Records<R> {
    input: R,
    /// Lines read so far.
    line: u64,
    /// Where the next line begins; bytes.
    place: u64,
    buffer: Vec<u8>,
}

/// The state of a CSV field while it is read.
enum FieldState {
    Start,
    Plain,
    /// Inside quotes, since the one at this line and column.
    Quoted(u64, usize),
    /// After the closing quote of a field that began at this line and column; another quote would
    /// continue it.
    Closed(u64, usize),
}

impl<R: BufRead> Records<R> {
    /// The records of `input`, which starts at the byte `place` of its file.
    pub(super) fn new(input: R, place: u64) -> Self {
        Self {
            input,
            line: 0,
            place,
            buffer: Vec::new(),
        }
    }

    /// Where the next record begins, or blank lines before it; bytes.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// Line and text of the next line that is not blank, without its line end; `None` at the end.
    pub(super) fn line(&mut self) -> NextRecord<String> {
        while let Some(text) = self.next_line()? {
            let ended = text.trim_end_matches(['\r', '\n']);
            if !ended.is_empty() {
                return Ok(Some((self.line, ended.to_owned())));
            }
        }
        Ok(None)
    }

    /// Line and fields of the next CSV record; `None` at the end.
    pub(super) fn fields(&mut self, separator: char) -> NextRecord<Vec<String>> {
        let mut fields = Vec::new();
        let mut field = String::new();
        let mut state = FieldState::Start;
        let (mut first, mut length) = (0, 0);
        while let Some(text) = self.next_line()? {
            let (line, inside) = (self.line, matches!(state, FieldState::Quoted(..)));
            length += text.len();
            if length > MAX_RECORD {
                return Err(too_long(if inside { first } else { line }));
            }
            let ended = text.strip_suffix('\n').unwrap_or(&text);
            let ended = ended.strip_suffix('\r').unwrap_or(ended);
            if !inside {
                if ended.is_empty() {
                    length = 0;
                    continue;
                }
                first = line;
                // Most lines have no quote.
                if !ended.contains(['"', '\0']) {
                    let fields = ended.split(separator).map(str::to_owned).collect();
                    return Ok(Some((first, fields)));
                }
            }
            for (i, c) in ended.chars().enumerate() {
                let wrong = |what: &str| Err(DataError::new(line, i + 1, what.into()));
                state = match (state, c) {
                    (_, '\0') => return wrong("a NUL character"),
                    (FieldState::Start, '"') => FieldState::Quoted(line, i + 1),
                    (FieldState::Start | FieldState::Plain | FieldState::Closed(..), c)
                        if c == separator =>
                    {
                        fields.push(std::mem::take(&mut field));
                        FieldState::Start
                    }
                    (FieldState::Plain, '"') => {
                        return wrong(
                            "a quote in the middle of a field: quote the whole field and double the inner quotes",
                        );
                    }
                    (FieldState::Quoted(line, column), '"') => FieldState::Closed(line, column),
                    (FieldState::Closed(line, column), '"') => {
                        field.push('"');
                        FieldState::Quoted(line, column)
                    }
                    (FieldState::Closed(..), _) => {
                        return wrong(
                            "text after the closing quote: double a quote that is part of the field",
                        );
                    }
                    (FieldState::Start | FieldState::Plain, c) => {
                        field.push(c);
                        FieldState::Plain
                    }
                    (quoted @ FieldState::Quoted(..), c) => {
                        field.push(c);
                        quoted
                    }
                };
            }
            if !matches!(state, FieldState::Quoted(..)) {
                fields.push(field);
                return Ok(Some((first, fields)));
            }
            field.push_str(&text[ended.len()..]);
        }
        match state {
            FieldState::Quoted(line, column) => Err(DataError::new(
                line,
                column,
                "the quote is not closed".into(),
            )),
            _ => Ok(None),
        }
    }

    /// Line and members of the next JSON object; `None` at the end.
    pub(super) fn object(&mut self) -> NextRecord<Map<String, Value>> {
        while let Some(text) = self.next_line()? {
            if text.len() > MAX_RECORD {
                return Err(too_long(self.line));
            }
            if text.trim().is_empty() {
                continue;
            }
            let wrong = |column, what| Err(DataError::new(self.line, column, what));
            return match serde_json::from_str(&text) {
                Ok(Value::Object(object)) => Ok(Some((self.line, object))),
                Ok(_) => wrong(1, "a row must be a JSON object".into()),
                Err(error) => {
                    let text = error.to_string();
                    let what = text.split(" at line ").next().unwrap_or(&text);
                    wrong(error.column().max(1), format!("not JSON: {what}"))
                }
            };
        }
        Ok(None)
    }

    /// The next line with its line end, cut off a little above the longest record.
    fn next_line(&mut self) -> Result<Option<String>, DataError> {
        self.buffer.clear();
        let mut limited = (&mut self.input).take(MAX_RECORD as u64 + 1);
        limited
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| DataError {
                would_block: error.kind() == ErrorKind::WouldBlock,
                ..DataError::new(0, 0, error.to_string())
            })?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let bytes = match self.place {
            0 => self.buffer.strip_prefix(BYTE_ORDER_MARK),
            _ => None,
        };
        let bytes = bytes.unwrap_or(&self.buffer);
        self.line += 1;
        self.place += self.buffer.len() as u64;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            // Perhaps cut in the middle of a character.
            Err(_) if bytes.len() > MAX_RECORD - 3 => Err(too_long(self.line)),
            Err(error) => {
                let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let column = before.chars().count() + 1;
                Err(DataError::new(self.line, column, "not UTF-8 text".into()))
            }
        }
    }
}

fn too_long(line: u64) -> DataError {
    DataError::new(line, 1, "a row longer than 1 MiB".into())
}
