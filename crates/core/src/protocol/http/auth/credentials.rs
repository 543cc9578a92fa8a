//! Adding credentials to requests, and the state that digest authentication and tokens keep from
//! one request to the next.
//!
//! Here: which state belongs to whom. Not here: the arithmetic of digest (`digest`) and the token
//! request (`token`).

use std::cell::RefCell;
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::basic::basic;
use super::digest::{self, DigestResponder};
use super::token::TokenCache;
use crate::metrics::Outcome;
use crate::plan::{Auth, Endpoint, KeyPlace, OAuth2, Plan};
use crate::protocol::Failure;
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::request::outgoing::host_and_port;

/// An `auth` setting, shared by the endpoints that have it.
pub(crate) struct AuthGroup {
    pub(crate) auth: Arc<Auth>,
    /// The token of all users of this worker.
    shared_token: TokenCache,
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
                shared_token: TokenCache::default(),
            });
            groups.len() - 1
        }))
    };
    let of_endpoints = plan.endpoints.iter().map(&mut group_of).collect();
    (groups, of_endpoints)
}

impl AuthGroup {
    /// How the token for a request of `user` is fetched, and where it is kept; `None` where requests
    /// need no token.
    pub(crate) fn token_cache<'a>(
        &'a self,
        user: &'a UserAuth,
    ) -> Option<(&'a OAuth2, &'a TokenCache)> {
        let Auth::OAuth2(oauth2) = &*self.auth else {
            return None;
        };
        // What differs from user to user cannot be shared by them.
        let is_own = oauth2.per_user || self.auth.varies();
        Some((
            oauth2,
            if is_own {
                &user.own_token
            } else {
                &self.shared_token
            },
        ))
    }
}

/// What one user keeps for a group.
#[derive(Default)]
pub(crate) struct UserAuth {
    own_token: TokenCache,
    digest: RefCell<Option<DigestState>>,
}

/// A digest challenge that is being answered.
struct DigestState {
    responder: DigestResponder,
    /// `host:port` that sent it.
    host: String,
    /// The user name and password for it.
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
        let uri = request.target();
        let header = digest.responder.next(request.method.as_str(), uri);
        // A realm or a nonce may hold what is not allowed in a header: then it is not answered.
        if let Ok(header) = HeaderValue::from_bytes(header.as_bytes()) {
            request.headers.insert(AUTHORIZATION, header);
        }
    }

    /// Takes the digest challenge of a 401 from `host`; whether there was one.
    ///
    /// # Errors
    /// When none of its digest challenges is supported.
    pub(crate) fn accept_challenge(
        &self,
        headers: &HeaderMap,
        host: &str,
        values: &[&str],
        user: u64,
    ) -> Result<bool, Failure> {
        let challenge = digest::challenge(headers).map_err(|why| {
            let text = format!("cannot authenticate by digest: {why}");
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

/// The values of the templates of an `auth`: those that were rendered, and those that never vary.
pub(crate) fn template_values<'a>(auth: &'a Auth, rendered: &'a [String]) -> Vec<&'a str> {
    let templates = auth.templates().into_iter().enumerate();
    let rendered = |i: usize| rendered.get(i).map_or("", String::as_str);
    templates
        .map(|(i, template)| template.as_constant().unwrap_or_else(|| rendered(i)))
        .collect()
}

/// Adds credentials that need nothing from a server to a request; others are added later.
///
/// # Errors
/// When a value has a character that is not allowed in headers. The value itself is not shown.
pub(crate) fn insert(auth: &Auth, values: &[&str], request: &mut Outgoing) -> Result<(), String> {
    let name = |text: &str| text.parse::<HeaderName>();
    let (name, value) = match (auth, values) {
        (Auth::Basic(_), [username, password]) => (Ok(AUTHORIZATION), basic(username, password)),
        (Auth::Bearer(_), [token]) => (Ok(AUTHORIZATION), format!("Bearer {token}")),
        (Auth::ApiKey { place, .. }, [key]) => match place {
            KeyPlace::Header(header) => (name(header), (*key).to_owned()),
            KeyPlace::Query(field) => {
                request.append_to_query(field, key);
                return Ok(());
            }
        },
        _ => return Ok(()),
    };
    let name = name.map_err(|_| "the header name in `auth` is not valid".to_owned())?;
    let value = HeaderValue::from_str(&value).map_err(|_| {
        format!(
            "the credentials of `{}` have a character that is not allowed in headers",
            auth.kind()
        )
    })?;
    request.headers.insert(name, value);
    Ok(())
}
