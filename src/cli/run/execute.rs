//! One run: from a plan to a stored result, with its progress and its signals.
//!
//! Here: what `perfctl run` does once and `ab`, `selfcheck` and `--repeat` do several times. Not
//! here: how the result is judged and reported.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::command_line::command_line;
use crate::cli::args::out::OutArgs;
use crate::cli::show::trial::TrialPrinter;
use crate::cli::signals::StopOnSignal;
use crate::demo::{Behavior, Demo};
use crate::engine::{self, Stopper, TrialEvent};
use crate::error::Error;
use crate::grading::Policy;
use crate::metrics::{
    Fold, HealthSample, JournalWriter, Machine, RunDir, RunInfo, RunResult, Tick, write_atomically,
};
use crate::plan::{ClientChoice, Model, Phase, Plan, Service};
use crate::protocol::Client;
use crate::protocol::http::{
    ConnectOptions, DirectClient, ReqwestClient, TracedDirectClient, TracedReqwestClient,
};
use crate::report::live::{DisplayMode, LiveDisplay, Update};
use crate::report::{RunSamples, SampleLog};
use crate::units;

/// Where runs are stored, what is stored with them, and what is shown meanwhile.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct ExecuteArgs {
    #[command(flatten)]
    pub out: OutArgs,

    /// The occasion the run is made on, such as a CI job's id [default: told by host, boot and
    /// time]
    #[arg(long, env = "PERFCTL_OCCASION", value_name = "NAME")]
    occasion: Option<String>,

    /// Build of the service, such as a commit; a baseline holds one build
    #[arg(long, env = "PERFCTL_BUILD", value_name = "NAME")]
    build: Option<String>,

    /// Do not judge the health of the load generator; its delays may then be part of the numbers,
    /// and the report says so
    #[arg(long, env = "PERFCTL_ASSUME_HEALTHY", value_parser = BoolishValueParser::new())]
    assume_healthy: bool,

    /// Show no progress, and a one-line console report
    #[arg(short, long, env = "PERFCTL_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// Show no progress
    #[arg(
        long,
        aliases = ["no-tui", "only-summary"],
        env = "PERFCTL_NO_PROGRESS",
        value_parser = BoolishValueParser::new()
    )]
    no_progress: bool,

    /// Whether requests and responses are printed.
    #[arg(skip)]
    pub debug: bool,
}

/// A run and its directory.
pub struct ExecutedRun {
    /// What was measured.
    pub result: RunResult,
    /// Its directory.
    pub directory: PathBuf,
    /// Why it could not be stored completely, if so; for after the report.
    pub unstored: Option<Error>,
}

impl ExecutedRun {
    /// The result and its directory.
    ///
    /// # Errors
    /// Why it could not be stored completely, if so.
    pub fn stored(self) -> Result<(RunResult, PathBuf), Error> {
        match self.unstored {
            Some(error) => Err(error),
            None => Ok((self.result, self.directory)),
        }
    }
}

impl ExecuteArgs {
    /// Writes what happened between runs to stderr, unless `--quiet` is given.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Executes a plan once and stores the result; its requests go to the `log`, if there is one.
    ///
    /// # Errors
    /// What kept it from being run. A failure to store the result is not an error yet: the numbers
    /// can still be reported.
    pub fn execute(
        &self,
        plan: &Arc<Plan>,
        policy: &Policy,
        log: Option<&SampleLog>,
    ) -> Result<ExecutedRun, Error> {
        let (_demo, base) = reach(plan)?;
        let directory = RunDir::create(&self.out.directory(), &plan.scenario, &plan.profile);
        let directory = directory.map_err(|error| match error {
            Error::Write { path, source } => Error::Store { path, source },
            other => other,
        })?;
        write_atomically(&directory.plan(), &**plan)?;
        let started_at = jiff::Timestamp::now().to_string();
        // CI systems set variables that have no value to an empty text.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut info = RunInfo {
            assume_healthy: self.assume_healthy,
            debug: self.debug,
            boot_id: boot_id(),
            occasion: given(&self.occasion),
            command: Some(command_line(std::env::args_os(), &plan.secrets)),
            build: given(&self.build),
            ..RunInfo::new(plan, directory.id(), &base, started_at, machine())
        };
        policy.store_in(&mut info);
        let journal = JournalWriter::create(&directory.journal(), &info)?;
        let samples = log.map(|log| log.begin(plan, &info, &base));
        let storage = Storage { journal, samples };
        let mode = DisplayMode::detect(self.quiet || self.no_progress || self.debug);
        let stopper = Stopper::default();
        let (_stopping, stop_note) = StopOnSignal::new(stopper.clone())?;
        let stopping = (stopper, stop_note);
        let (result, disk) = match self.debug {
            true => carry_out_printed(plan, &base, storage, mode, stopping),
            false => carry_out(plan, &base, storage, mode, stopping),
        }?;
        let refused = disk.map(|source| Error::Write {
            path: directory.journal(),
            source,
        });
        let unstored = write_atomically(&directory.result(), &result).err();
        Ok(ExecutedRun {
            result,
            directory: directory.path().to_owned(),
            unstored: unstored.or(refused),
        })
    }
}

/// The base URL of the service of a plan, and the built-in service if it is that, which ends with its
/// value.
///
/// # Errors
/// When the built-in service cannot be started.
pub(super) fn reach(plan: &Plan) -> Result<(Option<Demo>, String), Error> {
    Ok(match &plan.service {
        Service::Demo => {
            let demo = Demo::start(0, Behavior::default())?;
            let base = format!("http://{}", demo.addr());
            (Some(demo), base)
        }
        Service::Url(url) => (None, url.clone()),
    })
}

/// Where the numbers of a run go while it goes on.
struct Storage {
    journal: JournalWriter,
    samples: Option<RunSamples>,
}

/// What stops a run, and what is then to be shown.
type Stopping = (Stopper, oneshot::Receiver<&'static str>);

/// Sends the load, and makes the result. With it: why the journal could not be written, if so.
fn carry_out(
    plan: &Arc<Plan>,
    base: &str,
    storage: Storage,
    mode: DisplayMode,
    stopping: Stopping,
) -> Result<(RunResult, Option<std::io::Error>), Error> {
    let connect = ConnectOptions::new(plan, base)?;
    let (of, to) = (plan.clone(), base.to_owned());
    match plan.transport.client {
        ClientChoice::Reqwest => {
            let make_client = move || ReqwestClient::new(&of, &to, connect.clone());
            run_with(make_client, plan, storage, mode, stopping, None)
        }
        ClientChoice::Direct => {
            let make_client = move || DirectClient::new(&of, &to, connect.clone());
            run_with(make_client, plan, storage, mode, stopping, None)
        }
    }
}

/// The same, and prints each request and response to stderr.
fn carry_out_printed(
    plan: &Arc<Plan>,
    base: &str,
    storage: Storage,
    mode: DisplayMode,
    stopping: Stopping,
) -> Result<(RunResult, Option<std::io::Error>), Error> {
    let connect = ConnectOptions::new(plan, base)?;
    let (of, to) = (plan.clone(), base.to_owned());
    let (observer, mut events) = unbounded_channel();
    let (printed, from) = (plan.clone(), base.to_owned());
    // Of its own, so that a slow terminal does not hold up the run.
    let printing = thread::Builder::new()
        .name("debug".to_owned())
        .spawn(move || {
            let mut out = anstream::stderr();
            let mut printer = TrialPrinter::of_run(&printed, &from, &mut out);
            while let Some(event) = events.blocking_recv() {
                printer.print(&event);
            }
        })
        .map_err(Error::Thread)?;
    let ended = match plan.transport.client {
        ClientChoice::Reqwest => {
            let make_client = move || TracedReqwestClient::new(&of, &to, connect.clone());
            run_with(make_client, plan, storage, mode, stopping, Some(observer))
        }
        ClientChoice::Direct => {
            let make_client = move || TracedDirectClient::new(&of, &to, connect.clone());
            run_with(make_client, plan, storage, mode, stopping, Some(observer))
        }
    };
    // It ends with the last of those who tell it something.
    drop(printing.join());
    ended
}

/// The same with a certain client.
fn run_with<C: Client + 'static>(
    make_client: impl Fn() -> Result<C, Error> + Clone + Send + 'static,
    plan: &Arc<Plan>,
    storage: Storage,
    mode: DisplayMode,
    stopping: Stopping,
    observer: Option<UnboundedSender<TrialEvent>>,
) -> Result<(RunResult, Option<std::io::Error>), Error> {
    let total = plan.load.iterations.is_none().then(|| plan.load.total());
    let display = LiveDisplay::new(total, plan.load.iterations, mode);
    for concern in engine::prepare(plan) {
        display.note(&format!("warning: {concern}"));
    }
    let control = Rc::new(RefCell::new(Control {
        fold: Fold::new(plan.phases(), plan.check_names())
            .with_failures(&plan.failure_texts())
            .in_rows_of(plan),
        phases: plan.phases(),
        storage,
        display,
        plan: plan.clone(),
        second: 0,
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let (stopper, stop_note) = stopping;
    let noting = control.clone();
    let ending = LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(async move {
            if let Ok(text) = stop_note.await {
                noting.borrow().display.note(text);
            }
        });
        engine::run(
            plan.clone(),
            make_client,
            &stopper,
            observer,
            |ticks, health| {
                control.borrow_mut().second(ticks, health);
            },
        )
        .await
    })?;
    // The task that shows the note, which holds the other reference, goes with the runtime.
    drop(runtime);
    let control = Rc::into_inner(control)
        .ok_or(Error::Bug("the control of the run is still in use"))?
        .into_inner();
    control.display.finish();
    let Storage {
        mut journal,
        samples,
    } = control.storage;
    journal.end(ending);
    let (mut result, disk) = journal.into_result()?;
    result.run.samples = samples.map(RunSamples::finish);
    Ok((result, disk))
}

/// What happens once a second: samples are folded, stored and shown.
struct Control {
    fold: Fold,
    phases: Vec<Phase>,
    storage: Storage,
    display: LiveDisplay,
    plan: Arc<Plan>,
    second: u64,
}

impl Control {
    fn second(&mut self, mut ticks: Vec<Tick>, health: HealthSample) {
        self.second += 1;
        let (mut commit, live) = self.fold.fold(&mut ticks);
        commit.health = Some(health);
        let journal = &mut self.storage.journal;
        let had_failed = journal.failure().is_some();
        journal.commit(commit);
        if let Some(error) = journal.failure().filter(|_| !had_failed) {
            self.display.note(&format!(
                "the journal cannot be written: {error}; the load continues, and its numbers are \
                 kept in memory until they can be written"
            ));
        }
        if let Some(samples) = &mut self.storage.samples {
            samples.add(ticks);
            if let Some(error) = samples.new_failure() {
                self.display.note(&format!(
                    "the samples cannot be written: {error}; the load continues without them"
                ));
            }
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

/// The machine that generates the load.
fn machine() -> Machine {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = cpus.lines().filter_map(|line| line.split_once(':'));
    let mut models = names.filter(|(key, _)| key.trim() == "model name");
    Machine {
        host: text(uname.nodename()),
        kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: models
            .next()
            .map_or_else(String::new, |(_, name)| name.trim().to_owned()),
    }
}

/// Identifies the current boot of this machine; `None` if the system does not tell.
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
