//! Runs that may be compared with each other, and where their numbers changed.

use super::run::{HistoryRun, METRICS, history_metrics};
use crate::comparison::{LEAST_RUNS, change_points, setup_differences};
use crate::metrics::{EndpointInfo, RunInfo, median};
use crate::plan::{Direction, Metric};

/// In which share of histories of equal runs a number of all requests changes by chance, at most.
const FALSE_ALARMS: f64 = 0.025;
/// The same for the numbers of all endpoints together.
const ENDPOINT_FALSE_ALARMS: f64 = 0.015;
/// A smaller change of a response time or of a rate is none; a share.
const LEAST_CHANGE: f64 = 0.01;
/// A smaller change of an error rate is none; a share of the requests.
const LEAST_ERRORS: f64 = 0.001;

/// Runs of one setup, against one service.
#[derive(Debug, Clone)]
pub struct Series {
    /// Oldest first; at least one.
    pub runs: Vec<HistoryRun>,
    /// The endpoint that it is about, by position; `None` for all requests.
    pub endpoint: Option<usize>,
    /// How an older series of the same scenario and profile differs, in phrases that follow the name of its
    /// last run. Empty if there is none.
    pub predecessor: Option<(String, Vec<String>)>,
    /// Where numbers changed, oldest first.
    pub changes: Vec<ChangePoint>,
    /// Why not all numbers were tested, for people.
    pub untested: Option<String>,
}

/// A run from which on a metric has another level.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangePoint {
    /// The first run of the new level, by position.
    pub run: usize,
    /// The endpoint, by position; `None` for all requests.
    pub endpoint: Option<usize>,
    /// What changed.
    pub metric: Metric,
    /// The median of the runs before, since the last change; in the unit of the metric.
    pub before: f64,
    /// The median of the runs from there on, up to the next change.
    pub after: f64,
}

impl ChangePoint {
    /// Whether it is a change for the worse.
    pub fn is_worse(&self) -> bool {
        match self.metric.direction() {
            Direction::AtMost => self.after > self.before,
            Direction::AtLeast => self.after < self.before,
        }
    }
}

impl Series {
    /// The newest run.
    pub fn newest(&self) -> &HistoryRun {
        &self.runs[self.runs.len() - 1]
    }

    /// The endpoints, as all of the runs have them.
    pub fn endpoints(&self) -> &[EndpointInfo] {
        &self.newest().info.endpoints
    }

    /// The runs whose numbers count, with their positions.
    pub fn counted(&self) -> impl Iterator<Item = (usize, &HistoryRun)> {
        let runs = self.runs.iter().enumerate();
        runs.filter(|(_, run)| run.counts())
    }

    /// What else changed with a run, besides the build: the machine, or perfctl.
    pub fn suspects(&self, run: usize) -> Vec<&'static str> {
        let before = self.counted().filter(|(position, _)| *position < run);
        let Some((_, before)) = before.last() else {
            return Vec::new();
        };
        let (before, now) = (&before.info, &self.runs[run].info);
        let suspects = [
            ("the machine", before.machine != now.machine),
            ("perfctl", before.perfctl_version != now.perfctl_version),
        ];
        let changed = suspects.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(name, _)| name).collect()
    }

    /// Tests the numbers of all requests and of each endpoint, or of the one endpoint that it is about.
    fn find_changes(&mut self) {
        let counted = self.counted().count();
        if counted < LEAST_RUNS {
            let needed =
                format!("change points need at least {LEAST_RUNS} runs whose numbers count");
            self.untested = Some(format!("{needed}; there are {counted}"));
            return;
        }
        let mut changes = self.changes_of(self.endpoint, FALSE_ALARMS);
        // The numbers of a single endpoint are those of all requests.
        let endpoints = self.endpoints().len();
        if self.endpoint.is_none() && endpoints > 1 {
            let level = ENDPOINT_FALSE_ALARMS / endpoints as f64;
            let of_endpoints = (0..endpoints).flat_map(|at| self.changes_of(Some(at), level));
            changes.extend(of_endpoints);
        }
        changes.sort_by_key(|change| change.run);
        self.changes = changes;
    }

    /// The changes of the numbers of one scope, of which there are false ones with at most this probability.
    fn changes_of(&self, endpoint: Option<usize>, probability: f64) -> Vec<ChangePoint> {
        let level = probability / METRICS as f64;
        let metrics = history_metrics().into_iter().enumerate();
        let changes = metrics.flat_map(|(position, metric)| {
            let (runs, values): (Vec<usize>, Vec<f64>) = self
                .counted()
                .filter_map(|(at, run)| Some((at, run.numbers(endpoint)[position]?)))
                .unzip();
            let margin = |before: f64| match metric {
                Metric::ErrorRate => LEAST_ERRORS,
                _ => before * LEAST_CHANGE,
            };
            let found = change_points(&values, level, margin);
            let starts = std::iter::once(0).chain(found.iter().copied());
            let ends = found.iter().copied().chain([values.len()]).skip(1);
            let levels = starts.zip(&found).zip(ends);
            let changes = levels.map(|((start, at), end)| ChangePoint {
                run: runs[*at],
                endpoint,
                metric: metric.clone(),
                before: median(&values[start..*at]),
                after: median(&values[*at..end]),
            });
            changes.collect::<Vec<_>>()
        });
        changes.collect()
    }
}

/// The series of these runs, the newest `last` runs of each: runs that a comparison would accept, against
/// the same service. With the name of an endpoint, those that have it.
pub fn series_of(mut runs: Vec<HistoryRun>, endpoint: Option<&str>, last: usize) -> Vec<Series> {
    runs.sort_by(|a, b| order(&a.info).cmp(&order(&b.info)));
    runs.dedup_by(|a, b| a.info.is_same_run(&b.info));
    let mut series: Vec<Series> = Vec::new();
    for run in runs {
        let position = match endpoint {
            None => None,
            Some(name) => {
                let mut endpoints = run.info.endpoints.iter();
                match endpoints.position(|known| known.name == name) {
                    None => continue,
                    position => position,
                }
            }
        };
        match series
            .iter_mut()
            .find(|known| is_same(&known.newest().info, &run.info))
        {
            Some(known) => known.runs.push(run),
            None => series.push(Series {
                predecessor: predecessor(&series, &run.info),
                runs: vec![run],
                endpoint: position,
                changes: Vec::new(),
                untested: None,
            }),
        }
    }
    for one in &mut series {
        one.runs.drain(..one.runs.len().saturating_sub(last.max(1)));
        one.find_changes();
    }
    series.sort_by(|a, b| order(&a.newest().info).cmp(&order(&b.newest().info)));
    series
}

/// By date; by name where that is the same, or no date.
fn order(run: &RunInfo) -> (Option<jiff::Timestamp>, &str) {
    (run.started_at.parse().ok(), &run.id)
}

fn is_same(before: &RunInfo, run: &RunInfo) -> bool {
    before.service == run.service
        && (&before.scenario, &before.profile) == (&run.scenario, &run.profile)
        && setup_differences(before, run).is_empty()
}

/// The last run before this one of the same scenario and profile, which is in another series, and how it
/// differs.
fn predecessor(series: &[Series], run: &RunInfo) -> Option<(String, Vec<String>)> {
    let known = series.iter().map(|one| &one.newest().info);
    let same =
        known.filter(|known| (&known.scenario, &known.profile) == (&run.scenario, &run.profile));
    let before = same.max_by(|a, b| order(a).cmp(&order(b)))?;
    let mut why = setup_differences(before, run);
    if before.service != run.service {
        why.insert(0, format!("was against `{}`", before.service));
    }
    Some((before.id.clone(), why))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::metrics::{Outcome, RunResult, fixture};

    fn run(number: usize, change: impl Fn(&mut RunResult)) -> HistoryRun {
        let mut result = fixture::run(&[
            (
                "a",
                &[(Outcome::Ok, 50_000 + (number * 7 % 11) as u64 * 100, 200)],
            ),
            (
                "b",
                &[(Outcome::Ok, 90_000 + (number * 5 % 13) as u64 * 100, 200)],
            ),
        ]);
        result.run.id = format!("run {number}");
        result.run.started_at = format!("2026-11-{:02}T{:02}:00:00Z", 1 + number / 24, number % 24);
        change(&mut result);
        HistoryRun::of(PathBuf::from(&result.run.id), result)
    }

    #[test]
    fn runs_that_cannot_be_compared_are_series_of_their_own() {
        let runs = vec![
            run(3, |_| {}),
            run(1, |_| {}),
            run(2, |r| r.run.fingerprint.load.clear()),
            run(4, |r| r.run.service = "http://other".into()),
            run(3, |_| {}),
            run(5, |_| {}),
        ];
        let series = series_of(runs, None, 30);
        let ids: Vec<Vec<&str>> = series
            .iter()
            .map(|one| one.runs.iter().map(|run| run.info.id.as_str()).collect())
            .collect();
        assert_eq!(
            ids,
            [
                vec!["run 2"],
                vec!["run 4"],
                vec!["run 1", "run 3", "run 5"]
            ]
        );
        let (before, why) = series[0].predecessor.as_ref().unwrap();
        assert_eq!(before, "run 1");
        assert!(why[0].contains("ran another load"), "{why:?}");
        assert!(series[1].predecessor.as_ref().unwrap().1[0].contains("was against"));
        assert!(
            series[2]
                .untested
                .as_ref()
                .unwrap()
                .contains("at least 14 runs")
        );
        assert_eq!(series_of(vec![run(1, |_| {})], Some("none"), 30).len(), 0);
        assert_eq!(
            series_of((0..9).map(|i| run(i, |_| {})).collect(), None, 4)[0]
                .runs
                .len(),
            4
        );
    }

    /// Endpoint b is slower from run 15 on.
    fn slower(number: usize) -> HistoryRun {
        run(number, |result| {
            if number >= 15 {
                let mut slow = fixture::run(&[
                    (
                        "a",
                        &[(Outcome::Ok, 50_000 + (number * 7 % 11) as u64 * 100, 200)],
                    ),
                    ("b", &[(Outcome::Ok, 108_000, 200)]),
                ]);
                std::mem::swap(&mut result.endpoints, &mut slow.endpoints);
            }
            if number == 20 {
                result.run.ending.as_mut().unwrap().signal = Some(2);
            }
        })
    }

    #[test]
    fn a_change_names_its_endpoint_and_doubtful_runs_do_not_count() {
        let series = series_of((0..30).map(slower).collect(), None, 30);
        let [series] = series.as_slice() else {
            panic!("one series");
        };
        assert!(!series.runs[20].counts());
        assert_eq!(series.counted().count(), 29);
        assert!(
            series
                .changes
                .iter()
                .all(|change| change.run == 15 && change.is_worse())
        );
        let scopes: Vec<Option<usize>> = series.changes.iter().map(|c| c.endpoint).collect();
        assert!(
            scopes.contains(&Some(1)) && !scopes.contains(&Some(0)),
            "{scopes:?}"
        );
        let alone = &series_of((0..30).map(slower).collect(), Some("b"), 30)[0];
        assert!(
            alone
                .changes
                .iter()
                .all(|change| change.endpoint == Some(1))
        );
        assert_eq!(alone.changes.len(), 3, "{:?}", alone.changes);
    }

    #[test]
    fn a_suspect_is_named() {
        let other = |number: usize| {
            run(number, |r| {
                r.run.machine.host = if number > 3 { "new" } else { "old" }.into()
            })
        };
        let series = &series_of((0..8).map(other).collect(), None, 30)[0];
        assert_eq!(series.suspects(4), ["the machine"]);
        assert!(series.suspects(5).is_empty() && series.suspects(0).is_empty());
    }
}
