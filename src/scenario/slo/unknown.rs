//! What is said of the name of an SLO that refers to nothing.
//!
//! Not here: names that are wrong in other ways (`spelling`).

use crate::error::{Diagnostic, did_you_mean};
use crate::scenario::yaml::decode::list;

/// That there is no such SLO among the `known` ones; `none` says why where there are none at all.
pub(super) fn unknown_among(name: &str, known: &[String], none: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(format!("unknown SLO `{name}`"));
    let known = || known.iter().map(String::as_str);
    let diagnostic = diagnostic.help(match known().next() {
        None => none.to_owned(),
        Some(_) => format!("known: {}", list(known())),
    });
    match did_you_mean(name, known()) {
        Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
        None => diagnostic,
    }
}
