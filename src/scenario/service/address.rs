//! Hosts and URLs: where the load goes, and where redirects may lead.
//!
//! Here: what a base URL and an endpoint's URL may look like. Not here: connecting (`protocol`).

use url::{Host, Url};

use crate::error::Diagnostic;
use crate::plan::{ConnectTo, Service, Template, TemplatePart};

/// The word for the built-in service.
const DEMO: &str = "demo";

/// Reads a `host`.
///
/// # Errors
/// A diagnostic without a place.
pub(crate) fn parse_host(text: &str) -> Result<Service, Diagnostic> {
    if text == DEMO {
        return Ok(Service::Demo);
    }
    if text.contains("{{") {
        return Err(Diagnostic::new("templates cannot be used here")
            .help("pass the host as `--host` or in the variable `PERFCTL_HOST`"));
    }
    let url = parse_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Diagnostic::new("a host cannot have a query or a fragment")
            .help("put the query in the URLs of the endpoints"));
    }
    Ok(Service::Url(url.as_str().trim_end_matches('/').to_owned()))
}

/// Reads an absolute URL.
///
/// # Errors
/// A diagnostic without a place. The text is not repeated, since it may hold a password.
pub(crate) fn parse_url(text: &str) -> Result<Url, Diagnostic> {
    let next_step = "write it like `http://localhost:8000`, or `demo` for the built-in service";
    let Some(text) = with_scheme(text) else {
        let help = match suggestion(text) {
            Some(url) => format!("did you mean `{url}`?"),
            None => next_step.to_owned(),
        };
        let diagnostic = Diagnostic::new("a host must start with `http://` or `https://`");
        return Err(diagnostic.help(help));
    };
    // Libraries for URLs make a host of the path of `http:///path`, and a slash of a backslash.
    let (_, rest) = text.split_once("://").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return Err(Diagnostic::new("the URL has no host after `//`")
            .help("write a host there; if it comes from a template, the value is empty"));
    }
    if host.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
        return Err(Diagnostic::new(
            "a host cannot contain a backslash, a space or a control character",
        )
        .help(next_step));
    }
    let url = Url::parse(&text)
        .map_err(|error| Diagnostic::new(format!("invalid URL: {error}")).help(next_step))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            Diagnostic::new("a URL must not contain a user name or password").help(
                "write them as `auth: {basic: {username: ann, password: \"{{ env.PASSWORD }}\"}}`, in an endpoint \
                 or under `defaults`",
            ),
        );
    }
    Ok(url)
}

/// Reads the URL of a page that is no part of the service under test.
///
/// # Errors
/// A diagnostic without a place.
pub(crate) fn parse_page(text: &str) -> Result<Url, Diagnostic> {
    if with_scheme(text).is_some() {
        return parse_url(text);
    }
    let diagnostic = Diagnostic::new("a page must start with `http://` or `https://`, or with `/`");
    Err(diagnostic.help(match suggestion(text) {
        Some(url) => format!("did you mean `{url}`?"),
        None => "write a URL such as `http://localhost:9100/metrics`, or a path of the service such as `/metrics`"
            .to_owned(),
    }))
}

/// `text` with its scheme in lower case; `None` if it does not start with that of HTTP or HTTPS.
pub fn with_scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    matches!(scheme.as_str(), "http" | "https").then(|| format!("{scheme}://{rest}"))
}

/// The URL that is probably meant by a text without a scheme, such as `localhost:8000`. One that could
/// hold a password is not repeated.
pub(crate) fn suggestion(text: &str) -> Option<String> {
    let host = text.split(['/', '?', '#']).next()?;
    let url = format!("http://{text}");
    let is_file = text.ends_with(".yaml") || text.ends_with(".yml");
    if text.contains(['@', ' ', '\\'])
        || text.contains("://")
        || is_file
        || Url::parse(&url).is_err()
    {
        return None;
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, true),
        _ => (host, false),
    };
    let is_address = name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[');
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_domain = ending.len() > 1 && ending.chars().all(|c| c.is_ascii_alphabetic());
    let is_host = !name.is_empty() && (port || is_address || is_domain || name == "localhost");
    is_host.then_some(url)
}

/// User name and password in the text of a URL, or nothing.
pub(crate) fn credentials(text: &str) -> &str {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .map_or("", |(credentials, _)| credentials)
}

/// `host:port`, with the port of the scheme where none is written.
pub(crate) fn authority(url: &Url) -> Option<String> {
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

/// Reads an entry of `allow_redirects_to`; without a port, those of HTTP and HTTPS.
///
/// # Errors
/// A diagnostic without a place.
pub(crate) fn parse_allowed(text: &str) -> Result<Vec<String>, Diagnostic> {
    let bad = || {
        Diagnostic::new(format!("`{text}` is not a host"))
            .help("write `example.org` or `example.org:8443`, without scheme and path")
    };
    if text.contains(['/', '\\', '{']) {
        return Err(bad());
    }
    let url = Url::parse(&format!("http://{text}/")).map_err(|_| bad())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let host = url
        .host_str()
        .filter(|_| is_bare && url.username().is_empty() && !text.contains('@'));
    let host = host.ok_or_else(bad)?;
    Ok(
        if text.ends_with(&format!(":{}", url.port_or_known_default().unwrap_or(80))) {
            vec![format!(
                "{host}:{}",
                url.port_or_known_default().unwrap_or(80)
            )]
        } else {
            vec![format!("{host}:80"), format!("{host}:443")]
        },
    )
}

/// Reads an entry of `connect_to`: connections for `from` are made to `to`.
///
/// # Errors
/// A diagnostic without a place.
pub(crate) fn parse_connect_to(from: &str, to: &str) -> Result<ConnectTo, Diagnostic> {
    let read = |text: &str| match split_port(text) {
        Some((host, port, None)) => Ok((host, port)),
        _ => Err(
            Diagnostic::new(format!("`{text}` is not a host with a port"))
                .help("write it like `shop.example.org:443`, or `[::1]:8443`"),
        ),
    };
    let ((from, port), (to, to_port)) = (read(from)?, read(to)?);
    connect_to(from, port, to, to_port)
}

/// Reads `HOST:PORT:HOST:PORT`, as curl does.
///
/// # Errors
/// What is wrong with it.
pub fn parse_connect_to_option(text: &str) -> Result<ConnectTo, String> {
    let parts = split_port(text).and_then(|(from, port, rest)| match split_port(rest?)? {
        (to, to_port, None) => Some((from, port, to, to_port)),
        _ => None,
    });
    let (from, port, to, to_port) =
        parts.ok_or("write it like `shop.example.org:443:10.0.0.7:8443`, with both ports")?;
    connect_to(from, port, to, to_port).map_err(|diagnostic| diagnostic.message)
}

fn connect_to(from: Host, port: u16, to: Host, to_port: u16) -> Result<ConnectTo, Diagnostic> {
    let Host::Domain(host) = from else {
        let text = format!("`{from}` is an address; only connections to a name can lead elsewhere");
        return Err(Diagnostic::new(text).help("write the other address into the URL"));
    };
    Ok(ConnectTo {
        host,
        port,
        to_host: to.to_string().trim_matches(['[', ']']).to_owned(),
        to_port,
    })
}

/// The host and the port, which is above 0, at the beginning of a text; what follows a further colon.
fn split_port(text: &str) -> Option<(Host, u16, Option<&str>)> {
    let end = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => text.find(':')?,
    };
    let rest = text[end..].strip_prefix(':')?;
    let (port, rest) = match rest.split_once(':') {
        Some((port, rest)) => (port, Some(rest)),
        None => (rest, None),
    };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((Host::parse(&text[..end]).ok()?, port, rest))
}

/// What an endpoint's URL turned out to be.
#[derive(Debug)]
pub(crate) enum EndpointUrl {
    /// A path below the host, or a link.
    Relative,
    /// An absolute URL on this host.
    Absolute(Url),
}

/// Checks the URL of an endpoint as far as it is known before the run.
///
/// # Errors
/// A diagnostic without a place.
pub(crate) fn check_url(url: &Template) -> Result<EndpointUrl, Diagnostic> {
    let next_step = "write a path such as `/health`, or a whole URL";
    if url.is_one_slot() {
        return Ok(EndpointUrl::Relative);
    }
    let start = match url.parts().first() {
        Some(TemplatePart::Literal(text)) => text.as_str(),
        _ => {
            let message = "a URL that begins with a template can be nothing but that template";
            return Err(Diagnostic::new(message).help(
                "write a path such as `/{{ id }}`; to add to a link, write `{{ link ~ '?page=2' }}`",
            ));
        }
    };
    if start.starts_with('/') {
        // Joined to a host only to have its characters checked.
        Url::parse(&format!("http://localhost{start}"))
            .map_err(|error| Diagnostic::new(format!("invalid path: {error}")).help(next_step))?;
        return Ok(EndpointUrl::Relative);
    }
    if start.starts_with("http://") || start.starts_with("https://") {
        let is_whole = url.as_constant().is_some();
        let after_scheme = start.split_once("//").map_or("", |(_, rest)| rest);
        if !is_whole && !after_scheme.contains(['/', '?']) {
            return Err(
                Diagnostic::new("the host of a URL must be known before the run")
                    .help("use templates only in path and query, or use `env.NAME`"),
            );
        }
        return parse_url(start).map(EndpointUrl::Absolute);
    }
    Err(Diagnostic::new("a URL must start with `/`, `http://` or `https://`").help(next_step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_keep_their_path_and_never_contain_credentials() {
        let url = |text: &str| Service::Url(text.to_owned());
        for (text, expected) in [
            ("demo", Service::Demo),
            ("http://localhost:8000", url("http://localhost:8000")),
            ("http://localhost:8000/", url("http://localhost:8000")),
            ("https://Example.org/api/", url("https://example.org/api")),
            ("http://[::1]:80/x", url("http://[::1]/x")),
            ("HTTP://localhost:8000", url("http://localhost:8000")),
        ] {
            assert_eq!(parse_host(text), Ok(expected), "{text}");
        }
        for bad in [
            "http:///api",
            "http:////api",
            "http://?a",
            "https://\\\\h/",
            "http://good\\@h/",
            "http://go\nod/",
            "http://h /",
            "http://{{host}}",
            "localhost:8000",
            "ftp://x",
            "http://",
            "http://u:s3cret@h",
            "http://h?x",
            "http://h#x",
            "",
            "http://a b",
        ] {
            let diagnostic = parse_host(bad).unwrap_err();
            assert!(!diagnostic.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn a_forgotten_scheme_and_credentials_are_explained() {
        for (text, part) in [
            ("localhost:8000", "did you mean `http://localhost:8000`?"),
            ("10.0.0.7/api", "did you mean `http://10.0.0.7/api`?"),
            ("dmeo", "or `demo` for the built-in service"),
            ("ann:s3cret@h:80", "write it like"),
            (
                "http://ann:s3cret@h",
                "`auth: {basic: {username: ann, password: \"{{ env.PASSWORD }}\"}}`",
            ),
        ] {
            let help = parse_host(text).unwrap_err().help.unwrap();
            assert!(help.contains(part) && !help.contains("s3cret"), "{help}");
        }
    }

    #[test]
    fn connections_lead_from_a_name_to_a_name_or_an_address() {
        let entry = |to_host: &str| ConnectTo {
            host: "shop.example.org".into(),
            port: 443,
            to_host: to_host.into(),
            to_port: 8443,
        };
        for (to, expected) in [
            ("10.0.0.7", "10.0.0.7"),
            ("Web-1.internal", "web-1.internal"),
            ("[::1]", "::1"),
        ] {
            let read = parse_connect_to("Shop.example.org:443", &format!("{to}:8443"));
            assert_eq!(read, Ok(entry(expected)), "{to}");
            let option = format!("shop.example.org:443:{to}:8443");
            assert_eq!(
                parse_connect_to_option(&option),
                Ok(entry(expected)),
                "{to}"
            );
        }
        for (from, to) in [
            ("shop.example.org", "10.0.0.7:8443"),
            ("shop.example.org:443", "10.0.0.7"),
            ("shop.example.org:443", "10.0.0.7:0"),
            ("shop.example.org:99999", "10.0.0.7:1"),
            ("https://shop.example.org:443", "10.0.0.7:1"),
            ("10.0.0.1:443", "10.0.0.7:1"),
            ("[::1]:443", "10.0.0.7:1"),
            ("", ""),
        ] {
            assert!(parse_connect_to(from, to).is_err(), "{from} {to}");
            assert!(
                parse_connect_to_option(&format!("{from}:{to}")).is_err(),
                "{from} {to}"
            );
        }
        assert!(parse_connect_to_option("a:1:b:2:c").is_err());
    }

    #[test]
    fn allowed_hosts_have_a_port() {
        assert_eq!(parse_allowed("a.b:8443"), Ok(vec!["a.b:8443".into()]));
        assert_eq!(parse_allowed("a.b:80"), Ok(vec!["a.b:80".into()]));
        assert_eq!(
            parse_allowed("a.b"),
            Ok(vec!["a.b:80".into(), "a.b:443".into()])
        );
        for bad in [
            "/a", "\\a", "{{a}}", "", "http://a", "a/b", "a b", "u@a", "a:99999",
        ] {
            assert!(parse_allowed(bad).is_err(), "{bad}");
        }
    }
}
