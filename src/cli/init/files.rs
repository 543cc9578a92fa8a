//! Writing the files of `perfctl init`, without overwriting any unasked.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::show::output::print;
use crate::error::Error;

/// Writes the files and says so; none of them if one exists and `force` is not given.
///
/// # Errors
/// Wrong usage if files exist, or a file that cannot be written.
pub fn write_all(
    files: &[(PathBuf, &[u8])],
    force: bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let existing: Vec<String> = files
        .iter()
        .filter(|(path, _)| path.exists())
        .map(|(path, _)| format!("`{}`", path.display()))
        .collect();
    if !existing.is_empty() && !force {
        return Err(Error::usage_help(
            format!("{} would be overwritten", existing.join(", ")),
            "nothing was written; choose another directory, or use `--force`",
        ));
    }
    for (path, content) in files {
        let verb = if path.exists() { "overwrote" } else { "wrote" };
        write(path, content)?;
        print(out, &format!("{verb} {}\n", path.display()))?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, content))
        .map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
}
