//! `perfctl run`: a scenario under a profile, from the files to the exit code.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use tokio::task::LocalSet;

use super::load_args::LoadArgs;
use super::output::{FormatArgs, ThresholdArgs, written};
use super::signals;
use crate::comparison::{Baseline, check_plan, compare};
use crate::demo::{Behaviour, Demo};
use crate::engine::{self, Stopper};
use crate::error::{Error, Exit};
use crate::grading::{FailOn, Grading, Policy, Verdict};
use crate::metrics::{
    Fold, HealthSample, JournalWriter, Machine, RunDir, RunInfo, RunResult, Tick, write_atomically,
};
use crate::plan::{Model, Phase, Plan, Target};
use crate::protocol::http::{HttpClient, tls_config};
use crate::report::live::{LiveDisplay, Mode, Update};
use crate::report::{FORMATS, Report};
use crate::{scenario, units};

/// Put the load of a profile on a target, measure, grade, and report
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario file, its name in `scenarios/`, or a URL [default: scenarios/default.yaml, or the
    /// only file there]
    scenario: Option<String>,

    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    threshold: ThresholdArgs,

    /// Compare to this baseline, or to this stored run
    #[arg(long, env = "PERFCTL_BASELINE", value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Make this run the baseline in FILE, instead of what it held, if it passes
    #[arg(long, env = "PERFCTL_SAVE_BASELINE", value_name = "FILE")]
    save_baseline: Option<PathBuf>,

    /// What fails the run: slo, regression, errors (any failed request)
    #[arg(
        long,
        env = "PERFCTL_FAIL_ON",
        value_name = "LIST",
        default_value = "slo,regression",
        value_parser = FailOn::parse
    )]
    fail_on: FailOn,

    /// Do not judge the generator's own health: its delays may then stand in the
    /// numbers, and the report says so
    #[arg(long, env = "PERFCTL_ASSUME_HEALTHY", value_parser = BoolishValueParser::new())]
    assume_healthy: bool,

    /// Exit with N when requests failed and nothing else is wrong, as Locust does
    #[arg(long, env = "PERFCTL_EXIT_CODE_ON_ERROR", value_name = "N")]
    exit_code_on_error: Option<u8>,

    #[command(flatten)]
    format: FormatArgs,

    /// Where runs are stored, each in a directory of its own [default: results]
    #[arg(long, env = "PERFCTL_OUT", value_name = "DIR")]
    out: Option<PathBuf>,

    /// No progress, and of the console report only the verdict
    #[arg(short, long, env = "PERFCTL_QUIET", value_parser = BoolishValueParser::new())]
    quiet: bool,

    /// No progress while it runs
    #[arg(long, env = "PERFCTL_NO_PROGRESS", value_parser = BoolishValueParser::new())]
    no_progress: bool,
}

impl RunArgs {
    fn out_dir(&self) -> PathBuf {
        let alias = || {
            // CI systems set variables that have no value to an empty text.
            let path = std::env::var_os("LOAD_TEST_REPORTS_PATH").filter(|path| !path.is_empty());
            path.map(PathBuf::from)
        };
        self.out
            .clone()
            .or_else(alias)
            .unwrap_or_else(|| PathBuf::from("results"))
    }
}

/// Runs a scenario and reports on it.
///
/// # Errors
/// What kept it from being run or stored. A verdict is no error; it is the exit code.
pub fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let source = scenario::find(args.scenario.as_deref())?;
    let options = args.load.options()?;
    let plan = Arc::new(scenario::compile(&source, &args.load.profile, &options)?);
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    if let Some(baseline) = &baseline {
        check_plan(baseline, &plan)?;
    }

    let demo = match plan.target {
        Target::Demo => Some(Demo::start(0, Behaviour::default())?),
        Target::Url(_) => None,
    };
    let base = match (&demo, &plan.target) {
        (Some(demo), _) => format!("http://{}", demo.addr()),
        (None, Target::Url(url)) => url.clone(),
        (None, Target::Demo) => unreachable!("it was started above"),
    };
    let directory = RunDir::create(&args.out_dir(), &plan.scenario, &plan.profile)?;
    write_atomically(&directory.plan(), &*plan)?;
    let started_at = jiff::Timestamp::now().to_string();
    let info = RunInfo {
        assume_healthy: args.assume_healthy,
        ..RunInfo::new(&plan, directory.id(), &base, started_at, machine())
    };
    let journal = JournalWriter::create(&directory.journal(), &info)?;

    let mode = Mode::detect(args.quiet || args.no_progress);
    let (result, disk) = carry_out(&plan, &base, journal, mode)?;
    let stored = write_atomically(&directory.result(), &result).map(|()| disk);

    let policy = Policy {
        fail_on: args.fail_on,
        code_on_error: args.exit_code_on_error,
    };
    let gate = args.threshold.gate();
    let comparison = baseline
        .map(|baseline| compare(&baseline, &result, &gate))
        .transpose()?;
    let mut report = Report::new(result, comparison, &policy);
    report.directory = Some(directory.path().to_owned());
    if args.quiet && args.format.format == FORMATS[0].name {
        let line = verdict_line(&report.grading, directory.path());
        written(writeln!(out, "{line}"))?;
    } else {
        args.format.print(&report, out)?;
    }
    if let Some(error) = stored? {
        return Err(Error::Write {
            path: directory.journal(),
            source: error,
        });
    }
    let exit = report.grading.exit(&report.result, &policy);
    if let Some(path) = &args.save_baseline {
        save_baseline(path, report)?;
    }
    Ok(exit)
}

/// Makes the run the baseline, if it passed: a CI job must not replace a good baseline by a bad run.
fn save_baseline(path: &Path, report: Report) -> Result<(), Error> {
    let verdict = report.grading.verdict;
    if verdict == Verdict::Pass {
        return Baseline::of_one(report.result, false)?.write(path);
    }
    let directory = report.directory.unwrap_or_default();
    // On standard error, since the report may be read by a program; the exit code is the verdict's.
    let _ = writeln!(
        anstream::stderr(),
        "not saved as a baseline: the verdict is {}; `perfctl baseline add {} {}` saves it all the \
         same",
        verdict.name(),
        path.display(),
        directory.display(),
    );
    Ok(())
}

/// Puts the load on, and makes the result. Beside it: what the disk said, if it ever refused.
fn carry_out(
    plan: &Arc<Plan>,
    base: &str,
    journal: JournalWriter,
    mode: Mode,
) -> Result<(RunResult, Option<std::io::Error>), Error> {
    let tls = tls_config(plan, base)?;
    let make_client = {
        let (plan, base) = (plan.clone(), base.to_owned());
        move || HttpClient::new(&plan, &base, tls.clone())
    };
    let total = plan.load.iterations.is_none().then(|| plan.load.total());
    let display = LiveDisplay::new(total, plan.load.iterations, mode);
    for concern in engine::prepare(plan) {
        display.note(&format!("warning: {concern}"));
    }
    let control = Rc::new(RefCell::new(Control {
        fold: Fold::new(plan.phases(), plan.endpoints.len()),
        phases: plan.phases(),
        journal,
        display,
        plan: plan.clone(),
        second: 0,
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::CannotRun(format!("cannot start a runtime: {error}")))?;
    let ending = LocalSet::new().block_on(&runtime, async {
        let stopper = Stopper::default();
        let noting = control.clone();
        signals::listen(stopper.clone(), move |text| {
            noting.borrow().display.note(text)
        })?;
        engine::run(plan.clone(), make_client, &stopper, |ticks, health| {
            control.borrow_mut().second(ticks, health);
        })
        .await
    })?;
    // The listener for signals, which holds the other reference, goes with the runtime.
    drop(runtime);
    let control = Rc::into_inner(control)
        .ok_or_else(|| Error::CannotRun("the control of the run is still in use".into()))?
        .into_inner();
    control.display.finish();
    let mut journal = control.journal;
    journal.end(ending);
    journal.into_result()
}

/// What happens once a second: fold, store, show.
struct Control {
    fold: Fold,
    phases: Vec<Phase>,
    journal: JournalWriter,
    display: LiveDisplay,
    plan: Arc<Plan>,
    second: u64,
}

impl Control {
    fn second(&mut self, ticks: Vec<Tick>, health: HealthSample) {
        self.second += 1;
        let (mut commit, live) = self.fold.fold(ticks);
        commit.health = Some(health);
        let had_failed = self.journal.failure().is_some();
        self.journal.commit(commit);
        if let Some(error) = self.journal.failure().filter(|_| !had_failed) {
            self.display.note(&format!(
                "the journal cannot be written: {error}; the load goes on, its numbers are kept \
                 in memory and tried again each second"
            ));
        }
        let elapsed = Duration::from_secs(self.second);
        let now_us = units::as_us(elapsed);
        let phase = self.phases.iter().find(|phase| now_us <= phase.end_us);
        self.display.update(&Update {
            live,
            phase: phase.map_or_else(|| "stopping".into(), |phase| phase.name.clone()),
            elapsed,
            is_open: self.plan.load.model != Model::Closed,
        });
    }
}

/// `PASS A+ 98.2 results/...`: the verdict in a line.
fn verdict_line(grading: &Grading, directory: &Path) -> String {
    let mut words = vec![grading.verdict.name().to_uppercase()];
    words.extend(grading.letter.map(|letter| letter.name().to_owned()));
    words.extend(grading.score.map(|score| units::trim_float(score, 1)));
    words.push(directory.display().to_string());
    words.extend(grading.reasons.first().map(|reason| format!("({reason})")));
    words.join(" ")
}

/// The machine that makes the load.
fn machine() -> Machine {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    Machine {
        host: text(uname.nodename()),
        kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
    }
}
