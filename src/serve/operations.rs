//! What each route does.

mod load;
mod locust;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::answer::{self, PAGE_TYPE, Problem, content};
use super::routes::{BASE, LocustCall, OPENAPI, Operation};
use super::runs::{RunState, views};
use super::server::{Call, Server, off_thread};
use super::start::{StartRequest, scenarios};
use crate::comparison::{Baseline, Caller, Statistical, compare};
use crate::grading::Policy;
use crate::metrics::{RunDir, read_result};
use crate::report::{DEFAULT_COLUMNS, Report, by_name};
use crate::scenario;

/// The most seconds of a response.
const MAX_SECONDS: usize = 3_600;
/// The most runs of a list.
const MAX_LISTED: usize = 200;
/// How often a stream looks for news.
const LOOK: Duration = Duration::from_millis(400);
/// How often a stream says that it is there.
const ALIVE: Duration = Duration::from_secs(15);

/// Responds to a request.
pub(super) async fn answer(server: &Arc<Server>, call: Call) -> Result<Response, Problem> {
    match call.operation {
        Operation::Page => Ok(page(include_str!("page/index.html"), PAGE_TYPE)),
        Operation::Script => Ok(page(
            concat!(include_str!("page/serve.js"), include_str!("page/load.js")),
            "text/javascript; charset=utf-8",
        )),
        Operation::Style => Ok(page(
            include_str!("page/serve.css"),
            "text/css; charset=utf-8",
        )),
        Operation::OpenApi => Ok(page(OPENAPI, "application/json")),
        Operation::Events => events(server, &call).await,
        Operation::File => file(server, &call).await,
        Operation::Locust(LocustCall::Stop) => Ok(locust::stop(server, call).await),
        // Files are read, and names resolved.
        _ => off_thread(server, move |server| blocking(server, &call)).await,
    }
}

fn page(text: &'static str, kind: &'static str) -> Response {
    content(StatusCode::OK, kind, text)
}

fn blocking(server: &Server, call: &Call) -> Result<Response, Problem> {
    let view = match call.operation {
        Operation::Start => return start(server, call),
        Operation::Validate => {
            let request = StartRequest::parse(&call.body)?;
            let prepared = request.prepare(&server.options)?;
            let text = (server.options.describe)(&prepared.plan);
            json!({"valid": true, "preview": text})
        }
        Operation::Active => active(server)?,
        Operation::List => {
            let last = call.number("last")?.unwrap_or(20);
            let last = usize::try_from(last).unwrap_or(MAX_LISTED).min(MAX_LISTED);
            server.list(last)?
        }
        Operation::Scenarios => known_scenarios(server)?,
        Operation::Show => server.show(&server.find(call.part(0))?)?,
        Operation::Report => return report(server, call),
        Operation::Cancel => return cancel(server, call),
        Operation::Locust(asked) => {
            let scenario = server.options.locust_scenario.as_deref();
            let scenario = scenario.ok_or_else(Problem::no_path)?;
            return locust::locust(server, call, scenario, asked);
        }
        Operation::Series => series(server, call)?,
        Operation::Load => load::load(server, call)?,
        Operation::ChangeLoad => load::change(server, call)?,
        _ => return self::view(server, call),
    };
    Ok(answer::json(StatusCode::OK, &view))
}

fn start(server: &Server, call: &Call) -> Result<Response, Problem> {
    let request = StartRequest::parse(&call.body)?;
    let prepared = request.prepare(&server.options)?;
    let (id, place) = server.begin(request, &prepared, call.peer)?;
    let state = match place {
        None => "running",
        Some(_) => "queued",
    };
    let mut response = answer::json(
        StatusCode::ACCEPTED,
        &json!({"id": id, "state": state, "place": place}),
    );
    let mut location = format!("{BASE}/");
    location.extend(url::form_urlencoded::byte_serialize(id.as_bytes()));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn active(server: &Server) -> Result<Value, Problem> {
    let (own, queue) = server.supervisor.kept(|kept| {
        let queue = kept.queue.iter().map(|one| one.id.clone());
        let own = kept.active.as_ref().map(|active| active.id.clone());
        (own, queue.collect::<Vec<_>>())
    });
    let active = own.or_else(|| server.supervisor.other_run());
    Ok(json!({"active": active, "queue": queue}))
}

fn known_scenarios(server: &Server) -> Result<Value, Problem> {
    let files = scenarios(&server.options.scenarios).into_iter();
    let scenarios = files.map(|(name, path)| match scenario::outline(&path) {
        Ok(outline) => json!({
            "name": name,
            "title": outline.name,
            "host": outline.host,
            "endpoints": outline.endpoints.iter().map(|one| &one.name).collect::<Vec<_>>(),
        }),
        Err(error) => {
            let problem = Problem::from(error);
            json!({"name": name, "error": problem.error, "findings": problem.findings})
        }
    });
    let scenarios: Vec<Value> = scenarios.collect();
    let profiles = scenario::profiles()?.into_iter().map(|profile| {
        let level = profile.load.format_level(profile.load.peak());
        let length_s = profile.load.total().as_secs_f64();
        json!({"name": profile.name, "purpose": profile.purpose, "level": level, "length_s": length_s})
    });
    let limits = &server.options.limits;
    Ok(json!({
        "scenarios": scenarios,
        "profiles": profiles.collect::<Vec<_>>(),
        "limits": {
            "max_users": limits.max_users,
            "max_rate": limits.max_rate,
            "max_duration_s": limits.max_duration.map(|most| most.as_secs_f64()),
        },
    }))
}

/// The directory of a run that is over.
fn ended(server: &Server, id: &str) -> Result<RunDir, Problem> {
    let not_yet = |why: &str| Problem::conflict(why);
    match server.find(id)? {
        RunState::Ended(run) => Ok(run),
        RunState::Unfinished(_) => Err(not_yet("the run was killed, and has no result")
            .help("`perfctl recover` makes it of what was stored")),
        RunState::Past(_) => Err(not_yet("the run came to nothing, and has no report")),
        RunState::Queued(..) => Err(not_yet("the run waits, and has no report yet")),
        RunState::Running(..) => Err(not_yet("the run goes on, and has no report yet")),
    }
}

fn report(server: &Server, call: &Call) -> Result<Response, Problem> {
    let run = ended(server, call.part(0))?;
    let name = call.query("format").unwrap_or("json");
    let format = by_name(name).map_err(Problem::unprocessable)?;
    let result = read_result(run.path())?;
    let policy = Policy::of_run(&result.run);
    let baseline = match call.query("baseline") {
        None => None,
        Some(id) => Some(Baseline::read(ended(server, id)?.path())?),
    };
    let gate = Statistical {
        caller: Caller::Report,
        ..Statistical::default()
    };
    let compared = match &baseline {
        None => None,
        Some(baseline) => {
            let comparison = compare(baseline, std::slice::from_ref(&result), &gate)?;
            Some((comparison, baseline.runs.as_slice()))
        }
    };
    let report = Report::of_stored(result, Some(run.path().to_owned()), &policy, compared);
    let mut text = Vec::new();
    let written = format.reporter.report(&report, DEFAULT_COLUMNS, &mut text);
    written.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if name == "console" {
        let colored = String::from_utf8_lossy(&text).into_owned();
        text = anstream::adapter::strip_str(&colored)
            .to_string()
            .into_bytes();
    }
    let response = content(StatusCode::OK, format.media_type, text);
    let file = format!("report-{name}.{}", format.extension);
    Ok(answer::attached(response, &file))
}

fn cancel(server: &Server, call: &Call) -> Result<Response, Problem> {
    let is_empty = call.body.iter().all(u8::is_ascii_whitespace);
    let given = serde_json::from_slice::<Value>(&call.body);
    if !is_empty && !given.is_ok_and(|given| given == json!({})) {
        let problem = "the body must be empty, or an object without fields";
        return Err(Problem::new(StatusCode::BAD_REQUEST, problem));
    }
    let id = call.part(0);
    let state = server.end(id, call.peer)?;
    Ok(answer::json(
        StatusCode::ACCEPTED,
        &json!({"id": id, "state": state}),
    ))
}

/// The directory of a run that has or will have seconds.
fn with_seconds(known: &RunState) -> Option<&RunDir> {
    match known {
        RunState::Running(run, _) | RunState::Ended(run) | RunState::Unfinished(run) => Some(run),
        RunState::Queued(..) | RunState::Past(_) => None,
    }
}

fn series(server: &Server, call: &Call) -> Result<Value, Problem> {
    let from = call.number("from")?.unwrap_or(0);
    let known = server.find(call.part(0))?;
    let seconds = match with_seconds(&known) {
        Some(run) => server.live.seconds(run, from, MAX_SECONDS, false)?,
        None => Vec::new(),
    };
    let next = from.saturating_add(seconds.len() as u64);
    Ok(json!({
        "id": call.part(0),
        "state": known.state(),
        "from": from,
        "next": next,
        "is_whole": seconds.len() < MAX_SECONDS,
        "seconds": seconds,
    }))
}

/// Where a stream is.
struct Stream {
    server: Arc<Server>,
    id: String,
    next: u64,
    said_at: Instant,
    is_over: bool,
}

async fn events(server: &Arc<Server>, call: &Call) -> Result<Response, Problem> {
    let after = call.last_event.map(|last| last.saturating_add(1));
    let next = after.or(call.number("from")?).unwrap_or(0);
    let id = call.part(0).to_owned();
    let asked = id.clone();
    off_thread(server, move |server| server.find(&asked).map(drop)).await?;
    let stream = Stream {
        server: server.clone(),
        id,
        next,
        said_at: Instant::now(),
        is_over: false,
    };
    let chunks = stream::unfold(stream, |mut stream| async move {
        let chunk = stream.news().await?;
        Some((Ok::<_, std::io::Error>(Bytes::from(chunk)), stream))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

impl Stream {
    /// Waits for what is new; `None` after the last of it.
    async fn news(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        loop {
            let (id, next) = (self.id.clone(), self.next);
            let looked = off_thread(&self.server, move |server| {
                // Before its seconds, so that none comes after its end.
                let known = server.find(&id)?;
                let is_over = !matches!(known, RunState::Running(..) | RunState::Queued(..));
                let seconds = match with_seconds(&known) {
                    Some(run) => server.live.seconds(run, next, MAX_SECONDS, is_over)?,
                    None => Vec::new(),
                };
                Ok((known.state(), is_over, seconds))
            });
            // Without an end, so that whoever follows asks again.
            let (state, is_over, seconds) = looked.await.ok()?;
            let mut text = String::new();
            for second in &seconds {
                let data = json!(second);
                text += &format!("id: {}\ndata: {data}\n\n", second.second);
            }
            self.next += seconds.len() as u64;
            self.is_over = is_over && seconds.len() < MAX_SECONDS;
            if self.is_over {
                text += &format!("event: end\ndata: {}\n\n", json!({"state": state}));
            }
            if text.is_empty() && self.said_at.elapsed() >= ALIVE {
                text = ":\n\n".to_owned();
            }
            if !text.is_empty() {
                self.said_at = Instant::now();
                return Some(text);
            }
            sleep(LOOK).await;
        }
    }
}

async fn file(server: &Arc<Server>, call: &Call) -> Result<Response, Problem> {
    let id = call.part(0).to_owned();
    let known = off_thread(server, move |server| server.find(&id)).await?;
    let run = with_seconds(&known).ok_or_else(Problem::no_run)?;
    let (path, kind) = match call.part(1) {
        "result.json" => (run.result(), "application/json"),
        "plan.json" => (run.plan(), "application/json"),
        "journal.jsonl" => (run.journal(), "application/x-ndjson"),
        _ => {
            return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such file")
                .help("there are `result.json`, `plan.json` and `journal.jsonl`"));
        }
    };
    let response = answer::file(&path, kind).await?;
    Ok(answer::attached(response, call.part(1)))
}

fn view(server: &Server, call: &Call) -> Result<Response, Problem> {
    let run = match call.query("id") {
        Some(id) => ended(server, id)?,
        None => server.newest()?,
    };
    let read = server.cache.report(&run)?;
    let (id, report) = (run.id(), &read.report);
    let view = match call.operation {
        Operation::Health => views::health(id, report),
        Operation::Metrics => views::metrics(id, report),
        Operation::NewestReport => views::report(id, report, call.query("format"))?,
        Operation::Compliance => views::compliance(id, report),
        Operation::Alerts => views::alerts(id, report, call.query("severity"))?,
        _ => views::recommendations(id, report),
    };
    Ok(answer::json(StatusCode::OK, &view))
}
