//! The cookies of one virtual user.
//!
//! Here: a jar that is nothing until the first cookie is set, so that a service without cookies
//! costs nothing. Which cookie goes where, and for how long, is RFC 6265 as `cookie_store` has it.

use std::cell::RefCell;
use std::rc::Rc;

use ::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use cookie_store::{CookieStore, RawCookie};
use url::Url;

use super::request::outgoing::Outgoing;

/// The most cookies that a user keeps; a service that keeps setting new ones must not fill the memory.
const MAX_COOKIES: usize = 200;

/// The cookies of a user, shared by all its connections.
#[derive(Clone, Default)]
pub(super) struct Jar(Rc<RefCell<Option<Box<CookieStore>>>>);

impl Jar {
    /// Whether no cookie was ever set.
    pub(super) fn is_untouched(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// Adds the cookies for its URL to a request, behind those it already has.
    pub(super) fn add_to(&self, request: &mut Outgoing) {
        let jar = self.0.borrow();
        let Some(store) = jar.as_ref() else {
            return;
        };
        let kept = store
            .get_request_values(&request.url)
            .map(|(name, value)| format!("{name}={value}"));
        let given = request
            .headers
            .get(COOKIE)
            .and_then(|value| value.to_str().ok());
        let all: Vec<String> = given.map(str::to_owned).into_iter().chain(kept).collect();
        // What a service sets came in a header, so it fits into one.
        if let Ok(mut value) = HeaderValue::from_str(&all.join("; "))
            && !all.is_empty()
        {
            value.set_sensitive(true);
            request.headers.insert(COOKIE, value);
        }
    }

    /// Keeps the cookies that a response from `url` sets; those that are invalid or that it may
    /// not set are left out.
    pub(super) fn keep(&self, url: &Url, headers: &HeaderMap) {
        if !headers.contains_key(SET_COOKIE) {
            return;
        }
        let mut jar = self.0.borrow_mut();
        let store = jar.get_or_insert_default();
        for value in headers.get_all(SET_COOKIE) {
            let cookie = value.to_str().ok();
            let cookie = cookie.and_then(|text| RawCookie::parse(text.to_owned()).ok());
            if let Some(cookie) = cookie
                && store.iter_any().count() < MAX_COOKIES
            {
                let _ = store.insert_raw(&cookie, url);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn sets(cookies: &[&str]) -> HeaderMap {
        let value = |text: &&str| (SET_COOKIE, HeaderValue::from_str(text).unwrap());
        cookies.iter().map(value).collect()
    }

    fn request(to: &str) -> Outgoing {
        Outgoing::new(::http::Method::GET, url(to))
    }

    fn sent(jar: &Jar, to: &str) -> Option<String> {
        let mut request = request(to);
        jar.add_to(&mut request);
        let value = request.headers.get(COOKIE)?;
        let mut cookies: Vec<&str> = value.to_str().unwrap().split("; ").collect();
        cookies.sort_unstable();
        Some(cookies.join("; "))
    }

    #[test]
    fn a_cookie_is_sent_only_to_the_host_that_set_it() {
        let jar = Jar::default();
        let here = url("http://127.0.0.1:8000/shop/login");
        assert_eq!(sent(&jar, here.as_str()), None);
        jar.keep(
            &here,
            &sets(&["id=7; Path=/", "cart=a", "x=1; Domain=example.org", "=;;"]),
        );
        assert_eq!(
            sent(&jar, "http://127.0.0.1:8000/shop/pay").unwrap(),
            "cart=a; id=7"
        );
        assert_eq!(sent(&jar, "http://127.0.0.1:8000/").unwrap(), "id=7");
        assert_eq!(sent(&jar, "http://127.0.0.2:8000/"), None);
        jar.keep(&here, &sets(&["id=; Path=/; Max-Age=0", "cart=b; Secure"]));
        assert_eq!(sent(&jar, "http://127.0.0.1:8000/"), None);
    }

    #[test]
    fn companions_share_a_jar_and_a_header_of_the_scenario_is_kept() {
        let jar = Jar::default();
        let to = url("http://127.0.0.1:8000/");
        jar.clone().keep(&to, &sets(&["id=7"]));
        let mut request = request(to.as_str());
        let own = HeaderValue::from_static("own=1");
        request.headers.insert(COOKIE, own);
        jar.add_to(&mut request);
        assert_eq!(request.headers[COOKIE], "own=1; id=7");
    }

    #[test]
    fn a_service_cannot_fill_the_memory_with_cookies() {
        let jar = Jar::default();
        let to = url("http://127.0.0.1:8000/");
        for i in 0..1_000 {
            jar.keep(&to, &sets(&[&format!("c{i}=1")]));
        }
        assert_eq!(
            sent(&jar, to.as_str()).unwrap().split("; ").count(),
            MAX_COOKIES
        );
    }
}
