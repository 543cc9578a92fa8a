//! Waits: the `think_time` between iterations, and `think` within a flow.
//!
//! Here: how they are spelled. Not here: when they are kept (`engine`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Diagnostic;
use crate::plan::ThinkTime;
use crate::scenario::yaml::decode::{Decode, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Node, NodeKind};
use crate::units;

/// A think time as it is written.
#[derive(Debug, Clone)]
pub(crate) enum ThinkTimeFile {
    /// Known before the run.
    Fixed(ThinkTime),
    /// A template.
    Computed(Node),
}

impl Decode for ThinkTimeFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.is_template() {
            true => Some(Self::Computed(node.clone())),
            false => ThinkTime::decode(node, findings).map(Self::Fixed),
        }
    }

    fn schema() -> Value {
        ThinkTime::schema()
    }
}

impl Decode for ThinkTime {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if let NodeKind::List(_) = node.kind {
            let diagnostic = Diagnostic::new("expected a think time, found a list")
                .help("write `between(1s, 3s)` for a random wait, in quotes within `{` and `}`");
            findings.report(Some(node.at), diagnostic);
            return None;
        }
        parse("a think time", node, findings, parse_wait)
    }

    fn schema() -> Value {
        json!({"type": ["string", "number"], "examples": [
            "500ms", "between(1s, 3s)", "constant(1s)", "constant_pacing(1s)", "constant_throughput(2)", "poisson(2)",
            "gaussian(2s, 500ms)", "none", "{{ wait_s }}",
        ]})
    }
}

/// Parses a think time as a scenario or `--think-time` has it. A duration is a constant one, and a bare number is
/// seconds, as in Locust.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_wait(text: &str) -> Result<ThinkTime, String> {
    let allowed = || {
        format!(
            "`{text}` is not a think time: write a duration such as `500ms`, `between(1s, 3s)`, \
             `constant_pacing(1s)`, `constant_throughput(2)`, `poisson(2)`, `gaussian(2s, 500ms)` or `none`"
        )
    };
    if text.trim() == "none" {
        return Ok(ThinkTime::None);
    }
    let Some((name, rest)) = text.trim().split_once('(') else {
        // A number without a known unit, or one that is too long.
        let is_number = text.trim().starts_with(|c: char| c.is_ascii_digit());
        return match units::parse_duration(text) {
            Ok(wait) => Ok(ThinkTime::Constant(wait)),
            Err(why) if is_number => Err(why),
            Err(_) => Err(allowed()),
        };
    };
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
        ("gaussian", [mean, deviation]) => Ok(ThinkTime::Gaussian(
            units::parse_duration(mean)?,
            units::parse_duration(deviation)?,
        )),
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
#[derive(Debug, Clone)]
pub(crate) struct Wait(pub ThinkTimeFile);

impl Decode for Wait {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if node.is_template() {
            return Some(Self(ThinkTimeFile::Computed(node.clone())));
        }
        let think = parse("a wait such as `2s`", node, findings, parse_wait)?;
        if let ThinkTime::Pacing(_) = think {
            let diagnostic = Diagnostic::new("pacing has no effect within a flow").help(
                "write `2s`, `constant(2s)`, `between(1s, 3s)` or `poisson(2)`; pacing is for \
                 `think_time`",
            );
            findings.report(Some(node.at), diagnostic);
            return None;
        }
        Some(Self(ThinkTimeFile::Fixed(think)))
    }

    fn schema() -> Value {
        json!({"type": ["string", "number"], "examples": ["2s", "between(1s, 3s)", "{{ wait_s }}"]})
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
            ("500ms", ThinkTime::Constant(ms(500))),
            (" 0.5 ", ThinkTime::Constant(ms(500))),
            ("1h30m", ThinkTime::Constant(ms(5_400_000))),
            ("between(0.5, 2)", ThinkTime::Between(ms(500), ms(2000))),
            ("constant_pacing(0.5)", ThinkTime::Pacing(ms(500))),
            ("between(1s,3s)", ThinkTime::Between(ms(1000), ms(3000))),
            ("constant_pacing( 1s )", ThinkTime::Pacing(ms(1000))),
            ("constant_throughput(2)", ThinkTime::Pacing(ms(500))),
            ("poisson(4/s)", ThinkTime::Poisson(ms(250))),
            ("gaussian(1s, 0.25)", ThinkTime::Gaussian(ms(1000), ms(250))),
        ] {
            assert_eq!(parse_wait(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "soon",
            "5 parsecs",
            "9999999999",
            "between(3s, 1s)",
            "between(1s)",
            "constant(1s",
            "constant_throughput(0)",
            "poisson(0)",
            "p(101)",
        ] {
            assert!(parse_wait(bad).is_err(), "{bad}");
        }
        let error = parse_wait("soon").unwrap_err();
        assert!(error.contains("a duration such as `500ms`"), "{error}");
        let error = parse_wait("31d").unwrap_err();
        assert!(error.contains("`31d`"), "{error}");
    }
}
