//! Links: URLs that are filled in as a whole, most often from a response, and where they lead.
//!
//! Here: what a link means, and that it leads only to hosts that the scenario names. Not here: paths and URLs
//! that the author wrote (`prepared`), and redirects, which a service asks for (`redirect`).

use std::collections::BTreeSet;

use url::Url;

use super::outgoing::{check_length, host_and_port, is_same_host};
use crate::plan::push_written;

/// The URL that `link` leads to. A path is below `home`, which is the URL of the user's host and ends with a
/// slash; a link without a slash in front is relative to `last`, the URL of the user's last response, or to `home`.
///
/// # Errors
/// Why there is nowhere to send a request to, for people. Shows a host, and nothing else of the link.
pub(crate) fn resolve(
    link: &str,
    home: &Url,
    last: Option<&Url>,
    allowed_hosts: &BTreeSet<String>,
) -> Result<Url, String> {
    let written = written(link)?;
    let is_path = written.starts_with('/') && !written.starts_with("//");
    let parsed = match is_path {
        true => Url::parse(&format!("{}{written}", home.as_str().trim_end_matches('/'))),
        false => last.unwrap_or(home).join(&written),
    };
    let mut url = parsed.map_err(|error| format!("the link is not a valid URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "the link is a `{}:` URL, to which no request can be sent",
            url.scheme()
        ));
    }
    // A service cannot choose what a user authenticates with.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    check_length(&url)?;
    let host = host_and_port(&url).ok_or("the link has no host")?;
    let is_home = is_same_host(&url, home);
    let is_other_scheme = is_home && url.scheme() != home.scheme();
    if is_other_scheme || !(is_home || allowed_hosts.contains(&host)) {
        return Err(format!(
            "the link leads to `{}://{host}`, which the scenario does not name: to allow that host, list it in \
             `allow_redirects_to`",
            url.scheme()
        ));
    }
    Ok(url)
}

/// A link as a URL can hold it, without the space around it and without a fragment, which is never sent.
fn written(link: &str) -> Result<String, String> {
    let link = link.trim_matches([' ', '\t', '\r', '\n']);
    let link = link.split('#').next().unwrap_or_default();
    if link.is_empty() {
        return Err("the link is empty".into());
    }
    if link.contains(char::is_control) {
        return Err("the link contains a line break or another control character".into());
    }
    let mut written = String::with_capacity(link.len());
    push_written(link, &mut written);
    Ok(written)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn allowed() -> BTreeSet<String> {
        ["h.example:80", "cdn.example:443", "[::1]:81"]
            .map(str::to_owned)
            .into()
    }

    fn resolved(link: &str, last: Option<&str>) -> Result<String, String> {
        let last = last.map(url);
        let home = url("http://h.example/api/");
        resolve(link, &home, last.as_ref(), &allowed()).map(String::from)
    }

    #[test]
    fn a_link_leads_where_it_would_in_a_page() {
        let last = Some("http://h.example/api/list/?page=1");
        for (link, last, expected) in [
            ("/a?b=%2F#c", None, "http://h.example/api/a?b=%2F"),
            (
                "/a",
                Some("https://cdn.example/x"),
                "http://h.example/api/a",
            ),
            ("next?page=2", last, "http://h.example/api/list/next?page=2"),
            ("?page=2", last, "http://h.example/api/list/?page=2"),
            ("../x", last, "http://h.example/api/x"),
            ("next", None, "http://h.example/api/next"),
            (
                "//cdn.example:443/x",
                Some("https://cdn.example/"),
                "https://cdn.example/x",
            ),
            (
                "https://cdn.example/a b/é",
                None,
                "https://cdn.example/a%20b/%C3%A9",
            ),
            ("HTTP://H.example:80/x", None, "http://h.example/x"),
            (" http://h.example \n", None, "http://h.example/"),
            ("http://u:p@h.example/x", None, "http://h.example/x"),
            (
                "/\\evil.example/",
                None,
                "http://h.example/api/%5Cevil.example/",
            ),
            (
                "\\\\evil.example/",
                None,
                "http://h.example/api/%5C%5Cevil.example/",
            ),
        ] {
            assert_eq!(resolved(link, last).as_deref(), Ok(expected), "{link}");
        }
    }

    #[test]
    fn what_leads_elsewhere_or_cannot_be_sent_is_refused() {
        for (link, why) in [
            ("", "empty"),
            ("#top", "empty"),
            ("/a\r\nx: y", "line break"),
            ("//evil.example/", "`http://evil.example:80`"),
            ("http://evil.example/?secret", "`http://evil.example:80`"),
            ("http://h.example:8080/", "`http://h.example:8080`"),
            ("http://h.example@evil.example", "evil.example:80"),
            ("https://h.example:80/", "`https://h.example:80`"),
            ("mailto:a@h.example", "`mailto:`"),
            ("localhost:80/x", "`localhost:`"),
            ("http://", "not a valid URL"),
        ] {
            let error = resolved(link, None).unwrap_err();
            assert!(
                error.contains(why) && !error.contains("secret"),
                "{link}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_link_leads_to_an_allowed_host_or_nowhere(
            link in prop_oneof![
                any::<String>(),
                "((https?:)?[/\\\\]{0,3})?[a-z@:.#?%\\[\\]0-9/\\\\]{0,20}",
                "[a-z]{0,5}(://|//|:)(h.example|cdn.example|evil.example)[@:/?a-z0-9.]{0,14}",
            ],
            last in prop::option::of(prop::sample::select(vec!["https://cdn.example/a/b?c", "http://[::1]:81//"])),
        ) {
            if let Ok(found) = resolved(&link, last) {
                let found = url(&found);
                prop_assert!(allowed().contains(&host_and_port(&found).unwrap()), "{}", found);
                prop_assert!(found.username().is_empty() && found.password().is_none());
                let text = &found[url::Position::BeforePath..];
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
