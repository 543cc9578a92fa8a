//! How SLOs are spelled: names, values, and `--slo 'p95<500ms'`.
//!
//! Here: from a spelling to a metric, and which SLO wins where several are given. Not here:
//! what an SLO does to the grade (`grading`).

use std::collections::BTreeMap;

use super::keys::slo::SloFile;
use super::options::LimitOption;
use super::yaml::decode::{At, Field, Pairs, list};
use super::yaml::findings::{Findings, Span};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Direction, MeasureUnit, Metric, Percentile, Slo, SloScope};
use crate::units;

/// The names without a variable part, with their metric and the unit of a bare value.
const FIXED: [(&str, Metric, Unit); 8] = [
    ("mean", Metric::MeanResponseTime, Unit::Time),
    ("avg_response_time", Metric::MeanResponseTime, Unit::Time),
    ("max", Metric::MaxResponseTime, Unit::Time),
    ("error_rate", Metric::ErrorRate, Unit::Share),
    ("availability", Metric::Availability, Unit::Share),
    ("throughput_rps", Metric::Throughput, Unit::Rate),
    ("min_throughput", Metric::Throughput, Unit::Rate),
    ("min_throughput_ops", Metric::Throughput, Unit::Rate),
];

/// What is accepted, for help texts.
const ACCEPTED: &str = "accepted: `p95` (any percentile), `response_time_p95`, `api_response_time_p95`, \
     `max_p95_ms`, `mean`, `avg_response_time`, `max`, `error_rate`, `availability`, `throughput_rps`, \
     `min_throughput`, `min_throughput_ops`, `database_query_time_p95`, `component_NAME_time_p95`, \
     `cache_hit_ratio`, `NAME_hit_ratio`, `measure_NAME_p95`, and `ENDPOINT_time_p95` with an endpoint's name";

/// How a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A duration with a unit.
    Time,
    /// A duration; a bare number is seconds, up to 60.
    Seconds,
    /// A number of milliseconds.
    Millis,
    /// `1%` or `0.01`.
    Share,
    /// Per second.
    Rate,
    /// A number from 0.
    Number,
    /// A number of bytes, or a size such as `500kB`.
    Size,
}

impl Unit {
    /// The value in the metric's own unit.
    fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Time => units::parse_time_limit(text).map(|time| units::as_us(time) as f64),
            Self::Seconds => {
                units::parse_time_limit_or_seconds(text).map(|time| units::as_us(time) as f64)
            }
            Self::Millis => {
                let number = text.trim().parse::<f64>().ok();
                let number = number.filter(|ms| (0.0..=2_592_000_000.0).contains(ms));
                number.map(|ms| ms * 1e3).ok_or_else(|| {
                    format!("`{text}` is not a number of milliseconds: write `200`, without a unit")
                })
            }
            Self::Share => units::parse_ratio(text),
            Self::Rate => units::parse_rate(text),
            Self::Number => {
                let number = text.trim().parse().ok();
                let kept = number.and_then(|number| MeasureUnit::Count.kept(number));
                let kept = kept.map(|kept| kept as f64);
                kept.ok_or_else(|| format!("`{text}` is not a number from 0"))
            }
            Self::Size => units::parse_size(text).map(|bytes| bytes as f64),
        }
    }
}

/// The endpoint's name as part of an SLO's name: lower case, everything else `_`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.is_alphanumeric() {
            true => slug.extend(c.to_lowercase()),
            false if slug.ends_with('_') => {}
            false => slug.push('_'),
        }
    }
    slug.trim_matches('_').to_owned()
}

/// The metric that `name` means, and the endpoint if it contains one.
fn metric(name: &str, endpoints: &[String]) -> Result<(Metric, SloScope, Unit), Diagnostic> {
    let total = |metric, unit| Ok((metric, SloScope::Total, unit));
    if let Some((_, metric, unit)) = FIXED.iter().find(|(known, ..)| *known == name) {
        return total(metric.clone(), *unit);
    }
    let percentile = |text: &str| Percentile::parse(text).map_err(Diagnostic::new);
    if let Some(ratio) = name.strip_suffix("_hit_ratio") {
        let component = ratio.strip_prefix("component_").unwrap_or(ratio).to_owned();
        return total(Metric::HitRatio { component }, Unit::Share);
    }
    if let Some(text) = name
        .strip_prefix("max_p")
        .and_then(|rest| rest.strip_suffix("_ms"))
    {
        let percentile = percentile(&format!("p{text}"))?;
        return total(Metric::ResponseTime(percentile), Unit::Millis);
    }
    if let Some((subject, text)) = name.rsplit_once("_time_p") {
        let percentile = percentile(&format!("p{text}"))?;
        let response_time = Metric::ResponseTime(percentile);
        let component = |name: &str| Metric::ComponentTime {
            component: name.to_owned(),
            percentile,
        };
        if let Some(endpoint) = endpoints.iter().find(|endpoint| slug(endpoint) == subject) {
            let scope = SloScope::Endpoint(endpoint.clone());
            return Ok((response_time, scope, Unit::Seconds));
        }
        return match subject {
            "response" | "api_response" => total(response_time, Unit::Seconds),
            "database_query" => total(component("db"), Unit::Seconds),
            _ => match subject.strip_prefix("component_") {
                Some(name) if !name.is_empty() => total(component(name), Unit::Seconds),
                _ => Err(unknown(name, endpoints)),
            },
        };
    }
    let looks_like_percentile = name
        .strip_prefix('p')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '('));
    if looks_like_percentile {
        return total(Metric::ResponseTime(percentile(name)?), Unit::Time);
    }
    Err(unknown(name, endpoints))
}

fn unknown(name: &str, endpoints: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::new(format!("unknown SLO `{name}`")).help(ACCEPTED);
    let of_endpoints = endpoints
        .iter()
        .map(|name| format!("{}_time_p95", slug(name)));
    let mut known: Vec<String> = of_endpoints.collect();
    known.extend(FIXED.map(|(name, ..)| name.to_owned()));
    known.extend(
        [
            "api_response_time_p95",
            "database_query_time_p95",
            "cache_hit_ratio",
            "max_p95_ms",
        ]
        .map(str::to_owned),
    );
    match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
        None => diagnostic,
    }
}

/// Where an SLO was given; a later one replaces an earlier one for the same metric and scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SloSource {
    /// In a profile.
    Profile,
    /// In the scenario.
    Scenario,
    /// In an endpoint or flow of the scenario.
    Endpoint,
    /// By `--slo`.
    CommandLine,
}

/// The SLOs of a run in the making.
pub(super) struct SloSet {
    endpoints: Vec<String>,
    profiles: Vec<String>,
    profile: String,
    /// The measures of the scenario.
    measures: BTreeMap<String, MeasureUnit>,
    /// SLOs that apply, in the order of their first appearance.
    list: Vec<(Slo, SloSource)>,
    skipped: Vec<String>,
}

impl SloSet {
    /// None yet; `endpoints` and `profiles` are the known names, `profile` the one that runs.
    pub fn new<'a>(
        endpoints: Vec<String>,
        profiles: impl IntoIterator<Item = &'a str>,
        profile: &str,
    ) -> Self {
        Self {
            endpoints,
            profiles: profiles.into_iter().map(str::to_owned).collect(),
            profile: profile.to_owned(),
            measures: BTreeMap::new(),
            list: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// With what the scenario measures itself.
    pub fn with_measures(mut self, measures: BTreeMap<String, MeasureUnit>) -> Self {
        self.measures = measures;
        self
    }

    /// The metric that `name` means, and the endpoint if it contains one.
    fn metric(&self, name: &str) -> Result<(Metric, SloScope, Unit), Diagnostic> {
        let Some(rest) = name.strip_prefix("measure_") else {
            return metric(name, &self.endpoints);
        };
        // The name of a measure may itself have a `_`, and so may a percentile.
        let splits = rest.match_indices('_').map(|(at, _)| rest.split_at(at));
        for (measure, statistic) in splits {
            let Some(unit) = self.measures.get(measure).copied() else {
                continue;
            };
            let percentile = match &statistic[1..] {
                "mean" => None,
                text => Some(Percentile::parse(text).map_err(Diagnostic::new)?),
            };
            let measure = measure.to_owned();
            let limit = match unit {
                MeasureUnit::Count => Unit::Number,
                MeasureUnit::Ms => Unit::Time,
                MeasureUnit::Bytes => Unit::Size,
            };
            let metric = Metric::Measure {
                measure,
                unit,
                percentile,
            };
            return Ok((metric, SloScope::Total, limit));
        }
        metric(name, &self.endpoints).map_err(|_| {
            let known = || {
                self.measures
                    .keys()
                    .map(|name| format!("measure_{name}_p95"))
            };
            let diagnostic = Diagnostic::new(format!("unknown SLO `{name}`"));
            let help = match self.measures.is_empty() {
                true => "no endpoint and no step has a `measure`".to_owned(),
                false => format!(
                    "known: {}",
                    list(known().collect::<Vec<_>>().iter().map(String::as_str))
                ),
            };
            let known: Vec<String> = known().collect();
            let close = did_you_mean(name, known.iter().map(String::as_str));
            let diagnostic = diagnostic.help(help);
            match close {
                Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
                None => diagnostic,
            }
        })
    }

    /// Adds what is under a `slo:` key.
    pub fn add_file(
        &mut self,
        field: &Field<Pairs<SloFile>>,
        scope: &SloScope,
        source: SloSource,
        findings: &mut Findings,
    ) {
        for (key, file) in field
            .get()
            .map_or(&[][..], |pairs| &pairs.0)
            .iter()
            .map(|(key, slo)| (key, &slo.value))
        {
            let profiles = file.profiles.get().map(|names| names.0.as_slice());
            self.check_profiles(profiles.unwrap_or_default(), findings);
            let (metric, named, unit) = match self.metric(&key.text) {
                Ok(found) => found,
                Err(diagnostic) => {
                    findings.report(Some(key.at), diagnostic);
                    continue;
                }
            };
            // A limit that is missing or bad was reported.
            let Some(text) = file.limit.get() else {
                continue;
            };
            let limit = match unit.parse(text) {
                Ok(limit) => limit,
                Err(message) => {
                    findings.report(Some(text.at), Diagnostic::new(message));
                    continue;
                }
            };
            let slo = Slo {
                name: key.text.clone(),
                scope: if named == SloScope::Total {
                    scope.clone()
                } else {
                    named
                },
                metric,
                limit,
                weight: file.weight.copied().map_or(1.0, |weight| weight.0),
                advisory: file.advisory.copied().unwrap_or(false),
            };
            match profiles {
                Some(names) if names.iter().all(|name| name.value != self.profile) => {
                    let names = list(names.iter().map(|name| name.value.as_str()));
                    self.skip(&slo, &format!("it applies to {names} only"));
                }
                _ => {
                    if let Some(other) = self.contradicted(&slo, source) {
                        let message = format!(
                            "`{}` of `{}` has two limits: {} and {}",
                            slo.name,
                            slo.scope.endpoint().unwrap_or_default(),
                            slo.metric.format(other.limit),
                            slo.metric.format(slo.limit)
                        );
                        let help =
                            "endpoints of one name or group share a row: write its SLOs once";
                        findings.report(Some(key.at), Diagnostic::new(message).help(help));
                        continue;
                    }
                    self.put(slo, source);
                }
            }
        }
    }

    /// The SLO of another endpoint in the same row that differs from this one.
    fn contradicted(&self, slo: &Slo, source: SloSource) -> Option<&Slo> {
        let mut of_endpoints = (self.list.iter())
            .filter(|(_, known)| source == SloSource::Endpoint && *known == source);
        let found = of_endpoints.find(|(known, _)| {
            (&known.scope, &known.metric) == (&slo.scope, &slo.metric)
                && (known.limit, known.weight, known.advisory)
                    != (slo.limit, slo.weight, slo.advisory)
        });
        found.map(|(known, _)| known)
    }

    fn check_profiles(&self, names: &[At<String>], findings: &mut Findings) {
        for name in names
            .iter()
            .filter(|name| !self.profiles.contains(&name.value))
        {
            let mut diagnostic = Diagnostic::new(format!("unknown profile `{}`", name.value)).help(
                format!("known: {}", list(self.profiles.iter().map(String::as_str))),
            );
            if let Some(close) = did_you_mean(name, self.profiles.iter().map(String::as_str)) {
                diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
            }
            findings.report(Some(name.at), diagnostic);
        }
    }

    /// Adds an SLO given as `[ENDPOINT:]METRIC OPERATOR VALUE`.
    ///
    /// # Errors
    /// A diagnostic without a place.
    pub fn add_expression(&mut self, expression: &str) -> Result<(), Diagnostic> {
        let bad = |message: String| Diagnostic::new(format!("`--slo '{expression}'`: {message}"));
        let Some(start) = expression.find(['<', '>']) else {
            return Err(bad("missing `<` or `>`".into())
                .help("write `--slo 'p95<500ms'` or `--slo 'ENDPOINT:p95<500ms'`"));
        };
        let (left, right) = expression.split_at(start);
        let at_most = right.starts_with('<');
        let value = right[1..].trim_start_matches('=').trim();
        let (scope, name) = match left.rsplit_once(':') {
            None => (SloScope::Total, left.trim()),
            Some((endpoint, name)) => {
                let endpoint = endpoint.trim();
                if !self.endpoints.iter().any(|known| known == endpoint) {
                    return Err(bad(format!("unknown endpoint `{endpoint}`")).help(format!(
                        "endpoints: {}",
                        list(self.endpoints.iter().map(String::as_str))
                    )));
                }
                (SloScope::Endpoint(endpoint.to_owned()), name.trim())
            }
        };
        let (metric, named, unit) = self.metric(name).map_err(|diagnostic| Diagnostic {
            message: bad(diagnostic.message.clone()).message,
            ..diagnostic
        })?;
        if at_most != (metric.direction() == Direction::AtMost) {
            let (bound, operator) = match at_most {
                true => ("a lower", ">="),
                false => ("an upper", "<="),
            };
            return Err(bad(format!("`{name}` has {bound} limit: use `{operator}`"))
                .help(format!("write `{name}{operator}{value}`")));
        }
        let limit = unit.parse(value).map_err(bad)?;
        let slo = Slo {
            name: name.to_owned(),
            scope: if named == SloScope::Total {
                scope
            } else {
                named
            },
            metric,
            limit,
            weight: 1.0,
            advisory: false,
        };
        self.put(slo, SloSource::CommandLine);
        Ok(())
    }

    /// Adds the limit of an option, over all requests.
    pub fn add_limit(&mut self, limit: &LimitOption) {
        let slo = Slo {
            name: limit.option.to_owned(),
            scope: SloScope::Total,
            metric: limit.metric.clone(),
            limit: limit.limit,
            weight: 1.0,
            advisory: false,
        };
        self.put(slo, SloSource::CommandLine);
    }

    fn put(&mut self, slo: Slo, source: SloSource) {
        let same = |known: &&mut (Slo, SloSource)| {
            known.0.metric == slo.metric && known.0.scope == slo.scope
        };
        match self.list.iter_mut().find(same) {
            Some(known) => *known = (slo, source),
            None => self.list.push((slo, source)),
        }
    }

    fn skip(&mut self, slo: &Slo, why: &str) {
        let of = match &slo.scope {
            SloScope::Total => String::new(),
            SloScope::Endpoint(name) => format!(" of `{name}`"),
        };
        let limit = slo.metric.format(slo.limit);
        self.skipped
            .push(format!("`{}`{of} {limit} is left out: {why}", slo.name));
    }

    /// The SLOs of a run of endpoints and flows with these names, and the sentences about those
    /// left out. A throughput that only the profile asks for is left out where the load (`offered`, a sentence, and the
    /// highest rate) cannot reach it.
    pub fn finish(
        mut self,
        runs: &[&str],
        offered: Option<(String, f64)>,
    ) -> (Vec<Slo>, Vec<String>) {
        let mut kept = Vec::new();
        for (slo, source) in std::mem::take(&mut self.list) {
            match (&slo.scope, &offered) {
                (SloScope::Endpoint(name), _) if !runs.contains(&name.as_str()) => {
                    self.skip(&slo, "the endpoint is not in this run");
                }
                (SloScope::Total, Some((sentence, rate)))
                    if slo.metric == Metric::Throughput
                        && source == SloSource::Profile
                        && slo.limit > *rate =>
                {
                    self.skip(&slo, sentence);
                }
                _ => kept.push(slo),
            }
        }
        (kept, self.skipped)
    }
}

/// Reports an SLO of the command line.
pub(super) fn add_expressions(slos: &mut SloSet, expressions: &[String], findings: &mut Findings) {
    for expression in expressions {
        if let Err(diagnostic) = slos.add_expression(expression) {
            findings.report(None::<Span>, diagnostic);
        }
    }
}

mod abort;
#[cfg(test)]
mod tests;
