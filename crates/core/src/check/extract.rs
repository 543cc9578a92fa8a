//! Extracting values from a response.
//!
//! Not here: the variables they become (`engine`).

use std::borrow::Cow;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use super::content::ResponseContent;
use super::text::beginning;
use crate::metrics::Outcome;
use crate::plan::{Extraction, ExtractionSource, Pick};
use crate::protocol::Failure;

/// The most values that one extraction looks at.
const MAX_VALUES: usize = 10_000;

/// The largest value, as text; bytes. Each user keeps its own values.
pub const MAX_EXTRACTED: usize = 1_000_000;

/// Appends the value of each extraction; the failure of the first that has none.
pub(super) fn extract(
    extractions: &[Extraction],
    content: &ResponseContent<'_>,
    rng: &mut ChaCha12Rng,
    extracted: &mut Vec<(usize, Value)>,
) -> Option<Failure> {
    for extraction in extractions {
        if matches!(extraction.from, ExtractionSource::Script(_)) {
            continue;
        }
        match value(extraction, content, rng) {
            Ok(value) if is_too_large(&value, content) => {
                let text = format!("`{}` is larger than 1 MB", extraction.name);
                return Some(Failure::new(Outcome::BodyTooLarge, text));
            }
            Ok(value) => extracted.push((extraction.variable, value)),
            Err(failure) => match &extraction.default {
                Some(default) => extracted.push((extraction.variable, default.clone())),
                None => return Some(failure),
            },
        }
    }
    None
}

fn is_too_large(value: &Value, content: &ResponseContent<'_>) -> bool {
    match value {
        Value::String(text) => text.len() > MAX_EXTRACTED,
        // Written out only if it can be that large: a path finds nested values once for each level.
        Value::Array(_) | Value::Object(_) => {
            content
                .body()
                .is_ok_and(|body| body.len() > MAX_EXTRACTED / 100)
                && value.to_string().len() > MAX_EXTRACTED
        }
        _ => false,
    }
}

fn value(
    extraction: &Extraction,
    content: &ResponseContent<'_>,
    rng: &mut ChaCha12Rng,
) -> Result<Value, Failure> {
    let mut found = found(extraction, content)?;
    let count = found.len();
    let index = match extraction.pick {
        Pick::All if count > 0 => return Ok(Value::Array(found)),
        Pick::Index(index) => index,
        Pick::Last => count.wrapping_sub(1),
        Pick::Random if count > 0 => rng.random_range(0..count),
        Pick::All | Pick::Random => count,
    };
    match index < count {
        true => Ok(found.swap_remove(index)),
        false => Err(missing(extraction, content, count)),
    }
}

/// All values that there are to pick from.
fn found(extraction: &Extraction, content: &ResponseContent<'_>) -> Result<Vec<Value>, Failure> {
    let headers = &content.response.headers;
    let header = |name: &str| {
        let values = headers.get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let values: Vec<Value> = match &extraction.from {
        ExtractionSource::Json(path) => {
            let nodes = content.find(path)?.into_iter();
            nodes.take(MAX_VALUES).map(Cow::into_owned).collect()
        }
        ExtractionSource::Header(name) => header(name).map(Value::from).collect(),
        ExtractionSource::Cookie(name) => header("set-cookie")
            .filter_map(|cookie| Some(cookie_value(&cookie, name)?.into()))
            .collect(),
        ExtractionSource::Css {
            selector,
            attribute,
        } => content.css(selector, attribute.as_deref(), MAX_VALUES)?,
        // What a script gives is not found here.
        ExtractionSource::Script(_) => Vec::new(),
        ExtractionSource::Body => {
            let body = String::from_utf8_lossy(content.body()?);
            return Ok(match &extraction.regex {
                Some(pattern) => matches(pattern.regex(), &body).collect(),
                None => vec![body.into()],
            });
        }
    };
    Ok(match &extraction.regex {
        None => values,
        Some(pattern) => values
            .iter()
            .flat_map(|value| match value {
                Value::String(text) => matches(pattern.regex(), text).collect::<Vec<_>>(),
                value => matches(pattern.regex(), &value.to_string()).collect(),
            })
            .take(MAX_VALUES)
            .collect(),
    })
}

/// The first group of each match, or the match itself.
fn matches(regex: &regex::Regex, text: &str) -> impl Iterator<Item = Value> {
    let found = regex.captures_iter(text).filter_map(|groups| {
        let group = groups.get(1.min(groups.len() - 1))?;
        Some(Value::from(group.as_str()))
    });
    found.take(MAX_VALUES)
}

/// The value of a `set-cookie` of this name.
fn cookie_value(cookie: &str, name: &str) -> Option<String> {
    let pair = cookie.split(';').next()?;
    let (found, value) = pair.split_once('=')?;
    (found.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
}

fn missing(extraction: &Extraction, content: &ResponseContent<'_>, count: usize) -> Failure {
    let place = match &extraction.from {
        ExtractionSource::Json(path) => format!("at `{path}`"),
        ExtractionSource::Header(name) => format!("in header `{name}`"),
        ExtractionSource::Cookie(name) => format!("in cookie `{name}`"),
        ExtractionSource::Css {
            selector,
            attribute: None,
        } => format!("at `{selector}`"),
        ExtractionSource::Css {
            selector,
            attribute: Some(name),
        } => format!("in attribute `{name}` of `{selector}`"),
        ExtractionSource::Body => "in the body".to_owned(),
        ExtractionSource::Script(call) => format!("by `{}`", call.source()),
    };
    let what = match (&extraction.between, &extraction.regex) {
        (Some([left, right]), _) => format!(" between `{left}` and `{right}`"),
        (None, Some(pattern)) => format!(" matching `{pattern}`"),
        (None, None) => String::new(),
    };
    let why = match (extraction.pick, count) {
        (Pick::Index(index), 1..) => {
            format!("only {count}{what} {place}, but `index` is {index}")
        }
        _ => format!("no value{what} {place}"),
    };
    let mut text = format!("`{}` was not found: {why}", extraction.name);
    if extraction.needs_body()
        && let Ok(body) = content.body()
    {
        text += &beginning(&String::from_utf8_lossy(body), content.secrets);
    }
    Failure::new(Outcome::CheckFailed, text)
}

#[cfg(test)]
mod tests {
    use crate::plan::JsonPath;
    use http::HeaderValue;
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;
    use crate::plan::{CssSelector, Pattern, Secrets};
    use crate::protocol::Response;

    fn extraction(from: ExtractionSource) -> Extraction {
        Extraction {
            name: "token".into(),
            variable: 3,
            from,
            regex: None,
            between: None,
            pick: Pick::Index(0),
            default: None,
        }
    }

    fn at(path: &str) -> Extraction {
        extraction(ExtractionSource::Json(JsonPath::parse(path).unwrap()))
    }

    fn css(selector: &str, attribute: Option<&str>) -> Extraction {
        extraction(ExtractionSource::Css {
            selector: CssSelector::new(selector).unwrap(),
            attribute: attribute.map(str::to_owned),
        })
    }

    fn matching(mut extraction: Extraction, regex: &str) -> Extraction {
        extraction.regex = Some(Pattern::new(regex).unwrap());
        extraction
    }

    fn picking(mut extraction: Extraction, pick: Pick) -> Extraction {
        extraction.pick = pick;
        extraction
    }

    fn try_take(extraction: &Extraction, body: &str) -> Result<Value, String> {
        let mut response = Response {
            body: body.as_bytes().to_vec().into(),
            ..Response::default()
        };
        for (name, value) in [
            ("location", "/orders/17?x=1"),
            ("set-cookie", "sid=abc; Path=/; HttpOnly"),
            ("set-cookie", "theme=\"dark\""),
        ] {
            response
                .headers
                .append(name, HeaderValue::from_static(value));
        }
        let secrets = Secrets::default();
        let content = ResponseContent::new(&response, &secrets);
        let mut extracted = Vec::new();
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        match extract(
            std::slice::from_ref(extraction),
            &content,
            &mut rng,
            &mut extracted,
        ) {
            None => {
                let (variable, value) = extracted.remove(0);
                assert_eq!(variable, 3);
                Ok(value)
            }
            Some(Failure { outcome, text }) => {
                assert_eq!(outcome, Outcome::CheckFailed);
                Err(text)
            }
        }
    }

    #[test]
    fn values_are_found_at_every_place() {
        let body =
            r#"{"token": "t-1", "items": [{"id": 1}, {"id": 2}, {"id": 3}], "html": "<a>n 5</a>"}"#;
        for (extraction, expected) in [
            (at("$.token"), json!("t-1")),
            (at("$.items[*].id"), json!(1)),
            (picking(at("$.items[*].id"), Pick::Index(1)), json!(2)),
            (picking(at("$.items[*].id"), Pick::Last), json!(3)),
            (picking(at("$.items[*].id"), Pick::All), json!([1, 2, 3])),
            (at("$.items[0]"), json!({"id": 1})),
            (matching(at("$.html"), r"n (\d)<"), json!("5")),
            (picking(css("a", None), Pick::All), json!(["n 5"])),
            (
                matching(extraction(ExtractionSource::Body), "\"token\": \"(.*?)\""),
                json!("t-1"),
            ),
            (
                matching(extraction(ExtractionSource::Body), "t-."),
                json!("t-1"),
            ),
            (
                extraction(ExtractionSource::Header("location".into())),
                json!("/orders/17?x=1"),
            ),
            (
                matching(
                    extraction(ExtractionSource::Header("location".into())),
                    r"/orders/(\d+)",
                ),
                json!("17"),
            ),
            (matching(css("a", None), r"(\d)"), json!("5")),
            (
                extraction(ExtractionSource::Cookie("sid".into())),
                json!("abc"),
            ),
            (
                extraction(ExtractionSource::Cookie("theme".into())),
                json!("dark"),
            ),
        ] {
            assert_eq!(try_take(&extraction, body), Ok(expected), "{extraction:?}");
        }
        let random = try_take(&picking(at("$.items[*].id"), Pick::Random), body).unwrap();
        assert!([json!(1), json!(2), json!(3)].contains(&random));
    }

    #[test]
    fn a_missing_value_is_named_with_its_place_unless_there_is_a_default() {
        for (extraction, text) in [
            (
                at("$.tokn"),
                "`token` was not found: no value at `$.tokn`; it starts with `{\"token\":1}`",
            ),
            (
                picking(at("$.token"), Pick::Index(4)),
                "`token` was not found: only 1 at `$.token`, but `index` is 4",
            ),
            (
                matching(extraction(ExtractionSource::Body), "x(.)"),
                "`token` was not found: no value matching `x(.)` in the body",
            ),
            (
                extraction(ExtractionSource::Cookie("other".into())),
                "`token` was not found: no value in cookie `other`",
            ),
            (css("a b", None), "no value at `a b`; it starts with"),
            (
                css("body", Some("id")),
                "no value in attribute `id` of `body`",
            ),
            (
                picking(css("body", None), Pick::Index(1)),
                "only 1 at `body`, but `index` is 1",
            ),
            (picking(at("$.none"), Pick::All), "no value at `$.none`"),
            (picking(at("$.none"), Pick::Random), "no value at `$.none`"),
            (picking(at("$.none"), Pick::Last), "no value at `$.none`"),
        ] {
            let found = try_take(&extraction, "{\"token\":1}").unwrap_err();
            assert!(found.contains(text), "{found}");
            let with_default = Extraction {
                default: Some(json!("none")),
                ..extraction
            };
            assert_eq!(try_take(&with_default, "{\"token\":1}"), Ok(json!("none")));
        }
        let large = format!("[\"{}\"]", "x".repeat(MAX_EXTRACTED + 1));
        for path in ["$", "$[0]"] {
            let mut response = Response {
                body: large.as_bytes().to_vec().into(),
                ..Response::default()
            };
            response.status = Some(200);
            let secrets = Secrets::default();
            let mut rng = ChaCha12Rng::seed_from_u64(7);
            let content = ResponseContent::new(&response, &secrets);
            let failure = extract(&[at(path)], &content, &mut rng, &mut Vec::new());
            assert_eq!(
                failure.map(|failure| failure.outcome),
                Some(Outcome::BodyTooLarge)
            );
        }
        let not_json = try_take(&at("$.a"), "<html>").unwrap_err();
        assert!(not_json.starts_with("the body is not JSON"), "{not_json}");
    }
}
