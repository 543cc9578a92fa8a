//! A file that is one JSON array of objects: made into JSON lines, which are read like any others.
//!
//! Not here: what becomes of the rows (`rows`).

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

use super::records::{DataError, MAX_RECORD};

/// Each object of the array on a line of its own.
///
/// # Errors
/// Where the text is not such an array, and why.
pub(super) fn as_lines(text: &[u8]) -> Result<Vec<u8>, DataError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = String::from_utf8_lossy(&text[..error.valid_up_to()]);
        let line = before.split('\n').count() as u64;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        DataError::new(line, column, "not UTF-8 text".into())
    })?;
    let wrong = |error: serde_json::Error| {
        let (line, column) = (error.line().max(1) as u64, error.column().max(1));
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        DataError::new(
            line,
            column,
            format!("not an array of JSON objects: {what}"),
        )
    };
    let mut deserializer = Deserializer::from_str(text);
    let lines = deserializer.deserialize_any(Rows).map_err(wrong)?;
    deserializer.end().map_err(wrong)?;
    Ok(lines)
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("`[`; for an object on each line, write `format: jsonl`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Vec<u8>, A::Error> {
        let mut lines = Vec::new();
        while let Some(row) = rows.next_element_seed(Row)? {
            lines.extend_from_slice(row.as_bytes());
            lines.push(b'\n');
        }
        Ok(lines)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<Vec<u8>, A::Error> {
        Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self))
    }
}

struct Row;

impl<'de> DeserializeSeed<'de> for Row {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row {
    type Value = String;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object for each row")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            object.insert(name, value);
        }
        let text = Value::Object(object).to_string();
        match text.len() > MAX_RECORD {
            true => Err(A::Error::custom("a row longer than 1 MiB")),
            false => Ok(text),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<String, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_a_line_and_numbers_keep_their_digits() {
        let text = "\u{feff}[\n  {\"a\": 12345678901234567890123, \"b\": [1.50]},\n {} ]\n";
        let lines = as_lines(text.as_bytes()).unwrap();
        let expected = "{\"a\":12345678901234567890123,\"b\":[1.50]}\n{}\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }

    #[test]
    fn a_fault_has_its_line_and_column() {
        let long = format!("[{{\"a\": \"{}\"}}]", "x".repeat(1 << 20));
        for (text, line, part) in [
            ("[{\"a\": 1},\n {\"a\" 2}]", 2, "expected `:`"),
            ("[{\"a\": 1},\n 5]", 2, "an object for each row"),
            ("[\n[1]]", 2, "an object for each row"),
            ("{\"a\": 1}\n{\"a\": 2}", 1, "`format: jsonl`"),
            ("[{}] x", 1, "trailing characters"),
            ("[{}", 1, "EOF"),
            ("", 1, "EOF"),
            ("5", 1, "`format: jsonl`"),
            (&long, 1, "longer than 1 MiB"),
        ] {
            let error = as_lines(text.as_bytes()).unwrap_err();
            assert!(
                error.message.contains(part),
                "{text:.20}: {}",
                error.message
            );
            assert_eq!(error.line, line, "{text:.20}");
        }
        let error = as_lines(b"[{},\n\"\xff\"]").unwrap_err();
        assert_eq!((error.line, error.column), (2, 2));
    }
}
