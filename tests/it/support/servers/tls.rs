//! A TLS server on 127.0.0.1 that counts its connections and requests, and certificates for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use perfctl::protocol::http::TlsConfig;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::serving::{Counts, Serving};

/// A certificate authority that nobody trusts but who is told to.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For 127.0.0.1, localhost and shop.example.org, valid for long.
    Good,
    /// The same, but expired.
    Expired,
    /// For another name.
    WrongName,
}

/// What the server does with a connection.
#[derive(Debug, Clone, Copy)]
pub enum Talk {
    /// Waits so long, then does the handshake and answers each request by HTTP/1.1 with `ok`.
    Http1(Duration),
    /// Reads a request and closes the connection.
    CloseUnanswered,
    /// Closes the connection within the handshake.
    CloseInHandshake,
    /// Answers each request by HTTP/2 with `ok`, when it has read it whole.
    H2,
    /// Refuses each HTTP/2 request: `REFUSED_STREAM`.
    H2Refuse,
    /// Sends a GOAWAY that leaves out the first HTTP/2 request, which is in flight.
    H2GoAway,
    /// Sends a GOAWAY when the first HTTP/2 request is in flight, and closes the connection.
    H2Shutdown,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        let mut params = CertificateParams::default();
        let name = format!("authority {}", MADE.fetch_add(1, Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, as in a file of trusted ones.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client that trusts it and nobody else.
    pub fn client(&self) -> TlsConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_webpki_verifier(verifier.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsConfig { config, verifier }
    }

    /// A certificate of a client, and its key.
    pub fn client_pem(&self) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "client");
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        (signed.pem(), key.serialize_pem())
    }

    pub fn server(&self, certificate: Certificate, protocol: &[u8], mutual: bool) -> ServerConfig {
        let names = match certificate {
            Certificate::WrongName => vec!["elsewhere.example".to_owned()],
            _ => ["127.0.0.1", "localhost", "shop.example.org"]
                .map(str::to_owned)
                .into(),
        };
        let mut params = CertificateParams::new(names).unwrap();
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        server(&signed, &key, self.verifier(mutual), protocol)
    }
}

fn server(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    verifier: Arc<dyn ClientCertVerifier>,
    protocol: &[u8],
) -> ServerConfig {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

impl Authority {
    fn verifier(&self, mutual: bool) -> Arc<dyn ClientCertVerifier> {
        if !mutual {
            return WebPkiClientVerifier::no_client_auth();
        }
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .unwrap()
    }
}

/// The server. Dropping it stops it and cuts its connections.
pub struct TlsServer(Serving);

impl TlsServer {
    /// Starts it on a free port.
    pub fn start(authority: &Authority, certificate: Certificate, talk: Talk) -> Self {
        Self::start_with(authority, certificate, talk, false)
    }

    /// One by HTTP/1.1 that signed its certificate, for this name, itself: as a CA, which is what
    /// `openssl req -x509` makes, or not. Also the certificate.
    pub fn self_signed(name: &str, is_ca: bool, is_expired: bool) -> (Self, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = match is_ca {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::ExplicitNoCa,
        };
        if is_expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let config = server(
            &certificate,
            &key,
            WebPkiClientVerifier::no_client_auth(),
            b"http/1.1",
        );
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let talk = Talk::Http1(Duration::ZERO);
        let serving = Serving::start(1024, |listener, counts| {
            accept(listener, acceptor, talk, counts)
        });
        (Self(serving), certificate.pem())
    }

    /// As [`Self::start`], which wants a certificate of the client from the same authority.
    pub fn mutual(authority: &Authority, talk: Talk) -> Self {
        Self::start_with(authority, Certificate::Good, talk, true)
    }

    /// HTTP/2 without TLS, by prior knowledge; each request is answered with `ok`.
    pub fn plain_h2() -> Self {
        Self(Serving::start(1024, |listener, counts| async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Relaxed);
                let counts = counts.clone();
                tokio::spawn(async move {
                    let _ = http2(stream, Talk::H2, &counts).await;
                });
            }
        }))
    }

    fn start_with(
        authority: &Authority,
        certificate: Certificate,
        talk: Talk,
        mutual: bool,
    ) -> Self {
        let protocol: &[u8] = match talk {
            Talk::H2 | Talk::H2Refuse | Talk::H2GoAway | Talk::H2Shutdown => b"h2",
            _ => b"http/1.1",
        };
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(certificate, protocol, mutual)));
        Self(Serving::start(1024, |listener, counts| {
            accept(listener, acceptor, talk, counts)
        }))
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.0.addr().port())
    }

    /// `localhost:PORT`.
    pub fn authority(&self) -> String {
        format!("localhost:{}", self.0.addr().port())
    }

    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.0.connections()
    }

    /// Requests read.
    pub fn requests(&self) -> u64 {
        self.0.requests()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, talk: Talk, counts: Arc<Counts>) {
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Relaxed);
        tokio::spawn(serve(stream, acceptor.clone(), talk, counts.clone()));
    }
}

/// Serves until the connection ends, one way or the other; all errors mean that it has.
async fn serve(mut stream: TcpStream, acceptor: TlsAcceptor, talk: Talk, counts: Arc<Counts>) {
    match talk {
        Talk::Http1(delay) => tokio::time::sleep(delay).await,
        Talk::CloseInHandshake => {
            let _ = stream.read(&mut [0; 4096]).await;
            return;
        }
        _ => {}
    }
    // Held open so that what is unread at the end makes no reset, which would overtake the rest.
    let stream = stream.into_std().unwrap();
    let held = stream.try_clone().unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    match talk {
        Talk::Http1(_) => {
            let _ = http1(stream, &counts).await;
        }
        Talk::CloseUnanswered | Talk::CloseInHandshake => {
            let _ = close(stream, &counts).await;
        }
        Talk::H2GoAway => {
            let _ = go_away(stream, &counts).await;
        }
        Talk::H2 | Talk::H2Refuse | Talk::H2Shutdown => {
            let _ = http2(stream, talk, &counts).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(held);
        }
    }
}

async fn http1(mut stream: TlsStream<TcpStream>, counts: &Counts) -> std::io::Result<()> {
    let mut received = Vec::new();
    while stream.read_buf(&mut received).await? > 0 {
        if received.ends_with(b"\r\n\r\n") {
            received.clear();
            counts.requests.fetch_add(1, Relaxed);
            let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(ok).await?;
        }
    }
    Ok(())
}

async fn close(mut stream: TlsStream<TcpStream>, counts: &Counts) -> std::io::Result<()> {
    stream.read_buf(&mut Vec::new()).await?;
    counts.requests.fetch_add(1, Relaxed);
    stream.shutdown().await?;
    // Reading on until the other side closes, too, so that it meets no reset.
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    talk: Talk,
    counts: &Counts,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut answer) = request?;
        counts.requests.fetch_add(1, Relaxed);
        match talk {
            Talk::H2Refuse => answer.send_reset(Reason::REFUSED_STREAM),
            Talk::H2Shutdown => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
            // Beside the loop, which has to go on so that the request's body comes in.
            _ => drop(tokio::spawn(answer_h2(request, answer))),
        }
    }
    Ok(())
}

/// Answers when the whole request was read, with its body's size.
async fn answer_h2(
    request: http::Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let read = chunk?.len();
        length += read;
        body.flow_control().release_capacity(read)?;
    }
    let head = http::Response::builder().header("x-length", length);
    let mut body = answer.send_response(head.body(()).unwrap(), false)?;
    body.send_data(Bytes::from_static(b"ok"), true)
}

/// By hand, because h2 sends no GOAWAY that leaves out a request it has read.
async fn go_away(mut stream: TlsStream<TcpStream>, counts: &Counts) -> std::io::Result<()> {
    const HEADERS: u8 = 1;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // 8 bytes on stream 0: the last stream that was taken is 0, and there is no error.
    let mut go_away = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    go_away.extend([0; 8]);
    stream.write_all(&settings).await?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            counts.requests.fetch_add(1, Relaxed);
            stream.write_all(&go_away).await?;
        }
    }
}
