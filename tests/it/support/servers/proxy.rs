//! An HTTP proxy on 127.0.0.1: tunnels by CONNECT, and plain requests passed on.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::serving::Serving;

/// The proxy. Dropping it stops it and cuts its connections.
pub struct Proxy {
    serving: Serving,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Takes only requests with this `proxy-authorization`; any without.
    pub fn start(authorization: Option<&'static str>) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        let serving = Serving::start(1024, |listener, counts| async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Relaxed);
                let kept = kept.clone();
                tokio::spawn(async move {
                    let _ = serve(stream, authorization, &kept).await;
                });
            }
        });
        Self { serving, heads }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.serving.addr())
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
    mut client: TcpStream,
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
