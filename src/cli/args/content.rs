//! `@file` and `@-`: content that an option takes from a file or from standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The largest text taken from standard input or a file that becomes part of a scenario; bytes.
const MAX_BYTES: u64 = 1 << 19;

/// What an option was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, of the command line or of standard input.
    Text(String),
    /// A file, by its absolute path.
    File(PathBuf),
}

impl Content {
    /// Of `TEXT`, `@FILE`, or `@-` for standard input.
    ///
    /// # Errors
    /// Wrong usage if the file cannot be used; `option` is the option that names it.
    pub fn of(option: &str, text: &str) -> Result<Self, Error> {
        match text.strip_prefix('@') {
            None => Ok(Self::Text(text.to_owned())),
            Some("-") => read_stdin(option).map(Self::Text),
            Some(path) => file(option, path).map(Self::File),
        }
    }
}

/// The absolute path of a regular file.
///
/// # Errors
/// Wrong usage if it cannot be used.
pub fn file(option: &str, path: &str) -> Result<PathBuf, Error> {
    let bad = |why: &str| Error::usage(format!("{option}: cannot use `{path}`: {why}"));
    let real = Path::new(path)
        .canonicalize()
        .map_err(|error| bad(&error.to_string()))?;
    match real.is_file() {
        true => Ok(real),
        false => Err(bad("it is not a regular file")),
    }
}

/// The text of a file, or with `-` of standard input.
///
/// # Errors
/// Wrong usage if it cannot be read, is too large or not UTF-8.
pub fn read_text(option: &str, path: &str) -> Result<String, Error> {
    if path == "-" {
        return read_stdin(option);
    }
    let real = file(option, path)?;
    let opened = std::fs::File::open(&real)
        .map_err(|error| Error::usage(format!("{option}: cannot use `{path}`: {error}")))?;
    read(option, &format!("`{path}`"), opened)
}

fn read_stdin(option: &str) -> Result<String, Error> {
    read(option, "standard input", std::io::stdin())
}

fn read(option: &str, name: &str, from: impl Read) -> Result<String, Error> {
    let bad = |why: &str| Error::usage(format!("{option}: cannot use {name}: {why}"));
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| bad(&error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad("it is larger than 512 KiB; name a file as `@FILE`"));
    }
    String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 text; name a file as `@FILE`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_text_or_a_file_that_exists() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, "{}").unwrap();
        let given = format!("@{}", path.display());
        let file = Content::of("--data", &given).unwrap();
        assert_eq!(file, Content::File(path.canonicalize().unwrap()));
        assert_eq!(
            Content::of("--data", "a@b").unwrap(),
            Content::Text("a@b".into())
        );
        for bad in ["@no/such/file", "@/", "@"] {
            let error = Content::of("--data", bad).unwrap_err().to_string();
            assert!(error.starts_with("error: --data: cannot use `"), "{error}");
        }
        assert_eq!(read_text("-x", &path.display().to_string()).unwrap(), "{}");
        let read = |bytes: &[u8]| super::read("-x", "it", bytes).map_err(|e| e.to_string());
        assert!(read(b"\xff").unwrap_err().contains("not UTF-8"));
        assert!(
            read(&vec![b'a'; 600_000])
                .unwrap_err()
                .contains("larger than 512 KiB")
        );
    }
}
