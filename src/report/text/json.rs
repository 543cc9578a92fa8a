//! JSON without invisible characters: it reads the same, and cannot control a terminal.

use std::io::{self, Write};

use super::is_harmful;

/// Replaces characters that could control a terminal or hide text by their escapes. What is written to it is
/// JSON, in pieces of whole characters, as serde_json writes it.
pub(crate) struct JsonWriter<W>(pub W);

impl<W: Write> Write for JsonWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        const DELETE: u8 = 0x7f;
        // serde_json itself escapes the other control characters of ASCII, except within its layout.
        if bytes.is_ascii() && !bytes.contains(&DELETE) {
            return self.0.write_all(bytes);
        }
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            self.0.write_all(&rest.as_bytes()[..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_all(rest.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_reads_the_same() {
        let text = "a\u{7f}\u{9b}31m\u{202e}é 請求書 \u{1b}\n\"\\ \u{feff}";
        let mut out = Vec::new();
        serde_json::to_writer(JsonWriter(&mut out), &[text]).unwrap();
        let json = String::from_utf8(out).unwrap();
        assert!(!json.contains(is_harmful), "{json}");
        assert!(json.contains("é 請求書"), "{json}");
        let read: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [text]);
    }
}
