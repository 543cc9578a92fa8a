//! HTTP: what is the same whatever carries it. Credentials, cookies and redirects are seen to here,
//! where they can be counted and kept from hosts the scenario does not name.
//!
//! A `Transport` carries single requests: `by_reqwest`, or `direct` at a fraction of the cost. Not
//! here: anything of connections.

mod auth;
mod cookies;
mod direct;
mod failure;
mod local;
mod payload;
mod prepared;
mod redirect;
mod reqwest;
#[cfg(test)]
mod tests;
mod tls;
mod transport;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{self, HeaderValue};
use url::Url;

use self::cookies::Jar;
use self::local::LocalAddresses;
use self::prepared::{Outgoing, Prepared};
use self::redirect::{host_and_port, is_redirect, redirected};
use self::transport::{Terms, Transport};
use super::{Client, Failure, Request, Response, Session};
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{Auth, Endpoint, Plan, Wire};
use auth::credentials::{Group, UserState};

pub use self::direct::DirectClient;
pub use self::tls::tls_config;
pub use reqwest::ByReqwest;

/// HTTP by reqwest.
pub type ReqwestClient = HttpClient<ByReqwest>;

/// Makes sessions for one worker.
pub struct HttpClient<T: Transport> {
    shared: Rc<Shared<T>>,
    /// How many sessions were made.
    sessions: Cell<u64>,
}

/// What all sessions of a worker read.
struct Shared<T: Transport> {
    transport: Rc<T::Shared>,
    local_addresses: LocalAddresses,
    /// The kinds of connection that endpoints ask for.
    wires: Vec<Wire>,
    prepared: Vec<Prepared>,
    /// The ways in which endpoints prove who sends their requests.
    groups: Vec<Group>,
    base: String,
    allowed_hosts: BTreeSet<String>,
}

/// The connection(s) of one virtual user.
pub struct HttpSession<T: Transport> {
    shared: Rc<Shared<T>>,
    transport: T,
    /// What is kept for each of the groups.
    states: Rc<[UserState]>,
    /// Where it connects from; anywhere by default.
    local_address: Option<IpAddr>,
    /// Among the sessions of its worker, from 0.
    number: u64,
    jar: Jar,
}

impl<T: Transport> HttpClient<T> {
    /// For a plan whose relative URLs go to `base`.
    ///
    /// # Errors
    /// When an endpoint's fixed parts make no request, or `tls` no client.
    pub fn new(plan: &Plan, base: &str, tls: rustls::ClientConfig) -> Result<Self, Error> {
        let (groups, group_of) = auth::credentials::groups(plan);
        let wires: BTreeSet<Wire> = plan.endpoints.iter().map(|one| one.wire).collect();
        let endpoints = plan.endpoints.iter().zip(group_of);
        let prepared: Result<Vec<Prepared>, String> = endpoints
            .map(|(endpoint, group)| Prepared::new(endpoint, base, group))
            .collect();
        let mut allowed_hosts = plan.allowed_hosts.clone();
        allowed_hosts.extend(Url::parse(base).ok().as_ref().and_then(host_and_port));
        Ok(Self {
            shared: Rc::new(Shared {
                transport: Rc::new(T::share(plan, tls)?),
                local_addresses: LocalAddresses::new(&plan.transport.local_addresses)?,
                wires: wires.into_iter().collect(),
                prepared: prepared.map_err(Error::Request)?,
                groups,
                base: base.to_owned(),
                allowed_hosts,
            }),
            sessions: Cell::new(0),
        })
    }
}

impl<T: Transport> Client for HttpClient<T> {
    type Session = HttpSession<T>;

    fn session(&self) -> HttpSession<T> {
        let number = self.sessions.get();
        self.sessions.set(number + 1);
        let shared = self.shared.clone();
        let local_address = shared.local_addresses.next();
        HttpSession {
            transport: T::open(&shared.transport, &shared.wires, local_address),
            local_address,
            states: shared.groups.iter().map(|_| UserState::default()).collect(),
            shared,
            jar: Jar::default(),
            number,
        }
    }

    fn companion(&self, session: &HttpSession<T>) -> HttpSession<T> {
        let shared = self.shared.clone();
        HttpSession {
            transport: T::open(&shared.transport, &shared.wires, session.local_address),
            local_address: session.local_address,
            states: session.states.clone(),
            shared,
            jar: session.jar.clone(),
            number: session.number,
        }
    }
}

impl<T: Transport> Session for HttpSession<T> {
    async fn prepare(&mut self, request: &Request<'_>) -> Option<Duration> {
        let group = self.shared.prepared[request.index].group?;
        let (group, state) = (&self.shared.groups[group], &self.states[group]);
        let values = rendered_values(group, request);
        let had = self.token(group, state, &values, request.endpoint).await?;
        had.ok()?.fetched
    }

    async fn execute(&mut self, request: &Request<'_>, response: &mut Response) {
        let ended = self.carry_out(request, response).await;
        response.failure = ended.err();
        self.transport.take_opened().report(response);
    }
}

/// How a request proves who sends it, where that is not in it from the start.
struct Proof<'a> {
    group: &'a Group,
    state: &'a UserState,
    values: Vec<&'a str>,
    /// The header with the token, if it is one.
    token: Option<HeaderValue>,
}

impl<T: Transport> HttpSession<T> {
    async fn carry_out(
        &self,
        request: &Request<'_>,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let endpoint = request.endpoint;
        let proof = match self.shared.prepared[request.index].group {
            None => None,
            Some(group) => Some(self.proof(group, request, response).await?),
        };
        let terms = Terms::of(endpoint);
        self.follow(request, proof, &terms, None, response).await
    }

    /// The proof for a request. A token was fetched in [`Session::prepare`], as a rule.
    async fn proof<'a>(
        &'a self,
        group: usize,
        request: &'a Request<'_>,
        response: &mut Response,
    ) -> Result<Proof<'a>, Failure> {
        let (group, state) = (&self.shared.groups[group], &self.states[group]);
        let values = rendered_values(group, request);
        if group.auth.secret().is_none() {
            let secret = values[group.auth.secret_position()];
            response.credentials.push(secret.to_owned());
        }
        let token = match self.token(group, state, &values, request.endpoint).await {
            None => None,
            Some(had) => {
                let token = had?.token;
                response.credentials.push(token.secret);
                Some(token.header)
            }
        };
        Ok(Proof {
            group,
            state,
            values,
            token,
        })
    }

    /// The token for requests of a group; `None` when they need none.
    async fn token(
        &self,
        group: &Group,
        state: &UserState,
        values: &[&str],
        endpoint: &Endpoint,
    ) -> Option<Result<auth::token::Had, Failure>> {
        let (oauth2, slot) = group.slot(state)?;
        let fetch = async || {
            // Connections to the token server belong to no request.
            let shared = &self.shared.transport;
            let transport = T::open(shared, &[Wire::default()], self.local_address);
            auth::token::fetch(&transport, oauth2, values, endpoint).await
        };
        Some(slot.get(values, fetch).await)
    }

    /// Keeps the cookies of the first answer to a request.
    fn keep_cookies(&self, request: &Request<'_>, response: &Response) {
        if response.headers.contains_key(header::SET_COOKIE)
            && let Ok(sent) =
                self.shared.prepared[request.index].request(request, &self.shared.base)
        {
            self.jar.keep(&sent.url, &response.headers);
        }
    }

    /// Sends the request and follows redirects until there is a final answer. A challenge for
    /// digest is answered once at each place. A request that was sent already begins with the
    /// status of its answer, which stands in `response`.
    async fn follow(
        &self,
        request: &Request<'_>,
        proof: Option<Proof<'_>>,
        terms: &Terms,
        mut answered: Option<StatusCode>,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let shared = &self.shared;
        let prepared = &shared.prepared[request.index];
        let invalid = |why| failed(Outcome::InvalidRequest, why);
        let original = || {
            let mut original = prepared.request(request, &shared.base).map_err(invalid)?;
            if let Some(token) = proof.as_ref().and_then(|proof| proof.token.as_ref()) {
                let value = token.clone();
                original.headers.insert(header::AUTHORIZATION, value);
            }
            Ok(original)
        };
        // What was sent last, from the second place on: few are redirected, so that the first is
        // made once more rather than copied each time.
        let mut followed: Option<Outgoing> = None;
        let mut was_challenged = false;
        let digest = proof.as_ref();
        let digest = digest.filter(|proof| matches!(*proof.group.auth, Auth::Digest(_)));
        loop {
            let again = || match &followed {
                None => original(),
                Some(followed) => Ok(followed.clone()),
            };
            let status = match answered.take() {
                Some(status) => status,
                None => {
                    let mut outgoing = again()?;
                    if let Some(digest) = digest {
                        digest.state.answer(&mut outgoing, &digest.values);
                    }
                    self.jar.add_to(&mut outgoing);
                    // Of an answer before this one.
                    let headers = std::mem::take(&mut response.headers);
                    let ended = self.transport.exchange(outgoing, terms, response).await;
                    // Whatever became of its body.
                    if response.headers.contains_key(header::SET_COOKIE) {
                        self.jar.keep(&again()?.url, &response.headers);
                    }
                    if ended.is_err() && response.headers.is_empty() {
                        response.headers = headers;
                    }
                    ended?
                }
            };
            if let (Some(digest), StatusCode::UNAUTHORIZED, false) =
                (digest, status, was_challenged)
            {
                let origin = host_and_port(&original()?.url).unwrap_or_default();
                let is_there = host_and_port(&again()?.url).as_ref() == Some(&origin);
                let (headers, values) = (&response.headers, &digest.values);
                was_challenged =
                    is_there && (digest.state).challenged(headers, &origin, values, self.number)?;
                if was_challenged {
                    continue;
                }
            }
            was_challenged = false;
            let Some(location) = leads_to(request, status, response) else {
                return Ok(());
            };
            if u32::from(response.redirects) >= request.endpoint.max_redirects {
                let hops = response.redirects;
                let text = format!("still redirected after {hops} redirects");
                return Err(failed(Outcome::RedirectLimit, text));
            }
            let sent = again()?;
            let target = redirect::target(&sent.url, location, &shared.allowed_hosts)?;
            followed = Some(redirected(sent, target, status, prepared.proof.as_ref()));
            response.redirects += 1;
        }
    }
}

/// Where an answer leads on to; `None` of the final one.
fn leads_to<'a>(
    request: &Request<'_>,
    status: StatusCode,
    response: &'a Response,
) -> Option<&'a HeaderValue> {
    if !is_redirect(status) || request.endpoint.max_redirects == 0 {
        return None;
    }
    response.headers.get(header::LOCATION)
}

/// The values of a group's templates for a request.
fn rendered_values<'a>(group: &'a Group, request: &'a Request<'_>) -> Vec<&'a str> {
    let rendered = request.rendered.as_ref();
    auth::credentials::values(&group.auth, rendered.map_or(&[], |rendered| &rendered.auth))
}

fn failed(outcome: Outcome, text: impl Into<String>) -> Failure {
    Failure {
        outcome,
        text: text.into(),
    }
}
