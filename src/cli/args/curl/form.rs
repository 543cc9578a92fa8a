//! The parts of a form in a `curl` command: `-F name=value`, `-F name=@file;type=text/csv`.

use crate::cli::args::content;
use crate::error::Error;
use crate::scenario::{QuickContent, QuickPart};

/// The part of a `-F`.
///
/// # Errors
/// Wrong usage if it has no name, or its file cannot be used.
pub fn part(flag: &str, text: &str) -> Result<QuickPart, Error> {
    let (name, value) = split(flag, text)?;
    let mut rest = value.split(';');
    let mut value = rest.next().unwrap_or_default().to_owned();
    let (mut filename, mut content_type) = (None, None);
    for word in rest {
        let unquoted = |text: &str| Some(text.trim_matches('"').to_owned());
        match word.trim_start().split_once('=') {
            Some(("type", given)) => content_type = unquoted(given),
            Some(("filename", given)) => filename = unquoted(given),
            // A semicolon of the value.
            _ => value += &format!(";{word}"),
        }
    }
    let content = if let Some(path) = value.strip_prefix('@') {
        QuickContent::File(content::file(flag, path.trim_matches('"'))?)
    } else if let Some(path) = value.strip_prefix('<') {
        QuickContent::Text(content::read_text(flag, path.trim_matches('"'))?)
    } else {
        QuickContent::Text(value.trim_matches('"').to_owned())
    };
    Ok(QuickPart {
        name,
        content,
        filename,
        content_type,
    })
}

/// The part of a `--form-string`, whose value is text whatever it begins with.
///
/// # Errors
/// Wrong usage if it has no name.
pub fn text_part(flag: &str, text: &str) -> Result<QuickPart, Error> {
    let (name, value) = split(flag, text)?;
    Ok(QuickPart {
        name,
        content: QuickContent::Text(value.to_owned()),
        filename: None,
        content_type: None,
    })
}

fn split<'t>(flag: &str, text: &'t str) -> Result<(String, &'t str), Error> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value)),
        _ => Err(Error::usage(format!("curl's `{flag}` takes `name=value`"))),
    }
}
