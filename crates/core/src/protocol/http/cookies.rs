//! The cookies of one virtual user.
//!
//! Here: a jar that is nothing as long as it holds no cookie, so that a service without cookies costs
//! nothing; what it keeps, and in which order cookies are sent. Not here: what a `Set-Cookie` line
//! means (`cookie`).

mod cookie;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use ::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

use self::cookie::Cookie;
use super::request::outgoing::Outgoing;
use crate::protocol;

/// The most cookies of one domain, and of all domains: a service that keeps setting new ones must not
/// fill the memory. What RFC 6265, section 6.1, asks of a browser.
const MAX_PER_DOMAIN: usize = 50;
const MAX_COOKIES: usize = 3_000;

/// The cookies of a user, shared by all its connections.
#[derive(Clone, Default)]
pub(super) struct Jar(Rc<RefCell<Option<Box<Cookies>>>>);

/// Those that were set and have not ended.
#[derive(Default)]
struct Cookies {
    /// In the order in which they were first set.
    kept: Vec<KeptCookie>,
    /// How many were set so far.
    count: u64,
}

struct KeptCookie {
    cookie: Cookie,
    /// Which one it was when it was last set: those that were not set for longest make room.
    set: u64,
}

impl Jar {
    /// Whether it holds no cookie.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// Adds the cookies for its URL to a request, behind those it already has: longer paths first, and
    /// of the same length, those that were set first (RFC 6265, section 5.4).
    pub(super) fn add_to(&self, request: &mut Outgoing) {
        let jar = self.0.borrow();
        let Some(cookies) = jar.as_ref() else {
            return;
        };
        let mut now = lazy_now();
        let kept = cookies.kept.iter().map(|one| &one.cookie);
        let mut sent: Vec<&Cookie> = kept
            .filter(|cookie| cookie.is_for(&request.url) && !cookie.is_expired(&mut now))
            .collect();
        if sent.is_empty() {
            return;
        }
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let given = request.headers.get(COOKIE);
        let mut line = given.map_or_else(Vec::new, |given| given.as_bytes().to_vec());
        for cookie in sent {
            if !line.is_empty() {
                line.extend_from_slice(b"; ");
            }
            line.extend_from_slice(&cookie.name);
            line.push(b'=');
            line.extend_from_slice(&cookie.value);
        }
        // What a service sets came in a header, so it fits into one.
        if let Ok(mut value) = HeaderValue::from_bytes(&line) {
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
        let mut now = lazy_now();
        let mut jar = self.0.borrow_mut();
        let cookies = jar.get_or_insert_default();
        for line in headers.get_all(SET_COOKIE) {
            if let Some(cookie) = Cookie::read(line.as_bytes(), url, now()) {
                cookies.set(cookie, &mut now);
            }
        }
        if cookies.kept.is_empty() {
            *jar = None;
        }
    }
}

/// The cookies of a user at one host.
pub(super) struct HostCookies {
    pub(super) jar: Jar,
    pub(super) url: Url,
}

impl protocol::Cookies for HostCookies {
    /// Of several paths, that of the longest, which is sent first and which services therefore read.
    fn value(&self, name: &str) -> Option<String> {
        let jar = self.jar.0.borrow();
        let mut now = lazy_now();
        let kept = jar.as_ref()?.kept.iter().map(|one| &one.cookie);
        let named = kept.filter(|cookie| {
            cookie.name == name.as_bytes()
                && cookie.is_for_host(&self.url)
                && !cookie.is_expired(&mut now)
        });
        // Of the same length, the first, of which `max_by_key` would take the last.
        let found = named.min_by_key(|cookie| std::cmp::Reverse(cookie.path.len()))?;
        let text = String::from_utf8_lossy(&found.value);
        let bare = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Some(bare.unwrap_or(&text).to_owned())
    }

    fn set(&self, name: &str, value: &str) -> Result<(), String> {
        let cookie = Cookie::own(name, value, &self.url)?;
        let mut jar = self.jar.0.borrow_mut();
        jar.get_or_insert_default().set(cookie, &mut lazy_now());
        Ok(())
    }

    fn remove(&self, name: &str) {
        let mut jar = self.jar.0.borrow_mut();
        let Some(cookies) = jar.as_mut() else {
            return;
        };
        cookies
            .kept
            .retain(|one| one.cookie.name != name.as_bytes() || !one.cookie.is_for_host(&self.url));
        if cookies.kept.is_empty() {
            *jar = None;
        }
    }

    fn clear(&self) {
        *self.jar.0.borrow_mut() = None;
    }
}

impl Cookies {
    /// Sets a cookie, which replaces or deletes the one before it. Where there are too many, those
    /// that have ended make room, and then the oldest.
    fn set(&mut self, cookie: Cookie, now: &mut impl FnMut() -> SystemTime) {
        self.count += 1;
        let set = self.count;
        let before = self.kept.iter();
        let before = before
            .into_iter()
            .position(|one| one.cookie.is_replaced_by(&cookie));
        match (before, cookie.is_expired(now)) {
            (Some(at), true) => drop(self.kept.remove(at)),
            (None, true) => {}
            // It keeps its age.
            (Some(at), false) => self.kept[at] = KeptCookie { cookie, set },
            (None, false) => {
                let domain = cookie.domain.clone();
                self.kept.push(KeptCookie { cookie, set });
                let is_of_domain = |one: &KeptCookie| one.cookie.domain == domain;
                let of_domain = self.kept.iter().filter(|one| is_of_domain(one)).count();
                if of_domain > MAX_PER_DOMAIN || self.kept.len() > MAX_COOKIES {
                    self.kept.retain(|one| !one.cookie.is_expired(now));
                    self.make_room(MAX_PER_DOMAIN, is_of_domain);
                    self.make_room(MAX_COOKIES, |_| true);
                }
            }
        }
    }

    /// Leaves at most so many cookies of a kind.
    fn make_room(&mut self, most: usize, is_meant: impl Fn(&KeptCookie) -> bool) {
        while self.kept.iter().filter(|one| is_meant(one)).count() > most {
            let meant = self
                .kept
                .iter()
                .enumerate()
                .filter(|(_, one)| is_meant(one));
            let Some((oldest, _)) = meant.min_by_key(|(_, one)| one.set) else {
                return;
            };
            self.kept.remove(oldest);
        }
    }
}

/// The time, the same whenever it is asked for, and read only if it is.
fn lazy_now() -> impl FnMut() -> SystemTime {
    let mut now = None;
    move || *now.get_or_insert_with(SystemTime::now)
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
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
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
    fn longer_paths_are_sent_first_and_then_those_that_were_set_first() {
        let jar = Jar::default();
        let to = url("http://127.0.0.1/a/b/c");
        for line in [
            "x=1; Path=/",
            "deep=1; Path=/a/b",
            "y=1; Path=/",
            "mid=1; Path=/a",
            "z=1; Path=/",
            "x=2; Path=/",
        ] {
            jar.keep(&to, &sets(&[line]));
        }
        assert_eq!(
            sent(&jar, to.as_str()).unwrap(),
            "deep=1; mid=1; x=2; y=1; z=1"
        );
    }

    #[test]
    fn bytes_are_sent_back_as_they_came() {
        let jar = Jar::default();
        let to = url("http://127.0.0.1/");
        let line = b"n\xe4me=J\xf6rg \"x,y\"; Path=/";
        let value = HeaderValue::from_bytes(line).unwrap();
        jar.keep(&to, &HeaderMap::from_iter([(SET_COOKIE, value)]));
        let mut request = request(to.as_str());
        jar.add_to(&mut request);
        assert_eq!(request.headers[COOKIE].as_bytes(), &line[..line.len() - 8]);
    }

    #[test]
    fn the_oldest_make_room_and_a_renewed_one_stays() {
        let jar = Jar::default();
        let to = url("http://127.0.0.1:8000/");
        for i in 0..300 {
            jar.keep(&to, &sets(&[&format!("session={i}"), &format!("c{i}=1")]));
            jar.keep(
                &to,
                &sets(&[
                    "gone=1; Max-Age=0",
                    "over=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                ]),
            );
        }
        let all = sent(&jar, to.as_str()).unwrap();
        let cookies: Vec<&str> = all.split("; ").collect();
        assert_eq!(cookies.len(), MAX_PER_DOMAIN);
        assert_eq!((cookies[0], cookies[1]), ("session=299", "c251=1"));
        jar.keep(&to, &sets(&["session=; Max-Age=0"]));
        assert!(!sent(&jar, to.as_str()).unwrap().contains("session"));
    }

    #[test]
    fn all_domains_together_have_a_limit() {
        let jar = Jar::default();
        for host in 0..100 {
            let to = url(&format!("http://h{host}.example/"));
            for i in 0..MAX_PER_DOMAIN {
                jar.keep(&to, &sets(&[&format!("c{i}=1")]));
            }
        }
        let count = |host: usize| sent(&jar, &format!("http://h{host}.example/"));
        assert_eq!((count(0), count(39)), (None, None));
        assert_eq!(count(40).unwrap().split("; ").count(), MAX_PER_DOMAIN);
        assert_eq!(jar.0.borrow().as_ref().unwrap().kept.len(), MAX_COOKIES);
    }

    #[test]
    fn a_jar_whose_cookies_are_deleted_is_as_one_that_never_had_any() {
        let jar = Jar::default();
        let to = url("http://127.0.0.1/");
        jar.keep(&to, &sets(&["a=1"]));
        assert!(!jar.is_empty());
        jar.keep(&to, &sets(&["a=; Max-Age=0"]));
        assert!(jar.is_empty());
    }
}
