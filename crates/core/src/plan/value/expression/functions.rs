//! The functions and filters of expressions.
//!
//! Here: each one with its limits. Not here: evaluation, and the lists of their names (`spelling`).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters, functions, tests};
use minijinja_contrib::pycompat;
use rand::RngExt;
use regex::Regex;

use super::dates;
use super::digests::{self, bytes};
use super::fake::Faker;
use super::loan::{draw, wrong};
use super::spelling::pattern;
use crate::plan::value::generators::{count, since_epoch, uuid};

/// The longest text that an expression may produce, also on the way; bytes.
pub(super) const MAX_TEXT: usize = 1_000_000;

/// Adds all functions, filters and tests to the library.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_global("fake", Value::from_object(Faker));
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
    environment.add_function("json", json);
    digests::add(environment);
    environment.add_function("range", functions::range);
    environment.add_function("dict", functions::dict);
    environment.add_function("now", || since_epoch().as_secs());

    environment.add_filter("batch", filters::batch);
    environment.add_filter("dictsort", filters::dictsort);
    environment.add_filter("format", format);
    environment.add_filter("groupby", filters::groupby);
    environment.add_filter("items", filters::items);
    environment.add_filter("lines", filters::lines);
    environment.add_filter("list", filters::list);
    environment.add_filter("map", filters::map);
    environment.add_filter("reject", filters::reject);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("slice", filters::slice);
    environment.add_filter("unique", filters::unique);
    environment.add_filter("zip", filters::zip);
    environment.add_filter("abs", filters::abs);
    environment.add_filter("base64", base64);
    environment.add_filter("base64_decode", base64_decode);
    environment.add_filter("base64url", base64url);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("date", dates::date);
    environment.add_filter("timestamp", dates::timestamp);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("float", filters::float);
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
    environment.add_test("==", tests::is_eq);
    environment.add_test("!=", tests::is_ne);
    environment.add_test("<", tests::is_lt);
    environment.add_test("<=", tests::is_le);
    environment.add_test(">", tests::is_gt);
    environment.add_test(">=", tests::is_ge);
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("ge", tests::is_ge);
    environment.add_test("gt", tests::is_gt);
    environment.add_test("le", tests::is_le);
    environment.add_test("lt", tests::is_lt);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("true", tests::is_true);
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

/// A text in the format of C's `printf`.
fn format(
    state: &mut State<'_, '_>,
    text: &Value,
    values: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    check_format(text)?;
    filters::format(state, text, values)
}

/// A method as in Python.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if method == "format" {
        check_format(value)?;
    }
    pycompat::unknown_method_callback(state, value, method, arguments)
}

/// The library pads to any width before it looks at its limits.
fn check_format(text: &Value) -> Result<(), Error> {
    static WIDE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"%(?:\([^)]*\))?[-+ #0]*(?:\*|\d{4,}|\d*\.(?:\*|\d{4,}))|\{[^{}]*:[^{}]*(?:\d{4,}|\{)",
        )
    });
    let text = text.as_str().unwrap_or_default();
    if text.len() > 10_000 {
        return Err(wrong("format: the format is longer than 10 kB"));
    }
    match WIDE.is_match(text) {
        true => Err(wrong("format: widths are written as numbers up to 999")),
        false => Ok(()),
    }
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let times = text.matches(from).count();
    if times.saturating_mul(to.len()).saturating_add(text.len()) > MAX_TEXT {
        return Err(wrong("replace: the text would be longer than 1 MB"));
    }
    Ok(text.replace(from, to))
}
