//! Making connections: name resolution, TCP, a tunnel, TLS.
//!
//! Not here: what their times are (`timing`).

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Connection;
use super::origin::Origin;
use super::proxy::DirectProxy;
use super::tls::Offer;
use crate::metrics::Outcome;
use crate::plan::ConnectTo;
use crate::protocol::Failure;
use crate::protocol::http::connect::dns::resolve;
use crate::protocol::http::connect::timing::ConnectTimer;
use crate::protocol::http::failure::{Stage, io_failure, unreachable_by_proxy};

/// How long the addresses of the preferred family are tried alone: RFC 8305 recommends 250 ms, and
/// reqwest uses this.
const HEAD_START: Duration = Duration::from_millis(300);

/// How a connection gets to where it is for.
pub(crate) struct Way<'a> {
    /// What it is for.
    pub(crate) origin: &'a Origin,
    /// Where it leads instead.
    pub(crate) elsewhere: Option<&'a ConnectTo>,
    /// What it goes through.
    pub(crate) proxy: Option<&'a DirectProxy>,
    /// Where it comes from.
    pub(crate) local_address: Option<IpAddr>,
}

/// Connects, and tells the timer how far it has come. Without a time limit. `tls` is called only where
/// it is needed: tickets take more memory than everything else of a user. With the connection: whether each of its TLS
/// handshakes resumed an earlier session.
///
/// # Errors
/// Why there is no connection, with the outcome of its cause.
pub(crate) async fn connect(
    way: &Way<'_>,
    tls: impl Fn(Offer) -> Arc<ClientConfig>,
    timer: &Cell<ConnectTimer>,
) -> Result<(Connection, bool), Failure> {
    let origin = way.origin;
    let (host, port) = match (way.proxy, way.elsewhere) {
        (Some(proxy), _) => (&proxy.origin.host, proxy.origin.port),
        (None, None) => (&origin.host, origin.port),
        (None, Some(place)) => (&place.to_host, place.to_port),
    };
    let on_the_way = |failure: Failure| match way.proxy {
        None => failure,
        Some(_) => Failure::new(failure.outcome, unreachable_by_proxy(&failure.text)),
    };
    let resolved = resolve(host, port).await;
    let resolved = resolved.map_err(|error| Failure::new(Outcome::Dns, error.to_string()));
    let (addresses, took) = resolved.map_err(on_the_way)?;
    if let Some(took) = took {
        note(timer, |timer| timer.resolved(took));
    }
    let stream = tcp(host, addresses, way.local_address).await;
    let stream = stream.map_err(on_the_way)?;
    let ready = stream.peer_addr().and_then(|remote| {
        // A request is sent at once, instead of being held back for more data.
        stream.set_nodelay(true)?;
        Ok(remote)
    });
    let remote = ready.map_err(|error| on_the_way(cannot_connect(&error)))?;
    let outer = way.proxy.filter(|proxy| proxy.origin.is_tls);
    if outer.is_none() && !origin.is_tls {
        return Ok((Connection::plain(stream, remote), false));
    }
    // On the heap, so that users that connect at the same time without TLS do not carry it along.
    Box::pin(handshakes((stream, remote), way, outer, tls, timer)).await
}

/// Does the TLS handshakes with the proxy and the origin, as far as they use TLS, and opens a tunnel to the origin.
async fn handshakes(
    (mut stream, remote): (TcpStream, SocketAddr),
    way: &Way<'_>,
    outer: Option<&DirectProxy>,
    tls: impl Fn(Offer) -> Arc<ClientConfig>,
    timer: &Cell<ConnectTimer>,
) -> Result<(Connection, bool), Failure> {
    let origin = way.origin;
    if let (None, Some(proxy)) = (outer, way.proxy) {
        proxy.open_tunnel(&mut stream, origin).await?;
    }
    note(timer, ConnectTimer::tls_starts);
    let version = Offer::Version(origin.version);
    let Some(proxy) = outer else {
        let (stream, is_resumed) = secure(stream, &origin.host, tls(version)).await?;
        return Ok((Connection::tls(stream, remote), is_resumed));
    };
    if !origin.is_tls {
        let (stream, is_resumed) = secure(stream, &proxy.origin.host, tls(version)).await?;
        return Ok((Connection::tls(stream, remote), is_resumed));
    }
    let to_proxy = secure(stream, &proxy.origin.host, tls(Offer::Nothing)).await?;
    let (mut stream, is_resumed) = to_proxy;
    proxy.open_tunnel(&mut stream, origin).await?;
    let (stream, is_also) = secure(stream, &origin.host, tls(version)).await?;
    let connection = Connection::tls_in_tls(stream, remote);
    Ok((connection, is_resumed && is_also))
}

/// Tells a timer that others look at.
fn note(timer: &Cell<ConnectTimer>, what: impl FnOnce(&mut ConnectTimer)) {
    let mut noted = timer.get();
    what(&mut noted);
    timer.set(noted);
}

/// Does the TLS handshake with a host. With it: whether it resumed an earlier session.
async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<(TlsStream<S>, bool), Failure> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Failure::new(Outcome::ConnectFailed, error.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let stream = stream.map_err(|error| cannot_connect(&error))?;
    let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok((stream, is_resumed))
}

/// Connects to one of the addresses of `host`, of which those of the first one's family are preferred.
async fn tcp(
    host: &str,
    addresses: Vec<SocketAddr>,
    local_address: Option<IpAddr>,
) -> Result<TcpStream, Failure> {
    let is_reachable = |address: &SocketAddr| {
        local_address.is_none_or(|local| local.is_ipv4() == address.is_ipv4())
    };
    let is_preferred = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (preferred, fallback): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .filter(is_reachable)
        .partition(|address| address.is_ipv4() == is_preferred);
    let (first, second) = match preferred.is_empty() {
        true => (fallback, Vec::new()),
        false => (preferred, fallback),
    };
    if first.is_empty() {
        let from = local_address.map_or(String::new(), |address| format!(" from {address}"));
        let text = format!("`{host}` has no address that is reachable{from}");
        return Err(Failure::new(Outcome::ConnectFailed, text));
    }
    let connected = match second.is_empty() {
        true => one_of(&first, local_address).await,
        false => Box::pin(race(&first, &second, local_address)).await,
    };
    connected.map_err(|error| cannot_connect(&error))
}

/// Tries the second list in parallel if the first takes long, and after it if that fails.
async fn race(
    first: &[SocketAddr],
    second: &[SocketAddr],
    local_address: Option<IpAddr>,
) -> io::Result<TcpStream> {
    let preferred = one_of(first, local_address);
    tokio::pin!(preferred);
    tokio::select! {
        biased;
        connected = &mut preferred => return match connected {
            Ok(stream) => Ok(stream),
            Err(error) => one_of(second, local_address).await.map_err(|_| error),
        },
        () = sleep(HEAD_START) => {}
    }
    let other = one_of(second, local_address);
    tokio::pin!(other);
    let (connected, preferred_ended) = tokio::select! {
        biased;
        connected = &mut preferred => (connected, true),
        connected = &mut other => (connected, false),
    };
    match (connected, preferred_ended) {
        (Ok(stream), _) => Ok(stream),
        (Err(error), true) => other.await.map_err(|_| error),
        (Err(_), false) => preferred.await,
    }
}

/// Tries these addresses one after the other.
async fn one_of(addresses: &[SocketAddr], local_address: Option<IpAddr>) -> io::Result<TcpStream> {
    let mut failure = None;
    for address in addresses {
        match one(*address, local_address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

async fn one(address: SocketAddr, local_address: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(local) = local_address {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(address).await
}

/// The failure of a step of connecting.
fn cannot_connect(error: &io::Error) -> Failure {
    io_failure(error, Stage::Head, true)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::time::Instant;

    use super::*;
    use crate::plan::HttpChoice;

    fn address(listener: &TcpListener) -> SocketAddr {
        listener.local_addr().unwrap()
    }

    /// An address that refuses.
    fn closed(host: &str) -> SocketAddr {
        address(&TcpListener::bind((host, 0)).unwrap())
    }

    async fn peer(addresses: &[SocketAddr], local: Option<IpAddr>) -> Result<SocketAddr, Outcome> {
        let stream = tcp("somewhere", addresses.to_vec(), local).await;
        let stream = stream.map_err(|failure| failure.outcome)?;
        Ok(stream.peer_addr().unwrap())
    }

    #[tokio::test]
    async fn each_address_is_tried_whatever_its_family() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let (open, refused) = (address(&open), closed("127.0.0.1"));
        assert_eq!(peer(&[refused, open], None).await, Ok(open));
        assert_eq!(peer(&[closed("::1"), open], None).await, Ok(open));
        assert_eq!(peer(&[closed("::1"), refused, open], None).await, Ok(open));
        let all_refused = peer(&[closed("::1"), refused], None).await;
        assert_eq!(all_refused, Err(Outcome::ConnectRefused));
        assert_eq!(peer(&[], None).await, Err(Outcome::ConnectFailed));
    }

    #[tokio::test]
    async fn an_address_that_does_not_respond_does_not_block_the_other_family() {
        // A full accept queue: no further handshake is completed. Linux takes backlog + 1.
        let silent = TcpListener::bind("[::1]:0").unwrap();
        rustix::net::listen(&silent, 0).unwrap();
        let wait = Duration::from_millis(50);
        let _queued: Vec<_> = (0..2)
            .map(|_| std::net::TcpStream::connect_timeout(&address(&silent), wait))
            .collect();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let started = Instant::now();
        let reached = peer(&[address(&silent), address(&open)], None).await;
        assert_eq!(reached, Ok(address(&open)));
        assert!(started.elapsed() >= HEAD_START);
    }

    #[tokio::test]
    async fn a_local_address_decides_the_family() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("[::1]:0").unwrap();
        let addresses = [address(&other), address(&open)];
        let local = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            peer(&addresses, local("127.0.0.9")).await,
            Ok(address(&open))
        );
        let none = peer(&addresses[..1], local("127.0.0.9")).await;
        assert_eq!(none, Err(Outcome::ConnectFailed));
    }

    #[test]
    fn many_users_that_connect_at_once_take_little_memory() {
        let origin = Origin::of(
            &"http://127.0.0.1:1".parse().unwrap(),
            HttpChoice::Http1,
            false,
        );
        let way = Way {
            origin: &origin.unwrap(),
            elsewhere: None,
            proxy: None,
            local_address: None,
        };
        let timer = Cell::new(ConnectTimer::start());
        let connect = connect(&way, |_| unreachable!("there is no TLS"), &timer);
        assert!(size_of_val(&connect) <= 800, "{}", size_of_val(&connect));
    }
}
