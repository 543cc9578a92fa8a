//! How the limits that abort a run are spelled: `error_rate: "> 20% for 10s"`, and the same behind `--abort`.

use std::time::Duration;

use super::SloSet;
use super::spelling::{ScopedMetric, same_metric};
use crate::error::Diagnostic;
use crate::plan::{AbortRule, Direction, Metric};
use crate::scenario::yaml::decode::{Field, Pairs};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::units::{format_duration, parse_time_limit};

/// For how long a limit must be broken at least, and at most.
const LASTING: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(3600)];

/// How the help for a rule of a file begins.
const LIKE: &str = "write it like";

impl SloSet {
    /// What aborts a run: the rules under `abort`, of which no two are for the same metric, and those of the command
    /// line, which replace those for the same metric.
    pub(crate) fn abort_rules(
        &self,
        field: &Field<Pairs<String>>,
        expressions: &[String],
        findings: &mut Findings,
    ) -> Vec<AbortRule> {
        let mut rules: Vec<AbortRule> = Vec::new();
        let position = |rules: &[AbortRule], rule: &AbortRule| {
            let mut known = rules.iter();
            known.position(|one| one.metric == rule.metric && one.scope == rule.scope)
        };
        // As the rules are called, in their order.
        let mut names = Vec::new();
        for (key, text) in field.get().map_or(&[][..], |pairs| &pairs.0) {
            match self.abort_rule(&key.text, &text.value) {
                Ok(rule) => match position(&rules, &rule) {
                    Some(known) => {
                        let diagnostic = same_metric(names[known], &key.text);
                        findings.report(Some(key.at), diagnostic);
                    }
                    None => {
                        names.push(&key.text);
                        rules.push(rule);
                    }
                },
                Err((true, diagnostic)) => findings.report(Some(key.at), diagnostic),
                Err((false, diagnostic)) => findings.report(Some(text.at), diagnostic),
            }
        }
        for expression in expressions {
            // From the right, since a name may have such a character, too.
            let start = expression.rfind(['<', '>']).unwrap_or(expression.len());
            let (name, text) = expression.split_at(start);
            match self.abort_rule(name, text) {
                Ok(rule) => match position(&rules, &rule) {
                    Some(known) => rules[known] = rule,
                    None => rules.push(rule),
                },
                Err((_, diagnostic)) => {
                    let message = format!("`--abort '{expression}'`: {}", diagnostic.message);
                    let is_of_file = |help: &String| help.starts_with(LIKE);
                    let help = diagnostic.help.filter(|help| !is_of_file(help));
                    let like = || format!("{LIKE} `--abort 'error_rate > 20% for 10s'`");
                    let help = help.unwrap_or_else(like);
                    findings.report(None::<Span>, Diagnostic::new(message).help(help));
                }
            }
        }
        rules
    }

    /// The rule of a name and what follows it. With an error: whether it is about the name.
    fn abort_rule(&self, name: &str, text: &str) -> Result<AbortRule, (bool, Diagnostic)> {
        let of_name = |diagnostic| (true, diagnostic);
        let ScopedMetric {
            name,
            scope,
            metric,
            unit,
        } = self.spelling.scoped(name).map_err(of_name)?;
        if matches!(metric, Metric::Observed(_)) {
            let message = format!("`{name}` is observed, which is too seldom to abort a run");
            let help = "write `error_rate`, `p95` or another metric of the responses";
            return Err(of_name(Diagnostic::new(message).help(help)));
        }
        let bad = |message: String| {
            let like = format!("{LIKE} `error_rate: \"> 20% for 10s\"`");
            (false, Diagnostic::new(message).help(like))
        };
        let text = text.trim();
        let operator = match metric.direction() {
            Direction::AtMost => '>',
            Direction::AtLeast => '<',
        };
        let Some(rest) = text.strip_prefix(operator) else {
            let Some(rest) = text.strip_prefix(['<', '>']) else {
                return Err(bad(format!("`{text}` does not begin with `{operator}`")));
            };
            let side = format!("`{name}` is bad on the other side of its limit: use `{operator}`");
            let like = format!("{LIKE} `{name}: \"{operator}{rest}\"`");
            return Err((false, Diagnostic::new(side).help(like)));
        };
        let Some((value, lasting)) = rest.rsplit_once(" for ") else {
            return Err(bad(format!("`{text}` does not say for how long")));
        };
        let (limit, _) = unit.parse(value.trim()).map_err(bad)?;
        let lasting = parse_time_limit(lasting.trim()).map_err(bad)?;
        let [least, most] = LASTING;
        if !(least..=most).contains(&lasting) {
            let [least, most] = LASTING.map(format_duration);
            return Err(bad(format!("a limit must be broken for {least} to {most}")));
        }
        Ok(AbortRule {
            scope,
            metric,
            limit,
            lasting_s: lasting.as_secs_f64().ceil() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(expressions: &[&str]) -> Result<Vec<String>, String> {
        let endpoints = ["list invoices", "a -> b"].map(str::to_owned);
        let slos = SloSet::new(endpoints.into(), ["smoke"], "smoke");
        let expressions: Vec<String> = expressions.iter().map(|one| (*one).to_owned()).collect();
        let mut findings = Findings::default();
        let rules = slos.abort_rules(&Field::Missing, &expressions, &mut findings);
        let rules = rules.iter().map(ToString::to_string).collect();
        findings
            .into_result(Some(()))
            .map_err(|error| error.to_string())?;
        Ok(rules)
    }

    #[test]
    fn rules_read_as_they_are_said() {
        let given = [
            "error_rate > 20% for 10s",
            "list invoices:p95>5s for 1m",
            "throughput_rps < 10/s for 2.5s",
            "error_rate>30% for 1h",
            "a -> b:error_rate > 30% for 5s",
        ];
        let said = [
            "error_rate above 30% for 1h",
            "list invoices: p95 above 5.00 s for 1m",
            "throughput_rps below 10.0/s for 3s",
            "a -> b: error_rate above 30% for 5s",
        ];
        assert_eq!(rules(&given).unwrap(), said);
        assert_eq!(Metric::ErrorRate.direction(), Direction::AtMost);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        for (bad, says) in [
            ("error_rate", "does not begin with `>`"),
            ("error_rate < 20% for 10s", "use `>`"),
            ("availability > 90% for 10s", "use `<`"),
            ("error_rate > 20%", "for how long"),
            ("error_rate > 20% for 1s", "for 2s to 1h"),
            ("error_rate > 20% for 10", "unit"),
            ("error_rate > much for 10s", "is not a ratio"),
            ("errors > 20% for 10s", "unknown SLO `errors`"),
            ("gone:error_rate > 20% for 10s", "unknown endpoint `gone`"),
        ] {
            let error = rules(&[bad]).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
