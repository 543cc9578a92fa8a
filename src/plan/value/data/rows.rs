//! The rows of a data file: a small file is kept in memory, a large one is read row by row during the
//! run, from remembered positions.
//!
//! Here: checking a file once, and finding a row again. Not here: splitting text into rows
//! (`records`), or which row is taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::records::{DataError, Records};

/// A larger file is not kept in memory; bytes.
const MAX_IN_MEMORY: u64 = 64 << 20;
/// The position of every row with a multiple of this number is remembered; the rows between are split
/// again.
const STRIDE: u64 = 16;
/// The most columns.
const MAX_COLUMNS: usize = 1_000;
/// The most errors of one file that are reported.
const MAX_ERRORS: usize = 10;

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// Comma-separated values (RFC 4180), the names of the columns first.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

/// The rows of a checked file.
#[derive(Debug, Clone)]
pub struct Rows {
    format: DataFormat,
    columns: Vec<String>,
    content: RowText,
    count: u64,
    /// Where the rows 0, `STRIDE`, 2 `STRIDE`... begin; bytes.
    places: Vec<u64>,
}

/// Where the text of the rows is.
#[derive(Debug, Clone)]
enum RowText {
    Memory(Arc<[u8]>),
    File(Arc<File>),
}

impl Rows {
    /// Reads a whole file once. A file above 64 MiB stays open, and its rows are read when they are taken.
    ///
    /// # Errors
    /// At most ten errors in the file; if it cannot be read, one error in line 0.
    pub fn open(file: File, format: DataFormat) -> Result<Self, Vec<DataError>> {
        Self::open_with(file, format, MAX_IN_MEMORY)
    }

    fn open_with(
        mut file: File,
        format: DataFormat,
        in_memory: u64,
    ) -> Result<Self, Vec<DataError>> {
        let unreadable = |error: io::Error| vec![DataError::new(0, 0, error.to_string())];
        let length = file.metadata().map_err(unreadable)?.len();
        if length > in_memory {
            return Self::scan(RowText::File(Arc::new(file)), format);
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(unreadable)?;
        Self::scan(RowText::Memory(text.into()), format)
    }

    fn scan(content: RowText, format: DataFormat) -> Result<Self, Vec<DataError>> {
        let mut records = content.records(0);
        let mut errors = Vec::new();
        let mut rows = Self {
            format,
            columns: Vec::new(),
            count: 0,
            places: Vec::new(),
            content: content.clone(),
        };
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        if format == DataFormat::Csv {
            rows.columns = header(&mut records).map_err(|error| vec![error])?;
        }
        while errors.len() < MAX_ERRORS {
            let place = records.place();
            let checked = match format {
                DataFormat::Csv => records.fields().map(|row| {
                    row.map(|(line, fields)| match fields.len() == rows.columns.len() {
                        true => Ok(()),
                        false => Err(ragged(line, fields.len(), rows.columns.len())),
                    })
                }),
                DataFormat::Jsonl => records.object().map(|row| {
                    row.map(|(_, object)| {
                        for name in object.keys() {
                            if known.len() < MAX_COLUMNS && !known.contains_key(name) {
                                known.insert(name.clone(), known.len());
                                rows.columns.push(name.clone());
                            }
                        }
                        Ok(())
                    })
                }),
            };
            match checked {
                Ok(None) => break,
                Ok(Some(Ok(()))) => {
                    if rows.count.is_multiple_of(STRIDE) {
                        rows.places.push(place);
                    }
                    rows.count += 1;
                }
                Ok(Some(Err(error))) => errors.push(error),
                // After an error of the format, rows can no longer be told apart.
                Err(error) => {
                    errors.push(error);
                    break;
                }
            }
        }
        if errors.is_empty() && rows.count == 0 {
            errors.push(DataError::new(1, 1, "the file has no rows".into()));
        }
        match errors.is_empty() {
            true => Ok(rows),
            false => Err(errors),
        }
    }

    /// The names of the columns, in order; for JSON lines, all keys that occur.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The values of row `number`, from 0, in the order of the columns; `None` if a JSON object does not
    /// have the key.
    ///
    /// # Errors
    /// The file has changed since it was checked, or there is no such row; for people.
    pub fn read(&self, number: u64) -> Result<Vec<Option<Value>>, String> {
        let changed = || "the data file has changed during the run".to_owned();
        let place = usize::try_from(number / STRIDE).ok();
        let place = place.and_then(|index| self.places.get(index));
        let mut records = self.content.records(*place.ok_or_else(changed)?);
        let mut left = number % STRIDE;
        loop {
            match self.format {
                DataFormat::Csv => {
                    let (_, fields) = records.fields().ok().flatten().ok_or_else(changed)?;
                    if left == 0 && fields.len() == self.columns.len() {
                        return Ok(fields.into_iter().map(|text| Some(text.into())).collect());
                    }
                }
                DataFormat::Jsonl => {
                    let (_, mut object) = records.object().ok().flatten().ok_or_else(changed)?;
                    if left == 0 {
                        return Ok(self
                            .columns
                            .iter()
                            .map(|name| object.remove(name))
                            .collect());
                    }
                }
            }
            left = left.checked_sub(1).ok_or_else(changed)?;
        }
    }
}

impl RowText {
    /// The records from this place on.
    fn records(&self, place: u64) -> Records<BufReader<TextReader<'_>>> {
        let reader = TextReader {
            content: self,
            at: place,
        };
        Records::new(BufReader::with_capacity(16 << 10, reader), place)
    }
}

/// Reads from a position on, without moving the position of the file, which others share.
struct TextReader<'a> {
    content: &'a RowText,
    at: u64,
}

impl Read for TextReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match self.content {
            RowText::File(file) => file.read_at(buffer, self.at)?,
            RowText::Memory(text) => {
                let start = usize::try_from(self.at)
                    .unwrap_or(usize::MAX)
                    .min(text.len());
                let length = buffer.len().min(text.len() - start);
                buffer[..length].copy_from_slice(&text[start..start + length]);
                length
            }
        };
        self.at += length as u64;
        Ok(length)
    }
}

fn header<R: io::BufRead>(records: &mut Records<R>) -> Result<Vec<String>, DataError> {
    let Some((line, names)) = records.fields()? else {
        let text = "the file is empty: its first line names the columns";
        return Err(DataError::new(1, 1, text.into()));
    };
    if names.len() > MAX_COLUMNS {
        let text = format!("{} columns; at most {MAX_COLUMNS} are allowed", names.len());
        return Err(DataError::new(line, 1, text));
    }
    for (i, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(DataError::new(
                line,
                1,
                format!("column {} has no name", i + 1),
            ));
        }
        if names[..i].contains(name) {
            return Err(DataError::new(
                line,
                1,
                format!("two columns are named `{name}`"),
            ));
        }
    }
    Ok(names
        .into_iter()
        .map(|name| name.trim().to_owned())
        .collect())
}

fn ragged(line: u64, found: usize, columns: usize) -> DataError {
    let fields = if found == 1 { "field" } else { "fields" };
    let text = format!("{found} {fields}, but the first line names {columns} columns");
    DataError::new(line, 1, text)
}

#[cfg(test)]
impl Rows {
    /// Of this text.
    pub(crate) fn of_text(format: DataFormat, text: &str) -> Self {
        let text = match format {
            DataFormat::Csv => format!("column\n{text}"),
            DataFormat::Jsonl => text.to_owned(),
        };
        Self::try_of(format, text.as_bytes()).unwrap_or(Self {
            format,
            columns: Vec::new(),
            content: RowText::Memory(Vec::new().into()),
            count: 0,
            places: Vec::new(),
        })
    }

    /// Of this text, with its header.
    pub(super) fn try_of(format: DataFormat, text: &[u8]) -> Result<Self, Vec<DataError>> {
        Self::scan(RowText::Memory(text.into()), format)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn errors(format: DataFormat, text: &str) -> Vec<String> {
        let found = Rows::try_of(format, text.as_bytes()).map_or_else(|errors| errors, |_| vec![]);
        let show =
            |error: &DataError| format!("{}:{}: {}", error.line, error.column, error.message);
        found.iter().map(show).collect()
    }

    #[test]
    fn every_row_is_found_in_memory_and_in_a_file() {
        let mut text = "\u{feff}id,\"na,me\"\r\n".to_owned();
        for i in 0..1_000 {
            text += &format!("{i},\"a \"\"{i}\"\",\nb\"\r\n");
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let streamed = Rows::open_with(file, DataFormat::Csv, 10).unwrap();
        assert!(matches!(streamed.content, RowText::File(_)));
        let held = Rows::try_of(DataFormat::Csv, text.as_bytes()).unwrap();
        for rows in [streamed, held] {
            assert_eq!(
                (rows.columns(), rows.count()),
                (&["id".into(), "na,me".into()][..], 1_000)
            );
            for i in [0, 1, 15, 16, 17, 999] {
                let expected = [json!(i.to_string()), json!(format!("a \"{i}\",\nb"))];
                assert_eq!(rows.read(i).unwrap(), expected.map(Some));
            }
            assert!(rows.read(1_000).is_err());
            assert!(rows.read(u64::MAX).is_err());
        }
    }

    #[test]
    fn json_lines_keep_their_types_and_may_lack_keys() {
        let text = "{\"a\": 1, \"b\": [true]}\n\n{\"c\": \"x\"}";
        let rows = Rows::try_of(DataFormat::Jsonl, text.as_bytes()).unwrap();
        assert_eq!(rows.columns(), ["a", "b", "c"]);
        assert_eq!(
            rows.read(0).unwrap(),
            [Some(json!(1)), Some(json!([true])), None]
        );
        assert_eq!(rows.read(1).unwrap(), [None, None, Some(json!("x"))]);
    }

    #[test]
    fn errors_have_a_line_and_a_column() {
        for (text, expected) in [
            ("", "1:1: the file is empty"),
            ("\u{feff}", "1:1: the file is empty"),
            ("a,b\n", "1:1: the file has no rows"),
            (
                "a,b\n1,2\n3\n4,5,6\n",
                "3:1: 1 field, but the first line names 2",
            ),
            ("a,\n1,2\n", "1:1: column 2 has no name"),
            ("a,a\n1,2\n", "1:1: two columns are named `a`"),
            ("a,b\n1,\"x\ny", "2:3: the quote is not closed"),
            ("a,b\n1,x\"y\"\n", "2:4: a quote in the middle"),
            ("a,b\n1,\"x\"y\n", "2:6: text after the closing quote"),
            ("a,b\n1,\0\n", "2:3: a NUL character"),
        ] {
            let found = errors(DataFormat::Csv, text);
            assert!(
                found
                    .first()
                    .is_some_and(|error| error.starts_with(expected)),
                "{text:?}: {found:?}"
            );
        }
        assert_eq!(
            errors(DataFormat::Csv, "a,b\n1,2\n3\n4,5,6\n").len(),
            2,
            "all at once"
        );
        let not_text = Rows::try_of(DataFormat::Csv, b"a\nb\xffc\n").unwrap_err();
        assert_eq!((not_text[0].line, not_text[0].column), (2, 2));
        for (text, expected) in [
            ("{\"a\": 1}\n[1]\n", "2:1: a row must be a JSON object"),
            ("{\"a\": 1}\n{\"a\" 1}\n", "2:6: not JSON: expected `:`"),
            ("\n\n", "1:1: the file has no rows"),
        ] {
            let found = errors(DataFormat::Jsonl, text);
            assert!(
                found
                    .first()
                    .is_some_and(|error| error.starts_with(expected)),
                "{text:?}: {found:?}"
            );
        }
    }

    #[test]
    fn an_endless_row_is_not_read_to_its_end() {
        let text = format!("a\n\"{}", "x".repeat(5 << 20));
        let found = errors(DataFormat::Csv, &text);
        assert!(found[0].contains("longer than 1 MiB"), "{found:?}");
    }

    proptest! {
        #[test]
        fn written_rows_are_read_back(
            cells in prop::collection::vec(prop::collection::vec("[a\",\r\né ]{0,6}", 3), 1..40),
        ) {
            let quote = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quote).collect::<Vec<_>>().join(",");
            let lines: Vec<String> = cells.iter().map(line).collect();
            let text = format!("a,b,c\n{}", lines.join("\r\n"));
            let rows = Rows::try_of(DataFormat::Csv, text.as_bytes()).unwrap();
            prop_assert_eq!(rows.count(), cells.len() as u64);
            for (i, row) in cells.iter().enumerate() {
                let expected: Vec<_> = row.iter().map(|cell| Some(cell.as_str().into())).collect();
                prop_assert_eq!(rows.read(i as u64).unwrap(), expected);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(
            prop::sample::select(b"a\",\r\n\0\xc3\xa9{}:1".to_vec()), 0..60,
        )) {
            for format in [DataFormat::Csv, DataFormat::Jsonl] {
                if let Ok(rows) = Rows::try_of(format, &bytes) {
                    for number in 0..rows.count() {
                        prop_assert!(rows.read(number).is_ok());
                    }
                }
            }
        }
    }
}
