//! `-H`: a host, as in Locust, or a header, as in curl and most other tools.
//!
//! Not here: what hosts and headers may look like (`scenario`).

/// What a value of `-H` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostOrHeader {
    /// The base URL of a service, or `demo`.
    Host(String),
    /// Name and value.
    Header(String, String),
}

impl HostOrHeader {
    /// Tells them apart: a header has a name, a colon, and then no `//` and no port. Any text is one
    /// of the two.
    pub fn of(text: &str) -> Self {
        match header(text) {
            Some((name, value)) if !is_address(text) => Self::Header(name, value),
            _ => Self::Host(text.to_owned()),
        }
    }
}

/// Name and value of `name: value`.
pub fn header(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
    is_name.then(|| (name.to_owned(), value.trim().to_owned()))
}

/// Reads the value of `--header`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_header(text: &str) -> Result<(String, String), String> {
    header(text).ok_or_else(|| "write it like `accept: application/json`".to_owned())
}

/// Whether what follows the first colon is the rest of a URL or a port.
fn is_address(text: &str) -> bool {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    let port = rest.split(['/', '?']).next().unwrap_or_default();
    rest.starts_with("//") || !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_told_apart_from_a_host() {
        for host in [
            "demo",
            "",
            "http://127.0.0.1:8000",
            "HTTPS://shop.example/api",
            "localhost:8000",
            "localhost:8000/api",
            "[::1]:80",
            "http://user:secret@host",
        ] {
            assert_eq!(HostOrHeader::of(host), HostOrHeader::Host(host.into()));
        }
        for (text, name, value) in [
            ("Accept: text/html", "Accept", "text/html"),
            ("Accept:text/html", "Accept", "text/html"),
            ("X-Id: 5", "X-Id", "5"),
            (
                "referer: http://127.0.0.1:80/",
                "referer",
                "http://127.0.0.1:80/",
            ),
            ("X-Empty:", "X-Empty", ""),
            ("authorization: Basic YTpi", "authorization", "Basic YTpi"),
        ] {
            let header = HostOrHeader::Header(name.into(), value.into());
            assert_eq!(HostOrHeader::of(text), header);
        }
    }
}
