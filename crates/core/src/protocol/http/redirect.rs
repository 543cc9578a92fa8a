//! Following redirects: where they may lead, and what is sent there.

use std::collections::BTreeSet;

use ::http::header::{self, HeaderName};
use ::http::{Method, StatusCode};
use url::Url;

use super::request::outgoing::{Outgoing, check_length, host_and_port, is_same_host};
use crate::metrics::Outcome;
use crate::protocol::Failure;

/// Whether a response with this status redirects.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where `location` redirects to from the URL `from`.
///
/// # Errors
/// When it is not a valid HTTP URL, or its host is not allowed.
pub(super) fn target(
    from: &Url,
    location: &header::HeaderValue,
    allowed_hosts: &BTreeSet<String>,
) -> Result<Url, Failure> {
    let invalid = |text: String| Failure::new(Outcome::RedirectInvalid, text);
    let text = std::str::from_utf8(location.as_bytes())
        .map_err(|_| invalid("the `location` header is not UTF-8".into()))?;
    let mut target = from
        .join(text)
        .map_err(|error| invalid(format!("the `location` header is not a valid URL: {error}")))?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err(invalid(format!(
            "redirected to a `{}:` URL",
            target.scheme()
        )));
    }
    // A service cannot choose what a user authenticates with.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    check_length(&target).map_err(invalid)?;
    let host = host_and_port(&target)
        .ok_or_else(|| invalid("the `location` header has no host".into()))?;
    if !allowed_hosts.contains(&host) {
        let text = format!(
            "redirected to `{host}`, a host that the scenario does not allow (`allow_redirects_to`)"
        );
        return Err(Failure::new(Outcome::RedirectBlocked, text));
    }
    Ok(target)
}

/// The request that follows a redirect, by RFC 9110 section 15.4 and what browsers do. The header
/// named `credentials` holds some.
pub(super) fn redirected(
    mut sent: Outgoing,
    target: Url,
    status: StatusCode,
    credentials: Option<&HeaderName>,
) -> Outgoing {
    let becomes_get = match status.as_u16() {
        303 => sent.method != Method::HEAD,
        301 | 302 => sent.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        sent.method = Method::GET;
        sent.body = None;
        sent.contents = None;
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
        ] {
            sent.headers.remove(name);
        }
    }
    if !is_same_host(&sent.url, &target) {
        sent.forget_credentials(credentials);
    }
    sent.url = target;
    sent.unresolved = None;
    sent
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn user_names_and_passwords_of_a_redirect_are_not_taken() {
        let from = Url::parse("http://a/x").unwrap();
        let location = header::HeaderValue::from_static("//u:p@a:80/y");
        let target = target(&from, &location, &BTreeSet::from(["a:80".to_owned()])).unwrap();
        assert_eq!(target.as_str(), "http://a/y");
    }

    proptest! {
        /// No `location` makes it panic, and none leads to a host that is not allowed.
        #[test]
        fn any_location_leads_to_an_allowed_host_or_nowhere(
            location in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..30),
                "((https?:)?[/\\\\]{0,3})?[a-z@:.#?%\\[\\]0-9/\\\\]{0,20}".prop_map(String::into_bytes),
            ],
            base in prop::sample::select(vec!["http://a", "https://[::1]:1/b/c?d", "http://b:80//"]),
        ) {
            let allowed = BTreeSet::from(["a:80".to_owned(), "[::1]:1".to_owned()]);
            let from = Url::parse(base).unwrap();
            if let Ok(location) = header::HeaderValue::from_bytes(&location)
                && let Ok(target) = target(&from, &location, &allowed)
            {
                prop_assert!(matches!(target.host_str(), Some("a" | "[::1]")));
                prop_assert!(target.username().is_empty() && target.password().is_none());
            }
        }
    }
}
