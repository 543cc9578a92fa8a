//! `perfctl validate-target`: whether a service is ready, by health, smoke, light and medium load in a row.
//!
//! Here: arguments, and the order of the runs. Not here: how a run is executed (`execute`), or what is shown
//! (`show::validation`).

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::execute::{ExecuteArgs, ExecutedRun};
use crate::cli::args::sending::SendingArgs;
use crate::cli::show::output::{print, print_for_people, written};
use crate::cli::show::validation::{Check, FORMATS, Validation, one_line, text, write_json};
use crate::error::{Error, Exit};
use crate::grading::{FailOn, Grading, Policy, Verdict};
use crate::metrics::write_file;
use crate::plan::Plan;
use crate::scenario::{self, Options};
use crate::units::parse_duration;

/// The loads after the first check, by the names of their profiles.
const PROFILES: [&str; 3] = ["smoke", "light", "medium"];
/// The name of the first check.
const HEALTH: &str = "health";
/// How long each load lasts with `--quick`.
const QUICK: Duration = Duration::from_secs(30);

/// Check whether a service is ready: its health, then smoke, light and medium load, one verdict
///
/// Goes on after the health check and the smoke test only if they pass. Takes 17 minutes, or less with `--quick` or
/// `--run-time`.
#[derive(Debug, Args)]
pub struct ValidateTargetArgs {
    /// Scenario file, its name in `scenarios/`, or a URL [default: scenarios/default.yaml, or the
    /// only file there]
    scenario: Option<String>,

    /// 30s of each load
    #[arg(long, conflicts_with = "run_time")]
    quick: bool,

    /// Duration of each load, without ramp and warm-up [default: 2m, 5m and 10m, those of the profiles]
    #[arg(short = 't', long, env = "PERFCTL_RUN_TIME", value_name = "TIME", value_parser = parse_duration)]
    run_time: Option<Duration>,

    /// SLO such as `p95<500ms` or `list invoices:error_rate<1%` (repeatable)
    #[arg(long = "slo", value_name = "SLO", help_heading = "Load")]
    slos: Vec<String>,

    /// Number of worker threads [default: one per core]
    #[arg(long, env = "PERFCTL_WORKERS", value_name = "N", help_heading = "Load")]
    workers: Option<usize>,

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
        default_value = FORMATS[0],
        value_parser = PossibleValuesParser::new(FORMATS),
        help_heading = "Output"
    )]
    format: String,
}

/// Makes the runs and reports on all of them.
///
/// # Errors
/// What kept a run from being executed, or the results from being stored.
pub fn run(args: &ValidateTargetArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let plans = args.plans()?;
    let validation = check(
        plans,
        |plan, policy| args.execute.execute(plan, policy, None),
        |text| args.execute.note(text),
    )?;
    let path = args.execute.out.directory().join(validation.file_name());
    write_file(&path, |out| write_json(&validation, out))?;
    match (args.format == FORMATS[0], args.execute.quiet) {
        (true, true) => written(writeln!(
            out,
            "{} {}",
            one_line(&validation),
            path.display()
        ))?,
        (true, false) => {
            let text = format!("{}\nstored in {}\n", text(&validation), path.display());
            print_for_people(out, &text)?;
        }
        (false, _) => {
            let mut json = Vec::new();
            write_json(&validation, &mut json).map_err(|source| Error::Write {
                path: "standard output".into(),
                source,
            })?;
            print(out, &String::from_utf8_lossy(&json))?;
        }
    }
    Ok(validation.exit())
}

/// Makes the runs of these plans, the first two of which end it if they do not pass.
fn check(
    plans: Vec<(&'static str, Arc<Plan>)>,
    mut execute: impl FnMut(&Arc<Plan>, &Policy) -> Result<ExecutedRun, Error>,
    note: impl Fn(&str),
) -> Result<Validation, Error> {
    let mut validation = Validation::new(plans.len());
    for (position, (name, plan)) in plans.into_iter().enumerate() {
        let policy = match name {
            HEALTH => Policy {
                fail_on: FailOn {
                    errors: true,
                    ..FailOn::default()
                },
                ..Policy::default()
            },
            _ => Policy::default(),
        };
        let (result, directory) = execute(&plan, &policy)?.stored()?;
        let grading = Grading::of(&result, None, &policy);
        let (verdict, exit, is_finished) = (grading.verdict, grading.exit, result.is_finished());
        validation
            .checks
            .push(Check::new(name, &result, grading, &directory));
        note(&format!("{name}: {}", verdict.name()));
        let is_over = exit == Exit::Error || !is_finished;
        // What is not healthy need not be put under load.
        if is_over || position < 2 && verdict != Verdict::Pass {
            break;
        }
    }
    Ok(validation)
}

impl ValidateTargetArgs {
    /// The plans of all runs: whatever is wrong with any of them is known before the first.
    fn plans(&self) -> Result<Vec<(&'static str, Arc<Plan>)>, Error> {
        let mut source = scenario::find(self.scenario.as_deref())?;
        let mut options = self.sending.options_of(&mut source)?;
        options.workers = self.workers;
        options.slos.clone_from(&self.slos);
        let health = Options {
            users: Some(1),
            iterations: Some(1),
            ..options.clone()
        };
        let health = health_of(scenario::compile(&source, PROFILES[0], &health)?);
        let mut plans = vec![(HEALTH, Arc::new(health))];
        options.run_time = match self.quick {
            true => Some(QUICK),
            false => self.run_time,
        };
        for profile in PROFILES {
            let mut plan = scenario::compile(&source, profile, &options)?;
            plan.quick_look = false;
            plans.push((profile, Arc::new(plan)));
        }
        Ok(plans)
    }
}

/// One request to the endpoint that is called `health`, if there is one; else one iteration.
fn health_of(mut plan: Plan) -> Plan {
    plan.quick_look = false;
    plan.profile = HEALTH.to_owned();
    // A single request says nothing about percentiles.
    plan.slos.clear();
    let found = plan.endpoints.iter().find(|endpoint| {
        let name = endpoint.name.to_ascii_lowercase();
        name == HEALTH || name == "healthz" || name == "ready"
    });
    match found.map(|endpoint| endpoint.name.clone()) {
        Some(name) => plan.clone().select(&name).unwrap_or(plan),
        None => plan,
    }
}
