//! The short path: the requests of most endpoints are sent as what they were encoded to when the run
//! began: bytes for HTTP/1.1, header fields for HTTP/2.

use std::rc::Rc;
use std::time::Duration;

use super::encoded::EncodedRequest;
use super::http2::request::Http2Template;
use super::response::head;
use super::transport::{DirectTransport, WireRequest};
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{Endpoint, Plan, RequestView};
use crate::protocol::http::client::{HttpClient, HttpSession, redirect_location};
use crate::protocol::http::connect::ConnectOptions;
use crate::protocol::http::transport::{RequestLimits, Transport};
use crate::protocol::{Client, Cookies, Failure, Hop, Rendered, Request, Response, Session};

/// Makes sessions for one worker.
pub struct DirectClient {
    http: HttpClient<DirectTransport>,
    /// By the positions of the endpoints.
    encoded: Rc<[Option<EncodedVersions>]>,
}

/// The connection(s) of one virtual user.
pub struct DirectSession {
    http: HttpSession<DirectTransport>,
    encoded: Rc<[Option<EncodedVersions>]>,
}

/// An endpoint's request in both versions.
struct EncodedVersions {
    http1: EncodedRequest,
    /// `None` where no connection can be one by HTTP/2.
    http2: Option<Http2Template>,
}

impl DirectClient {
    /// For a plan whose relative URLs go to `base`.
    ///
    /// # Errors
    /// When an endpoint's fixed parts make no request.
    pub fn new(plan: &Plan, base: &str, connect: ConnectOptions) -> Result<Self, Error> {
        let http: HttpClient<DirectTransport> = HttpClient::new(plan, base, connect)?;
        let endpoints = plan.endpoints.iter().zip(&http.shared.prepared);
        let encoded = endpoints
            .map(|(endpoint, prepared)| {
                let resources = &http.shared.resources;
                let version = endpoint.wire.http_version;
                let origin = resources.origin(&prepared.request.url, version)?;
                let to_proxy = resources.to_proxy(&origin).cloned();
                let (to_proxy, is_traced) = (to_proxy.as_ref(), plan.trace.is_some());
                let http2 = match resources.may_be_http2(&origin) {
                    true => Some(Http2Template::new(endpoint, prepared, base, to_proxy)?),
                    false => None,
                };
                let http1 =
                    EncodedRequest::new(endpoint, prepared, base, origin, to_proxy, is_traced)?;
                Some(EncodedVersions { http1, http2 })
            })
            .collect();
        Ok(Self { http, encoded })
    }
}

impl Client for DirectClient {
    type Session = DirectSession;

    fn session(&self) -> DirectSession {
        DirectSession {
            http: self.http.session(),
            encoded: self.encoded.clone(),
        }
    }

    fn companion(&self, session: &DirectSession) -> DirectSession {
        DirectSession {
            http: self.http.companion(&session.http),
            encoded: self.encoded.clone(),
        }
    }
}

impl Session for DirectSession {
    async fn prepare(&mut self, request: &Request<'_>) -> Option<Duration> {
        Box::pin(self.http.prepare(request)).await
    }

    async fn execute(&mut self, request: &Request<'_>, response: &mut Response) {
        let encoded = self.encoded.get(request.index).and_then(Option::as_ref);
        let rendered = request.rendered.as_ref();
        let encoded = encoded
            .filter(|encoded| self.http.jar.is_empty() && encoded.http1.can_encode(rendered));
        // What is seldom needed is on the heap, so that idle users do not carry it along.
        let Some(EncodedVersions { http1, http2 }) = encoded else {
            return Box::pin(self.http.execute(request, response)).await;
        };
        if let Some(secret) = http1.secret(rendered) {
            response.credentials.push(secret.to_owned());
        }
        let limits = RequestLimits::of(request.endpoint);
        let trace = request.trace.as_deref();
        let wire_request = WireRequest {
            write: |bytes: &mut Vec<u8>| http1.write(rendered, trace, bytes),
            http2: || match http2 {
                Some(http2) => http2.request(rendered, trace),
                None => Err(Failure::new(
                    Outcome::Internal,
                    "a connection by HTTP/2 where there can be none",
                )),
            },
            rest: None,
            is_head: http1.is_head,
        };
        let transport = &self.http.transport;
        let exchange = transport.exchange_bytes(&http1.origin, wire_request, &limits, response);
        let mut ended = exchange.await;
        if self.http.last_url.is_some() && ended.is_ok() {
            self.http.note_url(request, response);
        }
        if !response.headers.is_empty() {
            self.http.store_cookies(request, response);
            if let Ok(status) = ended
                && redirect_location(request, status, response).is_some()
            {
                let follow = self
                    .http
                    .follow_redirect(request, &limits, status, response);
                ended = Box::pin(follow).await.map(|()| status);
            }
        }
        response.failure = ended.err();
        if transport.has_opened() {
            transport.take_opened().report(response);
        }
    }

    fn hop(&self, request: &Request<'_>, response: &Response) -> Option<Hop> {
        let mut hop = self.http.hop(request, response)?;
        if let (Some(head), Some(_)) = (&response.raw_head, hop.status) {
            hop.response_headers = head::all_fields(head);
        }
        Some(hop)
    }

    fn follow(&self, index: usize, link: &str) -> Result<String, String> {
        self.http.follow(index, link)
    }

    fn view(
        &self,
        index: usize,
        endpoint: &Endpoint,
        rendered: &Rendered,
    ) -> Result<RequestView, String> {
        self.http.view(index, endpoint, rendered)
    }

    fn cookies(&self, host: Option<&str>) -> Option<Box<dyn Cookies>> {
        self.http.cookies(host)
    }
}
