//! The runs that the server starts, one after the other, as processes of their own.
//!
//! What is going on and what waits is kept in a file, so that a server that is killed loses nothing: the next one finds the
//! process that it started, or recovers what it has left behind. Not here: what a run is
//! to be (`start`), and its numbers (`live`, `runs`).

mod files;
mod kept;
mod process;

use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use self::files::RunFiles;
pub(super) use self::kept::{ActiveRun, Cancellation, PastRun, QueuedRun, SupervisorState};
use self::process::{Process, RUN_DIR};
use super::access::audit::AuditLog;
use super::answer::Problem;
use super::control::{self, ControlReply};
use super::options::ServeOptions;
use super::start::{PreparedRun, StartRequest};
use crate::error::Error;
use crate::metrics::{LoadSetting, RunDir, recover, stored_runs, write_atomically};

/// How often it looks after its run.
const LOOK: Duration = Duration::from_millis(200);
/// The most runs that wait.
const MAX_QUEUED: usize = 10;
/// How many runs without a result are remembered.
const MAX_PAST: usize = 50;

/// Starts, watches and ends runs.
pub(super) struct Supervisor {
    files: RunFiles,
    results: PathBuf,
    program: PathBuf,
    audit: AuditLog,
    state: Mutex<State>,
    /// Locked while this server is there.
    _lock: File,
}

struct State {
    kept: SupervisorState,
    /// The process of `active`, if this server has started it.
    child: Option<Child>,
}

impl Supervisor {
    /// Takes up what an earlier server has left.
    ///
    /// # Errors
    /// When the directory of the runs cannot be used, or belongs to another server.
    pub fn open(options: &ServeOptions, audit: AuditLog) -> Result<Self, Error> {
        let folder = options.state_folder();
        let write_error = |path: &Path, source| Error::Write {
            path: path.to_owned(),
            source,
        };
        // Nobody else is to reach the sockets of runs, not even while they are being made.
        fs::create_dir_all(&folder)
            .and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)))
            .map_err(|source| write_error(&folder, source))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|source| write_error(&path, source))?;
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::usage_help(
                format!("another server uses `{}`", options.results.display()),
                "stop it, or choose another directory with `--results`",
            ));
        }
        let file = folder.join("state.json");
        let mut kept: SupervisorState = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::Unusable {
                path: file.clone(),
                kind: "state of a server",
                why: error.to_string(),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                SupervisorState::default()
            }
            Err(source) => return Err(Error::Read { path: file, source }),
        };
        let program = std::env::current_exe().map_err(|source| Error::Read {
            path: "/proc/self/exe".into(),
            source,
        })?;
        if let Some(active) = kept.active.as_mut().filter(|one| one.process.is_none()) {
            // The server was killed while it started it.
            active.process = Process::find(&options.results.join(&active.id));
        }
        let supervisor = Self {
            files: RunFiles(folder),
            results: options.results.clone(),
            program,
            audit,
            state: Mutex::new(State { kept, child: None }),
            _lock: lock,
        };
        let active = supervisor.active();
        let active = active.as_ref().map(|active| active.id.as_str());
        supervisor.files.tidy(active, &options.audit_log());
        Ok(supervisor)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `view` makes of what goes on, what waits, and what came to nothing. Nothing changes meanwhile, so it must
    /// be quick.
    pub fn kept<T>(&self, view: impl FnOnce(&SupervisorState) -> T) -> T {
        view(&self.state().kept)
    }

    /// The run that goes on.
    pub fn active(&self) -> Option<ActiveRun> {
        self.kept(|kept| kept.active.clone())
    }

    /// The name of the run that was started last.
    pub fn latest(&self) -> Option<String> {
        self.kept(|kept| kept.latest.clone())
    }

    /// The name of the run that goes on, and its process.
    pub fn going_on(&self) -> Option<(String, u32)> {
        self.kept(|kept| {
            let active = kept.active.as_ref()?;
            Some((active.id.clone(), active.process?.id()))
        })
    }

    fn save(&self, kept: &SupervisorState) -> Result<(), Error> {
        write_atomically(&self.files.0.join("state.json"), kept)
    }

    /// Starts a run, or lets it wait. Returns its name, and its place among those that wait.
    pub fn start(
        &self,
        request: StartRequest,
        prepared: &PreparedRun,
        options: &ServeOptions,
        peer: SocketAddr,
    ) -> Result<(String, Option<usize>), Problem> {
        let mut state = self.state();
        let blocking = match &state.kept.active {
            Some(active) => Some(active.id.clone()),
            None => self
                .other_run()
                .or_else(|| Some(state.kept.queue.front()?.id.clone())),
        };
        if let Some(id) = blocking.clone().filter(|_| !request.queue) {
            let problem = Problem::conflict(format!("the run `{id}` goes on"));
            let problem = problem.help("wait for its end, or send `\"queue\": true`");
            return Err(Problem {
                active: Some(id),
                ..problem
            });
        }
        if state.kept.queue.len() >= MAX_QUEUED {
            let problem = Problem::conflict(format!("{MAX_QUEUED} runs wait already"));
            return Err(Problem {
                active: blocking,
                ..problem
            });
        }
        let plan = &prepared.plan;
        let directory = RunDir::create(&self.results, &plan.scenario, &plan.profile)?;
        let id = directory.id().to_owned();
        let action = match blocking.is_some() {
            true => "queue",
            false => "start",
        };
        let details = json!(request);
        let done = self
            .audit
            .record(action, &id, Some(peer), &details)
            .map_err(Problem::from)
            .and_then(|()| match blocking.is_some() {
                true => {
                    let queued = QueuedRun {
                        id: id.clone(),
                        request,
                    };
                    state.kept.queue.push_back(queued);
                    let place = state.kept.queue.len();
                    let saved = self.save(&state.kept);
                    // What is refused must not be started later.
                    saved.map(|()| Some(place)).map_err(|error| {
                        state.kept.queue.pop_back();
                        Problem::from(error)
                    })
                }
                false => self
                    .spawn(&mut state, &id, request, prepared, options)
                    .map(|()| None),
            });
        match done {
            Ok(place) => Ok((id, place)),
            Err(problem) => {
                let _ = fs::remove_dir(directory.path());
                Err(problem)
            }
        }
    }

    fn spawn(
        &self,
        state: &mut State,
        id: &str,
        request: StartRequest,
        prepared: &PreparedRun,
        options: &ServeOptions,
    ) -> Result<(), Problem> {
        let mut arguments = prepared.arguments.clone();
        arguments.push(format!("--out={}", self.results.display()));
        arguments.push(format!("{RUN_DIR}{}", self.results.join(id).display()));
        arguments.push(format!("--control={}", self.files.socket(id).display()));
        arguments.push("--quiet".to_owned());
        let log = self.files.log(id);
        let latest = state.kept.latest.replace(id.to_owned());
        let mut active = ActiveRun {
            id: id.to_owned(),
            request,
            process: None,
            longest_s: prepared.longest.map(|longest| longest.as_secs()),
            is_cancelled: false,
        };
        state.kept.active = Some(active.clone());
        // Before it runs, so that a server after this one looks for it in any case.
        let saved = self.save(&state.kept).map_err(Problem::from);
        let spawned = saved.and_then(|()| {
            let spawned = process::spawn(&self.program, &arguments, &options.visible_env(), &log);
            spawned.map_err(|error| {
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("the run cannot be started: {error}"),
                )
            })
        });
        match spawned {
            Ok((child, process)) => {
                active.process = Some(process);
                state.kept.active = Some(active);
                state.child = Some(child);
                // It runs anyway, and this server knows it.
                let _ = self.save(&state.kept);
                Ok(())
            }
            Err(problem) => {
                state.kept.active = None;
                state.kept.latest = latest;
                self.files.remove(id);
                let _ = self.save(&state.kept);
                Err(problem)
            }
        }
    }

    /// Asks the run that goes on, whose name this is, to change its load.
    ///
    /// # Errors
    /// When it does not respond.
    pub fn ask(&self, id: &str, change: LoadSetting) -> io::Result<ControlReply> {
        control::ask(&self.files.socket(id), change)
    }

    /// Writes that the load of a run is about to be changed.
    ///
    /// # Errors
    /// When it cannot be written; it must then not be changed.
    pub fn will_change(
        &self,
        id: &str,
        peer: SocketAddr,
        change: &LoadSetting,
    ) -> Result<(), Error> {
        self.audit.record("change", id, Some(peer), &json!(change))
    }

    /// Writes what has become of that: the load, or why it is not changed.
    pub fn has_changed(&self, id: &str, peer: SocketAddr, made: Result<&Value, String>) {
        let (action, details) = match made {
            Ok(load) => ("changed", load.clone()),
            Err(why) => ("not_changed", json!({"why": why})),
        };
        // What is done is done.
        let _ = self.audit.record(action, id, Some(peer), &details);
    }

    /// Remembers that a run was started in the words of Locust.
    pub fn mark_swarm(&self, id: &str) {
        let mut state = self.state();
        state.kept.swarm = Some(id.to_owned());
        // Without it, a later server only takes it for a run of somebody else.
        let _ = self.save(&state.kept);
    }

    /// Whether a run was started in the words of Locust.
    pub fn is_swarm(&self, id: &str) -> bool {
        self.kept(|kept| kept.swarm.as_deref() == Some(id))
    }

    /// The end of what the run that goes on has said, if this is its name.
    pub fn said(&self, id: &str) -> String {
        self.files.said(id)
    }

    /// A run of the same directory that a command line has started.
    pub fn other_run(&self) -> Option<String> {
        let runs = stored_runs(&self.results).unwrap_or_default();
        let unfinished = runs.iter().filter(|run| !run.result().exists());
        let locked = unfinished.into_iter().find(|run| run.is_locked());
        locked.map(|run| run.id().to_owned())
    }

    /// Ends a run of this name, or lets it wait no longer; `None` if this server knows none. May be repeated.
    pub fn cancel(&self, id: &str, peer: SocketAddr) -> Result<Option<Cancellation>, Problem> {
        let mut state = self.state();
        let kept = &mut state.kept;
        if let Some(at) = kept.queue.iter().position(|queued| queued.id == id) {
            self.audit
                .record("cancel", id, Some(peer), &json!({"was": "queued"}))?;
            if let Some(queued) = kept.queue.remove(at) {
                self.forget(kept, queued.id, queued.request, true, String::new());
            }
            self.save(kept)?;
            return Ok(Some(Cancellation::Queued));
        }
        if let Some(active) = kept.active.as_mut().filter(|active| active.id == id) {
            if !active.is_cancelled {
                self.audit
                    .record("cancel", id, Some(peer), &json!({"was": "running"}))?;
                active.is_cancelled = true;
                // Also if that cannot be stored.
                active.interrupt();
                self.save(kept)?;
            }
            return Ok(Some(Cancellation::Running));
        }
        let is_past = kept.past.iter().any(|past| past.id == id);
        Ok(is_past.then_some(Cancellation::Before))
    }

    /// Remembers a run that has no result.
    fn forget(
        &self,
        kept: &mut SupervisorState,
        id: String,
        request: StartRequest,
        is_cancelled: bool,
        why: String,
    ) {
        // Not if there is something in it.
        let _ = fs::remove_dir(self.results.join(&id));
        kept.past.push_back(PastRun {
            id,
            request,
            is_cancelled,
            why,
        });
        if kept.past.len() > MAX_PAST {
            kept.past.pop_front();
        }
    }

    /// Looks after the runs until the other end of `stopped` is gone.
    pub fn run(&self, options: &ServeOptions, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
            self.look(options);
        }
    }

    fn look(&self, options: &ServeOptions) {
        if let Some(ended) = self.ended() {
            let why = self.finish(&ended);
            let mut state = self.state();
            state.child = None;
            state.kept.active = None;
            if let Some(why) = why {
                let ActiveRun {
                    id,
                    request,
                    is_cancelled,
                    ..
                } = ended;
                self.forget(&mut state.kept, id, request, is_cancelled, why);
            }
            let _ = self.save(&state.kept);
        }
        let next = {
            let state = self.state();
            let is_free = state.kept.active.is_none();
            state.kept.queue.front().filter(|_| is_free).cloned()
        };
        let Some(next) = next.filter(|_| self.other_run().is_none()) else {
            return;
        };
        // Without the lock, since names are resolved. The scenario may have changed since it was asked for.
        let prepared = next.request.prepare(options);
        let mut state = self.state();
        let is_same = state
            .kept
            .queue
            .front()
            .is_some_and(|first| first.id == next.id);
        if !is_same || state.kept.active.is_some() {
            return;
        }
        state.kept.queue.pop_front();
        let started = prepared.and_then(|prepared| {
            self.audit
                .record("start", &next.id, None, &json!({"was": "queued"}))?;
            self.spawn(
                &mut state,
                &next.id,
                next.request.clone(),
                &prepared,
                options,
            )
        });
        if let Err(problem) = started {
            let why = problem.said();
            self.forget(&mut state.kept, next.id, next.request, false, why);
            let _ = self.save(&state.kept);
        }
    }

    /// The active run, if it has ended. Asks it to end when its time is over.
    fn ended(&self) -> Option<ActiveRun> {
        let mut state = self.state();
        let State { kept, child } = &mut *state;
        let active = kept.active.as_mut()?;
        let is_running = match child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => {
                active.process.is_some_and(Process::is_alive)
                    || RunDir::open(&self.results.join(&active.id)).is_locked()
            }
        };
        if !is_running {
            return Some(active.clone());
        }
        let age_s = active.process.and_then(Process::age_s);
        let is_over = active.longest_s.zip(age_s);
        if is_over.is_some_and(|(longest_s, age_s)| age_s >= longest_s) && !active.is_cancelled {
            let details = json!({"was": "running", "why": "max_duration"});
            // Also if that cannot be written: the limit counts more.
            let _ = self.audit.record("cancel", &active.id, None, &details);
            active.is_cancelled = true;
            active.interrupt();
            let _ = self.save(kept);
        }
        None
    }

    /// Makes the result of a run that could not. Returns why it has none, if so.
    fn finish(&self, ended: &ActiveRun) -> Option<String> {
        let directory = RunDir::open(&self.results.join(&ended.id));
        let said = self.files.said(&ended.id);
        self.files.remove(&ended.id);
        if directory.result().exists() {
            return None;
        }
        if !directory.journal().exists() {
            let is_unknown = ended.process.is_none() && said.is_empty();
            let killed = || "the server was killed before it had started the run".to_owned();
            return Some(if is_unknown { killed() } else { said });
        }
        let recovered = recover(&directory.journal())
            .and_then(|result| write_atomically(&directory.result(), &result));
        recovered.err().map(|error| format!("{said}{error}"))
    }
}
