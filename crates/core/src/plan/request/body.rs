//! Request bodies: texts with slots, files, and multipart bodies of both.
//!
//! Here: what is sent, as far as it is known before the run. Not here: how it is written in YAML
//! (`scenario`), or how it is sent (`protocol`).

use std::path::PathBuf;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::plan::Template;

/// A request body.
#[derive(Debug, Clone)]
pub enum Body {
    /// No body.
    None,
    /// Text, JSON or a form, rendered for each request.
    Template(Template),
    /// The content of a file.
    File(BodyFile),
    /// Texts and files, one after the other: a multipart body.
    Pieces(Vec<BodyPiece>),
}

/// A text or a file in a multipart body.
#[derive(Debug, Clone)]
pub enum BodyPiece {
    /// Text, rendered for each request.
    Text(Template),
    /// The content of a file.
    File(BodyFile),
}

/// A file that is sent.
#[derive(Debug, Clone)]
pub struct BodyFile {
    /// As written in the scenario.
    pub path: String,
    /// Its content.
    pub content: FileContent,
}

/// The content of a file.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// Read when the plan was made.
    Bytes(Bytes),
    /// Too large for memory: read again for each request.
    OnDisk {
        /// Where it was found.
        path: PathBuf,
        /// Its size when the plan was made; bytes.
        length: u64,
    },
}

impl FileContent {
    /// Its size; bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::OnDisk { length, .. } => *length,
        }
    }
}

impl Body {
    /// Its templates, in order.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (alone, pieces) = match self {
            Self::Template(template) => (Some(template), &[][..]),
            Self::Pieces(pieces) => (None, &pieces[..]),
            Self::None | Self::File(_) => (None, &[][..]),
        };
        let texts = pieces.iter().filter_map(|piece| match piece {
            BodyPiece::Text(template) => Some(template),
            BodyPiece::File(_) => None,
        });
        alone.into_iter().chain(texts)
    }

    /// Whether anything in it is filled in for each request.
    pub fn varies(&self) -> bool {
        let mut templates = self.templates();
        templates.any(|template| template.as_constant().is_none())
    }

    /// The first file that is too large for memory.
    pub fn on_disk(&self) -> Option<&BodyFile> {
        let (alone, pieces) = match self {
            Self::File(file) => (Some(file), &[][..]),
            Self::Pieces(pieces) => (None, &pieces[..]),
            Self::None | Self::Template(_) => (None, &[][..]),
        };
        let files = pieces.iter().filter_map(|piece| match piece {
            BodyPiece::File(file) => Some(file),
            BodyPiece::Text(_) => None,
        });
        let mut files = alone.into_iter().chain(files);
        files.find(|file| matches!(file.content, FileContent::OnDisk { .. }))
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Template(template) => template.serialize(serializer),
            Self::File(file) => file.serialize(serializer),
            Self::Pieces(pieces) => pieces.serialize(serializer),
        }
    }
}

impl Serialize for BodyPiece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(template) => template.serialize(serializer),
            Self::File(file) => file.serialize(serializer),
        }
    }
}

impl Serialize for BodyFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ("file", &self.path, self.content.length()).serialize(serializer)
    }
}
