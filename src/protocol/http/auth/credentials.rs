//! Putting credentials into requests, and keeping what answers and tokens need from one request to
//! the next.
//!
//! Here: which state belongs to whom. Not here: the arithmetic of digest (`digest`) and the token
//! request (`token`).

use std::cell::RefCell;
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::digest::{self, DigestResponder};
use super::token::TokenCache;
use crate::metrics::Outcome;
use crate::plan::{Auth, Endpoint, KeyPlace, OAuth2, Plan};
use crate::protocol::Failure;
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::request::outgoing::host_and_port;

/// A way of proving, as its endpoints share it.
pub(crate) struct AuthGroup {
    pub(crate) auth: Arc<Auth>,
    /// The token of all users of this worker.
    shared: TokenCache,
}

/// The groups of a plan, and for each endpoint its group.
pub(crate) fn groups(plan: &Plan) -> (Vec<AuthGroup>, Vec<Option<usize>>) {
    let mut groups: Vec<AuthGroup> = Vec::new();
    let mut group_of = |endpoint: &Endpoint| {
        let auth = endpoint.auth.as_ref()?;
        let known = groups
            .iter()
            .position(|group| Arc::ptr_eq(&group.auth, auth));
        Some(known.unwrap_or_else(|| {
            groups.push(AuthGroup {
                auth: auth.clone(),
                shared: TokenCache::default(),
            });
            groups.len() - 1
        }))
    };
    let of_endpoints = plan.endpoints.iter().map(&mut group_of).collect();
    (groups, of_endpoints)
}

impl AuthGroup {
    /// Where the token for a request of the user with `state` is kept; with the token's source.
    pub(crate) fn token_cache<'a>(
        &'a self,
        state: &'a UserAuth,
    ) -> Option<(&'a OAuth2, &'a TokenCache)> {
        let Auth::OAuth2(oauth2) = &*self.auth else {
            return None;
        };
        // What differs from user to user cannot be shared by them.
        let is_own = oauth2.per_user || self.auth.varies();
        Some((oauth2, if is_own { &state.own } else { &self.shared }))
    }
}

/// What one user keeps for a group.
#[derive(Default)]
pub(crate) struct UserAuth {
    own: TokenCache,
    digest: RefCell<Option<DigestState>>,
}

/// A challenge that was answered.
struct DigestState {
    responder: DigestResponder,
    /// `host:port` that asked.
    host: String,
    /// Name and password that it was answered with.
    values: [String; 2],
}

impl UserAuth {
    /// Answers the last challenge for `request`, if it came from its host for the same name and
    /// password.
    pub(crate) fn answer_challenge(&self, request: &mut Outgoing, values: &[&str]) {
        let mut state = self.digest.borrow_mut();
        let Some(digest) = state.as_mut() else { return };
        if host_and_port(&request.url).as_ref() != Some(&digest.host) || digest.values != values {
            return;
        }
        let url = &request.url;
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let header = digest.responder.next(request.method.as_str(), &uri);
        // A realm or a nonce may hold what no header can: then there is no answer.
        if let Ok(header) = HeaderValue::from_bytes(header.as_bytes()) {
            request.headers.insert(AUTHORIZATION, header);
        }
    }

    /// Takes the challenge of a 401 from `host`; whether there was one.
    ///
    /// # Errors
    /// When only challenges for digest came that cannot be answered.
    pub(crate) fn accept_challenge(
        &self,
        headers: &HeaderMap,
        host: &str,
        values: &[&str],
        user: u64,
    ) -> Result<bool, Failure> {
        let challenge = digest::challenge(headers).map_err(|why| {
            let text = format!("{why}, which perfctl cannot answer");
            Failure::new(Outcome::AuthFailed, text)
        })?;
        let (Some(challenge), [name, password]) = (challenge, values) else {
            return Ok(false);
        };
        *self.digest.borrow_mut() = Some(DigestState {
            responder: DigestResponder::new(challenge, name, password, user),
            host: host.to_owned(),
            values: [(*name).to_owned(), (*password).to_owned()],
        });
        Ok(true)
    }
}

/// The values of an auth's templates: those that were rendered, and those that never vary.
pub(crate) fn template_values<'a>(auth: &'a Auth, rendered: &'a [String]) -> Vec<&'a str> {
    let templates = auth.templates().into_iter().enumerate();
    let rendered = |i: usize| rendered.get(i).map_or("", String::as_str);
    templates
        .map(|(i, template)| template.as_constant().unwrap_or_else(|| rendered(i)))
        .collect()
}

/// Puts a proof that needs no server's word into a request; others come later.
///
/// # Errors
/// When a value fits in no header. The value itself is not shown.
pub(crate) fn insert(auth: &Auth, values: &[&str], request: &mut Outgoing) -> Result<(), String> {
    let name = |text: &str| text.parse::<HeaderName>();
    let (name, value) = match (auth, values) {
        (Auth::Basic(_), [username, password]) => {
            let pair = STANDARD.encode(format!("{username}:{password}"));
            (Ok(AUTHORIZATION), format!("Basic {pair}"))
        }
        (Auth::Bearer(_), [token]) => (Ok(AUTHORIZATION), format!("Bearer {token}")),
        (Auth::ApiKey { place, .. }, [key]) => match place {
            KeyPlace::Header(header) => (name(header), (*key).to_owned()),
            KeyPlace::Query(field) => {
                request.url.query_pairs_mut().append_pair(field, key);
                return Ok(());
            }
        },
        _ => return Ok(()),
    };
    let name = name.map_err(|_| "`auth` names no header".to_owned())?;
    let value = HeaderValue::from_str(&value).map_err(|_| {
        format!(
            "the credentials of `{}` have a character no header may have",
            auth.kind()
        )
    })?;
    request.headers.insert(name, value);
    Ok(())
}
