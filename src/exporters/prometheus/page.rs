//! The page that Prometheus reads: a small HTTP server, and the formats it serves.
//!
//! Not here: the formats themselves (`text`, `protobuf`).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::exporters::counts::Counts;
use crate::exporters::prometheus::protobuf::families;
use crate::exporters::prometheus::text::text;

/// How long a request for the page may take, from its connection to the last byte.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest head of a request; bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A format of the page, by what `accept` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageFormat {
    Text,
    OpenMetrics,
    Protobuf,
}

impl PageFormat {
    /// The one that a client likes best; plain text if it does not say.
    fn of(accept: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let parameters: Vec<&str> = parts.collect();
            let has = |parameter: &str| parameters.contains(&parameter);
            let format = match kind {
                "application/vnd.google.protobuf"
                    if has("proto=io.prometheus.client.MetricFamily")
                        && has("encoding=delimited") =>
                {
                    Self::Protobuf
                }
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => continue,
            };
            let mut weights = parameters.iter().filter_map(|one| one.strip_prefix("q="));
            let weight = weights.next().map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
        }
    }

    fn page(self, counts: &Counts) -> Vec<u8> {
        match self {
            Self::Text => text(counts, false).into_bytes(),
            Self::OpenMetrics => text(counts, true).into_bytes(),
            Self::Protobuf => families(counts),
        }
    }
}

/// Serves the page, without end.
pub(crate) async fn serve(listener: TcpListener, counts: Rc<RefCell<Counts>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let counts = counts.clone();
                // A client that is too slow, or gone, is no concern of ours.
                spawn_local(async move { drop(timeout(LIMIT, answer(stream, &counts)).await) });
            }
            // Out of file descriptors, for example.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Answers one request, and closes the connection.
async fn answer(mut stream: TcpStream, counts: &RefCell<Counts>) -> std::io::Result<()> {
    let mut received = Vec::new();
    while !received.windows(4).any(|end| end == b"\r\n\r\n") {
        let is_over = stream.read_buf(&mut received).await? == 0;
        if is_over || received.len() > MAX_HEAD_BYTES {
            return Ok(());
        }
    }
    let (head, body) = response(&received, counts);
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    // Until the client has closed it as well: what it may have sent beyond its request would reset the connection.
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// Head and body of the response to a request with this head.
fn response(received: &[u8], counts: &RefCell<Counts>) -> (String, Vec<u8>) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let is_read = request.parse(received).is_ok();
    let path = request.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let failure = match (is_read, request.method) {
        (true, Some("GET" | "HEAD")) if path == "/metrics" => None,
        (true, Some("GET" | "HEAD")) => Some(("404 Not Found", "the metrics are at /metrics\n")),
        (true, _) => Some(("405 Method Not Allowed", "only GET and HEAD are allowed\n")),
        (false, _) => Some(("400 Bad Request", "this is not HTTP\n")),
    };
    let (status, media_type, mut body) = match failure {
        Some((status, why)) => (status, PageFormat::Text.media_type(), Vec::from(why)),
        None => {
            let mut fields = request.headers.iter();
            let accept = fields.find(|field| field.name.eq_ignore_ascii_case("accept"));
            let accept = accept.map_or("".into(), |field| String::from_utf8_lossy(field.value));
            let format = PageFormat::of(&accept);
            ("200 OK", format.media_type(), format.page(&counts.borrow()))
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n",
        body.len()
    );
    if request.method == Some("HEAD") {
        body.clear();
    }
    (head, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture::counts;

    #[test]
    fn a_client_gets_the_format_it_likes_best() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
             application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            ("", PageFormat::Text),
            ("*/*", PageFormat::Text),
            ("text/html, */*;q=0.1", PageFormat::Text),
            (native, PageFormat::Protobuf),
            (
                "application/openmetrics-text; version=1.0.0; q=0.5, text/plain; q=0.4",
                PageFormat::OpenMetrics,
            ),
            (
                "application/openmetrics-text;q=0.2,text/plain;q=0.4",
                PageFormat::Text,
            ),
            (
                "application/vnd.google.protobuf, application/openmetrics-text;q=0",
                PageFormat::Text,
            ),
        ] {
            assert_eq!(PageFormat::of(accept), format, "{accept}");
        }
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let counts = RefCell::new(counts());
        let status = |request: &str| {
            let (head, body) = response(format!("{request}\r\n\r\n").as_bytes(), &counts);
            (head[9..12].to_owned(), body.is_empty())
        };
        assert_eq!(status("GET /metrics?x=1 HTTP/1.1"), ("200".into(), false));
        assert_eq!(status("HEAD /metrics HTTP/1.1"), ("200".into(), true));
        assert_eq!(status("GET / HTTP/1.1"), ("404".into(), false));
        assert_eq!(status("POST /metrics HTTP/1.1"), ("405".into(), false));
        assert_eq!(status("nonsense"), ("400".into(), false));
    }
}
