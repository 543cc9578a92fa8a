//! An HTTP proxy on 127.0.0.1: tunnels by CONNECT, and plain requests passed on.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::serving::Serving;
use super::tls::{Authority, Certificate};

/// The proxy. Dropping it stops it and cuts its connections.
pub struct Proxy {
    serving: Serving,
    heads: Arc<Mutex<Vec<String>>>,
    scheme: &'static str,
}

impl Proxy {
    /// Takes only requests with this `proxy-authorization`; any without.
    pub fn start(authorization: Option<&'static str>) -> Self {
        Self::start_with(authorization, None)
    }

    /// The same, which is reached by TLS.
    pub fn secure(authorization: Option<&'static str>, authority: &Authority) -> Self {
        let config = authority.server(Certificate::Good, b"http/1.1", false);
        Self::start_with(authorization, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start_with(authorization: Option<&'static str>, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        let serving = Serving::start(1024, |listener, counts| async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Relaxed);
                let (kept, tls) = (kept.clone(), tls.clone());
                tokio::spawn(async move {
                    let _ = match tls {
                        None => serve(stream, authorization, &kept).await,
                        Some(tls) => serve(tls.accept(stream).await?, authorization, &kept).await,
                    };
                    std::io::Result::Ok(())
                });
            }
        });
        Self {
            serving,
            heads,
            scheme,
        }
    }

    /// `http://localhost:PORT`, or `https`.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.serving.addr().port())
    }

    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.serving.connections()
    }

    /// The first head of each connection, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Passes a connection on to where its first request goes.
async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    authorization: Option<&str>,
    kept: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut received = Vec::new();
    while !received.windows(4).any(|four| four == b"\r\n\r\n") {
        if client.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&received).to_ascii_lowercase();
    kept.lock().unwrap().push(head.clone());
    let is_welcome = authorization.is_none_or(|proof| {
        head.contains(&format!(
            "proxy-authorization: {}\r\n",
            proof.to_ascii_lowercase()
        ))
    });
    if !is_welcome {
        let refusal = b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let place = head.split(' ').nth(1).unwrap_or_default();
    let is_tunnel = head.starts_with("connect ");
    let authority = place.trim_start_matches("http://").split('/').next();
    let port = authority.and_then(|one| one.rsplit_once(':')?.1.parse().ok());
    let mut target = TcpStream::connect((Ipv4Addr::LOCALHOST, port.unwrap_or(80u16))).await?;
    match is_tunnel {
        true => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
        false => target.write_all(&received).await?,
    }
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}
