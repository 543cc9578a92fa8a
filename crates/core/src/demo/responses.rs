//! The responses of the service, one per route.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::{Map, Value};

use super::behavior::faults::Fault;
use super::behavior::wait;
use super::invoices::{INVOICES, Invoices};
use super::login;
use super::route::{PATHS, Route};
use super::state::ServiceState;
use super::timing::Timing;

/// The largest upload; bytes.
const MAX_UPLOAD: u64 = 100_000_000;
/// The largest JSON body; bytes.
const MAX_JSON: usize = 1_000_000;
/// The largest response of `/bytes/{n}`.
const MAX_BYTES: u64 = 1_000_000_000;
/// The longest wait of `/delay/{ms}`.
const MAX_DELAY_MS: u64 = 600_000;
/// From the creation of a job until it is done.
const JOB_MS: u64 = 300;

/// The header with what the service says of its components.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

impl ServiceState {
    /// The response to request `number`, without delay or error of its own. The body is always read, so
    /// that the connection can be used again.
    pub(super) async fn respond(
        &self,
        number: u64,
        route: Route,
        argument: &str,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        match route {
            Route::CreateInvoice => self.create_invoice(body).await,
            Route::Login => login(body).await,
            _ => match length(body).await {
                Ok(_) if route == Route::Account => account(headers),
                Ok(length) => {
                    self.respond_to_length(number, route, argument, query, length)
                        .await
                }
                Err(problem) => problem,
            },
        }
    }

    /// What the service says of its components for request `number`, which waited so long for a database connection.
    pub(super) fn timing(
        &self,
        number: u64,
        route: Route,
        query: Option<&str>,
        waited: Option<Duration>,
    ) -> Timing {
        let items = match route == Route::ListInvoices && self.behavior.has(Fault::NPlusOne) {
            true => limit(query).map_or(0, Invoices::listed),
            false => 0,
        };
        let timing = Timing::of(&self.behavior, number);
        Timing {
            queries: timing.queries + items as u64,
            waited,
            ..timing
        }
    }

    /// The response to a request of whose body only the length in bytes matters.
    async fn respond_to_length(
        &self,
        number: u64,
        route: Route,
        argument: &str,
        query: Option<&str>,
        length: u64,
    ) -> Response {
        match route {
            Route::Home => text(home()),
            Route::Health => json(StatusCode::OK, r#"{"status":"healthy"}"#),
            Route::ListInvoices => self.list(query),
            Route::Invoice => self.invoice(argument),
            Route::Upload => json(
                StatusCode::CREATED,
                format!(r#"{{"id":"upload-{number}","bytes":{length}}}"#),
            ),
            Route::Token => json(
                StatusCode::OK,
                format!(
                    r#"{{"access_token":"dev-{number:016x}","token_type":"bearer","expires_in":3600}}"#
                ),
            ),
            Route::Processing => {
                wait(self.behavior.processing_time).await;
                json(StatusCode::OK, r#"{"status":"done"}"#)
            }
            Route::CreateJob => json(
                StatusCode::ACCEPTED,
                // The id holds the start of the job, so that nothing has to be stored.
                format!(
                    r#"{{"id":"{:x}-{number:x}","status":"queued"}}"#,
                    self.elapsed_ms()
                ),
            ),
            Route::Job => self.job(argument),
            Route::Metrics => build(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.counters.prometheus() + &self.resources.prometheus(),
            ),
            Route::Redirect => redirect(argument),
            Route::Status => status(argument),
            Route::Bytes => filler(argument),
            Route::Delay => match argument.parse::<u64>() {
                Ok(ms) if ms <= MAX_DELAY_MS => {
                    wait(Duration::from_millis(ms)).await;
                    text(format!("{ms} ms\n"))
                }
                _ => problem(StatusCode::BAD_REQUEST, "milliseconds, at most 600000"),
            },
            Route::WrongMethod => {
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
                let allow = HeaderValue::from_static("GET, HEAD, POST");
                response.headers_mut().insert(ALLOW, allow);
                response
            }
            // Other responses are made from more than the length of the body.
            Route::NotFound | Route::CreateInvoice | Route::Login | Route::Account => {
                problem(StatusCode::NOT_FOUND, "not found")
            }
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn invoice_count(&self) -> u64 {
        INVOICES + self.counters.created_invoices()
    }

    fn list(&self, query: Option<&str>) -> Response {
        match limit(query) {
            Some(limit) => json(
                StatusCode::OK,
                format!(
                    r#"{{"items":[{}],"total":{}}}"#,
                    self.invoices.first(limit),
                    self.invoice_count()
                ),
            ),
            None => problem(StatusCode::UNPROCESSABLE_ENTITY, "limit is not a number"),
        }
    }

    fn invoice(&self, id: &str) -> Response {
        match id.parse::<u64>() {
            Ok(id) if (1..=self.invoice_count()).contains(&id) => {
                json(StatusCode::OK, Invoices::render(id))
            }
            _ => problem(StatusCode::NOT_FOUND, "no such invoice"),
        }
    }

    async fn create_invoice(&self, body: Body) -> Response {
        let invoice = match json_object(body).await {
            Ok(invoice) => invoice,
            Err(problem) => return problem,
        };
        let id = INVOICES + self.counters.create_invoice();
        let number = invoice.get("number").unwrap_or(&Value::Null);
        json(
            StatusCode::CREATED,
            format!(r#"{{"id":{id},"number":{number},"status":"received"}}"#),
        )
    }

    fn job(&self, id: &str) -> Response {
        let begun_ms = id
            .split_once('-')
            .and_then(|(ms, _)| u64::from_str_radix(ms, 16).ok());
        let age_ms = begun_ms.and_then(|ms| self.elapsed_ms().checked_sub(ms));
        match age_ms {
            Some(0..JOB_MS) => json(StatusCode::OK, r#"{"status":"processing"}"#),
            Some(_) => json(StatusCode::OK, r#"{"status":"done"}"#),
            None => problem(StatusCode::NOT_FOUND, "no such job"),
        }
    }
}

/// How many invoices a list is to have; `None` for what is no number.
fn limit(query: Option<&str>) -> Option<usize> {
    let mut pairs = query.unwrap_or_default().split('&');
    let limit = pairs.find_map(|pair| pair.strip_prefix("limit="));
    limit.map_or(Some(20), |limit| limit.parse().ok())
}

/// Adds what the service says of its components.
pub(super) fn set_timing(response: &mut Response, timing: &str) {
    if let Ok(value) = HeaderValue::from_str(timing) {
        response.headers_mut().insert(SERVER_TIMING, value);
    }
}

/// The JSON object in a body. The error is the response to anything else.
async fn json_object(body: Body) -> Result<Map<String, Value>, Response> {
    let Ok(body) = axum::body::to_bytes(body, MAX_JSON).await else {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Err(problem(status, "at most 1 MB of JSON"));
    };
    serde_json::from_slice(&body).map_err(|_| {
        problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the body must be a JSON object",
        )
    })
}

async fn login(body: Body) -> Response {
    let token = json_object(body).await.map(|login| login::token(&login));
    match token {
        Ok(Some(token)) => json(
            StatusCode::OK,
            format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":3600}}"#),
        ),
        Ok(None) => problem(StatusCode::UNAUTHORIZED, "wrong username or password"),
        Err(problem) => problem,
    }
}

fn account(headers: &HeaderMap) -> Response {
    let authorization = headers.get(AUTHORIZATION);
    match login::user(authorization.and_then(|value| value.to_str().ok())) {
        Some(name) => json(
            StatusCode::OK,
            format!(r#"{{"username":{},"open_invoices":3}}"#, Value::from(name)),
        ),
        None => problem(StatusCode::UNAUTHORIZED, "log in first"),
    }
}

/// Reads a body to its end and counts it. The error is the response to one that is too large or breaks off.
async fn length(mut body: Body) -> Result<u64, Response> {
    let mut length = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame =
            frame.map_err(|_| problem(StatusCode::BAD_REQUEST, "the body is incomplete"))?;
        length += frame.data_ref().map_or(0, |data| data.len() as u64);
        if length > MAX_UPLOAD {
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "at most 100 MB"));
        }
    }
    Ok(length)
}

fn home() -> String {
    let mut page = String::new();
    for (method, path, purpose) in PATHS {
        let _ = writeln!(page, "{method:<5}{path:<28}{purpose}");
    }
    page
}

fn redirect(argument: &str) -> Response {
    let next = match argument {
        "loop" => "/redirect/loop".to_owned(),
        _ => match argument.parse::<u32>() {
            Ok(0 | 1) => "/health".to_owned(),
            Ok(hops) => format!("/redirect/{}", hops - 1),
            Err(_) => return problem(StatusCode::BAD_REQUEST, "a number of hops, or `loop`"),
        },
    };
    let mut response = build(StatusCode::FOUND, TEXT, "");
    if let Ok(next) = HeaderValue::from_str(&next) {
        response.headers_mut().insert(LOCATION, next);
    }
    response
}

fn status(argument: &str) -> Response {
    let code = argument
        .parse()
        .ok()
        .filter(|code| (200..600).contains(code));
    match code.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(status @ (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        }
        Some(status) => build(status, TEXT, status.as_str().to_owned()),
        None => problem(StatusCode::BAD_REQUEST, "a status from 200 to 599"),
    }
}

fn filler(argument: &str) -> Response {
    match argument.parse() {
        Ok(left) if left <= MAX_BYTES => build(
            StatusCode::OK,
            "application/octet-stream",
            Body::new(Filler { left }),
        ),
        _ => problem(
            StatusCode::BAD_REQUEST,
            "a number of bytes, at most 1000000000",
        ),
    }
}

fn text(body: String) -> Response {
    build(StatusCode::OK, TEXT, body)
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    build(status, JSON, body)
}

/// A response that says what is wrong.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    json(status, format!(r#"{{"detail":"{detail}"}}"#))
}

fn build(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// A body of `left` bytes that are not kept in memory.
struct Filler {
    left: u64,
}

impl HttpBody for Filler {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        static CHUNK: [u8; 65_536] = [b'x'; 65_536];
        let take = self.left.min(CHUNK.len() as u64);
        self.left -= take;
        let chunk = Bytes::from_static(&CHUNK[..take as usize]);
        Poll::Ready((take > 0).then(|| Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
}
