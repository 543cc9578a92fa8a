//! The data of a `curl` command: its `-d` and the like, joined to a body or a query.

use std::path::Path;

use crate::cli::args::content::{self, Content};
use crate::error::Error;
use crate::plan::Escape;
use crate::scenario::QuickBody;

/// The data given so far.
#[derive(Debug, Default)]
pub struct Data {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    content: Content,
    /// What joins it to the piece before it.
    separator: &'static str,
}

impl Data {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Text as it is.
    pub fn add_text(&mut self, text: &str) {
        self.push(Content::Text(text.to_owned()), "&");
    }

    /// Text, or a file without its line breaks.
    ///
    /// # Errors
    /// Wrong usage if the file cannot be used.
    pub fn add(&mut self, flag: &str, value: &str) -> Result<(), Error> {
        let text = match value.strip_prefix('@') {
            None => value.to_owned(),
            Some(path) => content::read_text(flag, path)?.replace(['\r', '\n', '\0'], ""),
        };
        self.add_text(&text);
        Ok(())
    }

    /// Text, or a file as it is.
    ///
    /// # Errors
    /// Wrong usage if the file cannot be used.
    pub fn add_binary(&mut self, flag: &str, value: &str) -> Result<(), Error> {
        self.push(Content::of(flag, value)?, "&");
        Ok(())
    }

    /// JSON, or a file with it; several are joined as they are.
    ///
    /// # Errors
    /// Wrong usage if the file cannot be used.
    pub fn add_json(&mut self, flag: &str, value: &str) -> Result<(), Error> {
        self.push(Content::of(flag, value)?, "");
        Ok(())
    }

    /// Text that is encoded: `text`, `=text`, `name=text`, `@file` or `name@file`.
    ///
    /// # Errors
    /// Wrong usage if the file cannot be used.
    pub fn add_encoded(&mut self, flag: &str, value: &str) -> Result<(), Error> {
        let (name, text) = match value.find(['=', '@']) {
            None => ("", value.to_owned()),
            Some(at) if value[at..].starts_with('=') => (&value[..at], value[at + 1..].to_owned()),
            Some(at) => (&value[..at], content::read_text(flag, &value[at + 1..])?),
        };
        let mut encoded = match name {
            "" => String::new(),
            name => format!("{name}="),
        };
        Escape::Url.push(&text, &mut encoded);
        self.add_text(&encoded);
        Ok(())
    }

    fn push(&mut self, content: Content, separator: &'static str) {
        self.pieces.push(Piece { content, separator });
    }

    /// All of it as a body.
    ///
    /// # Errors
    /// Wrong usage if a file among several pieces cannot be read as text.
    pub fn into_body(mut self) -> Result<QuickBody, Error> {
        match self.pieces.as_mut_slice() {
            [
                Piece {
                    content: Content::File(path),
                    ..
                },
            ] => Ok(QuickBody::File(std::mem::take(path))),
            _ => self.into_text().map(QuickBody::Text),
        }
    }

    /// All of it as a text.
    ///
    /// # Errors
    /// Wrong usage if a file cannot be read as text.
    pub fn into_text(self) -> Result<String, Error> {
        let mut text = String::new();
        for (position, piece) in self.pieces.into_iter().enumerate() {
            if position > 0 {
                text += piece.separator;
            }
            text += &match piece.content {
                Content::Text(text) => text,
                Content::File(path) => read(&path)?,
            };
        }
        Ok(text)
    }
}

fn read(path: &Path) -> Result<String, Error> {
    content::read_text("curl's data", &path.display().to_string())
}
