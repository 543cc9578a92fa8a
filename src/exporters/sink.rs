//! Those to whom numbers are sent every few seconds: what they get, and how it reaches them.
//!
//! Not here: the formats, and when they are sent (`delivery`).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use tokio::net::{UdpSocket, lookup_host};
use url::{Position, Url};

use crate::error::Error;
use crate::exporters::counts::Counts;
use crate::exporters::destination::{Collector, Destination, OtlpPoints};
use crate::exporters::prometheus::remote_write;
use crate::exporters::{influx, otlp, statsd};
use crate::plan::{Plan, Proxy};
use crate::protocol::grpc::GrpcMethod;
use crate::protocol::http::{PageReader, basic};

/// How long a delivery may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// What is sent: one message, or several.
type Messages = Vec<Vec<u8>>;

/// Somebody to whom numbers are sent.
pub(super) enum Sink {
    RemoteWrite(Post),
    Otlp(Otlp),
    Influx(Post),
    Statsd(Statsd),
}

impl Sink {
    /// That of a destination; `None` of a page, which is asked for. Connects nowhere yet.
    ///
    /// # Errors
    /// When no connections to there can be made at all.
    pub(super) fn new(plan: &Plan, to: &Destination) -> Result<Option<Self>, Error> {
        Ok(Some(match to {
            Destination::Page(_) => return Ok(None),
            Destination::RemoteWrite(collector) => {
                let mut post = Post::new(plan, collector, "application/x-protobuf")?;
                let headers = &mut post.headers;
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
                let version = HeaderName::from_static("x-prometheus-remote-write-version");
                headers.insert(version, HeaderValue::from_static("0.1.0"));
                Self::RemoteWrite(post)
            }
            Destination::Otlp {
                collector,
                is_grpc,
                points,
            } => Self::Otlp(Otlp::new(plan, collector, *is_grpc, *points)?),
            Destination::Influx(collector) => {
                Self::Influx(Post::new(plan, collector, "text/plain; charset=utf-8")?)
            }
            Destination::Statsd { address, is_tagged } => Self::Statsd(Statsd {
                address: address.clone(),
                is_tagged: *is_tagged,
                socket: None,
            }),
        }))
    }

    /// Whether each message is about the time since the one before, rather than since the beginning.
    pub(super) fn is_of_intervals(&self) -> bool {
        match self {
            Self::RemoteWrite(_) => false,
            Self::Otlp(otlp) => otlp.points.is_delta,
            Self::Influx(_) | Self::Statsd(_) => true,
        }
    }

    /// What is sent of these numbers now.
    pub(super) fn encode(&mut self, counts: &Counts) -> Messages {
        let now_ns = now_ns();
        match self {
            Self::RemoteWrite(_) => {
                let now_ms = i64::try_from(now_ns / 1_000_000).unwrap_or(i64::MAX);
                remote_write::bodies(counts, now_ms)
            }
            Self::Otlp(otlp) => {
                otlp.encoded_ns = now_ns;
                vec![otlp::body(counts, otlp.points, (otlp.since_ns, now_ns))]
            }
            Self::Influx(_) => vec![influx::lines(counts, now_ns).into_bytes()],
            Self::Statsd(statsd) => statsd::packets(counts, statsd.is_tagged),
        }
    }

    /// Sends it. The caller limits the time.
    ///
    /// # Errors
    /// Why not all of it was taken.
    pub(super) async fn send(&mut self, messages: Messages) -> Result<(), DeliveryFailure> {
        if let Self::Statsd(statsd) = self {
            return statsd.send(messages).await;
        }
        for message in messages {
            match self {
                Self::RemoteWrite(post) | Self::Influx(post) => drop(post.send(message).await?),
                Self::Otlp(otlp) => otlp.send(message).await?,
                Self::Statsd(_) => {}
            }
        }
        Ok(())
    }
}

/// Why something was not delivered, or not all of it.
#[derive(Debug)]
pub(super) struct DeliveryFailure {
    /// For people.
    pub(super) why: String,
    /// Whether some of it was taken, so that it must not be sent again.
    pub(super) is_partly_taken: bool,
}

impl From<String> for DeliveryFailure {
    fn from(why: String) -> Self {
        Self {
            why,
            is_partly_taken: false,
        }
    }
}

/// Sends to a URL.
pub(super) struct Post {
    reader: PageReader,
    headers: HeaderMap,
}

impl Post {
    fn new(plan: &Plan, collector: &Collector, kind: &'static str) -> Result<Self, Error> {
        let (url, mut headers) = without_secrets(collector)?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(Self {
            reader: PageReader::new(plan, url)?,
            headers,
        })
    }

    async fn send(&self, message: Vec<u8>) -> Result<Bytes, String> {
        let headers = self.headers.clone();
        self.reader.post(headers, message.into(), LIMIT).await
    }
}

/// Sends by OpenTelemetry's protocol.
pub(super) struct Otlp {
    by: OtlpCarrier,
    points: OtlpPoints,
    /// From when on the next message counts; nanoseconds since 1970.
    since_ns: u64,
    /// Until when the last one counts that was encoded.
    encoded_ns: u64,
}

enum OtlpCarrier {
    Http(Post),
    Grpc(GrpcMethod),
}

impl Otlp {
    fn new(plan: &Plan, to: &Collector, is_grpc: bool, points: OtlpPoints) -> Result<Self, Error> {
        let by = match is_grpc {
            false => OtlpCarrier::Http(Post::new(plan, to, "application/x-protobuf")?),
            true => {
                let (url, headers) = without_secrets(to)?;
                check_proxy(plan, &url)?;
                OtlpCarrier::Grpc(GrpcMethod::new(plan, url, headers)?)
            }
        };
        let now_ns = now_ns();
        Ok(Self {
            by,
            points,
            since_ns: now_ns,
            encoded_ns: now_ns,
        })
    }

    async fn send(&mut self, message: Vec<u8>) -> Result<(), DeliveryFailure> {
        let response = match &self.by {
            OtlpCarrier::Http(post) => post.send(message).await?,
            OtlpCarrier::Grpc(method) => method.call(&message).await?,
        };
        if self.points.is_delta {
            self.since_ns = self.encoded_ns;
        }
        // What was rejected would be rejected again, and the rest was taken.
        otlp::check_response(&response).map_err(|why| DeliveryFailure {
            why,
            is_partly_taken: true,
        })
    }
}

/// Checks that a collector called by gRPC is not to be reached by the plan's proxy: it would be reached without it.
fn check_proxy(plan: &Plan, url: &Url) -> Result<(), Error> {
    let is_proxied = |proxy: &Proxy| !proxy.no_proxy.iter().any(|one| one.matches(url));
    if !plan.transport.proxy.as_ref().is_some_and(is_proxied) {
        return Ok(());
    }
    let origin = &url[Position::BeforeHost..Position::AfterPort];
    Err(Error::usage_help(
        format!("`{origin}` cannot be called by gRPC through the proxy that the scenario uses"),
        "send by HTTP, such as to `http://HOST:4318`, or add the host to the proxy's `no_proxy`",
    ))
}

/// Sends packets.
pub(super) struct Statsd {
    address: String,
    is_tagged: bool,
    socket: Option<UdpSocket>,
}

impl Statsd {
    async fn send(&mut self, packets: Messages) -> Result<(), DeliveryFailure> {
        let mut count = 0;
        let sent = self.try_send(packets, &mut count).await;
        if sent.is_err() {
            // The name may lead elsewhere next time.
            self.socket = None;
        }
        sent.map_err(|error| DeliveryFailure {
            why: error.to_string(),
            is_partly_taken: count > 0,
        })
    }

    /// Counts the packets that were sent.
    async fn try_send(&mut self, packets: Messages, count: &mut usize) -> std::io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            empty => {
                let mut addresses = lookup_host(&self.address).await?;
                let address = addresses.next().ok_or(std::io::ErrorKind::NotFound)?;
                let any: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(address).await?;
                empty.insert(socket)
            }
        };
        for packet in packets {
            socket.send(&packet).await?;
            *count += 1;
        }
        Ok(())
    }
}

/// The time since 1970 on the wall clock, as collectors want it.
fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// The URL of a collector without name and password, and the headers of requests to it.
fn without_secrets(collector: &Collector) -> Result<(Url, HeaderMap), Error> {
    let mut url = collector.url.clone();
    let mut headers = HeaderMap::new();
    let agent = concat!("perfctl/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    if let Some(credentials) = take_credentials(&mut url) {
        headers.insert(header::AUTHORIZATION, secret(&credentials)?);
    }
    for (name, value) in &collector.headers {
        let known = name.parse::<HeaderName>();
        let known = known.map_err(|_| Error::usage(format!("`{name}` cannot be a header")))?;
        headers.insert(known, secret(value)?);
    }
    Ok((url, headers))
}

fn secret(value: &str) -> Result<HeaderValue, Error> {
    let why = "a header for a collector has characters that headers cannot have";
    let mut value = HeaderValue::from_str(value).map_err(|_| Error::usage(why))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Takes name and password out of a URL; as a header has them.
fn take_credentials(url: &mut Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| {
        let field = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
        let mut fields = url::form_urlencoded::parse(field.as_bytes());
        fields
            .next()
            .map_or_else(String::new, |(_, value)| value.into_owned())
    };
    let name = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    // Fails only for URLs without a host.
    let _ = (url.set_username(""), url.set_password(None));
    Some(basic(&name, &password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{load, plan};
    use crate::plan::{Model, NoProxy};

    #[test]
    fn name_and_password_of_a_url_are_a_header() {
        let mut url: Url = "http://me:a%40b+c&d@h/x?y".parse().unwrap();
        let credentials = take_credentials(&mut url).unwrap();
        assert_eq!(credentials, "Basic bWU6YUBiK2MmZA==");
        assert_eq!(url.as_str(), "http://h/x?y");
        assert_eq!(take_credentials(&mut url), None);
    }

    #[test]
    fn grpc_is_refused_where_it_would_pass_by_the_proxy() {
        let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
        let destination = Destination::Otlp {
            collector: Collector {
                url: "http://collector:4317/x".parse().unwrap(),
                headers: Vec::new(),
            },
            is_grpc: true,
            points: OtlpPoints::default(),
        };
        let mut with_proxy = |no_proxy: &[&str]| {
            let no_proxy = no_proxy.iter().map(|one| NoProxy::parse(one).unwrap());
            plan.transport.proxy = Some(Proxy {
                url: "http://proxy:3128".to_owned(),
                credentials: None,
                no_proxy: no_proxy.collect(),
            });
            Sink::new(&plan, &destination).map(|sink| sink.is_some())
        };
        assert!(with_proxy(&["collector"]).unwrap());
        let refused = with_proxy(&["other"]).unwrap_err().to_string();
        assert!(
            refused.contains("`collector:4317`") && refused.contains("no_proxy"),
            "{refused}"
        );
    }
}
