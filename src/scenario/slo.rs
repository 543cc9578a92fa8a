//! The SLOs of a scenario, a profile and the command line: `slo`, and `--slo 'p95<500ms'`.
//!
//! Here: which SLO wins where several are given. Not here: what an SLO does to the grade (`grading`).

mod abort;
mod bounds;
mod limit;
mod observed;
mod spelling;
mod unknown;
mod window;

use std::collections::BTreeMap;

use self::spelling::{ScopedMetric, Spelling, same_metric};
use super::keys::slo::SloFile;
use super::options::LimitOption;
use super::service::observe::ObservedName;
use super::yaml::decode::{Field, Located, Pairs, list};
use super::yaml::findings::{Findings, Span};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Direction, MeasureUnit, Metric, Slo, SloScope};

/// Where an SLO was given; a later one replaces an earlier one for the same metric and scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SloSource {
    /// In a profile.
    Profile,
    /// In a file that the scenario includes.
    Included,
    /// In the scenario.
    Scenario,
    /// In an endpoint or flow of the scenario.
    Endpoint,
    /// By `--slo`.
    CommandLine,
}

/// An SLO, and where it was given.
struct GivenSlo {
    slo: Slo,
    source: SloSource,
    /// `None` for the command line.
    file: Option<usize>,
}

impl GivenSlo {
    /// Whether it takes the place of an earlier one: always of one that is alike, unless both are in one file and have
    /// different windows. A profile counts as a file of its own, wherever it is.
    fn replaces(&self, known: &Self) -> bool {
        let place = |one: &Self| (one.file, one.source == SloSource::Profile);
        let is_beside = place(known) == place(self) && known.slo.window_s != self.slo.window_s;
        known.slo.is_alike(&self.slo) && !is_beside
    }
}

/// The SLOs of a run in the making.
pub(super) struct SloSet {
    spelling: Spelling,
    profiles: Vec<String>,
    profile: String,
    /// SLOs that apply, in the order of their first appearance.
    list: Vec<GivenSlo>,
    skipped: Vec<String>,
    /// Those of included files that name something that the scenario does not have.
    lacking: Vec<String>,
}

impl SloSet {
    /// None yet; `endpoints` and `profiles` are the known names, `profile` the one that runs.
    pub fn new<'a>(
        endpoints: Vec<String>,
        profiles: impl IntoIterator<Item = &'a str>,
        profile: &str,
    ) -> Self {
        Self {
            spelling: Spelling {
                endpoints,
                ..Spelling::default()
            },
            profiles: profiles.into_iter().map(str::to_owned).collect(),
            profile: profile.to_owned(),
            list: Vec::new(),
            skipped: Vec::new(),
            lacking: Vec::new(),
        }
    }

    /// With what the scenario measures itself.
    pub fn with_measures(mut self, measures: BTreeMap<String, MeasureUnit>) -> Self {
        self.spelling.measures = measures;
        self
    }

    /// With what the scenario observes of the service.
    pub fn with_observed(mut self, observed: Vec<ObservedName>) -> Self {
        self.spelling.observed = observed;
        self
    }

    /// Adds what is under a `budgets:` key.
    pub fn add_budgets(
        &mut self,
        field: &Field<Pairs<SloFile>>,
        source: SloSource,
        findings: &mut Findings,
    ) {
        self.add(field, (&SloScope::Total, true), source, findings);
    }

    /// Adds what is under a `slo:` key.
    pub fn add_file(
        &mut self,
        field: &Field<Pairs<SloFile>>,
        scope: &SloScope,
        source: SloSource,
        findings: &mut Findings,
    ) {
        self.add(field, (scope, false), source, findings);
    }

    fn add(
        &mut self,
        field: &Field<Pairs<SloFile>>,
        (scope, budget): (&SloScope, bool),
        source: SloSource,
        findings: &mut Findings,
    ) {
        // With their files: those of a profile's file are followed by those with which a scenario overrides them.
        let mut before: Vec<(usize, Slo)> = Vec::new();
        for (key, file) in field
            .get()
            .map_or(&[][..], |pairs| &pairs.0)
            .iter()
            .map(|(key, slo)| (key, &slo.value))
        {
            let profiles = file.profiles.get().map(|names| names.0.as_slice());
            self.check_profiles(profiles.unwrap_or_default(), findings);
            let (metric, named, unit) = match self.spelling.metric(&key.text) {
                Ok(found) => found,
                Err(_)
                    if source == SloSource::Included && Spelling::may_be_of_others(&key.text) =>
                {
                    self.lacking.push(format!("`{}`", key.text));
                    continue;
                }
                Err(diagnostic) => {
                    findings.report(Some(key.at), diagnostic);
                    continue;
                }
            };
            let is_of_service = matches!(metric, Metric::Observed(_));
            if is_of_service && *scope != SloScope::Total {
                let message = format!("`{}` is about the whole service", key.text);
                let help = "write it under `slo` of the scenario";
                findings.report(Some(key.at), Diagnostic::new(message).help(help));
                continue;
            }
            let name = (key.text.as_str(), key.at);
            let Some(bounds) = bounds::bounds(name, file, metric, unit, findings) else {
                continue;
            };
            let window_s = match file.window.get() {
                None => None,
                Some(given) => match window::seconds(given.value, &bounds.metric) {
                    Ok(window_s) => Some(window_s),
                    Err(diagnostic) => {
                        findings.report(Some(given.at), diagnostic);
                        continue;
                    }
                },
            };
            let slo = Slo {
                name: key.text.clone(),
                scope: named.or(scope.clone()),
                metric: bounds.metric,
                limit: bounds.limit,
                critical: bounds.critical,
                grades: bounds.grades,
                window_s,
                weight: file.weight.copied().map_or(1.0, |weight| weight.0),
                advisory: file.advisory.copied().unwrap_or(false),
                budget,
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
                    let is_same = |(file, one): &&(usize, Slo)| {
                        let is_alike = one.is_alike(&slo) && one.window_s == slo.window_s;
                        *file == key.at.file && is_alike
                    };
                    if let Some((_, other)) = before.iter().find(is_same) {
                        let diagnostic = same_metric(&other.name, &slo.name);
                        findings.report(Some(key.at), diagnostic);
                        continue;
                    }
                    before.push((key.at.file, slo.clone()));
                    let file = Some(key.at.file);
                    self.put(GivenSlo { slo, source, file });
                }
            }
        }
    }

    /// The SLO of another endpoint in the same row that differs from this one.
    fn contradicted(&self, slo: &Slo, source: SloSource) -> Option<&Slo> {
        let of_endpoints = (self.list.iter())
            .filter(|known| source == SloSource::Endpoint && known.source == source);
        let mut of_endpoints = of_endpoints.map(|known| &known.slo);
        of_endpoints.find(|known| {
            let name = slo.name.clone();
            let is_same = known.is_alike(slo) && known.window_s == slo.window_s;
            is_same
                && Slo {
                    name,
                    ..(*known).clone()
                } != *slo
        })
    }

    fn check_profiles(&self, names: &[Located<String>], findings: &mut Findings) {
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
        // From the right, since a name may have such a character, too.
        let Some(start) = expression.rfind(['<', '>']) else {
            return Err(bad("missing `<` or `>`".into())
                .help("write `--slo 'p95<500ms'` or `--slo 'ENDPOINT:p95<500ms'`"));
        };
        let (left, right) = expression.split_at(start);
        let at_most = right.starts_with('<');
        let value = right[1..].trim_start_matches('=').trim();
        let found = self.spelling.scoped(left);
        let ScopedMetric {
            name,
            scope,
            mut metric,
            unit,
        } = found.map_err(|diagnostic| Diagnostic {
            message: bad(diagnostic.message.clone()).message,
            ..diagnostic
        })?;
        if unit.is_open()
            && let Metric::Observed(number) = &mut metric
        {
            number.direction = match at_most {
                true => Direction::AtMost,
                false => Direction::AtLeast,
            };
        }
        if at_most != (metric.direction() == Direction::AtMost) {
            let (bound, operator) = match at_most {
                true => ("a lower", ">="),
                false => ("an upper", "<="),
            };
            return Err(bad(format!("`{name}` has {bound} limit: use `{operator}`"))
                .help(format!("write `{name}{operator}{value}`")));
        }
        let (limit, scale) = unit.parse(value).map_err(bad)?;
        if let Metric::Observed(number) = &mut metric {
            if scope != SloScope::Total {
                return Err(bad(format!("`{name}` is about the whole service"))
                    .help("write it without an endpoint"));
            }
            number.scale = scale.unwrap_or(number.scale);
        }
        self.put_of_command_line(Slo::new(name, scope, metric, limit));
        Ok(())
    }

    /// Adds the limit of an option, over all requests.
    pub fn add_limit(&mut self, limit: &LimitOption) {
        let metric = limit.metric.clone();
        let slo = Slo::new(limit.option, SloScope::Total, metric, limit.limit);
        self.put_of_command_line(slo);
    }

    fn put_of_command_line(&mut self, slo: Slo) {
        self.put(GivenSlo {
            slo,
            source: SloSource::CommandLine,
            file: None,
        });
    }

    /// Adds an SLO in the place of those that it replaces.
    fn put(&mut self, given: GivenSlo) {
        let place = self.list.iter().position(|known| given.replaces(known));
        let mut rest = self.list.split_off(place.unwrap_or(self.list.len()));
        rest.retain(|known| !given.replaces(known));
        self.list.push(given);
        self.list.append(&mut rest);
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
    /// left out. A throughput that only the profile or an included file asks for is left out where the load (`offered`, a sentence, and the
    /// highest rate) cannot reach it.
    pub fn finish(
        mut self,
        runs: &[&str],
        offered: Option<(String, f64)>,
    ) -> (Vec<Slo>, Vec<String>) {
        let mut kept = Vec::new();
        for GivenSlo { slo, source, .. } in std::mem::take(&mut self.list) {
            match (&slo.scope, &offered) {
                (SloScope::Endpoint(name), _) if !runs.contains(&name.as_str()) => {
                    self.skip(&slo, "the endpoint is not in this run");
                }
                (SloScope::Total, Some((sentence, rate)))
                    if slo.metric == Metric::Throughput
                        && matches!(source, SloSource::Profile | SloSource::Included)
                        && slo.limit > *rate =>
                {
                    self.skip(&slo, sentence);
                }
                _ => kept.push(slo),
            }
        }
        if !self.lacking.is_empty() {
            self.skipped.push(format!(
                "left out of what is included, since the scenario has nothing of that name: {}",
                self.lacking.join(", ")
            ));
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

#[cfg(test)]
mod tests;
