//! The documents of the repository: the README and everything below `docs/`.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository, as text.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The README and everything below `docs/`: path from the root, and text.
pub fn documents() -> Vec<(String, String)> {
    let mut paths = vec![PathBuf::from("README.md")];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            match path.extension() {
                Some(ending) if ending == "md" => paths.push(path),
                _ if root().join(&path).is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    let name = |path: PathBuf| path.to_str().unwrap().to_owned();
    let texts = paths.into_iter().map(name);
    texts.map(|path| (path.clone(), read(&path))).collect()
}

/// A fenced block: its language, the number of its first line, and its text.
pub struct Block {
    pub language: String,
    pub line: usize,
    pub text: String,
}

/// The fenced blocks of a document, and the document with their lines left empty.
pub fn blocks(text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for (i, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block {
                    language: language.trim().to_owned(),
                    line: i + 2,
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => prose += line,
        }
        prose.push('\n');
    }
    assert!(open.is_none(), "a block is not closed");
    (blocks, prose)
}
