//! The names that expressions can use, and what is said of a misspelled one.
//!
//! Here: the lists, and finding names in the text of an expression. Not here: what they do (`functions`).

use std::sync::LazyLock;

use regex::Regex;

use crate::error::did_you_mean;

/// The functions.
const FUNCTIONS: [&str; 20] = [
    "random_int",
    "random_float",
    "random_choice",
    "random_text",
    "uuid",
    "timestamp",
    "timestamp_ms",
    "counter",
    "base64",
    "md5",
    "sha1",
    "sha256",
    "sha512",
    "hmac_sha1",
    "hmac_sha256",
    "hmac_sha512",
    "json",
    "range",
    "dict",
    "now",
];

/// The functions whose value comes from the clock.
const TIMES: [&str; 3] = ["timestamp", "timestamp_ms", "now"];

/// The functions whose value comes from the random numbers or counters of the user.
const DRAWING: [&str; 8] = [
    "random_int",
    "random_float",
    "random_choice",
    "random_text",
    "uuid",
    "counter",
    "fake",
    "shared",
];

/// The filters: what can follow `|`.
const FILTERS: [&str; 52] = [
    "abs",
    "base64",
    "base64_decode",
    "base64url",
    "batch",
    "capitalize",
    "date",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "hmac_sha1",
    "hmac_sha256",
    "hmac_sha512",
    "int",
    "items",
    "join",
    "json",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "md5",
    "min",
    "raw",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sha1",
    "sha256",
    "sha512",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "timestamp",
    "title",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// The methods: what can follow `.` with parentheses, as in Python.
const METHODS: [&str; 29] = [
    "capitalize",
    "count",
    "endswith",
    "find",
    "format",
    "get",
    "isalnum",
    "isalpha",
    "isascii",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "isupper",
    "items",
    "join",
    "keys",
    "lower",
    "lstrip",
    "replace",
    "rfind",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "title",
    "upper",
    "values",
];

/// The tests: what can follow `is`.
const TESTS: [&str; 22] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "ge",
    "gt",
    "in",
    "le",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
];

/// The tests whose names are operators, for `selectattr` and `rejectattr`.
const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// Whether an expression may call this name.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

/// What is said of a name that is called like a function, but is a misspelled one.
pub(super) fn misspelled(source: &str, name: &str) -> Option<String> {
    let mut ends = source
        .match_indices(name)
        .map(|(at, _)| &source[at + name.len()..]);
    let is_called = ends.any(|rest| rest.trim_start().starts_with('('));
    let close = did_you_mean(name, FUNCTIONS).filter(|_| is_called)?;
    Some(format!(
        "unknown function `{name}`: did you mean `{close}`?"
    ))
}

/// Whether `source` may call a function that draws.
pub(super) fn draws(source: &str) -> bool {
    DRAWING.iter().any(|name| source.contains(name))
}

/// Whether the value of one of these functions depends on when it is called.
pub(super) fn read_clock(functions: &[&str]) -> bool {
    functions.iter().any(|name| TIMES.contains(name))
}

/// Rejects unknown filters and tests, and `functions` that are not called. Otherwise they would only
/// fail during the run.
pub(super) fn check_names(source: &str, functions: &[&str]) -> Result<(), String> {
    static QUOTED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*""#));
    static FILTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\|\s*([A-Za-z_][A-Za-z0-9_]*)"));
    static TEST: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\bis\s+(?:not\s+)?([A-Za-z_][A-Za-z0-9_]*)"));
    static METHOD: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\.\s*([A-Za-z_][A-Za-z0-9_]*)\s*\("));
    static FAKE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(fake|shared|js)\s*\.\s*\w+"));
    static NAMED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\|\s*(map|select|reject)\s*\(\s*(?:'([^']*)'|"([^"]*)")"#));
    static TESTED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"\|\s*(?:selectattr|rejectattr)\s*\([^,()]*,\s*(?:'([^']*)'|"([^"]*)")"#)
    });
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:^|[^.|\sA-Za-z0-9_])\s*([A-Za-z_][A-Za-z0-9_]*)\s*(\(?)"));
    for found in NAMED.captures_iter(source) {
        let name = found.get(2).or(found.get(3));
        let name = name.map_or("", |name| name.as_str());
        match &found[1] {
            "map" if !FILTERS.contains(&name) => return Err(unknown("filter", name, &FILTERS)),
            "map" => {}
            _ if !TESTS.contains(&name) => return Err(unknown("test", name, &TESTS)),
            _ => {}
        }
    }
    for found in TESTED.captures_iter(source) {
        let name = found.get(1).or(found.get(2));
        let name = name.map_or("", |name| name.as_str());
        if !TESTS.contains(&name) && !COMPARISONS.contains(&name) {
            return Err(unknown("test", name, &TESTS));
        }
    }
    let source = QUOTED.replace_all(source, "''");
    let known = |found: &Regex, what: &str, names: &[&str]| {
        for found in found.captures_iter(&source) {
            if !names.contains(&&found[1]) {
                return Err(unknown(what, &found[1], names));
            }
        }
        Ok(())
    };
    known(&FILTER, "filter", &FILTERS)?;
    known(&TEST, "test", &TESTS)?;
    // What is made up can be called, as in Python; what is shared, and functions of scripts, were checked with their
    // names.
    let source = FAKE.replace_all(&source, "$1");
    let known = |found: &Regex, what: &str, names: &[&str]| {
        let mut found = found.captures_iter(&source);
        let wrong = found.find(|found| !names.contains(&&found[1]));
        wrong.map_or(Ok(()), |found| Err(unknown(what, &found[1], names)))
    };
    known(&METHOD, "method", &METHODS)?;
    for found in NAME.captures_iter(&source) {
        if functions.contains(&&found[1]) && found[2].is_empty() {
            return Err(format!("`{0}` is a function: write `{0}()`", &found[1]));
        }
    }
    Ok(())
}

pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let close = did_you_mean(name, known.iter().copied());
    let hint = close.map_or_else(
        || format!("use one of `{}`", known.join("`, `")),
        |close| format!("did you mean `{close}`?"),
    );
    format!("unknown {what} `{name}`: {hint}")
}

/// A regular expression that is right.
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern")
}
