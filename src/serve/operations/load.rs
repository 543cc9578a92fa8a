//! The load of the run that goes on: what it is, and what it is to be.
//!
//! Here: whether it may be changed, by the state of the run and the limits of the operator. Whether it can be is for the
//! run to say (`control`).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::serve::answer::Problem;
use crate::serve::control::{ControlReply, LoadChange};
use crate::serve::runs::Known;
use crate::serve::server::{Call, Server};

/// What the load is.
pub(crate) fn load(server: &Server, call: &Call) -> Result<Value, Problem> {
    asked(server, call.part(0), LoadChange::default())
}

/// Makes it another one.
pub(crate) fn change(server: &Server, call: &Call) -> Result<Value, Problem> {
    let change: LoadChange = serde_json::from_slice(&call.body).map_err(|error| {
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
    change: LoadChange,
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
    if let Some((rate, most)) = change.rate.zip(limits.max_rate)
        && rate > most
    {
        return above("arrivals per second", rate.to_string(), most.to_string());
    }
    // Before it is written that something is done.
    let now = asked(server, id, LoadChange::default())?;
    if change.is_empty() {
        return Ok(now);
    }
    server.supervisor.will_change(id, call.peer, &change)?;
    asked(server, id, change)
}

fn unprocessable(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// Asks the run.
fn asked(server: &Server, id: &str, change: LoadChange) -> Result<Value, Problem> {
    let not_now = |why: &str| Problem::new(StatusCode::CONFLICT, why);
    match server.find(id)? {
        Known::Running(_, Some(_)) => {}
        Known::Running(_, None) => {
            let problem = not_now("another program has started this run");
            return Err(problem.help("press the keys there"));
        }
        Known::Queued(..) => return Err(not_now("the run waits, and has no load yet")),
        Known::Ended(_) | Known::Unfinished(_) | Known::Past(_) => {
            return Err(not_now("the run is over"));
        }
    }
    match server.supervisor.ask(id, change) {
        Ok(ControlReply::Load(load)) => {
            let mut shown = json!(load);
            shown["id"] = json!(id);
            Ok(shown)
        }
        Ok(ControlReply::NoLoad) => Err(not_now("the load has not begun, or is over")),
        Ok(ControlReply::Refused(why)) => {
            Err(unprocessable(why).help("`GET .../{id}/load` says what can be changed of the load"))
        }
        Err(_) => Err(not_now(
            "the run does not respond: it begins or ends just now",
        )),
    }
}
