//! Locust's web interface, for scripts that were written for it: the same paths, fields and columns, of one scenario.
//!
//! Each does what an operation of the server does, and is refused where that is. Here: the words of Locust. Not here: its
//! numbers (`report`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::load::set;
use crate::metrics::{
    LoadSetting, RecentSeconds, RunDir, RunInfo, RunResult, read_result, recover,
};
use crate::plan::{Plan, Service, Step, Task, first_request};
use crate::report::{LocustCsv, LocustState, locust_requests};
use crate::serve::answer::{self, Problem, attached, content};
use crate::serve::routes::LocustCall;
use crate::serve::runs::RunState;
use crate::serve::server::{Call, Server, off_thread};
use crate::serve::start::StartRequest;
use crate::serve::supervisor::ActiveRun;

/// How often it is looked whether a run that is stopped is over.
const LOOK: Duration = Duration::from_millis(50);
/// How long the report and the hooks of a run may take, for whoever waits for its end.
const AFTER_STOP: Duration = Duration::from_secs(30);
/// The fields of `/swarm`.
const FIELDS: [&str; 6] = [
    "user_count",
    "users",
    "spawn_rate",
    "host",
    "run_time",
    "profile",
];

/// Responds as Locust does, about the scenario of this name.
pub(crate) fn locust(
    server: &Server,
    call: &Call,
    scenario: &str,
    asked: LocustCall,
) -> Result<Response, Problem> {
    let view = match asked {
        LocustCall::Swarm => return Ok(said(swarm(server, call, scenario))),
        // Waits, so it has a function of its own.
        LocustCall::Stop => return Err(Problem::no_path()),
        LocustCall::Reset => return Err(never_reset()),
        LocustCall::Requests => requests(server)?,
        LocustCall::RequestsCsv => return csv(server, LocustCsv::Stats, "requests.csv"),
        LocustCall::FailuresCsv => return csv(server, LocustCsv::Failures, "failures.csv"),
        LocustCall::ExceptionsCsv => return csv(server, LocustCsv::Exceptions, "exceptions.csv"),
        LocustCall::HistoryCsv => {
            let history = LocustCsv::History { is_full: true };
            return csv(server, history, "requests_full_history.csv");
        }
        // Of Python: perfctl has none.
        LocustCall::Exceptions => json!({"exceptions": []}),
        LocustCall::Tasks => tasks(server, scenario)?,
        LocustCall::Logs => logs(server),
    };
    Ok(answer::json(StatusCode::OK, &view))
}

/// The response to what starts or stops something. Other than Locust's, its status is that of an error where it is one.
fn said(done: Result<Value, Problem>) -> Response {
    match done {
        Ok(said) => answer::json(StatusCode::OK, &said),
        Err(problem) => {
            let refused = json!({"success": false, "message": problem.said(), "host": null});
            answer::json(problem.status, &refused)
        }
    }
}

fn never_reset() -> Problem {
    Problem::conflict("the numbers of a run are never reset").help(
        "ramps and warm-ups are not measured anyway; for other numbers, stop this run and start another one",
    )
}

/// The fields of a form, each once, without those that are empty.
fn fields(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if !FIELDS.contains(&name.as_ref()) {
            let problem =
                Problem::unprocessable(format!("`{name}` is not a field that perfctl has"));
            return Err(problem.help(format!("it has {}", FIELDS.join(", "))));
        }
        if !value.is_empty() && fields.insert(name.to_string(), json!(value)).is_some() {
            return Err(Problem::unprocessable(format!("`{name}` is given twice")));
        }
    }
    Ok(fields)
}

/// A field as a number.
fn number<T: std::str::FromStr>(
    fields: &Map<String, Value>,
    name: &str,
    what: &str,
) -> Result<Option<T>, Problem> {
    let text = fields.get(name).and_then(Value::as_str);
    let number = text.map(|text| {
        let wrong = || {
            Problem::unprocessable(format!(
                "invalid `{name}` value `{text}`: it must be {what}"
            ))
        };
        text.trim().parse().map_err(|_| wrong())
    });
    number.transpose()
}

/// Starts the scenario, or while it runs, changes its users.
fn swarm(server: &Server, call: &Call, scenario: &str) -> Result<Value, Problem> {
    let fields = fields(&call.body)?;
    let whole = "a whole number";
    let given = number::<u32>(&fields, "user_count", whole)?;
    let users = given.or(number(&fields, "users", whole)?);
    let spawn_rate = number::<f64>(&fields, "spawn_rate", "a number")?;
    if spawn_rate.is_some_and(|rate| !rate.is_finite()) {
        return Err(Problem::unprocessable(
            "`spawn_rate` must be a finite number",
        ));
    }
    let mut body = json!({"scenario": scenario, "users": users, "spawn_rate": spawn_rate});
    for name in ["host", "profile", "run_time"] {
        body[name] = fields.get(name).cloned().unwrap_or(Value::Null);
    }
    // Seconds, for Locust.
    let run_time = body["run_time"].as_str().unwrap_or_default();
    if !run_time.is_empty() && run_time.bytes().all(|byte| byte.is_ascii_digit()) {
        body["run_time"] = json!(format!("{run_time}s"));
    }
    let request = StartRequest::parse(body.to_string().as_bytes())?;
    let active = server.supervisor.active();
    if let Some(active) = active.filter(|active| !active.is_cancelled) {
        let is_swarm = server.supervisor.is_swarm(&active.id);
        if !active.request.goes_on_as(&request, is_swarm) {
            let help = match is_swarm {
                true => {
                    "only its users can be changed; send `user_count` alone, or `/stop` it first"
                }
                false => "it was started in another way, with other options; `/stop` it first",
            };
            return Err(Problem::conflict(format!("the run `{}` goes on", active.id)).help(help));
        }
        let users = users.ok_or_else(|| Problem::unprocessable("`user_count` is missing"))?;
        let change = LoadSetting {
            users: Some(users),
            ..LoadSetting::default()
        };
        set(server, call, &active.id, change)?;
        let message = format!("Swarming goes on with {users} users: the run will have no grade");
        let run = of_run(server, &active.id, |run| {
            (run.service.clone(), run.load.total())
        });
        let (host, length) = run.unzip();
        let mut response = json!({"success": true, "message": message, "host": host});
        if !body["run_time"].is_null() {
            response["run_time"] = json!(length.map(|length| length.as_secs_f64()));
        }
        response["id"] = json!(active.id);
        return Ok(response);
    }
    let prepared = request.prepare(&server.options)?;
    let mut response = json!({
        "success": true,
        "message": "Swarming started",
        "host": host(&prepared.plan),
    });
    if !body["run_time"].is_null() {
        response["run_time"] = json!(prepared.plan.load.total().as_secs_f64());
    }
    let (id, _) = server.begin(request, &prepared, call.peer)?;
    server.supervisor.mark_swarm(&id);
    response["id"] = json!(id);
    Ok(response)
}

/// What `view` makes of what is known of a run since its load began.
fn of_run<T>(server: &Server, id: &str, view: impl FnOnce(&RunInfo) -> T) -> Option<T> {
    let directory = RunDir::open(&server.options.results.join(id));
    let viewed = server.live.view(&directory, |result, _| view(&result.run));
    viewed.ok().flatten()
}

fn host(plan: &Plan) -> &str {
    match &plan.service {
        Service::Url(url) => url,
        Service::Demo => "demo",
    }
}

/// Ends the run that goes on, if there is one. Responds when it is over, as Locust does, so that what comes next finds its
/// last numbers, and can start another one.
pub(crate) async fn stop(server: &Arc<Server>, call: Call) -> Response {
    let stopping = off_thread(server, move |server| {
        let Some(ActiveRun { id, .. }) = server.supervisor.active() else {
            return Ok(None);
        };
        let stop_timeout = of_run(server, &id, |run| run.load.stop_timeout);
        server.end(&id, call.peer)?;
        // Requests in flight, then the tear-down.
        Ok(Some((
            id,
            stop_timeout.unwrap_or_default() * 2 + AFTER_STOP,
        )))
    });
    let mut message = "Test stopped";
    match stopping.await {
        Err(problem) => return said(Err(problem)),
        Ok(None) => {}
        Ok(Some((id, longest))) => {
            let by = Instant::now() + longest;
            let is_active = || server.supervisor.active().is_some_and(|one| one.id == id);
            while is_active() {
                if Instant::now() >= by {
                    message = "Test stops, and is not over yet";
                    break;
                }
                sleep(LOOK).await;
            }
        }
    }
    said(Ok(json!({"success": true, "message": message})))
}

/// The run that this server has started last, if it still knows it.
fn latest(server: &Server) -> Option<RunState> {
    let id = server.supervisor.latest()?;
    server.find(&id).ok()
}

fn requests(server: &Server) -> Result<Value, Problem> {
    let view = |state| {
        move |run: &RunResult, recent: &RecentSeconds| locust_requests(state, Some((run, recent)))
    };
    let none = |state| locust_requests(state, None);
    Ok(match latest(server) {
        None | Some(RunState::Queued(..)) => none(LocustState::Ready),
        Some(RunState::Past(_)) => none(LocustState::Stopped),
        Some(RunState::Running(run, active)) => {
            let is_cancelled = active.is_some_and(|active| active.is_cancelled);
            let shown = server.live.view(&run, |result, recent| {
                let state = match is_cancelled {
                    true => LocustState::Stopping,
                    false => state(result),
                };
                view(state)(result, recent)
            });
            shown?.unwrap_or_else(|| none(LocustState::Spawning))
        }
        Some(RunState::Unfinished(run)) => {
            let shown = server.live.view(&run, view(LocustState::Stopped));
            shown?.unwrap_or_else(|| none(LocustState::Stopped))
        }
        // Asked for again and again by whoever waits for the end.
        Some(RunState::Ended(run)) => server.cache.locust(&run, |result| {
            view(LocustState::Stopped)(result, &RecentSeconds::of(result))
        })?,
    })
}

/// By the phase that it is in.
fn state(result: &RunResult) -> LocustState {
    let now_us = result.users.len() as u64 * 1_000_000;
    let phases = &result.run.phases;
    let first = phases.iter().find(|phase| phase.measured);
    match first.is_some_and(|phase| phase.start_us <= now_us) {
        true => LocustState::Running,
        false => LocustState::Spawning,
    }
}

fn csv(server: &Server, file: LocustCsv, name: &str) -> Result<Response, Problem> {
    let not_begun = || Problem::conflict("the load has not begun");
    let text = |result: &RunResult, recent: &RecentSeconds| {
        let mut text = Vec::new();
        file.write(result, recent, &mut text).map(|()| text)
    };
    let text = match latest(server) {
        Some(RunState::Ended(run)) => {
            let result = read_result(run.path())?;
            text(&result, &RecentSeconds::of(&result))
        }
        // What is followed has no seconds.
        Some(RunState::Running(run, _) | RunState::Unfinished(run))
            if matches!(file, LocustCsv::History { .. }) =>
        {
            if !run.journal().exists() {
                return Err(not_begun());
            }
            let result = recover(&run.journal())?;
            text(&result, &RecentSeconds::of(&result))
        }
        Some(RunState::Running(run, _) | RunState::Unfinished(run)) => {
            server.live.view(&run, text)?.ok_or_else(not_begun)?
        }
        None | Some(RunState::Queued(..) | RunState::Past(_)) => {
            let why = "no run has been started, or it came to nothing";
            return Err(Problem::conflict(why));
        }
    };
    let text =
        text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let response = content(StatusCode::OK, "text/csv; charset=utf-8", text);
    Ok(attached(response, name))
}

/// The shares of user classes and of their tasks, by their weights.
fn tasks(server: &Server, scenario: &str) -> Result<Value, Problem> {
    let request = json!({"scenario": scenario}).to_string();
    // It sends nothing, so it has no limits to keep.
    let (_, plan) = StartRequest::parse(request.as_bytes())?.compile(&server.options)?;
    let share = |weight: u32, all: u32| f64::from(weight) / f64::from(all.max(1));
    let all = plan.classes.iter().map(|class| class.weight).sum();
    let (mut per_class, mut total) = (Map::new(), Map::new());
    for class in &plan.classes {
        let of_class = share(class.weight, all);
        let weights = class.tasks.iter().map(|task| task.weight).sum();
        // Several may have one name.
        let mut ratios: BTreeMap<String, f64> = BTreeMap::new();
        for task in &class.tasks {
            *ratios.entry(name_of(&plan, task)).or_default() += share(task.weight, weights);
        }
        let tasks = |factor: f64| {
            let tasks = ratios.iter();
            let tasks = tasks.map(|(name, ratio)| (name.clone(), json!({"ratio": ratio * factor})));
            json!({"ratio": of_class, "tasks": tasks.collect::<Map<_, _>>()})
        };
        per_class.insert(class.name.clone(), tasks(1.0));
        total.insert(class.name.clone(), tasks(of_class));
    }
    Ok(json!({"per_class": per_class, "total": total}))
}

/// A task is known by its flow, or by its first request.
fn name_of(plan: &Plan, task: &Task) -> String {
    let flow = match task.steps.first() {
        Some(Step::Flow { flow, .. }) => Some(&plan.flows[*flow].name),
        _ => None,
    };
    let request = || first_request(&task.steps).map(|endpoint| &plan.endpoints[endpoint].name);
    flow.or_else(request).cloned().unwrap_or_default()
}

/// What the run has said so far.
fn logs(server: &Server) -> Value {
    let said = server
        .supervisor
        .latest()
        .map(|id| server.supervisor.said(&id));
    let said = said.unwrap_or_default();
    json!({"master": said.lines().collect::<Vec<_>>(), "workers": {}})
}
