//! What is the same whichever transport carries the requests: credentials, cookies and redirects
//! are handled here, where they can be counted and kept from hosts the scenario does not name.
//!
//! Not here: connections, which belong to a `transport`.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{self, HeaderValue};
use url::Url;

use super::auth::credentials::{self, AuthGroup, UserAuth};
use super::auth::token;
use super::connect::ConnectOptions;
use super::cookies::{HostCookies, Jar};
use super::redirect::{self, is_redirect, redirected};
use super::request::link;
use super::request::outgoing::{Outgoing, host_and_port, is_same_host};
use super::request::prepared::PreparedRequest;
use super::transport::{RequestLimits, Transport};
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{Auth, Endpoint, Plan, RequestView, Trace, Wire};
use crate::protocol::{Client, Cookies, Failure, Hop, Rendered, Request, Response, Session};

/// The URL of the last response, which all sessions of a user share.
pub(super) type LastUrl = Rc<RefCell<Option<Url>>>;

/// Makes sessions for one worker.
pub struct HttpClient<T: Transport> {
    pub(super) shared: Rc<ClientState<T>>,
    /// How many sessions were made.
    sessions: Cell<u64>,
}

/// What all sessions of a client read.
pub(super) struct ClientState<T: Transport> {
    pub(super) resources: Rc<T::Resources>,
    connect: ConnectOptions,
    /// The kinds of connection that endpoints ask for.
    wires: Vec<Wire>,
    /// By the positions of the endpoints.
    pub(super) prepared: Vec<PreparedRequest>,
    /// The distinct `auth` settings of the endpoints.
    auth_groups: Vec<AuthGroup>,
    allowed_hosts: Rc<BTreeSet<String>>,
    /// The URL of the service.
    base: Box<str>,
    /// Whether any endpoint has a link, which may be relative to the last response.
    keeps_urls: bool,
}

/// The connection(s) of one virtual user.
pub struct HttpSession<T: Transport> {
    shared: Rc<ClientState<T>>,
    pub(super) transport: T,
    /// What the user keeps for each auth group.
    auth: Rc<[UserAuth]>,
    /// Where it connects from; anywhere by default.
    local_address: Option<IpAddr>,
    /// Among the sessions of its worker, from 0.
    number: u64,
    pub(super) jar: Jar,
    /// The URL of the user's last response, if the plan keeps URLs.
    pub(super) last_url: Option<LastUrl>,
    /// What was sent last, if a redirect asked for it.
    redirected: Cell<Option<Box<Outgoing>>>,
}

impl<T: Transport> HttpClient<T> {
    /// For a plan whose relative URLs go to `base`.
    ///
    /// # Errors
    /// When an endpoint's fixed parts are invalid, or the transport cannot be set up.
    pub fn new(plan: &Plan, base: &str, connect: ConnectOptions) -> Result<Self, Error> {
        let (auth_groups, group_of) = credentials::groups(plan);
        let wires: BTreeSet<Wire> = plan.endpoints.iter().map(|one| one.wire).collect();
        let endpoints = plan.endpoints.iter().zip(group_of);
        let mut allowed_hosts = plan.allowed_hosts.clone();
        allowed_hosts.extend(Url::parse(base).ok().as_ref().and_then(host_and_port));
        let allowed_hosts = Rc::new(allowed_hosts);
        let prepared: Result<Vec<PreparedRequest>, String> = endpoints
            .map(|(endpoint, group)| {
                let prepared = PreparedRequest::new(endpoint, base, group)?;
                Ok(prepared.with_hosts(endpoint, &allowed_hosts))
            })
            .collect();
        Ok(Self {
            shared: Rc::new(ClientState {
                resources: Rc::new(T::resources(plan, connect.tls.clone())?),
                connect,
                wires: wires.into_iter().collect(),
                prepared: prepared.map_err(Error::Request)?,
                auth_groups,
                allowed_hosts,
                base: base.into(),
                keeps_urls: plan.keeps_urls(),
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
        let local_address = shared.connect.next_local_address();
        let auth = shared.auth_groups.iter().map(|_| UserAuth::default());
        HttpSession {
            transport: T::open(&shared.resources, &shared.wires, local_address),
            local_address,
            auth: auth.collect(),
            last_url: shared.keeps_urls.then(LastUrl::default),
            shared,
            jar: Jar::default(),
            redirected: Cell::default(),
            number,
        }
    }

    fn companion(&self, session: &HttpSession<T>) -> HttpSession<T> {
        let shared = self.shared.clone();
        HttpSession {
            transport: T::open(&shared.resources, &shared.wires, session.local_address),
            local_address: session.local_address,
            auth: session.auth.clone(),
            last_url: session.last_url.clone(),
            shared,
            jar: session.jar.clone(),
            redirected: Cell::default(),
            number: session.number,
        }
    }
}

impl<T: Transport> Session for HttpSession<T> {
    async fn prepare(&mut self, request: &Request<'_>) -> Option<Duration> {
        let group = self.shared.prepared[request.index].group_of(request)?;
        let (group, user) = (&self.shared.auth_groups[group], &self.auth[group]);
        let values = template_values(group, request);
        let token = self.token(group, user, &values, request.endpoint).await?;
        token.ok()?.fetched
    }

    async fn execute(&mut self, request: &Request<'_>, response: &mut Response) {
        let ended = self.send(request, response).await;
        response.failure = ended.err();
        self.transport.take_opened().report(response);
    }

    fn hop(&self, request: &Request<'_>, response: &Response) -> Option<Hop> {
        self.rebuilt(request, response)
    }

    fn follow(&self, index: usize, link: &str) -> Result<String, String> {
        let last = self.last_url.as_ref().map(|last| last.borrow());
        let last = last.as_deref().and_then(Option::as_ref);
        let home = self.shared.prepared[index].home();
        link::resolve(link, home, last, &self.shared.allowed_hosts).map(String::from)
    }

    fn view(
        &self,
        index: usize,
        endpoint: &Endpoint,
        rendered: &Rendered,
    ) -> Result<RequestView, String> {
        self.shared.prepared[index].view(endpoint, rendered)
    }

    fn cookies(&self, host: Option<&str>) -> Option<Box<dyn Cookies>> {
        let url = Url::parse(host.unwrap_or(&self.shared.base)).ok()?;
        let jar = self.jar.clone();
        Some(Box::new(HostCookies { jar, url }))
    }
}

/// The credentials of a request that are not part of it from the start.
struct Credentials<'a> {
    group: &'a AuthGroup,
    user: &'a UserAuth,
    values: Vec<&'a str>,
    /// The header with the token, if there is one.
    token: Option<HeaderValue>,
}

impl<T: Transport> HttpSession<T> {
    async fn send(&self, request: &Request<'_>, response: &mut Response) -> Result<(), Failure> {
        let credentials = match self.shared.prepared[request.index].group_of(request) {
            None => None,
            Some(group) => Some(self.credentials(group, request, response).await?),
        };
        let limits = RequestLimits::of(request.endpoint);
        let mut chain = RequestChain::new(self, request, &limits, credentials);
        let ended = chain.run(response).await;
        chain.keep_redirected();
        ended
    }

    /// Follows the redirect in `response`, which has this `status` and belongs to a `request` whose
    /// credentials are part of it from the start.
    ///
    /// # Errors
    /// Why there is no final response.
    pub(super) async fn follow_redirect(
        &self,
        request: &Request<'_>,
        limits: &RequestLimits<'_>,
        status: StatusCode,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let mut chain = RequestChain::new(self, request, limits, None);
        if !chain.redirect(status, response)? {
            return Ok(());
        }
        let ended = chain.run(response).await;
        chain.keep_redirected();
        ended
    }

    /// What was sent last for `request`, which got this response: the same but for the values of
    /// credentials that are added to each request. `None` if it could not be built.
    pub(super) fn last_outgoing(
        &self,
        request: &Request<'_>,
        response: &Response,
    ) -> Option<Outgoing> {
        let prepared = &self.shared.prepared[request.index];
        let redirected = match response.redirects {
            0 => None,
            _ => self.redirected.take(),
        };
        let mut outgoing = match redirected {
            Some(outgoing) => *outgoing,
            None => {
                let mut first = prepared.request(request).ok()?;
                let group = prepared.group_of(request);
                let group = group.map(|group| &self.shared.auth_groups[group]);
                if group
                    .is_some_and(|group| matches!(*group.auth, Auth::OAuth2(_) | Auth::Digest(_)))
                {
                    let hidden = HeaderValue::from_static("***");
                    first.headers.insert(header::AUTHORIZATION, hidden);
                }
                first
            }
        };
        if !response.sets_first_cookies {
            self.jar.add_to(&mut outgoing);
        }
        self.add_trace(request, &mut outgoing, response.redirects);
        Some(outgoing)
    }

    /// Adds the trace that `request` belongs to, if there is one and what is sent for it after so many
    /// redirects goes to its own host: others need not know of it, as with credentials.
    fn add_trace(&self, request: &Request<'_>, outgoing: &mut Outgoing, redirects: u16) {
        let Some(trace) = &request.trace else { return };
        let home = self.shared.prepared[request.index].home();
        if is_same_host(&outgoing.url, home)
            && let Ok(value) = HeaderValue::from_bytes(&trace.header(redirects))
        {
            outgoing.headers.insert(Trace::HEADER, value);
        }
    }

    /// The credentials for a request. A token was fetched in [`Session::prepare`], as a rule.
    async fn credentials<'a>(
        &'a self,
        group: usize,
        request: &'a Request<'_>,
        response: &mut Response,
    ) -> Result<Credentials<'a>, Failure> {
        let (group, user) = (&self.shared.auth_groups[group], &self.auth[group]);
        let values = template_values(group, request);
        if group.auth.secret().is_none() {
            let secret = values[group.auth.secret_position()];
            response.credentials.push(secret.to_owned());
        }
        let token = match self.token(group, user, &values, request.endpoint).await {
            None => None,
            Some(obtained) => {
                let token = obtained?.token;
                response.credentials.push(token.secret);
                Some(token.header)
            }
        };
        Ok(Credentials {
            group,
            user,
            values,
            token,
        })
    }

    /// The token for requests of a group; `None` when they need none.
    async fn token(
        &self,
        group: &AuthGroup,
        user: &UserAuth,
        values: &[&str],
        endpoint: &Endpoint,
    ) -> Option<Result<token::ObtainedToken, Failure>> {
        let (oauth2, cache) = group.token_cache(user)?;
        let fetch = async || {
            // Connections to the token server belong to no request.
            let resources = &self.shared.resources;
            let transport = T::open(resources, &[Wire::default()], self.local_address);
            token::fetch(&transport, oauth2, values, endpoint).await
        };
        Some(cache.get(values, fetch).await)
    }

    /// Notes where `request` itself got its response from, if the plan keeps URLs.
    pub(super) fn note_url(&self, request: &Request<'_>, response: &mut Response) {
        if let Some(last) = &self.last_url
            && let Ok(url) = self.shared.prepared[request.index].url(request)
        {
            response.url = Some(url.to_string());
            *last.borrow_mut() = Some(url.into_owned());
        }
    }

    /// Stores the cookies of the response to `request` itself.
    pub(super) fn store_cookies(&self, request: &Request<'_>, response: &mut Response) {
        let prepared = &self.shared.prepared[request.index];
        if response.headers.contains_key(header::SET_COOKIE)
            && let Ok(url) = prepared.url(request)
        {
            response.sets_first_cookies = self.jar.is_empty();
            self.jar.keep(&url, &response.headers);
        }
    }
}

/// What one request of the scenario takes: the request itself, and those that challenges and
/// redirects ask for.
struct RequestChain<'a, T: Transport> {
    session: &'a HttpSession<T>,
    request: &'a Request<'a>,
    limits: &'a RequestLimits<'a>,
    credentials: Option<Credentials<'a>>,
    /// What is sent from the first redirect on. Few requests are redirected, so the first one is
    /// built again where it is needed again, rather than copied each time.
    redirected: Option<Outgoing>,
}

impl<'a, T: Transport> RequestChain<'a, T> {
    fn new(
        session: &'a HttpSession<T>,
        request: &'a Request<'a>,
        limits: &'a RequestLimits<'a>,
        credentials: Option<Credentials<'a>>,
    ) -> Self {
        Self {
            session,
            request,
            limits,
            credentials,
            redirected: None,
        }
    }

    /// Keeps what a redirect asked for, for people to read if it has failed.
    fn keep_redirected(self) {
        if let Some(redirected) = self.redirected {
            self.session.redirected.set(Some(Box::new(redirected)));
        }
    }

    /// Sends requests until there is a final response. Each of them answers one digest challenge
    /// at most.
    async fn run(&mut self, response: &mut Response) -> Result<(), Failure> {
        let mut was_challenged = false;
        loop {
            let status = self.exchange(response).await?;
            was_challenged = !was_challenged && self.accept_challenge(status, response)?;
            if !was_challenged && !self.redirect(status, response)? {
                return Ok(());
            }
        }
    }

    /// Sends the current request, and stores the cookies that come back.
    async fn exchange(&self, response: &mut Response) -> Result<StatusCode, Failure> {
        let jar = &self.session.jar;
        let mut outgoing = self.outgoing()?;
        if let Some(digest) = self.digest() {
            (digest.user).answer_challenge(&mut outgoing, &digest.values);
        }
        jar.add_to(&mut outgoing);
        let redirects = response.redirects;
        (self.session).add_trace(self.request, &mut outgoing, redirects);
        // Those of the response before this one, which is not to blame if there is no further one.
        let headers = std::mem::take(&mut response.headers);
        response.remote = None;
        let transport = &self.session.transport;
        let ended = transport.exchange(outgoing, self.limits, response).await;
        if let (Some(last), Ok(_)) = (&self.session.last_url, &ended) {
            let url = self.url()?.into_owned();
            response.url = Some(url.to_string());
            *last.borrow_mut() = Some(url);
        }
        // Even if its body failed.
        if response.headers.contains_key(header::SET_COOKIE) {
            response.sets_first_cookies = jar.is_empty();
            jar.keep(self.url()?.as_ref(), &response.headers);
        }
        if ended.is_err() && response.headers.is_empty() {
            response.headers = headers;
        }
        ended
    }

    /// Takes the digest challenge of a 401 from the host that the credentials are for; whether
    /// there was one.
    fn accept_challenge(&self, status: StatusCode, response: &Response) -> Result<bool, Failure> {
        let (Some(digest), StatusCode::UNAUTHORIZED) = (self.digest(), status) else {
            return Ok(false);
        };
        let home = self.first_url()?;
        if !is_same_host(self.url()?.as_ref(), &home) {
            return Ok(false);
        }
        let host = host_and_port(&home).unwrap_or_default();
        let (headers, values) = (&response.headers, &digest.values);
        (digest.user).accept_challenge(headers, &host, values, self.session.number)
    }

    /// Makes the request current that a redirect asks for; `false` when `response` is final.
    fn redirect(&mut self, status: StatusCode, response: &mut Response) -> Result<bool, Failure> {
        let Some(location) = redirect_location(self.request, status, response) else {
            return Ok(false);
        };
        if u32::from(response.redirects) >= self.request.endpoint.max_redirects {
            let hops = response.redirects;
            let text = format!("still redirected after {hops} redirects (`max_redirects`)");
            return Err(Failure::new(Outcome::RedirectLimit, text));
        }
        let sent = match self.redirected.take() {
            Some(sent) => sent,
            None => self.outgoing()?,
        };
        let target = redirect::target(&sent.url, location, &self.session.shared.allowed_hosts)?;
        let secret_header = self.prepared().secret_header.as_ref();
        self.redirected = Some(redirected(sent, target, status, secret_header));
        response.redirects += 1;
        response.sets_first_cookies = false;
        Ok(true)
    }

    /// The current request, without cookies and without the answer to a challenge.
    fn outgoing(&self) -> Result<Outgoing, Failure> {
        if let Some(redirected) = &self.redirected {
            return Ok(redirected.clone());
        }
        let mut first = self.prepared().request(self.request).map_err(invalid)?;
        let credentials = self.credentials.as_ref();
        if let Some(token) = credentials.and_then(|credentials| credentials.token.as_ref()) {
            let token = token.clone();
            first.headers.insert(header::AUTHORIZATION, token);
        }
        Ok(first)
    }

    /// Where the current request goes.
    fn url(&self) -> Result<Cow<'_, Url>, Failure> {
        match &self.redirected {
            Some(redirected) => Ok(Cow::Borrowed(&redirected.url)),
            None => self.first_url(),
        }
    }

    /// Where the first request went, but for an API key in its query.
    fn first_url(&self) -> Result<Cow<'_, Url>, Failure> {
        self.prepared().url(self.request).map_err(invalid)
    }

    fn prepared(&self) -> &PreparedRequest {
        &self.session.shared.prepared[self.request.index]
    }

    /// The credentials, where they answer a digest challenge.
    fn digest(&self) -> Option<&Credentials<'a>> {
        let credentials = self.credentials.as_ref();
        credentials.filter(|credentials| matches!(*credentials.group.auth, Auth::Digest(_)))
    }
}

fn invalid(why: String) -> Failure {
    Failure::new(Outcome::InvalidRequest, why)
}

/// Where a response redirects to; `None` for a final one.
pub(super) fn redirect_location<'a>(
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
fn template_values<'a>(group: &'a AuthGroup, request: &'a Request<'_>) -> Vec<&'a str> {
    let rendered = request.rendered.as_ref();
    credentials::template_values(&group.auth, rendered.map_or(&[], |rendered| &rendered.auth))
}
