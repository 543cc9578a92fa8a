//! `perfctl serve`: runs over HTTP, and a page that shows them.
//!
//! The server sends no load itself. It starts `perfctl run` as a process of its own, and reads what that writes: the
//! journal of a run is its stream of events. So the server cannot make the numbers worse than any other process could, and
//! its end ends no run.
//!
//! Here: who may ask for what, runs that are started and stopped, and their numbers as JSON. Not here: options of the
//! command line (`cli`), and any number that is not in a report (`report`).

mod access;
mod answer;
mod control;
mod operations;
mod options;
mod routes;
mod runs;
mod server;
mod start;
mod supervisor;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use tokio::net::TcpListener;

use self::access::audit::AuditLog;
use self::access::guard::Guard;
use self::answer::{Problem, secured};
use self::routes::{Operation, Route};
use self::runs::live::Live;
use self::runs::numbers::Cache;
use self::server::{Call, Server};
use self::supervisor::Supervisor;
use crate::error::Error;

pub(crate) use control::{ControlListener, ControlReply, LoadNow};
pub use options::{AllowedTarget, Limits, ServeOptions, Token};
pub use routes::{BASE, LOCUST_ROUTES, OPENAPI, ROUTES};

/// The longest body of a request; bytes.
const MAX_BODY: usize = 64 << 10;

/// Listens on this address; port 0 takes any free one. Must be called within a tokio runtime.
///
/// # Errors
/// When the port is in use or not allowed.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen { address, source })
}

/// Checks that there is what the options name.
///
/// # Errors
/// When the folder has no scenario of this name.
pub fn check(options: &ServeOptions) -> Result<(), Error> {
    let name = options.locust_scenario.as_deref();
    let found = name.map(|name| start::find(name, &options.scenarios));
    match found {
        Some(Err(problem)) => Err(Error::Usage {
            message: format!("`--locust-api`: {}", problem.error),
            help: problem.help,
        }),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Serves until `shutdown` completes, and takes up what an earlier server has started. Returns the run that goes on
/// without it, if there is one: its name and its process.
///
/// # Errors
/// When the directory of the runs cannot be used, or belongs to another server.
pub async fn serve(
    listener: TcpListener,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<Option<(String, u32)>, Error> {
    let address = listener.local_addr().map_err(|source| Error::Listen {
        address: options.listen,
        source,
    })?;
    let audit = AuditLog::open(&options.audit_log())?;
    let server = Arc::new(Server {
        guard: Guard::new(address, &options),
        supervisor: Supervisor::open(&options, audit)?,
        live: Live::default(),
        cache: Cache::default(),
        options,
    });
    let supervising = server.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    // Not waited for at the end: what it does may take a while, and the next server does it again.
    std::thread::Builder::new()
        .name("supervisor".into())
        .spawn(move || {
            supervising.supervisor.run(&supervising.options, &stopped);
        })
        .map_err(Error::Thread)?;
    let service = respond.with_state(server.clone());
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        _ = axum::serve(listener, service).into_future() => {}
        () = shutdown => {}
    }
    drop(stop);
    Ok(server.supervisor.going_on())
}

async fn respond(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let answered = match call(&server, peer, request).await {
        Ok(call) => operations::answer(&server, call).await,
        Err(problem) => Err(problem),
    };
    secured(answered.unwrap_or_else(Problem::response))
}

/// Against what a form of another page can send.
fn check_type(operation: Operation, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let wanted = operation.body_type();
    let kind = headers.get(header::CONTENT_TYPE);
    // Of Locust's, some have no body. Forms of other pages have no token.
    if kind.is_none() && body.is_empty() && matches!(operation, Operation::Locust(_)) {
        return Ok(());
    }
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case(wanted) {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the body must have `content-type: {wanted}`"),
        )),
    }
}

/// Checks everything about a request that does not depend on what it asks for.
async fn call(server: &Server, peer: SocketAddr, request: Request) -> Result<Call, Problem> {
    let (head, body) = request.into_parts();
    let host = server.guard.check_host(&head)?;
    let with_locust = server.options.locust_scenario.is_some();
    let (route, parts) = routes::find(&head.method, head.uri.path(), with_locust)?;
    let Route { operation, .. } = route;
    if !operation.is_public() {
        server.guard.check_origin(&head.headers, &host)?;
        server.guard.check_token(&head.headers)?;
    }
    let mut content = Vec::new();
    if head.method != Method::GET {
        let read = to_bytes(body, MAX_BODY).await;
        let read = read.map_err(|_| {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body cannot be read, or is larger than 64 KiB",
            )
        });
        content = read?.to_vec();
        check_type(*operation, &head.headers, &content)?;
    }
    let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let last_event = head.headers.get("last-event-id");
    let last_event = last_event.and_then(|id| id.to_str().ok()?.parse().ok());
    Ok(Call {
        operation: *operation,
        parts,
        query: query.into_owned().collect(),
        body: content,
        last_event,
        peer,
    })
}
