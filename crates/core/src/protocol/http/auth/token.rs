//! Tokens by OAuth 2.0 client credentials (RFC 6749, section 4.4): fetched when the first request
//! needs one, kept, and renewed before they expire.
//!
//! Here: the token request and who waits for it. Not here: sending the token (`client`).

use std::cell::RefCell;
use std::time::Duration;

use ::http::header::{self, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::metrics::Outcome;
use crate::plan::{Endpoint, OAuth2};
use crate::protocol::http::auth::basic::basic;
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::transport::{RequestLimits, Transport};
use crate::protocol::{Failure, Response};
use crate::units::format_duration;

/// The largest response to a token request; bytes.
const MAX_RESPONSE: u64 = 1 << 20;
/// How long a failed token request counts for all who need the token, so that not every request
/// asks a token server in trouble.
const FAILED_FOR: Duration = Duration::from_secs(1);
/// How long before it expires a token is renewed, at most; less for one with a short life.
const EARLY: Duration = Duration::from_secs(30);

/// The shortest life of a token, so that it is still valid when its request is sent.
const SHORTEST: Duration = Duration::from_millis(100);

/// A token, as requests need it.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// The `authorization` header.
    pub(crate) header: HeaderValue,
    /// The token itself, which must not be shown.
    pub(crate) secret: String,
    /// When it should be renewed, and when it expires; `None` when it never does.
    expiry: Option<(Instant, Instant)>,
}

/// A token, and what it cost to get it.
#[derive(Debug)]
pub(crate) struct ObtainedToken {
    pub(crate) token: Token,
    /// How long fetching it took, if it was fetched for this request.
    pub(crate) fetched: Option<Duration>,
}

/// Where one token is kept, for a worker or for a user.
#[derive(Default)]
pub(crate) struct TokenCache {
    state: RefCell<TokenState>,
    /// Locked by whoever fetches.
    gate: Mutex<()>,
}

#[derive(Default)]
struct TokenState {
    token: Option<Token>,
    /// The template values it was fetched with.
    values: Vec<String>,
    failed: Option<(Instant, Failure)>,
}

impl TokenState {
    fn token(&self, values: &[&str], now: Instant) -> Option<(&Token, bool)> {
        let token = self.token.as_ref().filter(|_| self.values == values)?;
        match token.expiry {
            None => Some((token, false)),
            Some((_, end)) if now >= end => None,
            Some((due, _)) => Some((token, now >= due)),
        }
    }
}

impl TokenCache {
    /// The token for `values`. One request at a time fetches it; meanwhile the others use the old
    /// one, if it has not expired yet, or wait.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn get<F>(
        &self,
        values: &[&str],
        fetch: impl FnOnce() -> F,
    ) -> Result<ObtainedToken, Failure>
    where
        F: Future<Output = Result<Token, Failure>>,
    {
        let kept = |token: &Token| ObtainedToken {
            token: token.clone(),
            fetched: None,
        };
        let early = match self.state.borrow().token(values, Instant::now()) {
            Some((token, false)) => return Ok(kept(token)),
            Some((token, true)) => match self.gate.try_lock() {
                Ok(held) => Some(held),
                Err(_) => return Ok(kept(token)),
            },
            None => None,
        };
        let _held = match early {
            Some(held) => held,
            None => self.gate.lock().await,
        };
        let started = Instant::now();
        {
            // Another request may have fetched it, or failed to, while this one waited.
            let state = self.state.borrow();
            if let Some((token, false)) = state.token(values, started) {
                return Ok(kept(token));
            }
            if let Some((at, failure)) = &state.failed
                && state.values == values
                && started < *at + FAILED_FOR
            {
                return match state.token(values, started) {
                    Some((token, _)) => Ok(kept(token)),
                    None => Err(failure.clone()),
                };
            }
        }
        let fetched = fetch().await;
        let mut state = self.state.borrow_mut();
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        if state.values != values {
            *state = TokenState {
                values,
                ..TokenState::default()
            };
        }
        match fetched {
            Ok(token) => {
                state.token = Some(token.clone());
                state.failed = None;
                Ok(ObtainedToken {
                    token,
                    fetched: Some(started.elapsed()),
                })
            }
            Err(failure) => {
                let now = Instant::now();
                state.failed = Some((now, failure.clone()));
                // One that is due for renewal is still valid.
                let old = state.token.as_ref();
                match old.filter(|token| token.expiry.is_none_or(|(_, end)| now < end)) {
                    Some(token) => Ok(kept(token)),
                    None => Err(failure),
                }
            }
        }
    }
}

/// Fetches a token over `transport`, within the times of `endpoint`, which needs it. `values` are
/// those of the templates, in their order.
///
/// # Errors
/// A failure that names the URL and what was wrong.
pub(crate) async fn fetch<T: Transport>(
    transport: &T,
    oauth2: &OAuth2,
    values: &[&str],
    endpoint: &Endpoint,
) -> Result<Token, Failure> {
    let no_token = |outcome: Outcome, why: &str| {
        let text = format!("cannot get a token from `{}`: {why}", oauth2.token_url);
        // A problem of this machine keeps its own outcome.
        let outcome = if outcome.is_local() {
            outcome
        } else {
            Outcome::AuthFailed
        };
        Failure::new(outcome, text)
    };
    let request = request(oauth2, values).map_err(|why| no_token(Outcome::AuthFailed, &why))?;
    let limits = RequestLimits::within(endpoint.timeout, endpoint.connect_timeout, MAX_RESPONSE);
    let mut response = Response::default();
    let status = transport
        .exchange(request, &limits, &mut response)
        .await
        .map_err(|failure| match failure.outcome {
            Outcome::BodyTooLarge => no_token(failure.outcome, "the response is larger than 1 MiB"),
            Outcome::TimeoutHeaders | Outcome::TimeoutBody => {
                let after = format_duration(endpoint.timeout);
                no_token(failure.outcome, &format!("no response within {after}"))
            }
            outcome => no_token(outcome, &failure.text),
        })?;
    token(status.as_u16(), &response.body).map_err(|why| no_token(Outcome::AuthFailed, &why))
}

fn request(oauth2: &OAuth2, values: &[&str]) -> Result<Outgoing, String> {
    let url = oauth2.token_url.parse();
    let url = url.map_err(|error| format!("it is not a valid URL: {error}"))?;
    let mut request = Outgoing::new(::http::Method::POST, url);
    let mut values = values.iter();
    let mut next = || *values.next().unwrap_or(&"");
    let (id, secret) = (next(), next());
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if oauth2.scope.is_some() {
        form.append_pair("scope", next());
    }
    for (name, _) in &oauth2.params {
        form.append_pair(name, next());
    }
    let headers = &mut request.headers;
    if oauth2.in_body {
        form.append_pair("client_id", id);
        form.append_pair("client_secret", secret);
    } else {
        // Encoded before they are joined: RFC 6749, section 2.3.1.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let value = HeaderValue::from_str(&basic(&encoded(id), &encoded(secret)));
        let value = value.map_err(|_| {
            "the credentials have a character that is not allowed in headers".to_owned()
        })?;
        headers.insert(header::AUTHORIZATION, value);
    }
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form_type);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::ACCEPT, json);
    request.body = Some(form.finish().into());
    Ok(request)
}

/// Reads the response to a token request.
fn token(status: u16, body: &[u8]) -> Result<Token, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| json[key].as_str();
    if !(200..300).contains(&status) {
        let details: Vec<&str> = [text("error"), text("error_description")]
            .into_iter()
            .flatten()
            .collect();
        let details = match details.is_empty() {
            true => String::new(),
            false => format!(" ({})", details.join(": ")),
        };
        return Err(format!("status {status}{details}"));
    }
    let secret = text("access_token").ok_or("the response has no `access_token`")?;
    let kind = text("token_type").unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(format!("the token type `{kind}` is not supported"));
    }
    let header = HeaderValue::from_str(&format!("Bearer {secret}"))
        .map_err(|_| "the token has a character that is not allowed in headers".to_owned())?;
    let seconds = match &json["expires_in"] {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    let lifetime = seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    let now = Instant::now();
    let expiry = lifetime.and_then(|lifetime| {
        // One that has expired on arrival is used all the same: the service decides.
        let lifetime = lifetime.max(SHORTEST);
        let end = now.checked_add(lifetime)?;
        Some((end - EARLY.min(lifetime / 10), end))
    });
    Ok(Token {
        header,
        secret: secret.to_owned(),
        expiry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    fn with_lifetime(expires_in: &str) -> Result<Token, Failure> {
        let body = format!("{{\"access_token\":\"abc\",\"expires_in\":{expires_in}}}");
        token(200, body.as_bytes()).map_err(|why| Failure::new(Outcome::AuthFailed, why))
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fetched_once_for_all_and_renewed_before_it_expires() {
        let cache = Rc::new(TokenCache::default());
        let fetches = Rc::new(Cell::new(0));
        let get = || {
            let (cache, fetches) = (cache.clone(), fetches.clone());
            async move {
                let fetch = || async {
                    fetches.set(fetches.get() + 1);
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    with_lifetime("100")
                };
                cache.get(&["id"], fetch).await.unwrap().fetched
            }
        };
        let took = Some(Duration::from_secs(2));
        assert_eq!(tokio::join!(get(), get(), get()), (took, None, None));
        tokio::time::sleep(Duration::from_secs(89)).await;
        assert_eq!((get().await, fetches.get()), (None, 1));
        // A tenth of its life is left: one fetches it, and nobody else waits.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let start = Instant::now();
        let second = async {
            let fetched = get().await;
            (fetched, start.elapsed())
        };
        assert_eq!(tokio::join!(get(), second), (took, (None, Duration::ZERO)));
        assert_eq!(fetches.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_for_a_second_and_an_old_token_until_it_expires() {
        let cache = TokenCache::default();
        let fetches = Cell::new(0);
        let get = |good: bool| {
            let (cache, fetches) = (&cache, &fetches);
            async move {
                let fetch = async || {
                    fetches.set(fetches.get() + 1);
                    match good {
                        true => with_lifetime("\"10\""),
                        false => Err(Failure::new(Outcome::AuthFailed, "no")),
                    }
                };
                cache.get(&["id"], fetch).await
            }
        };
        for _ in 0..3 {
            assert!(get(true).await.is_ok());
        }
        assert_eq!(fetches.take(), 1);
        tokio::time::sleep(Duration::from_millis(9500)).await;
        assert!(get(false).await.is_ok() && get(false).await.is_ok());
        assert_eq!(fetches.take(), 1);
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(get(true).await.is_err(), "the failure still counts");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(get(true).await.is_ok());
        assert_eq!(fetches.take(), 1);
    }

    #[tokio::test]
    async fn other_credentials_have_another_token() {
        let cache = TokenCache::default();
        let get = |id: &'static str| {
            let cache = &cache;
            async move {
                cache
                    .get(&[id], async || with_lifetime("null"))
                    .await
                    .unwrap()
                    .fetched
                    .is_some()
            }
        };
        assert!(get("a").await && !get("a").await);
        assert!(get("b").await && get("a").await);
    }

    #[test]
    fn an_invalid_token_response_is_explained() {
        for (status, body, part) in [
            (
                401,
                "{\"error\":\"invalid_client\"}",
                "status 401 (invalid_client)",
            ),
            (503, "<html>", "status 503"),
            (200, "<html>", "no `access_token`"),
            (200, "{\"access_token\": 7}", "no `access_token`"),
            (
                200,
                "{\"access_token\":\"a\",\"token_type\":\"mac\"}",
                "`mac`",
            ),
            (200, "{\"access_token\":\"a\\nb\"}", "not allowed"),
        ] {
            let why = token(status, body.as_bytes()).map(|_| ()).unwrap_err();
            assert!(why.contains(part), "{body}: {why}");
        }
        for endless in ["null", "-1", "1e300", "\"soon\""] {
            assert!(
                with_lifetime(endless).unwrap().expiry.is_none(),
                "{endless}"
            );
        }
    }
}
