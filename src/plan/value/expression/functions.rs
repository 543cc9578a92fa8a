//! The functions and filters of expressions.
//!
//! Here: each one with its limits, and the lists of their names. Not here: evaluation.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, Value, filters, tests};
use rand::RngExt;
use regex::Regex;
use sha2::{Digest, Sha256};

use super::loan::Loan;
use crate::error::did_you_mean;
use crate::plan::value::generators::{count, since_epoch, uuid};

/// The longest text that an expression may produce, also on the way; bytes.
pub(super) const MAX_TEXT: usize = 1_000_000;

/// The functions.
const FUNCTIONS: [&str; 12] = [
    "random_int",
    "random_float",
    "random_choice",
    "random_text",
    "uuid",
    "timestamp",
    "timestamp_ms",
    "counter",
    "base64",
    "sha256",
    "hmac_sha256",
    "json",
];

/// The functions whose value comes from the random numbers or counters of the user.
const DRAWING: [&str; 6] = [
    "random_int",
    "random_float",
    "random_choice",
    "random_text",
    "uuid",
    "counter",
];

/// The filters: what can follow `|`.
const FILTERS: [&str; 31] = [
    "abs",
    "base64",
    "base64_decode",
    "base64url",
    "capitalize",
    "date",
    "default",
    "first",
    "float",
    "hmac_sha256",
    "int",
    "join",
    "json",
    "last",
    "length",
    "lower",
    "max",
    "min",
    "raw",
    "replace",
    "reverse",
    "round",
    "sha256",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "upper",
    "urlencode",
];

/// The tests: what can follow `is`.
const TESTS: [&str; 8] = [
    "defined",
    "undefined",
    "none",
    "number",
    "string",
    "startingwith",
    "endingwith",
    "in",
];

/// Adds all functions, filters and tests to the library.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_function("random_int", random_int);
    environment.add_function("random_float", random_float);
    environment.add_function("random_choice", random_choice);
    environment.add_function("random_text", random_text);
    environment.add_function("uuid", || draw(|loan| uuid(&mut loan.rng).to_string()));
    environment.add_function("timestamp", || since_epoch().as_secs());
    environment.add_function("timestamp_ms", || since_epoch().as_millis() as u64);
    environment.add_function("counter", |name: Option<&str>| {
        draw(|loan| count(&mut loan.counters, name.unwrap_or_default()))
    });
    environment.add_function("base64", base64);
    environment.add_function("sha256", sha256);
    environment.add_function("json", json);
    environment.add_function(
        "hmac_sha256",
        |key: &Value, text: &Value, form: Option<&str>| hmac_sha256(text, key, form),
    );

    environment.add_filter("abs", filters::abs);
    environment.add_filter("base64", base64);
    environment.add_filter("base64_decode", base64_decode);
    environment.add_filter("base64url", base64url);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("date", date);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("float", filters::float);
    environment.add_filter("hmac_sha256", hmac_sha256);
    environment.add_filter("int", filters::int);
    environment.add_filter("join", filters::join);
    environment.add_filter("json", json);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("raw", raw);
    environment.add_filter("replace", replace);
    environment.add_filter("reverse", filters::reverse);
    environment.add_filter("round", filters::round);
    environment.add_filter("sha256", sha256);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("split", filters::split);
    environment.add_filter("string", text);
    environment.add_filter("sum", filters::sum);
    environment.add_filter("title", filters::title);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("urlencode", urlencode);

    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("string", tests::is_string);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("in", tests::is_in);
}

/// Whether an expression may call this name.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

/// Whether `source` may call a function that draws.
pub(super) fn draws(source: &str) -> bool {
    DRAWING.iter().any(|name| source.contains(name))
}

/// Whether the value of `source` may depend on when it is evaluated.
pub(super) fn reads_clock(source: &str) -> bool {
    source.contains("timestamp")
}

/// Rejects unknown filters and tests, and `functions` that are not called. Otherwise they would only
/// fail during the run.
pub(super) fn check_names(source: &str, functions: &[&str]) -> Result<(), String> {
    static QUOTED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*""#));
    static FILTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\|\s*([A-Za-z_][A-Za-z0-9_]*)"));
    static TEST: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\bis\s+(?:not\s+)?([A-Za-z_][A-Za-z0-9_]*)"));
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:^|[^.|\sA-Za-z0-9_])\s*([A-Za-z_][A-Za-z0-9_]*)\s*(\(?)"));
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
    for found in NAME.captures_iter(&source) {
        if functions.contains(&&found[1]) && found[2].is_empty() {
            return Err(format!("`{0}` is a function: write `{0}()`", &found[1]));
        }
    }
    Ok(())
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let close = did_you_mean(name, known.iter().copied());
    let hint = close.map_or_else(
        || format!("use one of `{}`", known.join("`, `")),
        |close| format!("did you mean `{close}`?"),
    );
    format!("unknown {what} `{name}`: {hint}")
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern")
}

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}

/// What `take` draws from the user whose expression is evaluated.
fn draw<T>(take: impl FnOnce(&mut Loan) -> T) -> Result<T, Error> {
    Loan::draw(take).ok_or_else(|| wrong("random numbers and counters are not available here"))
}

fn random_int(low: i64, high: i64) -> Result<i64, Error> {
    if low > high {
        return Err(wrong(format!(
            "random_int({low}, {high}): the range is empty"
        )));
    }
    draw(|loan| loan.rng.random_range(low..=high))
}

fn random_float(low: f64, high: f64) -> Result<f64, Error> {
    if !(low < high && (high - low).is_finite()) {
        return Err(wrong(format!(
            "random_float({low}, {high}): the range is empty"
        )));
    }
    draw(|loan| loan.rng.random_range(low..high))
}

/// One of its arguments, or one item of a list.
fn random_choice(choices: Rest<Value>) -> Result<Value, Error> {
    let choices: Vec<Value> = match choices.as_slice() {
        [list] if list.as_str().is_none() => list.try_iter()?.take(100_000).collect(),
        _ => choices.to_vec(),
    };
    if choices.is_empty() {
        return Err(wrong("random_choice: there is nothing to choose from"));
    }
    draw(|loan| choices[loan.rng.random_range(0..choices.len())].clone())
}

/// This many random letters and digits.
fn random_text(length: usize) -> Result<String, Error> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if length > MAX_TEXT {
        return Err(wrong("random_text: the text would be longer than 1 MB"));
    }
    draw(|loan| {
        let letter = |_| char::from(LETTERS[loan.rng.random_range(0..LETTERS.len())]);
        (0..length).map(letter).collect()
    })
}

/// The bytes of a text, or of a value as it is written.
fn bytes(value: &Value) -> Vec<u8> {
    match (value.as_bytes(), value.as_str()) {
        (_, Some(text)) => text.as_bytes().to_vec(),
        (Some(bytes), None) => bytes.to_vec(),
        (None, None) => value.to_string().into_bytes(),
    }
}

fn base64(value: &Value) -> String {
    STANDARD.encode(bytes(value))
}

fn base64url(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(bytes(value))
}

/// Accepts both alphabets, with or without padding. Bytes that are not text can still be a key.
fn base64_decode(text: &str) -> Result<Value, Error> {
    let plain = text.trim().trim_end_matches('=');
    let plain = plain.replace('-', "+").replace('_', "/");
    let decoded = STANDARD_NO_PAD
        .decode(plain)
        .map_err(|_| wrong("base64_decode: the text is not base64"))?;
    Ok(match String::from_utf8(decoded) {
        Ok(text) => Value::from(text),
        Err(error) => Value::from_bytes(error.into_bytes()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(value: &Value) -> String {
    hex(&Sha256::digest(bytes(value)))
}

fn hmac_sha256(text: &Value, key: &Value, form: Option<&str>) -> Result<Value, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&bytes(key))
        .map_err(|_| wrong("hmac_sha256: the key cannot be used"))?;
    mac.update(&bytes(text));
    let signature = mac.finalize().into_bytes();
    match form.unwrap_or("hex") {
        "hex" => Ok(hex(&signature).into()),
        "base64" => Ok(STANDARD.encode(signature).into()),
        "base64url" => Ok(URL_SAFE_NO_PAD.encode(signature).into()),
        // For use as the key of the next signature.
        "raw" => Ok(Value::from_bytes(signature.to_vec())),
        other => Err(wrong(format!(
            "hmac_sha256: unknown format `{other}`: use 'hex', 'base64', 'base64url' or 'raw'"
        ))),
    }
}

fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| wrong(error.to_string()))
}

/// A value as it stands in a text.
fn text(value: &Value) -> Result<String, Error> {
    value
        .as_str()
        .map_or_else(|| json(value), |text| Ok(text.to_owned()))
}

/// The text of a value, which is inserted into a URL as it is.
fn raw(value: &Value) -> Result<Value, Error> {
    text(value).map(Value::from_safe_string)
}

/// The encoded value, which is not encoded once more where it is inserted into a URL.
fn urlencode(value: &Value) -> Value {
    // As in a form, but with a space encoded so that it works in every part of a URL.
    let encoded: String = url::form_urlencoded::byte_serialize(&bytes(value)).collect();
    Value::from_safe_string(encoded.replace('+', "%20"))
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let times = text.matches(from).count();
    if times.saturating_mul(to.len()).saturating_add(text.len()) > MAX_TEXT {
        return Err(wrong("replace: the text would be longer than 1 MB"));
    }
    Ok(text.replace(from, to))
}

/// Seconds since 1970 as a date in UTC, in a format of `strftime`.
fn date(seconds: f64, format: Option<&str>) -> Result<String, Error> {
    let out_of_range = || wrong("date: the time is out of range");
    let milliseconds = (seconds * 1e3).round();
    if !milliseconds.is_finite() {
        return Err(out_of_range());
    }
    let time = jiff::Timestamp::from_millisecond(milliseconds as i64)
        .map_err(|_| out_of_range())?
        .to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(format.unwrap_or("%Y-%m-%dT%H:%M:%SZ"), &time)
        .map_err(|error| wrong(format!("date: {error}")))
}
