//! `perfctl capacity`: the highest load at which every SLO holds.
//!
//! Here: arguments, and the way from the search to the report. Not here: the search (`capacity`), or how a level is
//! carried out (`levels`).

mod counter;
mod levels;

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::PossibleValuesParser;

use self::levels::{LevelEnd, Levels};
use super::execute::{ExecuteArgs, reach};
use crate::capacity::{Criterion, Search, SearchStep, Settings, Study, Unit};
use crate::cli::args::load::Spacing;
use crate::cli::args::sending::SendingArgs;
use crate::cli::show::output::{print, print_for_people, written};
use crate::error::{Error, Exit};
use crate::metrics::{RunDir, write_file};
use crate::plan::{Arrivals, Model, Plan, Service, ThinkTime};
use crate::report::{
    CAPACITY_FORMATS, LEAST_COLUMNS, capacity_line, terminal_columns, write_capacity,
};
use crate::scenario::{self, parse_wait};
use crate::units::{as_us, parse_duration, parse_percent, parse_rate};

/// The part of a level that is not measured, at least: queues fill, connections are opened.
const WARMUP: Duration = Duration::from_secs(3);
/// The confirming hold, at least.
const HOLD: Duration = Duration::from_secs(60);
/// And so many times the longest limit of a response time over the precision: a load that is that much too high lets a
/// queue grow beyond the limit in an eighth of the time.
const HOLD_LIMITS: f64 = 8.0;
/// The first level, if today's load is not known.
const START: [f64; 2] = [10.0, 1.0];
/// The first level as a share of today's load.
const START_SHARE: f64 = 0.125;
/// The lowest level that is tried.
const LEAST: f64 = 1.0;
/// The highest levels.
const MOST: [f64; 2] = [1e6, 100_000.0];

/// Find the highest load at which every SLO holds
///
/// Raises the load by doubling until an SLO is missed, then narrows it down, and confirms the answer with a longer
/// hold.
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// Scenario file, its name in `scenarios/`, or a URL [default: scenarios/default.yaml, or the
    /// only file there]
    scenario: Option<String>,

    /// Search for the number of virtual users instead of the arrival rate
    #[arg(short, long)]
    users: bool,

    /// First level [default: an eighth of today's load, or 10/s, or 1 user]
    #[arg(long, value_name = "LEVEL", value_parser = parse_rate)]
    start: Option<f64>,

    /// Highest level
    #[arg(long, value_name = "LEVEL", value_parser = parse_rate)]
    max: Option<f64>,

    /// Load of today, for the headroom [default: the highest level of the profile, if it has a rate, or users with
    /// `--users`]
    #[arg(long, value_name = "LEVEL", value_parser = parse_rate)]
    today: Option<f64>,

    /// Fail unless the service holds at least this level [default: today's load]
    #[arg(long, env = "PERFCTL_AT_LEAST", value_name = "LEVEL", value_parser = parse_rate)]
    at_least: Option<f64>,

    /// How precise the answer has to be: the interval is at most this much to both sides, from 1% to 50%
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = parse_percent)]
    precision: f64,

    /// How long the search may take
    #[arg(long, env = "PERFCTL_BUDGET", value_name = "TIME", default_value = "20m", value_parser = parse_duration)]
    budget: Duration,

    /// Length of the confirming hold; others last half as long at most [default: 60s, or more for limits above
    /// 375 ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    hold: Option<Duration>,

    /// Load profile: whose highest level is today's load, and whose arrivals and warm-up are used
    #[arg(
        short,
        long,
        env = "PERFCTL_PROFILE",
        value_name = "NAME|FILE",
        help_heading = "Load"
    )]
    profile: Option<String>,

    /// Spacing of arrivals [default: that of the profile, or uniform]
    #[arg(
        long,
        env = "PERFCTL_ARRIVALS",
        value_name = "SPACING",
        help_heading = "Load"
    )]
    arrivals: Option<Spacing>,

    /// Number of worker threads [default: one per core]
    #[arg(long, env = "PERFCTL_WORKERS", value_name = "N", help_heading = "Load")]
    workers: Option<usize>,

    /// SLO such as `p95<500ms` or `list invoices:error_rate<1%` (repeatable)
    #[arg(long = "slo", value_name = "SLO", help_heading = "Load")]
    slos: Vec<String>,

    /// Wait between iterations and within flows, such as `500ms` or `between(1s, 2s)`, overriding all
    /// think times of the scenario
    #[arg(long, env = "PERFCTL_THINK_TIME", value_name = "WAIT", value_parser = parse_wait, help_heading = "Load")]
    think_time: Option<ThinkTime>,

    #[command(flatten)]
    #[command(next_help_heading = "Load")]
    sending: SendingArgs,

    #[command(flatten)]
    execute: ExecuteArgs,

    /// Output format
    #[arg(
        long,
        env = "PERFCTL_FORMAT",
        value_name = "FORMAT",
        default_value = CAPACITY_FORMATS[0],
        value_parser = PossibleValuesParser::new(CAPACITY_FORMATS),
        help_heading = "Output"
    )]
    format: String,
}

/// Searches for the capacity and reports it.
///
/// # Errors
/// What kept a level from being carried out, or the answer from being stored.
pub fn run(args: &CapacityArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let mut plan = args.plan()?;
    let (criteria, left_out) = Criterion::all(&plan.slos);
    if criteria.is_empty() {
        return Err(Error::usage_help(
            "the scenario has no SLO that a capacity can be searched for",
            "add one, such as `--slo 'p95<500ms'` or `--slo 'error_rate<1%'`",
        ));
    }
    let today = args.today.or_else(|| args.load_of(&plan));
    let settings = args.settings(&plan, &criteria, today)?;
    // One service for all levels.
    let (_demo, base) = reach(&plan, &args.execute.demo_fault)?;
    plan.service = Service::Url(base.clone());
    let directory = RunDir::create(&args.execute.out.directory(), &plan.scenario, "capacity")?;

    let started = Instant::now();
    // The faults are those of the service that was just started.
    let mut execute = args.execute.clone();
    execute.demo_fault.clear();
    let place = (directory.path(), settings.warmup_s);
    let mut levels = Levels::new(&execute, plan, args.unit(), criteria, place);
    let mut search = Search::new(settings, levels.rules().len());
    let outcome = loop {
        match search.next(started.elapsed().as_secs_f64()) {
            SearchStep::Done(outcome) => break outcome,
            SearchStep::Rest { most_s } => {
                levels.rest(most_s)?;
                if levels.signal().is_some() {
                    break search.stopped();
                }
            }
            SearchStep::Level {
                level,
                hold,
                purpose,
            } => match levels.carry_out(level, hold, purpose)? {
                LevelEnd::Evidence(said) => search.record(&said),
                LevelEnd::Stopped => break search.stopped(),
            },
        }
    };
    let study = Study {
        scenario: levels.plan().scenario.clone(),
        profile: levels.plan().profile.clone(),
        service: base,
        unit: args.unit(),
        arrivals: (!args.users).then_some(match levels.plan().load.arrivals {
            Arrivals::Uniform => "uniform",
            Arrivals::Poisson => "poisson",
        }),
        slos: levels.names(),
        unseen: levels.unseen(),
        left_out,
        outcome,
        today,
        at_least: args.at_least,
        elapsed_s: started.elapsed().as_secs_f64(),
        budget_s: settings.budget_s,
        signal: levels.signal(),
        notes: levels.notes(),
        levels: levels.points(),
    };
    store(&directory, &study)?;
    args.print(&study, directory.path(), out)?;
    let verdict = study.verdict().exit();
    Ok(study.signal.map_or(verdict, Exit::Stopped))
}

/// Writes `capacity.json`.
fn store(directory: &RunDir, study: &Study) -> Result<(), Error> {
    let path = directory.path().join("capacity.json");
    write_file(&path, |out| {
        write_capacity(study, "json", LEAST_COLUMNS, out)
    })
}

impl CapacityArgs {
    fn unit(&self) -> Unit {
        match self.users {
            true => Unit::Users,
            false => Unit::Rate,
        }
    }

    fn plan(&self) -> Result<Plan, Error> {
        let mut source = scenario::find(self.scenario.as_deref())?;
        let mut options = self.sending.options_of(&mut source)?;
        options.workers = self.workers;
        options.slos.clone_from(&self.slos);
        options.think_time = self.think_time;
        let profile = self.profile.as_deref();
        let profile = profile.unwrap_or_else(|| source.default_profile());
        let mut plan = scenario::compile(&source, profile, &options)?;
        // Each level has numbers of its own, and none of them is a quick look.
        plan.quick_look = false;
        plan.load.arrivals = match self.arrivals {
            Some(Spacing::Uniform) => Arrivals::Uniform,
            Some(Spacing::Poisson) => Arrivals::Poisson,
            None => plan.load.arrivals,
        };
        Ok(plan)
    }

    /// The highest level of the profile, if it is in the unit of the search and was chosen.
    fn load_of(&self, plan: &Plan) -> Option<f64> {
        let is_rate = matches!(plan.load.model, Model::Open { .. });
        let is_chosen = self.profile.is_some();
        (is_chosen && is_rate != self.users).then(|| plan.load.peak())
    }

    fn settings(
        &self,
        plan: &Plan,
        criteria: &[Criterion],
        today: Option<f64>,
    ) -> Result<Settings, Error> {
        let usage = |message: &str, help: &str| Err(Error::usage_help(message, help));
        if !(1.0..=50.0).contains(&self.precision) {
            return usage(
                "the precision must be between 1% and 50%",
                "leave out `--precision` for 5%",
            );
        }
        let levels = [self.start, self.max, self.today, self.at_least];
        if self.users && levels.iter().flatten().any(|level| level.fract() > 0.0) {
            return usage(
                "with `--users`, levels are whole numbers",
                "round what you gave as `--start`, `--max`, `--today` or `--at-least`",
            );
        }
        let at = usize::from(self.users);
        let most = self.max.unwrap_or(MOST[at]).min(MOST[at]);
        let default = today.map_or(START[at], |today| (today * START_SHARE).max(LEAST));
        let start = self.start.unwrap_or(default.min(most));
        if start > most {
            return usage(
                "the first level is above the highest one",
                "lower `--start`, or raise `--max`",
            );
        }
        let precision = self.precision / 100.0;
        let limits = criteria
            .iter()
            .filter_map(|criterion| criterion.rule().limit_s);
        let longest_s = limits.fold(0.0, f64::max);
        let hold = self.hold.map_or_else(
            || HOLD.as_secs_f64().max(HOLD_LIMITS * longest_s / precision),
            |hold| hold.as_secs_f64(),
        );
        let warmup = plan
            .load
            .warmup
            .max(WARMUP.min(self.hold.unwrap_or(WARMUP)));
        let budget_s = self.budget.as_secs_f64();
        if hold + warmup.as_secs_f64() > budget_s / 2.0 {
            return usage(
                "the budget is too short for a confirming hold and the levels before it",
                "raise `--budget`, or give a shorter `--hold`",
            );
        }
        Ok(Settings {
            start,
            least: start.min(LEAST),
            most,
            is_whole: self.users,
            precision,
            hold_s: (hold.ceil() as usize).max(2),
            // Phases begin at whole seconds.
            warmup_s: (as_us(warmup) as f64 / 1e6).ceil().max(1.0),
            budget_s,
        })
    }

    fn print(&self, study: &Study, directory: &Path, out: &mut dyn Write) -> Result<(), Error> {
        let is_console = self.format == CAPACITY_FORMATS[0];
        if self.execute.quiet && is_console {
            let line = capacity_line(study);
            return written(writeln!(out, "{line} {}", directory.display()));
        }
        let columns = terminal_columns(&io::stdout()).max(LEAST_COLUMNS);
        let mut text = Vec::new();
        write_capacity(study, &self.format, columns, &mut text).map_err(|source| Error::Write {
            path: "standard output".into(),
            source,
        })?;
        let text = String::from_utf8_lossy(&text);
        match is_console {
            true => print_for_people(out, &format!("{text}\nstored in {}\n", directory.display())),
            false => print(out, &text),
        }
    }
}
