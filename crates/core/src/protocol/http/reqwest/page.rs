//! Requests that are none of the scenario's: reading pages, such as those of exporters, and telling others about a run.

use std::rc::Rc;
use std::time::Duration;

use ::http::header::{self, HeaderMap, HeaderValue};
use bytes::Bytes;
use url::Url;

use super::ReqwestTransport;
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{Plan, Wire};
use crate::protocol::Response;
use crate::protocol::failure::Failure;
use crate::protocol::http::connect::ConnectOptions;
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::transport::{RequestLimits, Transport};
use crate::units::{format_bytes, format_duration};

/// The largest page; bytes.
const MAX_BYTES: u64 = 10_000_000;

/// How much is shown of what a response says; characters.
const MAX_SHOWN: usize = 200;

/// Reads one page, over a connection of its own that is kept.
pub struct PageReader {
    url: Url,
    transport: ReqwestTransport,
}

impl PageReader {
    /// Of a page that is reached as the service of a plan is: with its certificates, its proxy, and its
    /// `connect_to`. Connects nowhere yet.
    ///
    /// # Errors
    /// When such connections cannot be made.
    pub fn new(plan: &Plan, url: Url) -> Result<Self, Error> {
        let connect = ConnectOptions::new(plan, url.as_str())?;
        let resources = Rc::new(ReqwestTransport::resources(plan, connect.tls)?);
        Ok(Self {
            url,
            transport: ReqwestTransport::open(&resources, &[Wire::default()], None),
        })
    }

    /// Sends JSON to its URL instead.
    ///
    /// # Errors
    /// Why it was not accepted within this time, for people.
    pub async fn post_json(&self, body: String, timeout: Duration) -> Result<(), String> {
        let kind = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        self.post(headers, body.into(), timeout).await.map(drop)
    }

    /// Sends a body with these headers to its URL instead. Returns that of the response.
    ///
    /// # Errors
    /// Why it was not accepted within this time, for people: with what the response says of it.
    pub async fn post(
        &self,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, String> {
        let mut request = Outgoing::new(::http::Method::POST, self.url.clone());
        request.headers = headers;
        request.body = Some(body);
        let limits = RequestLimits::within(timeout, timeout, MAX_BYTES);
        let mut response = Response::default();
        let exchanged = self.transport.exchange(request, &limits, &mut response);
        match exchanged.await {
            Ok(status) if status.is_success() => Ok(response.body),
            Ok(status) => {
                let said = String::from_utf8_lossy(&response.body);
                Err(match said.trim().lines().next() {
                    None => format!("status {}", status.as_u16()),
                    Some(line) => {
                        let line: String = line.chars().take(MAX_SHOWN).collect();
                        format!("status {}: {line}", status.as_u16())
                    }
                })
            }
            Err(failure) => Err(Self::why(failure, timeout)),
        }
    }

    /// The page, of which `accept` says in which formats.
    ///
    /// # Errors
    /// Why there is none within this time, for people.
    pub async fn read(&self, accept: &'static str, timeout: Duration) -> Result<Bytes, String> {
        let mut request = Outgoing::new(::http::Method::GET, self.url.clone());
        let accept = HeaderValue::from_static(accept);
        request.headers.insert(header::ACCEPT, accept);
        let limits = RequestLimits::within(timeout, timeout, MAX_BYTES);
        let mut response = Response::default();
        let exchanged = self.transport.exchange(request, &limits, &mut response);
        match exchanged.await {
            Ok(status) if status.as_u16() == 200 => Ok(response.body),
            Ok(status) => Err(format!("status {}", status.as_u16())),
            Err(failure) => Err(Self::why(failure, timeout)),
        }
    }

    fn why(failure: Failure, timeout: Duration) -> String {
        match failure.outcome {
            Outcome::BodyTooLarge => {
                format!("the page is larger than {}", format_bytes(MAX_BYTES))
            }
            Outcome::TimeoutHeaders | Outcome::TimeoutBody => {
                format!("no response within {}", format_duration(timeout))
            }
            _ => failure.text,
        }
    }
}
