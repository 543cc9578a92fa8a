//! gRPC: single calls that are none of the scenario's, such as those to a collector.
//!
//! Here: one call with one message each way, over a connection of its own. Not here: what is in the messages.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Version};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::error::Error;
use crate::plan::Plan;
use crate::protocol::http::ConnectOptions;

/// The largest response; bytes.
const MAX_BYTES: usize = 1_000_000;

/// A method that can be called.
pub struct GrpcMethod {
    /// Its whole path, `http:` or `https:`.
    url: Url,
    headers: HeaderMap,
    tls: TlsConnector,
}

impl GrpcMethod {
    /// A method at this URL, such as `http://host:4317/package.Service/Method`. Connects nowhere yet. Certificates are
    /// verified as those of the plan's service. It is not called through the plan's proxy.
    ///
    /// # Errors
    /// When such connections cannot be made.
    pub fn new(plan: &Plan, url: Url, mut headers: HeaderMap) -> Result<Self, Error> {
        let mut tls = ConnectOptions::new(plan, url.as_str())?.tls.config;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let kind = HeaderValue::from_static("application/grpc");
        headers.insert(header::CONTENT_TYPE, kind);
        let tls = TlsConnector::from(std::sync::Arc::new(tls));
        Ok(Self { url, headers, tls })
    }

    /// Calls it. The caller limits the time.
    ///
    /// # Errors
    /// Why there is no response, for people.
    pub async fn call(&self, message: &[u8]) -> Result<Bytes, String> {
        let text = |error: std::io::Error| error.to_string();
        let host = self.url.host_str().ok_or("the URL has no host")?;
        let port = self
            .url
            .port_or_known_default()
            .ok_or("the URL has no port")?;
        let address = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((address, port)).await.map_err(text)?;
        if self.url.scheme() != "https" {
            return self.exchange(stream, message).await;
        }
        let name = ServerName::try_from(address.to_owned()).map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, stream).await.map_err(text)?;
        self.exchange(stream, message).await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        message: &[u8],
    ) -> Result<Bytes, String> {
        let handshake = h2::client::handshake(stream).await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        let exchange = self.send(sender, message);
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            response = &mut exchange => response,
            // What it read before its end can still be taken.
            _ = connection => exchange.await,
        }
    }

    async fn send(&self, sender: SendRequest<Bytes>, message: &[u8]) -> Result<Bytes, String> {
        let text = |error: h2::Error| error.to_string();
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        let uri = self.url.as_str().parse();
        *request.uri_mut() = uri.map_err(|_| "the URL cannot be sent".to_owned())?;
        *request.headers_mut() = self.headers.clone();
        let mut framed = BytesMut::with_capacity(5 + message.len());
        // Not compressed.
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).map_err(|_| "the message is too long")?);
        framed.extend_from_slice(message);
        let mut sender = sender.ready().await.map_err(text)?;
        let (response, mut body) = sender.send_request(request, false).map_err(text)?;
        body.send_data(framed.freeze(), true).map_err(text)?;
        let (head, mut body) = response.await.map_err(text)?.into_parts();
        if !head.status.is_success() {
            return Err(format!("status {}", head.status.as_u16()));
        }
        let mut received = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(text)?;
            let _ = body.flow_control().release_capacity(piece.len());
            received.extend_from_slice(&piece);
            if received.len() > MAX_BYTES {
                return Err("the response is too long".to_owned());
            }
        }
        let trailers = body.trailers().await.map_err(text)?;
        check_status(&trailers.unwrap_or(head.headers))?;
        let mut received = received.freeze();
        received.advance(received.len().min(5));
        Ok(received)
    }
}

/// Checks the status at the end of a response.
fn check_status(trailers: &HeaderMap) -> Result<(), String> {
    let text = |name: &'static str| {
        let value = trailers.get(HeaderName::from_static(name));
        value.and_then(|value| value.to_str().ok())
    };
    match (text("grpc-status"), text("grpc-message")) {
        (Some("0"), _) => Ok(()),
        (Some(status), None | Some("")) => Err(format!("gRPC status {status}")),
        (Some(status), Some(message)) => Err(format!("gRPC status {status}: {message}")),
        (None, _) => Err("the response has no gRPC status".to_owned()),
    }
}
