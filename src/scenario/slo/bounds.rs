//! The limits of an SLO: one, a warning with a critical one, and those of letters.
//!
//! Not here: how a single limit is written (`limit`).

use super::limit::LimitUnit;
use crate::error::Diagnostic;
use crate::plan::{Direction, GradeLimit, Metric, Scale};
use crate::scenario::keys::slo::SloFile;
use crate::scenario::yaml::decode::{Field, Located};
use crate::scenario::yaml::findings::{Findings, Span};

/// The letters that an SLO can have of its own, from the best on. Beyond the last one that it has, it is an F.
const LETTERS: [&str; 5] = ["A+", "A", "B", "C", "D"];

/// The limits of an SLO, in the unit of its metric.
pub(super) struct Bounds {
    /// The metric, with what the limits say of it.
    pub metric: Metric,
    /// The limit.
    pub limit: f64,
    /// The one beyond which it is CRITICAL, if that is another.
    pub critical: Option<f64>,
    /// Those of its letters.
    pub grades: Vec<GradeLimit>,
}

/// The limits of the SLO `name`; `None` after a finding.
pub(super) fn bounds(
    name: (&str, Span),
    file: &SloFile,
    metric: Metric,
    unit: LimitUnit,
    findings: &mut Findings,
) -> Option<Bounds> {
    let before = findings.len();
    check_pairs(name, file, findings);
    let mut reader = Reader {
        metric,
        unit,
        scale: None,
        findings,
    };
    let limit = reader.read(file.limit.get());
    let at_least = reader.read(file.at_least.get());
    let warning = reader.read(file.warning.get());
    let critical = reader.read(file.critical.get());
    let pairs = file.grades.get().map_or(&[][..], |grades| &grades.0);
    let grades: Vec<(&str, Span, Option<f64>)> = pairs
        .iter()
        .map(|(key, text)| (key.text.as_str(), key.at, reader.read(Some(text))))
        .collect();
    let Reader { mut metric, .. } = reader;
    if let Some(at) = file.at_least.key().filter(|_| !unit.is_open()) {
        let side = match metric.direction() {
            Direction::AtMost => "an upper",
            Direction::AtLeast => "a lower",
        };
        let message = format!("`{}` has {side} limit in any case", name.0);
        let help = "write `limit`; `at_least` is for what the scenario observes";
        findings.report(Some(at), Diagnostic::new(message).help(help));
    }
    if let Metric::Observed(number) = &mut metric
        && unit.is_open()
    {
        let falls = |from: Option<f64>, to: Option<f64>| Some(from? > to?);
        let last = grades.last().and_then(|(_, _, value)| *value);
        let falls = falls(warning, critical)
            .or_else(|| falls(grades.first()?.2, last).filter(|_| file.limit.is_missing()));
        if !file.at_least.is_missing() || falls == Some(true) {
            number.direction = Direction::AtLeast;
        }
    }
    let direction = metric.direction();
    let better = match direction {
        Direction::AtMost => "above",
        Direction::AtLeast => "below",
    };
    if let (Some(warning), Some(critical)) = (warning, critical)
        && (direction.is_met(warning, critical) || !critical.is_finite())
    {
        let message = format!(
            "`critical` must be {better} `warning`: {} is not {better} {}",
            metric.format(critical),
            metric.format(warning)
        );
        findings.report(file.critical.key(), Diagnostic::new(message));
    }
    let grades = ladder(&grades, &metric, better, findings);
    if findings.len() > before {
        return None;
    }
    let last = grades.last().map(|grade| grade.limit);
    let limit = limit.or(at_least).or(warning).or(last)?;
    Some(Bounds {
        metric,
        limit,
        critical,
        grades,
    })
}

/// Reports keys that are missing, or that do not go together.
fn check_pairs((name, at): (&str, Span), file: &SloFile, findings: &mut Findings) {
    let help = "write `limit`, or `warning` and `critical`, or `grades`";
    if let (Some(at), false) = (file.at_least.key(), file.limit.is_missing()) {
        let diagnostic = Diagnostic::new("`at_least` beside `limit`");
        findings.report(Some(at), diagnostic.help("an SLO has one limit"));
    }
    let has_limit = !file.limit.is_missing() || !file.at_least.is_missing();
    let mut missing = |key: &str, at: Option<Span>| {
        let diagnostic = Diagnostic::new(format!("missing required key `{key}`"));
        findings.report(at, diagnostic.help(help));
    };
    match (file.warning.is_missing(), file.critical.is_missing()) {
        (false, true) => missing("critical", file.warning.key()),
        (true, false) => missing("warning", file.critical.key()),
        (false, false) if has_limit => {
            let diagnostic = Diagnostic::new("`warning` beside another limit");
            findings.report(
                file.warning.key(),
                diagnostic.help("the warning is the limit"),
            );
        }
        (true, true) if !has_limit && file.grades.is_missing() => missing("limit", Some(at)),
        _ => {}
    }
    if let Field::Given(grades, at) = &file.grades
        && grades.0.is_empty()
        && grades.1.is_empty()
    {
        let message = format!("`grades` of `{name}` is empty");
        let help = "write letters with their limits: `{A: 30ms, B: 40ms, C: 50ms}`";
        findings.report(Some(*at), Diagnostic::new(message).help(help));
    }
}

/// Reads limits that must all have the same unit.
struct Reader<'a> {
    metric: Metric,
    unit: LimitUnit,
    /// That of the first limit.
    scale: Option<(String, Scale)>,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn read(&mut self, text: Option<&Located<String>>) -> Option<f64> {
        let text = text?;
        let (limit, scale) = match self.unit.parse(text) {
            Ok(parsed) => parsed,
            Err(message) => {
                self.findings
                    .report(Some(text.at), Diagnostic::new(message));
                return None;
            }
        };
        match (&self.scale, scale) {
            (Some((first, known)), Some(scale)) if *known != scale => {
                let message = format!("`{first}` and `{}` are in different units", text.value);
                let help = "write all limits of an SLO in the same unit";
                self.findings
                    .report(Some(text.at), Diagnostic::new(message).help(help));
                return None;
            }
            (None, Some(scale)) => {
                if let Metric::Observed(number) = &mut self.metric {
                    number.scale = scale;
                }
                self.scale = Some((text.value.clone(), scale));
            }
            _ => {}
        }
        Some(limit)
    }
}

/// The letters in their order; what is out of order is reported.
fn ladder(
    grades: &[(&str, Span, Option<f64>)],
    metric: &Metric,
    better: &str,
    findings: &mut Findings,
) -> Vec<GradeLimit> {
    let mut before: Option<(usize, f64)> = None;
    let mut ladder = Vec::new();
    for (letter, at, limit) in grades {
        let Some(rank) = LETTERS.iter().position(|known| known == letter) else {
            let message = format!("`{letter}` is not a grade that has a limit");
            let help = "letters: `A+`, `A`, `B`, `C` and `D`, from the best on; beyond the last one it is an F";
            findings.report(Some(*at), Diagnostic::new(message).help(help));
            continue;
        };
        let Some(limit) = *limit else {
            continue;
        };
        if let Some((last, value)) = before {
            let name = LETTERS[last];
            let shown = || (metric.format(limit), metric.format(value));
            let message = match (rank > last, metric.direction().is_met(value, limit)) {
                (false, _) => Some(format!(
                    "`{letter}` after `{name}`: write the best letter first"
                )),
                (true, true) => {
                    let (limit, value) = shown();
                    Some(format!(
                        "the limit of `{letter}` must be {better} that of `{name}`: {limit} is not {better} {value}"
                    ))
                }
                (true, false) => None,
            };
            if let Some(message) = message {
                findings.report(Some(*at), Diagnostic::new(message));
            }
        }
        before = Some((rank, limit));
        ladder.push(GradeLimit {
            letter: (*letter).to_owned(),
            limit,
        });
    }
    ladder
}
