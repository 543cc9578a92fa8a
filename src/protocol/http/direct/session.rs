//! The quick way: the requests of most endpoints go out as the bytes they were made into when the
//! run began, without anything being built for each.

use std::rc::Rc;
use std::time::Duration;

use super::encoded::Ready;
use super::{Direct, Message};
use crate::error::Error;
use crate::plan::Plan;
use crate::protocol::http::transport::{Terms, Transport};
use crate::protocol::http::{HttpClient, HttpSession, leads_to};
use crate::protocol::{Client, Request, Response, Session};

/// Makes sessions for one worker.
pub struct DirectClient {
    http: HttpClient<Direct>,
    /// By the positions of the endpoints.
    ready: Rc<[Option<Ready>]>,
}

/// The connection(s) of one virtual user.
pub struct DirectSession {
    http: HttpSession<Direct>,
    ready: Rc<[Option<Ready>]>,
}

impl DirectClient {
    /// For a plan whose relative URLs go to `base`.
    ///
    /// # Errors
    /// When an endpoint's fixed parts make no request.
    pub fn new(plan: &Plan, base: &str, tls: rustls::ClientConfig) -> Result<Self, Error> {
        let http = HttpClient::new(plan, base, tls)?;
        let endpoints = plan.endpoints.iter().zip(&http.shared.prepared);
        let ready = endpoints
            .map(|(endpoint, prepared)| Ready::new(endpoint, prepared, base))
            .collect();
        Ok(Self { http, ready })
    }
}

impl Client for DirectClient {
    type Session = DirectSession;

    fn session(&self) -> DirectSession {
        DirectSession {
            http: self.http.session(),
            ready: self.ready.clone(),
        }
    }

    fn companion(&self, session: &DirectSession) -> DirectSession {
        DirectSession {
            http: self.http.companion(&session.http),
            ready: self.ready.clone(),
        }
    }
}

impl Session for DirectSession {
    async fn prepare(&mut self, request: &Request<'_>) -> Option<Duration> {
        Box::pin(self.http.prepare(request)).await
    }

    async fn execute(&mut self, request: &Request<'_>, response: &mut Response) {
        let ready = self.ready.get(request.index).and_then(Option::as_ref);
        let rendered = request.rendered.as_ref();
        let ready = ready.filter(|ready| self.http.jar.is_untouched() && ready.fits(rendered));
        // Whatever is seldom needed is on the heap, so that users at rest do not carry it along.
        let Some(ready) = ready else {
            return Box::pin(self.http.execute(request, response)).await;
        };
        if let Some(secret) = ready.secret(rendered) {
            response.credentials.push(secret.to_owned());
        }
        let terms = Terms::of(request.endpoint);
        let message = Message {
            write: |bytes: &mut Vec<u8>| ready.write(rendered, bytes),
            rest: None,
            is_head: ready.is_head,
        };
        let transport = &self.http.transport;
        let carried = transport.carry(&ready.origin, message, &terms, response);
        let mut ended = carried.await;
        if !response.headers.is_empty() {
            self.http.keep_cookies(request, response);
            if let Ok(status) = ended
                && leads_to(request, status, response).is_some()
            {
                let follow = self
                    .http
                    .follow(request, None, &terms, Some(status), response);
                ended = Box::pin(follow).await.map(|()| status);
            }
        }
        response.failure = ended.err();
        if transport.has_opened() {
            transport.take_opened().report(response);
        }
    }
}
