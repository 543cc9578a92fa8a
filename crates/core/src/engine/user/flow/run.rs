//! Functions of the script that send requests of their own.
//!
//! A function runs until it waits. Then what it waits for is done, as for any other step, and it goes on. While it runs
//! or waits, it has the variables and the random numbers of the user.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep};

use crate::check;
use crate::engine::user::User;
use crate::engine::user::exchange::Exchange;
use crate::engine::user::step_error::StepError;
use crate::engine::user::values::RenderError;
use crate::engine::user::values::response::for_script;
use crate::engine::user::worker_state::WorkerState;
use crate::metrics::{FLOW_CHECKS, Outcome};
use crate::plan::{
    Check, Endpoint, Header, Method, ScriptStep, StatusRange, Stop, Template, TraceContext,
    push_written,
};
use crate::protocol::{Client, Rendered, Request};
use crate::script::{CallEnd, OperationKind, RequestSpec, ResponseData, ScriptStop, ScriptUser};

/// How long a function may wait for nothing that perfctl does, such as for the request of another user.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request of a script, ready to be sent.
struct ReadyRequest {
    index: usize,
    endpoint: Box<Endpoint>,
    rendered: Rendered,
    trace: Option<Box<TraceContext>>,
}

impl ReadyRequest {
    fn request(&mut self) -> Request<'_> {
        Request {
            index: self.index,
            endpoint: &self.endpoint,
            rendered: Some(std::mem::take(&mut self.rendered)),
            trace: self.trace.take(),
        }
    }
}

/// Something that has ended while the function waited.
enum OperationEnd<'a, S> {
    Waited(u64),
    Received {
        operation: u64,
        lane: S,
        ready: ReadyRequest,
        exchange: Box<Exchange<'a>>,
    },
}

type Landing<'a, S> = Pin<Box<dyn Future<Output = OperationEnd<'a, S>> + 'a>>;

impl<C: Client> User<C> {
    /// Calls a function of the script, and does what it asks for until it has ended.
    pub(super) async fn run_script(
        &mut self,
        step: &ScriptStep,
        due: &mut Option<Instant>,
    ) -> Result<(), StepError> {
        // A loop of functions that send nothing must not keep the other users from running.
        tokio::task::consume_budget().await;
        let state = self.state.clone();
        let user = match self.script_user() {
            Ok(user) => user,
            Err(text) => return Err(StepError::of_script(self.values.excerpt(&text))),
        };
        let mut result = Ok(());
        let mut landing: FuturesUnordered<Landing<'_, C::Session>> = FuturesUnordered::new();
        let iteration = self.values.iteration();
        self.with_script(&user, || user.begin(&step.function, iteration));
        let mut has_ended = false;
        let (end, unmet) = loop {
            let mut operations = match has_ended {
                // What it began before, though it does not wait for it, is done.
                false => user.take_operations(),
                true => Vec::new(),
            };
            let end = user.end();
            has_ended |= end.is_some();
            if end.as_ref().is_some_and(|(end, _)| *end != CallEnd::Done) {
                operations.clear();
            }
            let is_alone = operations.len() == 1 && landing.is_empty();
            for mut operation in operations {
                let number = operation.number();
                if let (OperationKind::Think(wait), Some(think)) = (&mut operation.kind, step.wait)
                {
                    *wait = self.wait(think);
                }
                match operation.kind {
                    OperationKind::Think(wait) if is_alone => {
                        self.clock.start();
                        self.lent(&user, sleep(wait)).await;
                        self.clock.stop();
                        self.with_script(&user, || user.settle(number, None));
                    }
                    OperationKind::Think(wait) => landing.push(Box::pin(async move {
                        sleep(wait).await;
                        OperationEnd::Waited(number)
                    })),
                    OperationKind::Request(spec) => {
                        let due = due.take();
                        let ready = match self.ready(step, *spec, due).await {
                            Ok(ready) => ready,
                            Err((error, response)) => {
                                result = result.and(Err(error));
                                self.with_script(&user, || user.settle(number, Some(response)));
                                continue;
                            }
                        };
                        if is_alone {
                            let (ended, response) = self.send_alone(&user, ready, due).await;
                            result = result.and(ended);
                            self.with_script(&user, || user.settle(number, Some(response)));
                        } else {
                            landing.push(self.send_beside(&state, ready, (number, due)));
                        }
                    }
                }
            }
            if is_alone {
                continue;
            }
            if landing.is_empty() {
                if let Some(end) = end {
                    break end;
                }
                let is_woken = self.lent(&user, async {
                    tokio::select! {
                        () = user.woken() => true,
                        () = sleep(PATIENCE) => false,
                    }
                });
                if !is_woken.await {
                    let text = format!(
                        "`{}` waits for a promise that nothing settles",
                        step.function
                    );
                    result = Err(StepError::of_script(text));
                    break (CallEnd::Done, None);
                }
                continue;
            }
            let landed = self.lent(&user, async {
                tokio::select! {
                    biased;
                    landed = landing.next() => landed,
                    () = user.woken() => None,
                }
            });
            match landed.await {
                None => {}
                Some(OperationEnd::Waited(number)) => {
                    self.with_script(&user, || user.settle(number, None));
                }
                Some(OperationEnd::Received {
                    operation,
                    lane,
                    mut ready,
                    mut exchange,
                }) => {
                    let (ended, response) = self.received(&lane, &mut ready, &mut exchange);
                    self.lanes.push(lane);
                    result = result.and(ended);
                    self.with_script(&user, || user.settle(operation, Some(response)));
                }
            }
        };
        user.forget();
        self.concluded(end, unmet, result)
    }

    /// How the step has ended.
    fn concluded(
        &mut self,
        end: CallEnd,
        unmet: Option<String>,
        requests: Result<(), StepError>,
    ) -> Result<(), StepError> {
        let failed = |text: String| StepError::of_failure((FLOW_CHECKS.len() - 1) as u8, text);
        match end {
            CallEnd::Done => {
                requests?;
                match unmet {
                    Some(name) => Err(failed(
                        self.values.excerpt(&format!("check `{name}` failed")),
                    )),
                    None => Ok(()),
                }
            }
            CallEnd::Failed(text) => Err(failed(self.values.excerpt(&text))),
            CallEnd::Stopped(stopped) => {
                self.end(match stopped {
                    ScriptStop::Flow => Stop::Flow,
                    ScriptStop::User => Stop::User,
                    ScriptStop::Run => Stop::Run,
                });
                requests
            }
            CallEnd::Error(error) => {
                let text = self.values.excerpt(&error.to_string());
                Err(StepError::of_script(text))
            }
        }
    }

    /// What the script knows of this user.
    fn script_user(&mut self) -> Result<Rc<ScriptUser>, String> {
        if let Some(user) = &self.script {
            return Ok(user.clone());
        }
        let user = self.values.script_user();
        let user = user.map_err(|error| error.to_string())?;
        let user = Rc::new(user.ok_or("there is no script")?);
        self.script = Some(user.clone());
        Ok(user)
    }

    /// Lets the script run, with what it may use of the user. Tells what it says.
    fn with_script(&mut self, user: &ScriptUser, run: impl FnOnce()) {
        self.values.lend(user);
        run();
        self.values.take_back(user);
        self.tell_console();
    }

    /// Waits. The script of another user may meanwhile go on with what this one waits for.
    async fn lent<T>(&mut self, user: &ScriptUser, wait: impl Future<Output = T>) -> T {
        self.values.lend(user);
        let result = wait.await;
        self.values.take_back(user);
        result
    }

    /// Sends a request over the connection of the user.
    async fn send_alone(
        &mut self,
        user: &ScriptUser,
        mut ready: ReadyRequest,
        due: Option<Instant>,
    ) -> (Result<(), StepError>, Rc<ResponseData>) {
        let state = self.state.clone();
        let request = ready.request();
        let mut exchange = Exchange::start(&state, &request, due);
        self.values.lend(user);
        exchange.fetch(&mut self.session, &request).await;
        self.values.take_back(user);
        self.clock.add(exchange.in_flight.waited());
        let result = self.judge(request.endpoint, &request, &exchange);
        self.keep_failure(&self.session, &request, &exchange, &result);
        self.settled(&request, &mut exchange, result)
    }

    /// Sends a request beside others, over a connection of its own.
    fn send_beside<'a>(
        &mut self,
        state: &'a WorkerState,
        mut ready: ReadyRequest,
        (operation, due): (u64, Option<Instant>),
    ) -> Landing<'a, C::Session> {
        let mut lane = match self.lanes.pop() {
            Some(lane) => lane,
            None => self.client.companion(&self.session),
        };
        Box::pin(async move {
            let request = ready.request();
            let mut exchange = Box::new(Exchange::start(state, &request, due));
            exchange.fetch(&mut lane, &request).await;
            (ready.rendered, ready.trace) = (request.rendered.unwrap_or_default(), request.trace);
            OperationEnd::Received {
                operation,
                lane,
                ready,
                exchange,
            }
        })
    }

    /// Judges and records a response that came over `lane`.
    fn received(
        &mut self,
        lane: &C::Session,
        ready: &mut ReadyRequest,
        exchange: &mut Exchange<'_>,
    ) -> (Result<(), StepError>, Rc<ResponseData>) {
        let request = ready.request();
        let result = self.judge(request.endpoint, &request, exchange);
        self.keep_failure(lane, &request, exchange, &result);
        self.settled(&request, exchange, result)
    }

    /// Records a response with its result, and gives it to the script.
    fn settled(
        &mut self,
        request: &Request<'_>,
        exchange: &mut Exchange<'_>,
        result: check::CheckResult,
    ) -> (Result<(), StepError>, Rc<ResponseData>) {
        self.observe(request.endpoint, exchange, &result, false);
        let response = &exchange.response;
        let error = match &response.failure {
            Some(failure) => Some(failure.text.clone()),
            None if result.outcome == Outcome::Ok => None,
            None => Some(format!("it failed as {}", result.outcome.name())),
        };
        let data = for_script(response, request.url(), exchange.elapsed(), error);
        (exchange.settle(result), data)
    }

    /// The request that a script asks for. One that cannot be sent is recorded, and the script gets a response
    /// without status.
    async fn ready(
        &mut self,
        step: &ScriptStep,
        spec: RequestSpec,
        due: Option<Instant>,
    ) -> Result<ReadyRequest, (StepError, Rc<ResponseData>)> {
        let methods = Method::ALL.iter();
        let mut methods = methods.zip(step.requests);
        let found = methods.find(|(method, _)| method.as_str() == spec.method);
        // The script knows no other methods.
        let index = found.map_or(step.requests[0], |(_, index)| index);
        let unsent = |url: &str, text: String| {
            Rc::new(ResponseData {
                status: 0,
                url: url.to_owned(),
                elapsed: Duration::ZERO,
                headers: http::HeaderMap::new(),
                body: Box::new(|| Ok(String::new())),
                error: Some(text),
            })
        };
        let mut taken = Ok(());
        if self.state.throttle.is_some() {
            taken = self.turns(index, 1).await;
        }
        if taken.is_ok() {
            taken = self.take_rows(index, due).await;
        }
        if let Err(error) = taken {
            let text = format!("it was not sent: {}", error.outcome.name());
            return Err((error, unsent(&spec.url, text)));
        }
        self.requests += 1;
        let state = self.state.clone();
        let endpoint = &state.plan.endpoints[index];
        let shown = || self.values.excerpt(&spec.row);
        let recorder = &state.recorder;
        let subject = (state.row_names).position(index, &spec.row, recorder, shown);
        match self.rendered(endpoint, &spec, subject) {
            Ok(rendered) => {
                let endpoint = Box::new(own_endpoint(endpoint, spec));
                Ok(ReadyRequest {
                    index,
                    trace: self.trace(&endpoint),
                    endpoint,
                    rendered,
                })
            }
            Err(error) => {
                let response = unsent(&spec.url, error.text.clone());
                let positions = (index, subject.unwrap_or(index as u16));
                Err((self.leave_out_as(positions, due, error), response))
            }
        }
    }

    fn rendered(
        &mut self,
        endpoint: &Endpoint,
        spec: &RequestSpec,
        subject: Option<u16>,
    ) -> Result<Rendered, RenderError> {
        self.values.check()?;
        let url = url(endpoint, &spec.url)?;
        let (headers, auth) = self.render_defaults(endpoint)?;
        Ok(Rendered {
            url,
            headers,
            body: spec.body.clone(),
            pieces: Vec::new(),
            auth,
            subject,
        })
    }
}

/// The endpoint of one request: that of its method, with what a script asks for.
fn own_endpoint(endpoint: &Endpoint, spec: RequestSpec) -> Endpoint {
    let mut own = endpoint.clone();
    own.name = spec.row;
    own.headers
        .extend(spec.headers.into_iter().map(|(name, value)| Header {
            name,
            value: Template::literal(value),
        }));
    if let Some(timeout_us) = spec.timeout_us {
        own.timeout = Duration::from_micros(timeout_us.max(1));
        own.connect_timeout = own.connect_timeout.min(own.timeout);
    }
    let ranges = spec.status.into_iter();
    let ranges: Vec<StatusRange> = ranges
        .map(|(low, high)| StatusRange { low, high })
        .collect();
    own.checks = match ranges.is_empty() {
        true => Vec::new(),
        false => vec![Check::Status(ranges)],
    };
    own
}

/// A path below the host of the endpoint, or a whole URL.
fn url(endpoint: &Endpoint, given: &str) -> Result<String, RenderError> {
    let given = given.split('#').next().unwrap_or_default();
    if given.starts_with("http://") || given.starts_with("https://") {
        return Ok(given.to_owned());
    }
    if !given.starts_with('/') {
        let text = format!("`{given}` is neither a path nor a URL: start it with `/`");
        return Err(RenderError::from(text));
    }
    let mut url = endpoint.url_start().trim_end_matches('/').to_owned();
    push_written(given, &mut url);
    Ok(url)
}
