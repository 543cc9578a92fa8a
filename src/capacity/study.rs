//! A finished search: its levels, what it found, and what follows from that.
//!
//! Here: data, and pure functions of it. Not here: how it looks (`report`).

use super::evidence::{CLEAR, Evidence, worst_deviations};
use super::search::{Capacity, MAX_SILENT, Outcome, Purpose};
use super::usl::Usl;
use crate::grading::Verdict;
use crate::metrics::{Latency, RunResult, Window};
use crate::plan::ObservedUnit;
use crate::units::{format_latency_us, format_percent, format_rate, format_users};

/// What changed by less than this factor did not move.
const MOVED: f64 = 1.5;
/// Percentiles and shares of fewer values vary by as much from level to level.
const LEAST_VALUES: u64 = 100;
/// The most numbers of the service that are named.
const MOST_MOVED: usize = 6;

/// What the levels of a search are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Arrivals per second.
    Rate,
    /// Virtual users.
    Users,
}

impl Unit {
    /// A level for people.
    pub fn format(self, level: f64) -> String {
        match self {
            Self::Rate => format_rate(level),
            Self::Users => format_users(level.round() as u64),
        }
    }
}

/// What a level said, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelVerdict {
    /// Every SLO was met, beyond doubt.
    Holds,
    /// An SLO was missed, beyond doubt.
    Missed,
    /// Close to the limit.
    Close,
    /// The load generator could not keep up.
    Invalid,
    /// Nothing was measured, or users ended before they sent anything.
    Unknown,
}

impl LevelVerdict {
    /// Of what a level said about each SLO.
    pub fn of(evidence: &[Option<Evidence>]) -> Self {
        let is_clean = evidence.iter().flatten().all(|one| one.excess.is_none());
        match worst_deviations(evidence) {
            None => Self::Unknown,
            Some(worst) if worst > CLEAR => Self::Missed,
            Some(worst) if worst < -CLEAR || is_clean => Self::Holds,
            Some(_) => Self::Close,
        }
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Missed => "missed",
            Self::Close => "close",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// A level that was carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelPoint {
    /// Arrivals per second, or users.
    pub level: f64,
    /// What it was for.
    pub purpose: Purpose,
    /// How long it was measured; s.
    pub held_s: f64,
    /// What it said.
    pub verdict: LevelVerdict,
    /// The SLOs that were missed, as measured.
    pub missed: Vec<String>,
    /// Successes per second.
    pub rate_per_s: f64,
    /// Response times.
    pub response_us: Latency,
    /// Failures over finished requests.
    pub error_rate: Option<f64>,
    /// Arrivals that were dropped because no virtual user was free.
    pub dropped: u64,
    /// Requests in the service on average, by Little's law.
    pub in_flight: f64,
    /// What the service said of itself.
    pub gauges: Vec<Gauge>,
    /// Where the run is stored.
    pub directory: String,
}

/// A number of the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// Such as `db p95` or `pool`.
    pub name: String,
    /// The value.
    pub value: f64,
    /// The value for people.
    pub text: String,
}

/// A number of the service that changed between the lowest level and the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// At the lowest level.
    pub from: Gauge,
    /// At the limit.
    pub to: Gauge,
}

/// A search that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The scenario's name.
    pub scenario: String,
    /// The profile's name.
    pub profile: String,
    /// The base URL.
    pub service: String,
    /// What the levels are.
    pub unit: Unit,
    /// How the arrivals were spaced; `None` for users.
    pub arrivals: Option<&'static str>,
    /// The names of the SLOs that were searched for.
    pub slos: Vec<String>,
    /// The names of those that had no data at any level.
    pub unseen: Vec<String>,
    /// Why other SLOs were not.
    pub left_out: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The levels, in the order of the search.
    pub levels: Vec<LevelPoint>,
    /// The load that has to hold today, if it is known.
    pub today: Option<f64>,
    /// The level that was asked for.
    pub at_least: Option<f64>,
    /// Why levels were INVALID, and what else a reader has to know.
    pub notes: Vec<String>,
    /// How long it took; s.
    pub elapsed_s: f64,
    /// How long it was allowed to take; s.
    pub budget_s: f64,
    /// The signal that stopped it.
    pub signal: Option<u8>,
}

impl LevelPoint {
    /// Of the run that was made at it. `missed` are the SLOs with their deviations above the limit.
    pub fn new(
        (level, purpose): (f64, Purpose),
        verdict: LevelVerdict,
        missed: Vec<String>,
        run: &RunResult,
        directory: String,
    ) -> Self {
        let total = run.summary(None, Window::Measured);
        let spent_us = |times: &Latency| times.mean.unwrap_or(0.0) * times.count as f64;
        let in_flight_us = spent_us(&total.response_us) + spent_us(&total.failed_us);
        Self {
            level,
            purpose,
            held_s: total.window_s,
            verdict,
            missed,
            rate_per_s: total.rate_per_s,
            response_us: total.response_us,
            error_rate: total.error_rate,
            dropped: total.dropped,
            in_flight: match total.window_s > 0.0 {
                true => in_flight_us / 1e6 / total.window_s,
                false => 0.0,
            },
            gauges: gauges(run),
            directory,
        }
    }

    /// Whether it says something about the service.
    fn is_valid(&self) -> bool {
        !matches!(self.verdict, LevelVerdict::Invalid | LevelVerdict::Unknown)
    }
}

/// What the service said of itself in `Server-Timing`, and what was observed of it.
fn gauges(run: &RunResult) -> Vec<Gauge> {
    let total = run.summary(None, Window::Measured);
    let mut gauges = Vec::new();
    for (name, component) in &total.components {
        if component.time_us.count < LEAST_VALUES {
            continue;
        }
        if let Some(value) = component.time_us.p95 {
            gauges.push(Gauge {
                name: format!("{name} p95"),
                value,
                text: format_latency_us(value),
            });
        }
        if let Some(value) = component.hit_ratio {
            gauges.push(Gauge {
                name: format!("{name} hit ratio"),
                value,
                text: format_percent(value),
            });
        }
    }
    for observed in run.observed() {
        // The number of requests rises with the load, and of a distribution one number is enough.
        let is_count = observed.is_rate && observed.info.unit == ObservedUnit::Number;
        let is_one = observed.part.is_none_or(|part| part == "p95");
        if let Some(measured) = observed.measured.filter(|_| !is_count && is_one) {
            gauges.push(Gauge {
                name: observed.name(),
                value: measured.overall,
                text: observed.format(measured.overall),
            });
        }
    }
    gauges
}

impl Study {
    /// The capacity, if it is known.
    pub fn capacity(&self) -> Option<&Capacity> {
        match &self.outcome {
            Outcome::Found(capacity) | Outcome::Open(capacity) => Some(capacity),
            _ => None,
        }
    }

    /// The name of the SLO that gives way first.
    pub fn limiting(&self) -> Option<&str> {
        let name = self.slos.get(self.capacity()?.limiting)?;
        Some(name)
    }

    /// The level that must hold: what was asked for, or today's load.
    pub fn required(&self) -> Option<f64> {
        self.at_least.or(self.today)
    }

    /// Whether the level that must hold does; without one, whether something was found.
    pub fn verdict(&self) -> Verdict {
        if self.signal.is_some() {
            return Verdict::Inconclusive;
        }
        // What certainly holds, and what certainly does not.
        let holds = match &self.outcome {
            Outcome::Found(one) | Outcome::Open(one) => {
                let confirmed = one.confirmed.unwrap_or(0.0);
                Some(one.low.max(confirmed))
            }
            Outcome::AtLeast(level) => Some(*level),
            Outcome::Generator(held, _) | Outcome::Unknown { held, .. } => *held,
            Outcome::Below(_) => None,
        };
        let is_held = |level: f64| holds.is_some_and(|held| held >= level);
        let is_missed = |level: f64| match &self.outcome {
            Outcome::Found(one) | Outcome::Open(one) => one.high < level,
            Outcome::Below(lowest) => *lowest <= level,
            Outcome::Unknown { missed, .. } => missed.is_some_and(|missed| missed <= level),
            Outcome::AtLeast(_) | Outcome::Generator(..) => false,
        };
        match (self.required(), &self.outcome) {
            // What was never measured is not met.
            (Some(required), _) if is_held(required) && !self.unseen.is_empty() => {
                Verdict::Inconclusive
            }
            (None, Outcome::Found(_) | Outcome::AtLeast(_)) if !self.unseen.is_empty() => {
                Verdict::Inconclusive
            }
            (Some(required), _) if is_held(required) => Verdict::Pass,
            (Some(required), _) if is_missed(required) => Verdict::Fail,
            (None, Outcome::Below(_)) => Verdict::Fail,
            (_, Outcome::Generator(..)) => Verdict::Invalid,
            (_, Outcome::Open(_)) if self.is_ended_by_generator() => Verdict::Invalid,
            (None, Outcome::Found(_) | Outcome::AtLeast(_)) => Verdict::Pass,
            _ => Verdict::Inconclusive,
        }
    }

    /// Whether the search ended because its last levels said nothing about the service.
    pub fn is_ended_by_silence(&self) -> bool {
        self.are_last(|point| !point.is_valid())
    }

    /// Whether it ended because the load generator could not keep up.
    pub fn is_ended_by_generator(&self) -> bool {
        self.are_last(|point| point.verdict == LevelVerdict::Invalid)
    }

    fn are_last(&self, what: impl Fn(&&LevelPoint) -> bool) -> bool {
        let last = self.levels.iter().rev().take(MAX_SILENT);
        last.filter(what).count() == MAX_SILENT
    }

    /// How many times the load of today is possible.
    pub fn headroom(&self) -> Option<f64> {
        Some(self.capacity()?.level / self.today.filter(|today| *today > 0.0)?)
    }

    /// The levels whose numbers count, by level; of equal ones the longest.
    pub fn curve(&self) -> Vec<&LevelPoint> {
        let mut levels: Vec<&LevelPoint> = self.levels.iter().collect();
        levels.sort_by(|a, b| {
            a.level
                .total_cmp(&b.level)
                .then(b.held_s.total_cmp(&a.held_s))
        });
        levels.dedup_by(|b, a| a.level == b.level && b.verdict == a.verdict);
        levels
    }

    /// The level with the most throughput per response time; see `RunResult::knee`. `None` with fewer than
    /// three levels, or if responses take hardly longer at the highest: the service refuses what is too much.
    pub fn knee(&self) -> Option<&LevelPoint> {
        let mut valid = self.curve();
        valid.retain(|point| point.is_valid() && point.rate_per_s > 0.0);
        let mean_us = |point: &LevelPoint| point.response_us.mean.unwrap_or(f64::INFINITY).max(1.0);
        let power = |point: &LevelPoint| point.rate_per_s / mean_us(point);
        let highest_us = mean_us(valid.last()?);
        let enough = valid.len() >= 3;
        let knee = valid
            .into_iter()
            .max_by(|a, b| power(a).total_cmp(&power(b)))?;
        (enough && highest_us > MOVED * mean_us(knee)).then_some(knee)
    }

    /// What moved in the service between the lowest level and the limit, most first.
    pub fn moved(&self) -> Vec<Movement> {
        let mut valid = self.curve();
        valid.retain(|point| point.is_valid());
        let limit = match self.capacity() {
            Some(capacity) => capacity.level,
            None => f64::INFINITY,
        };
        let Some(at_limit) = valid.iter().rfind(|point| point.level <= limit) else {
            return Vec::new();
        };
        let change = |moved: &Movement| (moved.to.value / moved.from.value).ln().abs();
        let pairs = at_limit.gauges.iter().filter_map(|to| {
            let below = valid
                .iter()
                .take_while(|point| point.level < at_limit.level);
            let mut gauges = below.flat_map(|point| &point.gauges);
            let from = gauges.find(|from| from.name == to.name)?;
            let (from, to) = (from.clone(), to.clone());
            Some(Movement { from, to })
        });
        let mut moved: Vec<Movement> = pairs
            .filter(|one| {
                let change = change(one);
                // From 0, the factor is infinite.
                change > MOVED.ln()
            })
            .collect();
        moved.sort_by(|a, b| change(b).total_cmp(&change(a)));
        moved.truncate(MOST_MOVED);
        moved
    }

    /// How throughput grows with concurrency.
    ///
    /// # Errors
    /// Why there is no fit.
    pub fn usl(&self) -> Result<Usl, String> {
        let points = self.levels.iter().filter(|point| point.is_valid());
        let points: Vec<(f64, f64)> = points
            .map(|point| match self.unit {
                Unit::Rate => (point.in_flight, point.rate_per_s),
                Unit::Users => (point.level, point.rate_per_s),
            })
            .collect();
        Usl::fit(&points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::fixture::{capacity, point, study};

    #[test]
    fn a_level_holds_only_where_it_certainly_does() {
        let found = |today| study(Outcome::Found(capacity()), today).verdict();
        assert_eq!(found(None), Verdict::Pass);
        assert_eq!(found(Some(163.0)), Verdict::Pass, "it was confirmed");
        assert_eq!(found(Some(164.0)), Verdict::Inconclusive);
        assert_eq!(found(Some(178.0)), Verdict::Fail);
        let of = |outcome, today| study(outcome, today).verdict();
        assert_eq!(of(Outcome::Open(capacity()), None), Verdict::Inconclusive);
        assert_eq!(of(Outcome::Open(capacity()), Some(100.0)), Verdict::Pass);
        assert_eq!(of(Outcome::AtLeast(50.0), None), Verdict::Pass);
        assert_eq!(
            of(Outcome::AtLeast(50.0), Some(60.0)),
            Verdict::Inconclusive
        );
        assert_eq!(of(Outcome::Below(1.0), None), Verdict::Fail);
        assert_eq!(
            of(Outcome::Generator(Some(50.0), 100.0), None),
            Verdict::Invalid
        );
        assert_eq!(
            of(Outcome::Generator(Some(50.0), 100.0), Some(40.0)),
            Verdict::Pass
        );
        let unknown = |held, missed| Outcome::Unknown { held, missed };
        assert_eq!(of(unknown(None, None), None), Verdict::Inconclusive);
        let halving = unknown(None, Some(2.5));
        assert_eq!(of(halving, None), Verdict::Inconclusive);
        assert_eq!(of(halving, Some(2.0)), Verdict::Inconclusive);
        assert_eq!(of(halving, Some(2.5)), Verdict::Fail);
    }

    #[test]
    fn what_was_asked_for_comes_before_todays_load_and_a_signal_before_all() {
        let mut asked = study(Outcome::Found(capacity()), Some(100.0));
        asked.at_least = Some(200.0);
        assert_eq!(asked.verdict(), Verdict::Fail);
        assert_eq!(asked.headroom(), Some(1.7));
        asked.signal = Some(2);
        assert_eq!(asked.verdict(), Verdict::Inconclusive);
    }

    #[test]
    fn an_slo_that_was_never_measured_is_not_met() {
        let mut found = study(Outcome::Found(capacity()), Some(100.0));
        found.unseen.push("db_time_p95".into());
        assert_eq!(found.verdict(), Verdict::Inconclusive);
        found.today = None;
        assert_eq!(found.verdict(), Verdict::Inconclusive);
        found.today = Some(200.0);
        assert_eq!(found.verdict(), Verdict::Fail);
    }

    #[test]
    fn a_search_that_the_generator_ended_is_invalid() {
        let mut ended = study(Outcome::Open(capacity()), None);
        ended
            .levels
            .extend([(); MAX_SILENT].map(|()| point(165.0, LevelVerdict::Invalid)));
        assert_eq!(ended.verdict(), Verdict::Invalid);
    }

    #[test]
    fn the_knee_and_what_moved_come_from_the_levels() {
        let found = study(Outcome::Found(capacity()), None);
        // The power of a queue, r (200 - r), is highest at half its rate.
        assert_eq!(found.knee().map(|point| point.level), Some(80.0));
        let mut limited = found.clone();
        for level in &mut limited.levels {
            level.response_us.mean = Some(2_000.0);
        }
        assert_eq!(limited.knee(), None, "what is too much is refused at once");
        let moved = found.moved();
        let texts: Vec<_> = moved
            .iter()
            .map(|one| (&*one.from.text, &*one.to.text))
            .collect();
        assert_eq!(texts, [("5263 us", "27027 us")]);
        let fit = found.usl().unwrap();
        assert!((195.0..210.0).contains(&fit.peak_per_s), "{fit:?}");
    }
}
