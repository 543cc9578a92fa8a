//! The rows of a data file: a small file is kept in memory, a large one is read row by row during the
//! run, from remembered positions.
//!
//! Here: checking a file once, and finding a row again. Not here: splitting text into rows
//! (`records`), or which row is taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::array::as_lines;
use super::records::{DataError, Records};
use super::separator::recognized;
use super::text::{Patience, RowText};

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
    /// Separated values with the quotes of RFC 4180, the names of the columns first.
    Csv,
    /// A JSON object on each line.
    Jsonl,
    /// One JSON array of objects.
    Json,
}

/// The rows of a checked file. A copy is cheap.
#[derive(Debug, Clone)]
pub struct Rows {
    format: DataFormat,
    /// What separates the columns of CSV.
    separator: char,
    columns: Arc<[String]>,
    content: RowText,
    count: u64,
    /// Where the rows 0, `STRIDE`, 2 `STRIDE`... begin; bytes.
    places: Arc<[u64]>,
}

/// The values of a row, in the order of the columns; `None` if a JSON object does not have the key.
pub type Row = Vec<Option<Value>>;

impl Rows {
    /// Reads a whole file once. A file above 64 MiB stays open, and its rows are read when they are taken.
    /// What separates the columns of CSV is recognized by the first line unless it is given.
    ///
    /// # Errors
    /// At most ten errors in the file; if it cannot be read, one error in line 0.
    pub fn open(
        file: File,
        format: DataFormat,
        separator: Option<char>,
    ) -> Result<Self, Vec<DataError>> {
        Self::open_with(file, format, separator, MAX_IN_MEMORY)
    }

    fn open_with(
        mut file: File,
        format: DataFormat,
        separator: Option<char>,
        in_memory: u64,
    ) -> Result<Self, Vec<DataError>> {
        let unreadable = |error: io::Error| vec![DataError::new(0, 0, error.to_string())];
        let length = file.metadata().map_err(unreadable)?.len();
        if length > in_memory && format == DataFormat::Json {
            let text = "a JSON array above 64 MiB: write an object on each line (`jq -c '.[]'`)";
            return Err(vec![DataError::new(1, 1, text.into())]);
        }
        if length > in_memory {
            return Self::scan(RowText::File(Arc::new(file)), format, separator);
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(unreadable)?;
        let (text, format) = match format {
            DataFormat::Json => (
                as_lines(&text).map_err(|error| vec![error])?,
                DataFormat::Jsonl,
            ),
            format => (text, format),
        };
        Self::scan(RowText::Memory(text.into()), format, separator)
    }

    fn scan(
        content: RowText,
        format: DataFormat,
        separator: Option<char>,
    ) -> Result<Self, Vec<DataError>> {
        let mut records = content.records(0);
        let mut errors = Vec::new();
        let (mut count, mut places) = (0_u64, Vec::new());
        let mut columns = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let separator = match (format, separator) {
            (DataFormat::Csv, None) => match content.records(0).line() {
                Ok(Some((line, text))) => recognized(line, &text).map_err(|error| vec![error])?,
                // What is wrong is found below.
                _ => ',',
            },
            (_, given) => given.unwrap_or(','),
        };
        if format == DataFormat::Csv {
            columns = header(&mut records, separator).map_err(|error| vec![error])?;
        }
        while errors.len() < MAX_ERRORS {
            let place = records.place();
            let checked = match format {
                DataFormat::Csv => records.fields(separator).map(|row| {
                    row.map(|(line, fields)| match fields.len() == columns.len() {
                        true => Ok(()),
                        false => Err(ragged(line, fields.len(), columns.len())),
                    })
                }),
                DataFormat::Jsonl | DataFormat::Json => records.object().map(|row| {
                    row.map(|(_, object)| {
                        for name in object.keys() {
                            if known.len() < MAX_COLUMNS && !known.contains_key(name) {
                                known.insert(name.clone(), known.len());
                                columns.push(name.clone());
                            }
                        }
                        Ok(())
                    })
                }),
            };
            match checked {
                Ok(None) => break,
                Ok(Some(Ok(()))) => {
                    if count.is_multiple_of(STRIDE) {
                        places.push(place);
                    }
                    count += 1;
                }
                Ok(Some(Err(error))) => errors.push(error),
                // After an error of the format, rows can no longer be told apart.
                Err(error) => {
                    errors.push(error);
                    break;
                }
            }
        }
        if errors.is_empty() && count == 0 {
            errors.push(DataError::new(1, 1, "the file has no rows".into()));
        }
        match errors.is_empty() {
            true => Ok(Self {
                format,
                separator,
                columns: columns.into(),
                content,
                count,
                places: places.into(),
            }),
            false => Err(errors),
        }
    }

    /// What separates the columns; `None` for JSON lines.
    pub fn separator(&self) -> Option<char> {
        (self.format == DataFormat::Csv).then_some(self.separator)
    }

    /// The names of the columns, in order; for JSON lines, all keys that occur.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The values of row `number`, from 0. Waits for the disk if the file is not in memory.
    ///
    /// # Errors
    /// The file has changed since it was checked, or there is no such row; for people.
    pub fn read(&self, number: u64) -> Result<Row, String> {
        self.find(number, Patience::Waits).map_err(|_| changed())
    }

    /// The same without waiting; `None` if the disk has to be waited for.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_now(&self, number: u64) -> Option<Result<Row, String>> {
        match self.find(number, Patience::None) {
            Err(MissingRow::Blocked) => None,
            found => Some(found.map_err(|_| changed())),
        }
    }

    /// As [`Self::read`], on a thread that may wait. Must be called inside a runtime.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn fetch(&self, number: u64) -> Result<Row, String> {
        let rows = self.clone();
        let read = tokio::task::spawn_blocking(move || rows.read(number)).await;
        read.unwrap_or_else(|_| Err("the data file cannot be read".to_owned()))
    }

    /// Starts to read a row that is soon taken, on another thread, if it is not in memory yet. Must be
    /// called inside a runtime.
    pub fn read_ahead(&self, number: u64) {
        let index = usize::try_from(number / STRIDE).unwrap_or(usize::MAX);
        let first = self.places.get(index).copied();
        // The last byte of the rows that are split together, if more follow.
        let last = self.places.get(index.saturating_add(1));
        let mut bytes = first.into_iter().chain(last.map(|next| next - 1));
        if bytes.any(|place| !self.content.is_at_hand(place)) {
            let rows = self.clone();
            // It is read for the system to keep it; whoever takes it reads it again.
            drop(tokio::task::spawn_blocking(move || rows.read(number)));
        }
    }

    /// Whether all rows are always in memory, so that there is nothing to read ahead.
    pub fn is_in_memory(&self) -> bool {
        self.content.is_in_memory()
    }

    fn find(&self, number: u64, patience: Patience) -> Result<Row, MissingRow> {
        let place = usize::try_from(number / STRIDE).ok();
        let place = place.and_then(|index| self.places.get(index));
        let place = *place.ok_or(MissingRow::Changed)?;
        let mut records = self.content.records_with(place, patience);
        let mut left = number % STRIDE;
        loop {
            match self.format {
                DataFormat::Csv => {
                    let (_, fields) = found(records.fields(self.separator))?;
                    if left == 0 && fields.len() == self.columns.len() {
                        return Ok(fields.into_iter().map(|text| Some(text.into())).collect());
                    }
                }
                DataFormat::Jsonl | DataFormat::Json => {
                    let (_, mut object) = found(records.object())?;
                    if left == 0 {
                        let names = self.columns.iter();
                        return Ok(names.map(|name| object.remove(name)).collect());
                    }
                }
            }
            left = left.checked_sub(1).ok_or(MissingRow::Changed)?;
        }
    }
}

/// Why a row is not found.
enum MissingRow {
    /// The file is not what was checked.
    Changed,
    /// The disk has to be waited for.
    Blocked,
}

fn changed() -> String {
    "the data file has changed during the run".to_owned()
}

fn found<T>(next: Result<Option<T>, DataError>) -> Result<T, MissingRow> {
    match next {
        Ok(Some(record)) => Ok(record),
        Err(error) if error.would_block => Err(MissingRow::Blocked),
        _ => Err(MissingRow::Changed),
    }
}

fn header<R: io::BufRead>(
    records: &mut Records<R>,
    separator: char,
) -> Result<Vec<String>, DataError> {
    let Some((line, names)) = records.fields(separator)? else {
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
            _ => text.to_owned(),
        };
        Self::try_of(format, text.as_bytes()).unwrap_or(Self {
            format,
            separator: ',',
            columns: Arc::default(),
            content: RowText::Memory(Vec::new().into()),
            count: 0,
            places: Arc::default(),
        })
    }

    /// The same, on a disk that has to be waited for.
    pub(crate) fn on_a_slow_disk(mut self) -> Self {
        if let RowText::Memory(text) = &self.content {
            self.content = RowText::Slow(Arc::new(super::slow::SlowText::new(text.to_vec())));
        }
        self
    }

    /// Nothing is in memory, and this thread must not wait for the disk, from now on.
    pub(crate) fn start(&self) {
        if let RowText::Slow(text) = &self.content {
            text.start();
        }
    }

    /// How many places of the file were waited for.
    pub(crate) fn waits(&self) -> usize {
        match &self.content {
            RowText::Slow(text) => text.waits(),
            _ => 0,
        }
    }

    /// Of this text, with its header.
    pub(super) fn try_of(format: DataFormat, text: &[u8]) -> Result<Self, Vec<DataError>> {
        Self::scan(RowText::Memory(text.into()), format, None)
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
        let streamed = Rows::open_with(file, DataFormat::Csv, None, 10).unwrap();
        assert!(matches!(streamed.content, RowText::File(_)));
        let held = Rows::try_of(DataFormat::Csv, text.as_bytes()).unwrap();
        for rows in [streamed, held] {
            assert_eq!(
                (rows.columns(), rows.count()),
                (&["id".into(), "na,me".into()][..], 1_000)
            );
            for i in [0, 1, 15, 16, 17, 999] {
                let expected = [json!(i.to_string()), json!(format!("a \"{i}\",\nb"))];
                assert_eq!(rows.read(i).unwrap(), expected.clone().map(Some));
                // Just written or just read, but not every file system can say so.
                if let Some(row) = rows.read_now(i) {
                    assert_eq!(row.unwrap(), expected.map(Some));
                }
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
            ("a;b,c\n1;2\n", "1:4: both `;` and `,` could separate"),
            (
                "a;b\n1;2\n3,4\n",
                "3:1: 1 field, but the first line names 2",
            ),
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
            separator in prop::sample::select(vec![',', ';', '\t', '|', ':', '^', '§']),
            is_said: bool,
            line_end in prop::sample::select(vec!["\n", "\r\n"]),
            cells in prop::collection::vec(prop::collection::vec("[a\",;|:^§\t\r\né ]{0,6}", 3), 1..40),
            quoted in any::<prop::sample::Index>(),
        ) {
            // What need not be quoted is quoted now and then.
            let special = ['"', '\r', '\n', separator];
            let write = |(i, cell): (usize, &String)| match cell.contains(special) || i == quoted.index(4) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.clone(),
            };
            let line = |row: &Vec<String>| {
                let cells: Vec<String> = row.iter().enumerate().map(write).collect();
                cells.join(&separator.to_string())
            };
            let names = ["a".to_owned(), "\"b,c;d\"".to_owned(), "e".to_owned()];
            let mut lines = vec![names.join(&separator.to_string())];
            lines.extend(cells.iter().map(line));
            let text = lines.join(line_end);
            let is_said = is_said || !matches!(separator, ',' | ';' | '\t' | '|');
            let content = RowText::Memory(text.as_bytes().into());
            let rows = Rows::scan(content, DataFormat::Csv, is_said.then_some(separator)).unwrap();
            prop_assert_eq!(rows.columns(), ["a", "b,c;d", "e"]);
            prop_assert_eq!(rows.separator(), Some(separator));
            prop_assert_eq!(rows.count(), cells.len() as u64);
            for (i, row) in cells.iter().enumerate() {
                let expected: Vec<_> = row.iter().map(|cell| Some(cell.as_str().into())).collect();
                prop_assert_eq!(rows.read(i as u64).unwrap(), expected.clone());
                prop_assert_eq!(rows.read_now(i as u64).unwrap().unwrap(), expected);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(
            prop::sample::select(b"a\",;\t|\r\n\0\xc3\xa9{}:1".to_vec()), 0..60,
        )) {
            for (format, separator) in [
                (DataFormat::Csv, None),
                (DataFormat::Csv, Some('a')),
                (DataFormat::Csv, Some('é')),
                (DataFormat::Jsonl, None),
            ] {
                let content = RowText::Memory(bytes.clone().into());
                if let Ok(rows) = Rows::scan(content, format, separator) {
                    for number in 0..rows.count() {
                        prop_assert!(rows.read(number).is_ok());
                    }
                }
            }
        }
    }
}
