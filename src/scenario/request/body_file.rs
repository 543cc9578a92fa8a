//! Files whose content is a request's body, or a part of it.
//!
//! Here: reading them, and which are held in memory. Not here: which paths are allowed
//! (`scenario::source`).

use std::path::Path;

use crate::error::Diagnostic;
use crate::plan::{BodyFile, FileContent};
use crate::scenario::source::{below, unusable};
use crate::scenario::yaml::decode::Located;

/// The largest file that is kept in memory; bytes. A larger one is read again for each request.
const MAX_HELD_BYTES: u64 = 8 << 20;

/// Reads a body file. A large one is only looked at.
pub(crate) fn read(path: &Located<String>, folder: &Path) -> Result<BodyFile, Diagnostic> {
    let what = "body file";
    let (real, length) = below(what, &path.value, folder)?;
    let content = match length > MAX_HELD_BYTES {
        // Opened all the same, so that one that cannot be read is an error now.
        true => std::fs::File::open(&real).map(|_| FileContent::OnDisk { path: real, length }),
        false => std::fs::read(&real).map(|bytes| FileContent::Bytes(bytes.into())),
    };
    Ok(BodyFile {
        path: path.value.clone(),
        content: content.map_err(|error| unusable(what, &path.value, &error.to_string()))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::yaml::findings::Span;

    fn try_read(path: &str, folder: &Path) -> Result<Vec<u8>, String> {
        let path = Located {
            value: path.to_owned(),
            at: Span::default(),
        };
        match read(&path, folder)
            .map_err(|diagnostic| diagnostic.message)?
            .content
        {
            FileContent::Bytes(bytes) => Ok(bytes.into()),
            FileContent::OnDisk { length, .. } => Ok(format!("{length} bytes on disk").into()),
        }
    }

    #[test]
    fn body_files_are_regular_files_below_the_scenario() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(dir.path().join("data/a.csv"), "a,b").unwrap();
        assert_eq!(try_read("data/a.csv", dir.path()).unwrap(), b"a,b");
        assert_eq!(try_read("./data/a.csv", dir.path()).unwrap(), b"a,b");
        for (bad, part) in [
            ("../secret", "outside"),
            ("data/../../x", "outside"),
            ("/etc/passwd", "outside"),
            ("", "outside"),
            ("data", "regular"),
            ("nothing", "No such file"),
        ] {
            assert!(
                try_read(bad, dir.path()).unwrap_err().contains(part),
                "{bad}"
            );
        }
        let huge = std::fs::File::create(dir.path().join("huge")).unwrap();
        huge.set_len(100 * MAX_HELD_BYTES).unwrap();
        let on_disk = try_read("huge", dir.path()).unwrap();
        assert_eq!(on_disk, b"838860800 bytes on disk");
    }

    #[cfg(unix)]
    #[test]
    fn links_out_and_pipes_are_refused_without_being_opened() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
        assert!(
            try_read("link", dir.path())
                .unwrap_err()
                .contains("leads out")
        );
        let fifo = dir.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        // Opening it would block for ever.
        assert!(
            try_read("fifo", dir.path())
                .unwrap_err()
                .contains("regular")
        );
    }
}
