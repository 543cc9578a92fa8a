//! The proxy of a run: which requests it carries, and the tunnels through it.
//!
//! Not here: how the proxy itself is reached (`connecting`), and the request line of what it passes on
//! (`encoded`).

use std::io;

use ::http::header::HeaderValue;
use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

use super::origin::Origin;
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{HttpChoice, NoProxy, Proxy};
use crate::protocol::Failure;
use crate::protocol::http::auth::basic::basic;
use crate::protocol::http::failure::{
    Stage, io_failure, refused_by_proxy, unreachable_by_proxy, wants_other_proxy_credentials,
};

/// The longest head of a response to CONNECT, as with the other client; bytes.
const MAX_HEAD: usize = 8 << 10;
/// The most header fields of such a response.
const MAX_FIELDS: usize = 100;

/// The proxy of a run.
pub(crate) struct DirectProxy {
    /// Where it is.
    pub(super) origin: Origin,
    /// The value of `proxy-authorization`.
    pub(crate) authorization: Option<HeaderValue>,
    /// What is reached without it.
    no_proxy: Vec<NoProxy>,
}

impl DirectProxy {
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn new(proxy: &Proxy) -> Result<Self, Error> {
        let origin = Url::parse(&proxy.url).ok();
        let origin = origin.and_then(|url| Origin::of(&url, HttpChoice::Http1, false));
        let authorization = proxy
            .credentials
            .as_ref()
            .map(|(name, password)| HeaderValue::try_from(basic(name, password)));
        Ok(Self {
            origin: origin.ok_or_else(|| Error::Proxy(format!("`{}` is not a URL", proxy.url)))?,
            authorization: (authorization.transpose())
                .map_err(|error| Error::Proxy(error.to_string()))?,
            no_proxy: proxy.no_proxy.clone(),
        })
    }

    /// Whether requests for a URL go through it.
    pub(crate) fn carries(&self, url: &Url) -> bool {
        !self.no_proxy.iter().any(|one| one.matches(url))
    }

    /// Asks the proxy at the other end of `stream` for a tunnel.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn open_tunnel(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        to: &Origin,
    ) -> Result<(), Failure> {
        let broken = |error: io::Error| {
            let failure = io_failure(&error, Stage::Head, true);
            let text = unreachable_by_proxy(&failure.text);
            Failure::new(failure.outcome, text)
        };
        let request = self.connect_request(to);
        stream.write_all(&request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut head = Vec::new();
        loop {
            let mut piece = [0; 1024];
            // What follows the head is for TLS, whose server says nothing before the client does.
            let read = stream.read(&mut piece).await.map_err(broken)?;
            head.extend_from_slice(&piece[..read]);
            let refused = |why: &str| Err(Failure::new(Outcome::ConnectFailed, why));
            if read == 0 {
                return refused(&refused_by_proxy("it closed the connection"));
            }
            let mut fields = [EMPTY_HEADER; MAX_FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            match (response.parse(&head), response.code) {
                (Ok(Status::Complete(_)), Some(200)) => return Ok(()),
                (Ok(Status::Complete(_)), Some(407)) => {
                    return refused(&wants_other_proxy_credentials());
                }
                (Ok(Status::Complete(_)), Some(status)) => {
                    return refused(&refused_by_proxy(&format!("status {status}")));
                }
                (Ok(Status::Partial), _) if head.len() <= MAX_HEAD => {}
                _ => return refused(&refused_by_proxy("its response is not HTTP")),
            }
        }
    }

    /// The request for a tunnel, as bytes.
    fn connect_request(&self, to: &Origin) -> Vec<u8> {
        let place = to.authority();
        let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    }
}
