//! The levels of a search: each a run of its own, which ends as soon as it has said enough.
//!
//! Here: the load of a level, what of it is counted, and what is said meanwhile. Not here: which levels there are
//! (`capacity`).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::counter::{Counter, ResponseTimes};
use crate::capacity::{
    Criterion, Evidence, Hold, LevelEvidence, LevelPoint, LevelVerdict, LevelWatch, Purpose, Rule,
    SHORTEST_REST_S, Unit,
};
use crate::cli::run::execute::{ExecuteArgs, Watch};
use crate::error::Error;
use crate::grading::{Grading, Policy};
use crate::metrics::{Commit, Outcome, RunResult, SparseHistogram};
use crate::plan::{Load, Model, Percentile, Plan, Stage};
use crate::report::plain;
use crate::units::{format_latency_us, format_percent, trim_float};

/// Response times are back when those of the last seconds together are. They may be longer by this factor, and so much: a few requests have a p95 of their own.
const RESTED_FACTOR: f64 = 2.0;
const RESTED_US: f64 = 5_000.0;
/// From none to the level; part of the warm-up.
const RAMP: Duration = Duration::from_secs(1);
/// The share of arrivals that may be dropped because no virtual user was free.
const MAX_DROPPED: f64 = 0.01;
/// The share of users that may end by themselves.
const MAX_STOPPED: f64 = 0.01;
/// What dropped arrivals are called.
const DROPPED: &str = "the share of dropped arrivals";
/// The virtual users of the open model wait for responses so much longer than the longest limit.
const PATIENCE: f64 = 4.0;
/// How many there are at least and at most.
const USERS: [f64; 2] = [64.0, 20_000.0];

/// What came of a level.
pub enum LevelEnd {
    /// What it said.
    Evidence(LevelEvidence),
    /// A signal stopped it.
    Stopped,
}

/// The levels, as far as they were carried out.
pub struct Levels<'a> {
    execute: &'a ExecuteArgs,
    plan: Plan,
    unit: Unit,
    criteria: Vec<Criterion>,
    folder: PathBuf,
    warmup_s: f64,
    points: Vec<LevelPoint>,
    notes: Vec<String>,
    signal: Option<u8>,
    /// Whether there was data for each of the rules.
    seen: Vec<bool>,
    /// The lowest level and its p95; us.
    lowest: Option<(f64, f64)>,
}

impl<'a> Levels<'a> {
    /// Of a plan whose service is up; runs are stored in `directory`. The first `warmup_s` seconds of each level are not
    /// measured.
    pub fn new(
        execute: &'a ExecuteArgs,
        plan: Plan,
        unit: Unit,
        criteria: Vec<Criterion>,
        (directory, warmup_s): (&Path, f64),
    ) -> Self {
        Self {
            execute,
            plan,
            unit,
            criteria,
            folder: directory.join("levels"),
            warmup_s,
            points: Vec::new(),
            notes: Vec::new(),
            signal: None,
            seen: Vec::new(),
            lowest: None,
        }
    }

    /// The plan that the levels are made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What has to be known about each SLO, and about dropped arrivals.
    pub fn rules(&self) -> Vec<Rule> {
        let dropped = (self.unit == Unit::Rate).then_some(Rule {
            allowed: MAX_DROPPED,
            limit_s: None,
            is_share: true,
            covers_in_flight: false,
        });
        self.criteria
            .iter()
            .map(Criterion::rule)
            .chain(dropped)
            .collect()
    }

    /// The names of what [`Self::rules`] are about.
    pub fn names(&self) -> Vec<String> {
        let dropped = (self.unit == Unit::Rate).then(|| DROPPED.to_owned());
        let slos = self
            .criteria
            .iter()
            .map(|criterion| criterion.slo.name.clone());
        slos.chain(dropped).collect()
    }

    /// The names of the SLOs that had no data at any level.
    pub fn unseen(&self) -> Vec<String> {
        let names = self.names().into_iter().zip(&self.seen);
        let unseen = names.filter(|(_, seen)| !**seen);
        unseen.map(|(name, _)| name).collect()
    }

    /// The levels that were carried out.
    pub fn points(self) -> Vec<LevelPoint> {
        self.points
    }

    /// What a reader has to know.
    pub fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The signal that stopped the last level.
    pub fn signal(&self) -> Option<u8> {
        self.signal
    }

    /// Carries out a level.
    ///
    /// # Errors
    /// What kept it from being run or stored.
    pub fn carry_out(
        &mut self,
        level: f64,
        hold: Hold,
        purpose: Purpose,
    ) -> Result<LevelEnd, Error> {
        let plan = self.plan_at("level", level, hold.most_s, self.warmup_s);
        let criteria = self.criteria.clone();
        let mut watch = LevelWatch::new(self.rules(), hold);
        let mut counter = Counter::new(&plan, &criteria, self.unit);
        let warmup_s = self.warmup_s as usize;
        let mut elapsed_s = 0;
        let mut each_second = |commit: &Commit| {
            counter.count(commit, &mut watch);
            elapsed_s += 1;
            elapsed_s > warmup_s && watch.is_decided(elapsed_s - warmup_s)
        };
        let Some((run, directory)) = self.execute(level, &plan, &mut each_second)? else {
            return Ok(LevelEnd::Stopped);
        };
        let evidence = watch.evidence();
        self.seen.resize(evidence.len(), false);
        for (seen, one) in self.seen.iter_mut().zip(&evidence) {
            *seen |= one.is_some();
        }
        let invalid = run.invalid_because();
        let silent = self.silent_because(&run, &evidence);
        let verdict = match (&*invalid, &silent) {
            ([_, ..], _) => LevelVerdict::Invalid,
            (_, Some(_)) => LevelVerdict::Unknown,
            _ => LevelVerdict::of(&evidence),
        };
        let missed = self.names().into_iter().zip(&evidence);
        let missed = missed.filter(|(_, one)| one.is_some_and(|one| one.is_missed));
        let missed = missed.map(|(name, _)| name).collect();
        let point = LevelPoint::new((level, purpose), verdict, missed, &run, directory);
        if !matches!(verdict, LevelVerdict::Invalid | LevelVerdict::Unknown)
            && let Some(p95_us) = point.response_us.p95
            && self.lowest.is_none_or(|(lowest, _)| level < lowest)
        {
            self.lowest = Some((level, p95_us));
        }
        self.announce(&point);
        self.points.push(point);
        if let Some(cause) = invalid.first() {
            self.note(format!("{} was INVALID: {cause}", self.unit.format(level)));
            return Ok(LevelEnd::Evidence(LevelEvidence::Invalid));
        }
        if let Some(why) = silent {
            self.note(format!("at {}, {why}", self.unit.format(level)));
            return Ok(LevelEnd::Evidence(LevelEvidence::Nothing));
        }
        Ok(LevelEnd::Evidence(LevelEvidence::Evidence(evidence)))
    }

    /// Waits until the response times are those of the lowest level again, which goes on meanwhile; at most so many
    /// seconds.
    ///
    /// # Errors
    /// What kept that from being run.
    pub fn rest(&mut self, most_s: usize) -> Result<(), Error> {
        let Some((level, base_us)) = self.lowest else {
            return Ok(());
        };
        let plan = self.plan_at("rest", level, most_s, 0.0);
        let limit_us = base_us * RESTED_FACTOR + RESTED_US;
        let mut times = ResponseTimes::new(&plan);
        let mut recent = VecDeque::new();
        let mut is_rested = false;
        let mut each_second = |commit: &Commit| {
            recent.push_back(times.of_second(commit));
            if recent.len() > SHORTEST_REST_S {
                recent.pop_front();
            }
            let p95_us = p95_us(recent.iter());
            is_rested |=
                recent.len() == SHORTEST_REST_S && p95_us.is_some_and(|p95_us| p95_us <= limit_us);
            is_rested
        };
        let run = self.execute(level, &plan, &mut each_second)?;
        if run.is_some() && !is_rested {
            let (level, limit) = (self.unit.format(level), format_latency_us(limit_us));
            self.note(format!(
                "at {level}, the p95 was not back below {limit} within {most_s} s of rest"
            ));
        }
        Ok(())
    }

    /// Why the level says nothing about the service although the load generator could keep up, if so.
    fn silent_because(&self, run: &RunResult, evidence: &[Option<Evidence>]) -> Option<String> {
        // With all of its load, it would be missed as well.
        if LevelVerdict::of(evidence) == LevelVerdict::Missed {
            return None;
        }
        // Of the open model, arrivals that were dropped have a rule of their own.
        if self.unit == Unit::Users
            && let Some(missing) = run.undelivered()
        {
            return Some(missing);
        }
        let of_slos = &evidence[..self.criteria.len()];
        if of_slos.iter().any(Option::is_some) {
            return None;
        }
        let reasons = Grading::of(run, None, &Policy::default()).reasons;
        let why = reasons.into_iter().next();
        Some(why.unwrap_or_else(|| "nothing measured".to_owned()))
    }

    /// The result and the name of its directory; `None` if a signal stopped it.
    fn execute(
        &mut self,
        level: f64,
        plan: &Arc<Plan>,
        watch: Watch<'_>,
    ) -> Result<Option<(RunResult, String)>, Error> {
        let watched = (self.folder.as_path(), Some(watch));
        let executed = self
            .execute
            .execute_watched(plan, &Policy::default(), None, watched);
        if let Err(Error::StoppedInSetup(signal)) = executed {
            self.signal = Some(signal);
            return Ok(None);
        }
        let (run, directory) = executed?.stored()?;
        self.signal = run.run.ending.as_ref().and_then(|ending| ending.signal);
        if self.signal.is_some() {
            return Ok(None);
        }
        is_whole(&run, &self.unit.format(level))?;
        let name = directory.file_name().unwrap_or_default();
        Ok(Some((run, name.to_string_lossy().into_owned())))
    }

    fn note(&mut self, text: String) {
        self.execute.note(&format!("       {}", plain(&text)));
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// `  3  40/s  holds  p95 12.3 ms, 0% errors, 8 s`.
    fn announce(&self, point: &LevelPoint) {
        let p95 = point
            .response_us
            .p95
            .map_or("no response".to_owned(), |p95_us| {
                format!("p95 {}", format_latency_us(p95_us))
            });
        let errors = format_percent(point.error_rate.unwrap_or(0.0));
        let missed = match point.missed.as_slice() {
            [] => String::new(),
            missed => format!(" ({})", missed.join(", ")),
        };
        self.execute.note(&format!(
            "{:>3}  {:>9}  {:<7}  {p95}, {errors} errors, {} s{}",
            self.points.len() + 1,
            self.unit.format(point.level),
            point.verdict.name(),
            trim_float(point.held_s, 0),
            plain(&missed),
        ));
    }

    /// The plan of a level, or of a rest at one.
    fn plan_at(&self, name: &str, level: f64, length_s: usize, warmup_s: f64) -> Arc<Plan> {
        let ramp = RAMP.min(Duration::from_secs_f64(warmup_s));
        let mut plan = self.plan.clone();
        plan.profile = name.to_owned();
        // What is broken for a while is what a search looks for.
        plan.abort.clear();
        // Arrivals are different ones each time.
        plan.seed = plan.seed.wrapping_add(self.points.len() as u64);
        let limits = self.criteria.iter().filter_map(|one| one.rule().limit_s);
        let longest_s = limits.fold(0.5, f64::max);
        let users = (level * longest_s * PATIENCE)
            .ceil()
            .clamp(USERS[0], USERS[1]) as u32;
        plan.load = Load {
            model: match (self.unit, self.plan.load.model) {
                (Unit::Users, _) => Model::Closed,
                (Unit::Rate, Model::Open { max_users }) => Model::Open {
                    max_users: users.max(max_users),
                },
                (Unit::Rate, Model::Closed) => Model::Open { max_users: users },
            },
            stages: vec![Stage {
                name: self.unit.format(level),
                level,
                ramp,
                duration: Duration::from_secs(length_s as u64),
                classes: Vec::new(),
            }],
            warmup: Duration::from_secs_f64(warmup_s) - ramp,
            iterations: None,
            throttle: None,
            shape: None,
            ..self.plan.load.clone()
        };
        Arc::new(plan)
    }
}

/// A load that ended by itself says nothing about whether the service holds it.
///
/// # Errors
/// Why it did, and what to do about it.
fn is_whole(run: &RunResult, level: &str) -> Result<(), Error> {
    let Some(ending) = run.run.ending.as_ref() else {
        return Ok(());
    };
    if let Some(text) = &ending.dead_worker {
        return Err(Error::WorkerDied(text.clone()));
    }
    // What had said enough before was not cut short.
    let is_early = !ending.decided;
    let stopped_users = ending.totals.stopped_users as f64;
    let have_users_ended =
        !ending.out_of_data && run.count(|outcome| outcome == Outcome::DataExhausted) > 0;
    let (why, help) = if is_early && ending.out_of_data || have_users_ended {
        (
            "the data ran out",
            "start it over with `on_end: wrap`, add rows, or set a lower `--max`",
        )
    } else if is_early && ending.stopped_by_scenario {
        (
            "the scenario stopped the load",
            "leave out the step `stop: run`, or set a lower `--max`",
        )
    } else if run.run.load.model == Model::Closed
        && stopped_users > MAX_STOPPED * run.run.load.peak()
    {
        (
            "users ended by themselves",
            "leave out the step `stop: user`, or set a lower `--max`",
        )
    } else {
        return Ok(());
    };
    Err(Error::LevelEnded {
        message: format!("at {level}, {why}, so that the level says nothing about the service"),
        help,
    })
}

/// The p95 of these seconds together; `None` without a response.
fn p95_us<'a>(seconds: impl Iterator<Item = &'a SparseHistogram>) -> Option<f64> {
    let mut all = SparseHistogram::default();
    seconds.for_each(|second| all.merge(second));
    all.percentile(Percentile::new(95.0)?)
}
