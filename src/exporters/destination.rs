//! Where the numbers of a run go while it goes on, as options name it.
//!
//! Not here: how they get there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Position, Url};

/// Somebody who wants the numbers of a run.
#[derive(Clone, PartialEq)]
pub enum Destination {
    /// A page for Prometheus, at this address.
    Page(SocketAddr),
    /// A database that takes remote write of Prometheus.
    RemoteWrite(Collector),
    /// A collector of OpenTelemetry.
    Otlp {
        /// Where it is.
        collector: Collector,
        /// Whether it is called by gRPC, rather than by HTTP.
        is_grpc: bool,
        /// How its numbers count.
        points: OtlpPoints,
    },
    /// An InfluxDB that takes its line protocol by HTTP.
    Influx(Collector),
    /// A StatsD server.
    Statsd {
        /// Host and port.
        address: String,
        /// Whether labels are tags, as Datadog's agent has them, rather than parts of the name.
        is_tagged: bool,
    },
}

/// A URL to which numbers are sent.
#[derive(Clone, PartialEq)]
pub struct Collector {
    /// With name and password, if it has some.
    pub url: Url,
    /// Further headers, which may be secrets.
    pub headers: Vec<(String, String)>,
}

/// How the numbers for a collector of OpenTelemetry count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtlpPoints {
    /// From the message before on (delta), rather than from the beginning (cumulative).
    pub is_delta: bool,
    /// In exponential buckets, rather than in explicit ones.
    pub is_exponential: bool,
}

/// For people, without anything secret.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, url) = match self {
            Self::Page(address) => return write!(f, "metrics for Prometheus at {address}"),
            Self::Statsd { address, .. } => return write!(f, "StatsD to {address}"),
            Self::RemoteWrite(to) => ("remote write", &to.url),
            // The path is always the same, and long.
            Self::Otlp {
                collector,
                is_grpc: true,
                ..
            } => {
                let origin = &collector.url[Position::BeforeHost..Position::AfterPort];
                let scheme = collector.url.scheme().replace("http", "grpc");
                return write!(f, "OTLP to {scheme}://{origin}");
            }
            Self::Otlp { collector, .. } => ("OTLP", &collector.url),
            Self::Influx(to) => ("InfluxDB writes", &to.url),
        };
        let origin = &url[Position::BeforeHost..Position::AfterPath];
        write!(f, "{what} to {}://{origin}", url.scheme())
    }
}

/// Parses `9464`, `127.0.0.1:9464` or `[::]:9464`. A port alone is one of this machine only.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let address = match port.parse() {
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => text.parse().ok(),
    };
    address.ok_or_else(|| {
        "write a port, or an IP address and a port, such as `9464` or `0.0.0.0:9464`".to_owned()
    })
}

/// Parses the URL of a database that takes remote write.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_remote_write(text: &str) -> Result<Url, String> {
    let example = "http://localhost:9090/api/v1/write";
    http_url(text)
        .filter(|url| url.path() != "/")
        .ok_or_else(|| format!("write a whole URL, such as `{example}`"))
}

/// Parses the URL of an InfluxDB.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_influx(text: &str) -> Result<Url, String> {
    http_url(text)
        .filter(|url| url.path() != "/")
        .ok_or_else(|| {
            "write a whole URL, such as `http://localhost:8086/write?db=NAME` (version 1) or \
         `http://localhost:8086/api/v2/write?org=ORG&bucket=BUCKET`"
                .to_owned()
        })
}

/// The URL of a collector of OpenTelemetry, whole, and whether it is called by gRPC.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpUrl(pub Url, pub bool);

/// Parses the URL of a collector of OpenTelemetry.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_otlp(text: &str) -> Result<OtlpUrl, String> {
    let grpc = [("grpc://", "http://"), ("grpcs://", "https://")];
    let mut grpc = grpc.iter().filter_map(|(prefix, scheme)| {
        let rest = text.strip_prefix(prefix)?;
        http_url(&format!("{scheme}{rest}"))
    });
    let parsed = match grpc.next() {
        Some(mut url) if url.path() == "/" => {
            url.set_path("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
            Some(OtlpUrl(url, true))
        }
        Some(_) => None,
        None => http_url(text).map(|mut url| {
            if url.path() == "/" {
                url.set_path("/v1/metrics");
            }
            OtlpUrl(url, false)
        }),
    };
    parsed.ok_or_else(|| {
        "write `http://HOST:4318` or `grpc://HOST:4317`; with TLS, `https:` or `grpcs:`".to_owned()
    })
}

/// Parses `host:8125`.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_statsd(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let is_good = parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
    });
    match is_good {
        true => Ok(text.to_owned()),
        false => Err("write a host and a port, such as `localhost:8125`".to_owned()),
    }
}

fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_this_machine_unless_they_say_otherwise() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
        ] {
            assert_eq!(parse_listen_address(text), Ok(address.parse().unwrap()));
        }
        for wrong in ["", "x", "70000", "host:80", "1.2.3.4", "http://1.2.3.4:80"] {
            let said = parse_listen_address(wrong).unwrap_err();
            assert!(said.contains("such as"), "{wrong}");
        }
    }

    #[test]
    fn urls_are_whole_or_refused() {
        let otlp = |text: &str| parse_otlp(text).map(|OtlpUrl(url, grpc)| (url.to_string(), grpc));
        let service = "opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
        for (text, whole, is_grpc) in [
            (
                "http://h:4318",
                "http://h:4318/v1/metrics".to_owned(),
                false,
            ),
            (
                "https://h/otlp/v1/metrics",
                "https://h/otlp/v1/metrics".to_owned(),
                false,
            ),
            ("grpc://h:4317", format!("http://h:4317/{service}"), true),
            ("grpcs://h:4317", format!("https://h:4317/{service}"), true),
        ] {
            assert_eq!(otlp(text), Ok((whole, is_grpc)));
        }
        for wrong in ["h:4317", "grpc://h:4317/x", "ftp://h", ""] {
            assert!(otlp(wrong).unwrap_err().contains("grpc://HOST:4317"));
        }
        assert!(
            parse_influx("http://h:8086").is_err() && parse_influx("http://h/write?db=x").is_ok()
        );
        assert!(parse_remote_write("h:9090").is_err());
        assert!(
            parse_remote_write("http://h:9090")
                .unwrap_err()
                .contains("/api/v1/write")
        );
        for wrong in ["localhost", ":8125", "udp://h:8125", "h:x"] {
            assert!(parse_statsd(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_statsd("[::1]:8125"), Ok("[::1]:8125".to_owned()));
    }

    #[test]
    fn names_for_people_have_no_secrets() {
        let url = "https://me:secret@h:1/write?u=me&p=secret".parse().unwrap();
        let headers = vec![("authorization".to_owned(), "secret".to_owned())];
        let influx = Destination::Influx(Collector { url, headers });
        assert_eq!(influx.to_string(), "InfluxDB writes to https://h:1/write");
    }
}
