//! The command that made a run, as reports show it.
//!
//! Here: which of its words are secrets, or may be, and what is shown instead. Not here: what they mean (`args`).

use std::ffi::OsString;

use url::Url;

use crate::plan::{Secrets, is_secret_header};

/// What is shown instead of a value that may be a secret.
const HIDDEN: &str = "***";

/// What the value of an option may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SecretKind {
    /// A secret.
    Value,
    /// A secret behind a name and `=`.
    Pair,
    /// A name and `=`, of which some have secrets behind them.
    Named,
    /// A header, of which some are secrets.
    Header,
    /// A URL whose query may have secrets.
    Url,
}

/// The options whose values may be secrets.
const HIDING: [(&str, &str, SecretKind); 10] = [
    ("-a", "--auth", SecretKind::Value),
    ("-d", "--data", SecretKind::Value),
    ("", "--json", SecretKind::Value),
    ("-e", "--env", SecretKind::Pair),
    ("-v", "--var", SecretKind::Named),
    ("-H", "--host", SecretKind::Header),
    ("", "--header", SecretKind::Header),
    ("", "--remote-write", SecretKind::Url),
    ("", "--otlp", SecretKind::Url),
    ("", "--influx", SecretKind::Url),
];

/// The command with these arguments, the first of which is the program, as it could be pasted into a shell; but
/// without secrets.
pub(super) fn command_line(
    arguments: impl IntoIterator<Item = OsString>,
    secrets: &Secrets,
) -> String {
    let mut words = vec!["perfctl".to_owned()];
    let mut hides = None;
    let mut after_options = false;
    for argument in arguments.into_iter().skip(1) {
        let argument = argument.to_string_lossy();
        if let Some(hides) = hides.take() {
            words.push(shown(&argument, hides));
        } else if after_options {
            // A command of another program.
            words.push(argument.into_owned());
            words.push(HIDDEN.to_owned());
            break;
        } else if argument == "--" {
            after_options = true;
            words.push(argument.into_owned());
        } else {
            let (word, next) = option(&argument);
            words.push(word);
            hides = next;
        }
    }
    let quoted = shlex::try_join(words.iter().map(String::as_str));
    // A word with a NUL byte cannot have come from a shell.
    let line = quoted.unwrap_or_else(|_| words.join(" ").replace('\0', ""));
    secrets.hide(&line).into_owned()
}

/// A word as it is shown, and what the next one hides.
fn option(word: &str) -> (String, Option<SecretKind>) {
    for (short, long, hides) in HIDING {
        if word == short || word == long {
            return (word.to_owned(), Some(hides));
        }
        let value = word
            .strip_prefix(long)
            .and_then(|rest| rest.strip_prefix('='));
        if let Some(value) = value {
            return (format!("{long}={}", shown(value, hides)), None);
        }
        if !short.is_empty()
            && let Some(value) = word.strip_prefix(short)
        {
            return (format!("{short}{}", shown(value, hides)), None);
        }
    }
    (without_credentials(word), None)
}

fn shown(value: &str, hides: SecretKind) -> String {
    let separator = match hides {
        SecretKind::Value => return HIDDEN.to_owned(),
        SecretKind::Pair | SecretKind::Named => '=',
        SecretKind::Header => ':',
        SecretKind::Url => {
            let shown = without_credentials(value);
            return match shown.split_once('?') {
                Some((url, _)) => format!("{url}?{HIDDEN}"),
                None => shown,
            };
        }
    };
    match value.split_once(separator) {
        Some((name, _)) if hides == SecretKind::Pair => format!("{name}={HIDDEN}"),
        Some((name, _)) if hides == SecretKind::Named && is_secret_header(&name.to_lowercase()) => {
            format!("{name}={HIDDEN}")
        }
        _ if hides == SecretKind::Named => value.to_owned(),
        Some((name, _)) if is_secret_header(&name.to_lowercase()) => format!("{name}: {HIDDEN}"),
        None if hides == SecretKind::Pair => HIDDEN.to_owned(),
        _ => without_credentials(value),
    }
}

/// A URL without username and password; any other text as it is.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return text.to_owned();
    };
    if url.username().is_empty() && url.password().is_none() {
        return text.to_owned();
    }
    match (url.set_username("***"), url.set_password(None)) {
        (Ok(()), Ok(())) => url.to_string(),
        _ => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(words: &[&str]) -> String {
        let words = std::iter::once("target/debug/perfctl").chain(words.iter().copied());
        command_line(words.map(OsString::from), &Secrets::new(["tea-42"]))
    }

    #[test]
    fn it_can_be_pasted_and_has_no_secret() {
        for (words, expected) in [
            (
                &["run", "shop", "-u", "5", "--slo", "p95<300ms"][..],
                "perfctl run shop -u 5 --slo 'p95<300ms'",
            ),
            (
                &["run", "-e", "KEY=k1", "--env=PASSWORD=p1", "-eX=y"],
                "perfctl run -e 'KEY=***' '--env=PASSWORD=***' '-eX=***'",
            ),
            (
                &["run", "-v", "size=3", "--var=Password=p1"],
                "perfctl run -v 'size=3' '--var=Password=***'",
            ),
            (
                &["run", "http://u:p@h/x", "-H", "https://u:p@h", "-a", "u:p"],
                "perfctl run 'http://***@h/x' -H 'https://***@h/' -a '***'",
            ),
            (
                &["run", "-H", "X-Api-Key: k", "--header", "accept: a", "-d{}"],
                "perfctl run -H 'X-Api-Key: ***' --header 'accept: a' '-d***'",
            ),
            (
                &["run", "--", "curl", "-u", "a:b", "http://h"],
                "perfctl run -- curl '***'",
            ),
            (
                &[
                    "run",
                    "--influx=http://u:p@h/write?p=s",
                    "--otlp",
                    "grpc://u:p@h:1",
                ],
                "perfctl run '--influx=http://***@h/write?***' --otlp 'grpc://***@h:1'",
            ),
            (
                &["run", "http://h/?q=tea-42"],
                "perfctl run 'http://h/?q=***'",
            ),
        ] {
            assert_eq!(of(words), expected);
        }
    }

    proptest! {
        #[test]
        fn no_value_of_an_option_that_hides_is_shown(
            at in 0..4usize,
            value in "[0-9]{12}",
            joined in any::<bool>(),
        ) {
            let (short, long, hides) = HIDING[at];
            let value = match hides {
                SecretKind::Pair => format!("N={value}"),
                _ => value,
            };
            let secret = value.trim_start_matches("N=");
            let line = match (joined, short.is_empty()) {
                (true, false) => of(&["run", &format!("{short}{value}")]),
                (true, true) => of(&["run", &format!("{long}={value}")]),
                (false, _) => of(&["run", long, &value]),
            };
            prop_assert!(!line.contains(secret), "{line}");
        }
    }
}
