//! The load of the run that goes on: what it is, and what it is to be.
//!
//! Here: whether it may be changed, by the state of the run and the limits of the operator. Whether it can be is for the
//! run to say (`control`).

use std::io;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::metrics::LoadSetting;
use crate::serve::answer::Problem;
use crate::serve::control::{ControlReply, LoadNow};
use crate::serve::options::Limits;
use crate::serve::runs::RunState;
use crate::serve::server::{Call, Server};

/// What the load is.
pub(crate) fn load(server: &Server, call: &Call) -> Result<Value, Problem> {
    asked(server, call.part(0), LoadSetting::default())
}

/// Makes it another one.
pub(crate) fn change(server: &Server, call: &Call) -> Result<Value, Problem> {
    let change: LoadSetting = serde_json::from_slice(&call.body).map_err(|error| {
        let why = format!("the body cannot be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, why)
    })?;
    set(server, call, call.part(0), change)
}

/// Makes the load of a run another one, for whoever calls.
pub(crate) fn set(
    server: &Server,
    call: &Call,
    id: &str,
    change: LoadSetting,
) -> Result<Value, Problem> {
    let limits = &server.options.limits;
    let above = |what: &str, asked: String, most: String| {
        let why = format!("{asked} {what} are asked for, and this server allows at most {most}");
        Err(Problem::new(StatusCode::FORBIDDEN, why))
    };
    if let Some((users, most)) = change.users.zip(limits.max_users)
        && users > most
    {
        return above("users", users.to_string(), most.to_string());
    }
    if let Some((rate, most)) = change.rate_per_s.zip(limits.max_rate)
        && rate > most
    {
        return above("arrivals per second", rate.to_string(), most.to_string());
    }
    // Before it is written that something is done.
    let now = asked(server, id, LoadSetting::default())?;
    if change.is_empty() {
        return Ok(now);
    }
    let supervisor = &server.supervisor;
    supervisor.will_change(id, call.peer, &change)?;
    let made = asked(server, id, change);
    supervisor.has_changed(id, call.peer, made.as_ref().map_err(Problem::said));
    made
}

/// Asks the run.
fn asked(server: &Server, id: &str, change: LoadSetting) -> Result<Value, Problem> {
    let run = match server.find(id)? {
        RunState::Running(run, Some(_)) => run,
        RunState::Running(_, None) => {
            let problem = Problem::conflict("another program has started this run");
            return Err(problem.help("press the keys there"));
        }
        RunState::Queued(..) => {
            return Err(Problem::conflict("the run waits, and has no load yet"));
        }
        RunState::Ended(_) | RunState::Unfinished(_) | RunState::Past(_) => {
            return Err(Problem::conflict("the run is over"));
        }
    };
    match server.supervisor.ask(id, change) {
        Ok(ControlReply::Load(load)) => Ok(shown(id, load, &server.options.limits)),
        Ok(ControlReply::NoLoad) => Err(Problem::conflict("the load has not begun, or is over")),
        Ok(ControlReply::Refused(why)) => Err(Problem::unprocessable(why)
            .help("`GET .../{id}/load` says what can be changed of the load")),
        Err(error) => {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            Err(match (is_missing, run.journal().exists()) {
                // Its socket is there before its journal.
                (true, true) => Problem::conflict(
                    "the run takes no changes: it ends just now, or could not make its socket",
                )
                .help(format!(
                    "`.serve/{id}.log` in the directory of the runs says why"
                )),
                (true, false) => Problem::conflict("the run begins just now, and has no load yet"),
                (false, _) => {
                    Problem::conflict("the run does not respond, and its load stays as it is")
                }
            })
        }
    }
}

/// With what this server allows.
fn shown(id: &str, load: LoadNow, limits: &Limits) -> Value {
    let limit = match load.rate {
        Some(_) => limits.max_rate,
        None => limits.max_users.map(f64::from),
    };
    let most = load
        .most
        .map(|most| limit.map_or(most, |limit| most.min(limit)));
    let mut shown = json!(LoadNow { most, ..load });
    shown["id"] = json!(id);
    shown
}
