//! Waits: the `think_time` between iterations, and `think` within a flow.
//!
//! Here: how they are spelled. Not here: when they are kept (`engine`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Diagnostic;
use crate::plan::ThinkTime;
use crate::scenario::yaml::decode::{Decode, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::Node;
use crate::units;

impl Decode for ThinkTime {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a think time", node, findings, parse_think_time)
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": [
            "between(1s, 3s)", "constant(1s)", "constant_pacing(1s)", "constant_throughput(2)", "poisson(2)",
            "none",
        ]})
    }
}

/// Parses a think time as a scenario writes it, or a duration, which is a constant one.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_wait(text: &str) -> Result<ThinkTime, String> {
    match units::parse_duration(text) {
        Ok(wait) => Ok(ThinkTime::Constant(wait)),
        Err(_) => parse_think_time(text).map_err(|why| match why.strip_suffix(" or `none`") {
            Some(start) => format!("{start}, `none`, or a duration such as `500ms`"),
            None => why,
        }),
    }
}

fn parse_think_time(text: &str) -> Result<ThinkTime, String> {
    let allowed = || {
        let quote = match text.contains('(') && !text.contains(')') {
            true => "; within `{` and `}`, a comma ends the value, so put it in quotes",
            false => "",
        };
        format!(
            "`{text}` is not a think time: write `between(1s, 3s)`, `constant(1s)`, \
             `constant_pacing(1s)`, `constant_throughput(2)`, `poisson(2)` or `none`{quote}"
        )
    };
    if text.trim() == "none" {
        return Ok(ThinkTime::None);
    }
    if units::parse_duration(text).is_ok() {
        let text = text.trim();
        let unit = if text.ends_with(|c: char| c.is_ascii_digit()) {
            "s"
        } else {
            ""
        };
        return Err(format!(
            "`{text}` is not a think time: did you mean `constant({text}{unit})`, a wait of that length, or \
             `constant_pacing({text}{unit})`, one iteration in that time?"
        ));
    }
    let (name, rest) = text.trim().split_once('(').ok_or_else(allowed)?;
    let inside = rest.strip_suffix(')').ok_or_else(allowed)?;
    let arguments: Vec<&str> = inside.split(',').map(str::trim).collect();
    match (name.trim(), arguments.as_slice()) {
        ("constant", [wait]) => Ok(ThinkTime::Constant(units::parse_duration(wait)?)),
        ("constant_pacing", [wait]) => Ok(ThinkTime::Pacing(units::parse_duration(wait)?)),
        (name @ ("constant_throughput" | "poisson"), [rate]) => {
            let mean = Duration::try_from_secs_f64(1.0 / units::parse_rate(rate)?).ok();
            let mean = mean.filter(|mean| *mean <= units::MAX_DURATION);
            mean.map(match name {
                "poisson" => ThinkTime::Poisson,
                _ => ThinkTime::Pacing,
            })
            .ok_or_else(allowed)
        }
        ("between", [low, high]) => {
            let (low, high) = (units::parse_duration(low)?, units::parse_duration(high)?);
            if low > high {
                return Err(format!("`{text}`: the minimum is longer than the maximum"));
            }
            Ok(ThinkTime::Between(low, high))
        }
        _ => Err(allowed()),
    }
}

/// A wait within a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait(pub ThinkTime);

impl Decode for Wait {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let think = parse("a wait such as `2s`", node, findings, parse_wait)?;
        if let ThinkTime::Pacing(_) = think {
            let diagnostic = Diagnostic::new("pacing has no effect within a flow").help(
                "write `2s`, `constant(2s)`, `between(1s, 3s)` or `poisson(2)`; pacing is for \
                 `think_time`",
            );
            findings.report(Some(node.at), diagnostic);
            return None;
        }
        Some(Self(think))
    }

    fn schema() -> Value {
        json!({"type": ["string", "number"], "examples": ["2s", "between(1s, 3s)"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_times_as_locust_names_them() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("none", ThinkTime::None),
            ("constant(1.5)", ThinkTime::Constant(ms(1500))),
            ("between(1s,3s)", ThinkTime::Between(ms(1000), ms(3000))),
            ("constant_pacing( 1s )", ThinkTime::Pacing(ms(1000))),
            ("constant_throughput(2)", ThinkTime::Pacing(ms(500))),
            ("poisson(4/s)", ThinkTime::Poisson(ms(250))),
        ] {
            assert_eq!(parse_think_time(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "1s",
            "between(3s, 1s)",
            "between(1s)",
            "constant(1s",
            "constant_throughput(0)",
            "poisson(0)",
            "p(101)",
        ] {
            assert!(parse_think_time(bad).is_err(), "{bad}");
        }
        for (text, part) in [
            ("5", "did you mean `constant(5s)`"),
            (" 1.5 ", "`constant_pacing(1.5s)`"),
            ("500ms", "did you mean `constant(500ms)`"),
            ("1h30m", "did you mean `constant(1h30m)`"),
        ] {
            let error = parse_think_time(text).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(matches!(parse_wait(text), Ok(ThinkTime::Constant(_))));
        }
        let error = parse_wait("soon").unwrap_err();
        assert!(
            error.ends_with("`none`, or a duration such as `500ms`"),
            "{error}"
        );
        let cut = parse_think_time("between(1s").unwrap_err();
        assert!(cut.contains("in quotes"), "{cut}");
    }
}
