//! The texts of the files of a script, and its limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The processor time of a call, or between two waits of an asynchronous one.
    pub time: Duration,
    /// The memory of the script in one worker; bytes.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_millis(100),
            memory: 256_000_000,
        }
    }
}

/// The texts of the files of a script, by their paths from the scenario's folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(pub(super) BTreeMap<String, Arc<str>>);

impl Sources {
    pub(super) fn add(&mut self, path: &str, text: Arc<str>) {
        self.0.insert(path.to_owned(), text);
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn text(&self, path: &str) -> Option<Arc<str>> {
        self.0.get(path).cloned()
    }

    /// The text of a line, which counts from 1.
    pub(super) fn line(&self, path: &str, line: usize) -> Option<String> {
        let lines = self.0.get(path)?.lines();
        lines.skip(line.saturating_sub(1)).map(str::to_owned).next()
    }

    /// Line and column of the first quoted `text` in a file, from 1.
    pub(super) fn place_of(&self, path: &str, text: &str) -> Option<(usize, usize)> {
        let quoted = ["\"", "'"].map(|quote| format!("{quote}{text}{quote}"));
        let mut lines = self.0.get(path)?.lines().enumerate();
        lines.find_map(|(number, line)| {
            let at = quoted
                .iter()
                .find_map(|quoted| line.find(quoted.as_str()))?;
            Some((number + 1, line[..at].chars().count() + 1))
        })
    }
}
