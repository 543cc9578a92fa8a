//! One run: from a plan to a stored result, with its progress and its signals.
//!
//! Here: what `perfctl run` does once and `ab`, `selfcheck` and `--repeat` do several times. Not
//! here: how the result is judged and reported.

mod control;
mod each_second;
mod keyboard;
mod storage;

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use clap::Args;
use clap::builder::BoolishValueParser;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::around::SetUp;
use super::command_line::command_line;
use super::observing::RunObservation;
use crate::cli::args::export::ExportArgs;
use crate::cli::args::out::OutArgs;
use crate::cli::servers::demo::{fault_parser, faults};
use crate::cli::show::trial::TrialPrinter;
use crate::cli::signals::StopOnSignal;
use crate::demo::{Behavior, Demo};
use crate::engine::{self, HttpEngine, LoadControl, Stopper, TrialEvent};
use crate::error::Error;
use crate::exporters::Exporters;
use crate::grading::Policy;
use crate::metrics::{
    AbortWatch, Ending, Fold, JournalWriter, Machine, RunDir, RunInfo, RunResult, write_atomically,
};
use crate::observation::Observer;
use crate::plan::{Plan, Service};
use crate::report::live::{DisplayMode, LiveDisplay};
use crate::report::{RunSamples, SampleLog};
use each_second::Control;
use keyboard::{Keyboard, keys_of};
use storage::Storage;

pub use storage::Watch;

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

    /// What is wrong with the built-in service (`--host demo`), as for `perfctl demo --fault`
    #[arg(long, value_name = "FAULT", value_delimiter = ',', value_parser = fault_parser())]
    pub(super) demo_fault: Vec<String>,

    /// Show no progress, and a one-line console report
    #[arg(short, long, env = "PERFCTL_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// Show no progress
    #[arg(
        long,
        alias = "only-summary",
        env = "PERFCTL_NO_PROGRESS",
        value_parser = BoolishValueParser::new()
    )]
    no_progress: bool,

    #[command(flatten)]
    export: ExportArgs,

    /// The new and empty directory of the run, which `perfctl serve` has made, instead of one in `--out`
    #[arg(long, value_name = "DIR", hide = true)]
    run_dir: Option<PathBuf>,

    /// The socket that `perfctl serve` changes the load by
    #[arg(long, value_name = "FILE", hide = true)]
    control: Option<PathBuf>,

    /// Whether requests and responses are printed.
    #[arg(skip)]
    pub debug: bool,

    /// Whether progress may fill the terminal, and keys may change the load.
    #[arg(skip)]
    pub dashboard: bool,
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
        self.execute_watched(plan, policy, log, (&self.out.directory(), None))
    }

    /// The same, stored in `folder`, with a `watch` that is told each second and may end the load.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn execute_watched<'w>(
        &self,
        plan: &Arc<Plan>,
        policy: &Policy,
        log: Option<&SampleLog>,
        (folder, watch): (&Path, Option<Watch<'w>>),
    ) -> Result<ExecutedRun, Error> {
        // Shared values begin anew in each run.
        let plan = &plan.begun();
        let (_demo, base) = reach(plan, &self.demo_fault)?;
        let directory = match &self.run_dir {
            Some(path) => Ok(RunDir::open(path)),
            None => RunDir::create(folder, &plan.scenario, &plan.profile),
        };
        let directory = directory.map_err(|error| match error {
            Error::Write { path, source } => Error::Store { path, source },
            other => other,
        })?;
        let is_hidden = self.quiet || self.no_progress || self.debug;
        let mode = match DisplayMode::detect(is_hidden, self.dashboard) {
            // What is watched has a line of its own for each run.
            DisplayMode::Lines if watch.is_some() => DisplayMode::Off,
            mode => mode,
        };
        let stopper = Stopper::default();
        let (_stopping, stop_note) = StopOnSignal::new(stopper.clone())?;
        let operator = Operator {
            mode,
            socket: self.control.as_deref(),
            stopper,
            stop_note,
        };
        let info = || self.info(plan, policy, &directory, &base);
        let exporters = self.export.start(plan, info, |text| self.note(text));
        // Nothing is in it if there was no load.
        let remove_directory = || drop(std::fs::remove_dir(directory.path()));
        let exporters = exporters.inspect_err(|_| remove_directory())?;
        let begin = |plan: &Arc<Plan>| {
            let storage = self.begin(plan, policy, log, &directory, &base)?;
            Ok(Storage {
                watch,
                exporters,
                ..storage
            })
        };
        let carried_out = carry_out((plan, &base), self.debug, begin, operator);
        if carried_out.is_err() {
            remove_directory();
        }
        let (result, disk) = carried_out?;
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

    /// Prepares where the numbers of a run go, whose set-up is over.
    fn begin(
        &self,
        plan: &Plan,
        policy: &Policy,
        log: Option<&SampleLog>,
        directory: &RunDir,
        base: &str,
    ) -> Result<Storage<'static>, Error> {
        write_atomically(&directory.plan(), plan)?;
        let info = self.info(plan, policy, directory, base);
        let journal = JournalWriter::create(&directory.journal(), &info)?;
        let samples = log.map(|log| log.begin(plan, &info, base));
        Ok(Storage {
            journal,
            samples,
            exporters: None,
            observer: Observer::new(plan, base),
            watch: None,
        })
    }

    /// What is known of a run before its load starts, which it does now.
    fn info(&self, plan: &Plan, policy: &Policy, directory: &RunDir, base: &str) -> RunInfo {
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
            ..RunInfo::new(plan, directory.id(), base, started_at, Machine::this())
        };
        policy.store_in(&mut info);
        info
    }
}

/// The base URL of the service of a plan, and the built-in service if it is that, which ends with its
/// value.
///
/// # Errors
/// When the built-in service cannot be started, or is not meant although faults are given for it.
pub(super) fn reach(plan: &Plan, demo_faults: &[String]) -> Result<(Option<Demo>, String), Error> {
    Ok(match &plan.service {
        Service::Demo => {
            let behavior = Behavior {
                faults: faults(demo_faults),
                ..Behavior::default()
            };
            let demo = Demo::start(0, behavior)?;
            let base = format!("http://{}", demo.addr());
            (Some(demo), base)
        }
        Service::Url(_) if !demo_faults.is_empty() => {
            return Err(Error::usage_help(
                "`--demo-fault` is for the built-in service, which this run does not use",
                "add `--host demo`, or start the service with `perfctl demo --fault`",
            ));
        }
        Service::Url(url) => (None, url.clone()),
    })
}

/// Those who watch a run, change its load, and stop it.
struct Operator<'a> {
    mode: DisplayMode,
    /// Where a server changes the load, if one does.
    socket: Option<&'a Path>,
    stopper: Stopper,
    /// What is to be shown when a signal stops it.
    stop_note: oneshot::Receiver<&'static str>,
}

/// Carries out the load, and prints each request and response to stderr if that is wanted. With the result: why the
/// journal could not be written, if so.
fn carry_out<'w>(
    (plan, base): (&Arc<Plan>, &str),
    is_printed: bool,
    begin: impl FnOnce(&Arc<Plan>) -> Result<Storage<'w>, Error>,
    operator: Operator<'_>,
) -> Result<(RunResult, Option<std::io::Error>), Error> {
    let engine = HttpEngine::new(plan, base, is_printed);
    if !is_printed {
        return run_with(&engine, (plan, base), begin, operator, None);
    }
    let (observer, mut events) = unbounded_channel();
    let (printed, from) = (plan.clone(), base.to_owned());
    // Of its own, so that a slow terminal does not hold up the run.
    let printing = thread::Builder::new()
        .name("debug".to_owned())
        .spawn(move || {
            let mut out = anstream::stderr();
            let around = printed.around_load();
            let mut printer = TrialPrinter::of_run(&printed, around.as_ref(), &from, &mut out);
            while let Some(event) = events.blocking_recv() {
                printer.print(&event);
            }
        })
        .map_err(Error::Thread)?;
    let ended = run_with(&engine, (plan, base), begin, operator, Some(observer));
    // It ends with the last of those who tell it something.
    drop(printing.join());
    ended
}

/// Carries out the load with an engine, and tells an observer what happens.
fn run_with<'w>(
    engine: &HttpEngine,
    (plan, base): (&Arc<Plan>, &str),
    begin: impl FnOnce(&Arc<Plan>) -> Result<Storage<'w>, Error>,
    operator: Operator<'_>,
    observer: Option<UnboundedSender<TrialEvent>>,
) -> Result<(RunResult, Option<std::io::Error>), Error> {
    let Operator {
        mode,
        socket,
        stopper,
        stop_note,
    } = operator;
    let total = plan.load.iterations.is_none().then(|| plan.load.total());
    let mut display = LiveDisplay::new(total, plan.load.iterations, mode);
    let load_control = LoadControl::new(plan);
    let keyboard = display
        .fill(plan, base, keys_of(&load_control))
        .then(Keyboard::new);
    for concern in engine::prepare(plan) {
        display.note(&format!("warning: {concern}"));
    }
    let display = Rc::new(RefCell::new(display));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let noting = display.clone();
    let (storage, ending) = LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(async move {
            if let Ok(text) = stop_note.await {
                noting.borrow().note(text);
            }
        });
        if let Some(mut keyboard) = keyboard {
            let (control, display) = (load_control.clone(), display.clone());
            tokio::task::spawn_local(async move { keyboard.obey(&control, &display).await });
        }
        // The load counts more than that it can be changed.
        match socket.map(control::listen) {
            Some(Ok(listener)) => {
                let (control, display) = (load_control.clone(), display.clone());
                tokio::task::spawn_local(async move {
                    control::obey(listener, &control, &display).await;
                });
            }
            Some(Err(error)) => display.borrow().note(&error.to_string()),
            None => {}
        }
        let new_user = |around: &_| engine.lifecycle_user(around);
        let set_up = SetUp::of(plan, new_user, &stopper, observer.clone()).await?;
        let (plan, teardown) = match set_up {
            None => (plan.clone(), None),
            Some(SetUp { plan, teardown }) => (plan, Some(teardown)),
        };
        let loaded = async {
            let mut storage = begin(&plan)?;
            let service = storage.observer.take();
            let mut control = Control {
                fold: Fold::new(plan.phases(), plan.check_names())
                    .with_failures(&plan.failure_texts())
                    .in_rows_of(&plan),
                phases: plan.phases(),
                storage,
                observing: service.map(|service| RunObservation::new(service, &plan)),
                display: display.clone(),
                abort: AbortWatch::of(&plan),
                aborted: None,
                decided: false,
                plan: plan.clone(),
                load_control: load_control.clone(),
                adjusted: 0,
                second: 0,
            };
            let mut each_second = |ticks, health, goes_on| control.second(ticks, health, goes_on);
            let run = engine.run(
                plan.clone(),
                &stopper,
                &load_control,
                observer,
                &mut each_second,
            );
            let ending = run.await?;
            if let Some(observing) = control.observing.take() {
                let observed = observing.finish().await;
                control.observed(observed);
            }
            let ending = Ending {
                aborted: control.aborted,
                decided: control.decided,
                ..ending
            };
            Ok((control.storage, ending))
        };
        let loaded: Result<_, Error> = loaded.await;
        let failed_teardown = match teardown {
            // Also after a load that could not be started or carried out.
            Some(teardown) => teardown.carry_out(&stopper).await.err(),
            None => None,
        };
        if let Some(why) = &failed_teardown {
            display.borrow().note(&format!("`teardown` failed: {why}"));
        }
        let (storage, ending) = loaded?;
        let ending = Ending {
            failed_teardown,
            unkept_items: plan
                .shared
                .as_ref()
                .map(|shared| shared.unkept())
                .unwrap_or_default(),
            signal: stopper.signal(),
            ..ending
        };
        Ok::<_, Error>((storage, ending))
    })?;
    display.borrow().finish();
    let Storage {
        mut journal,
        samples,
        exporters,
        ..
    } = storage;
    journal.end(ending);
    for note in exporters.map(Exporters::finish).unwrap_or_default() {
        display.borrow().note(&format!("warning: {note}"));
    }
    let (mut result, disk) = journal.into_result()?;
    result.run.samples = samples.map(RunSamples::finish);
    Ok((result, disk))
}

/// Identifies the current boot of this machine; `None` if the system does not tell.
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
