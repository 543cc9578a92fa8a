//! One cookie: how a `Set-Cookie` line is read, and which requests the cookie belongs to (RFC 6265,
//! sections 5.1 to 5.4), over bytes as they came.
//!
//! Not here: which cookies a user keeps (`cookies`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::date;
use jiff::tz::TimeZone;
use url::{Host, Url};

/// The longest name and value together; bytes. Browsers drop longer ones, too.
const MAX_COOKIE: usize = 4_096;
const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// A cookie, as a user keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cookie {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// The host it is for, in lower case.
    pub(super) domain: String,
    /// Whether it is for that host alone, and not for those below it.
    is_host_only: bool,
    pub(super) path: Vec<u8>,
    is_secure: bool,
    /// When it ends; `None` keeps it as long as the user.
    expires: Option<SystemTime>,
}

/// The attributes of a `Set-Cookie` line that matter here.
#[derive(Default)]
struct Attributes<'a> {
    expires: Option<SystemTime>,
    max_age: Option<SystemTime>,
    domain: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    is_secure: bool,
}

impl Cookie {
    /// The cookie that a response from `url` sets with this line; `None` where the line is no cookie,
    /// or one that the host of `url` must not set.
    pub(super) fn read(line: &[u8], url: &Url, now: SystemTime) -> Option<Self> {
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = split_pair(parts.next()?)?;
        if name.is_empty() || name.len() + value.len() > MAX_COOKIE {
            return None;
        }
        let attributes = Attributes::read(parts, now);
        let host = url.host_str()?.to_ascii_lowercase();
        let domain = attributes.domain.and_then(domain_of);
        if let Some(domain) = &domain
            && !is_below(&host, domain, url)
        {
            return None;
        }
        let path = attributes.path.filter(|path| path.starts_with(b"/"));
        Some(Self {
            name: name.to_vec(),
            value: value.to_vec(),
            is_host_only: domain.is_none(),
            domain: domain.unwrap_or(host),
            path: path.map_or_else(|| default_path(url), <[u8]>::to_vec),
            is_secure: attributes.is_secure,
            expires: attributes.max_age.or(attributes.expires),
        })
    }

    /// A cookie that the user itself has, for all paths of the host of `url`.
    ///
    /// # Errors
    /// Why it cannot be sent. Does not quote the value.
    pub(super) fn own(name: &str, value: &str, url: &Url) -> Result<Self, String> {
        if !check_value(value) {
            return Err(format!(
                "the value of the cookie `{name}` has a `;` or a control character, which no cookie can hold"
            ));
        }
        if name.len() + value.len() > MAX_COOKIE {
            return Err(format!(
                "the cookie `{name}` is longer than {MAX_COOKIE} bytes"
            ));
        }
        let host = url.host_str().unwrap_or_default();
        Ok(Self {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            domain: host.to_ascii_lowercase(),
            is_host_only: true,
            path: b"/".to_vec(),
            is_secure: false,
            expires: None,
        })
    }

    /// Whether another one with the same name, domain and path replaces it.
    pub(super) fn is_replaced_by(&self, other: &Self) -> bool {
        self.name == other.name && self.domain == other.domain && self.path == other.path
    }

    /// Whether its time is over. Asks for the time only if the cookie has an end.
    pub(super) fn is_expired(&self, now: &mut impl FnMut() -> SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now())
    }

    /// Whether a request for this URL carries it.
    pub(super) fn is_for(&self, url: &Url) -> bool {
        self.is_for_host(url) && is_path_below(url.path().as_bytes(), &self.path)
    }

    /// Whether requests for some path of the host of this URL carry it.
    pub(super) fn is_for_host(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let is_host = match self.is_host_only {
            true => self.domain == host,
            false => is_below(host, &self.domain, url),
        };
        is_host && (!self.is_secure || is_safe(url))
    }
}

impl<'a> Attributes<'a> {
    /// Of the attributes of one kind, the last one that makes sense counts.
    fn read(parts: impl Iterator<Item = &'a [u8]>, now: SystemTime) -> Self {
        let mut read = Self::default();
        for part in parts {
            let (name, value) = split_pair(part).unwrap_or((part.trim_ascii(), b""));
            if name.eq_ignore_ascii_case(b"expires") {
                read.expires = date_of(value).or(read.expires);
            } else if name.eq_ignore_ascii_case(b"max-age") {
                read.max_age = end_of_age(value, now).or(read.max_age);
            } else if name.eq_ignore_ascii_case(b"domain") {
                read.domain = Some(value);
            } else if name.eq_ignore_ascii_case(b"path") {
                read.path = Some(value);
            } else if name.eq_ignore_ascii_case(b"secure") {
                read.is_secure = true;
            }
        }
        read
    }
}

/// Whether a cookie can have this value.
fn check_value(value: &str) -> bool {
    !value.contains(|c: char| c == ';' || c.is_control())
}

/// The two sides of the first `=`, without the space around them.
fn split_pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == b'=')?;
    Some((text[..at].trim_ascii(), text[at + 1..].trim_ascii()))
}

/// The host that a `Domain` names; `None` where it names none, which is as if it were not there.
fn domain_of(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.strip_prefix('.').unwrap_or(text);
    Host::parse(text).ok().map(|host| host.to_string())
}

/// Whether `host`, which is that of `url`, is this domain or below it.
fn is_below(host: &str, domain: &str, url: &Url) -> bool {
    if host == domain {
        return true;
    }
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    is_name
        && host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// The folder of the URL, without the slash at its end.
fn default_path(url: &Url) -> Vec<u8> {
    match url.path().rfind('/') {
        None | Some(0) => b"/".to_vec(),
        Some(end) => url.path().as_bytes()[..end].to_vec(),
    }
}

fn is_path_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| folder.ends_with(b"/") || matches!(rest.first(), None | Some(b'/')))
}

/// Whether a `Secure` cookie may be sent: by TLS, or to this machine.
fn is_safe(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || is_local
}

/// When a cookie with this `Max-Age` ends; `None` where it is not a number.
fn end_of_age(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    let (is_negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number that is too large means as long as there are dates.
    let seconds = std::str::from_utf8(digits)
        .ok()?
        .parse()
        .unwrap_or(u64::MAX);
    match is_negative {
        true => Some(UNIX_EPOCH),
        false => now.checked_add(Duration::from_secs(seconds)).or_else(far),
    }
}

/// A year that no run reaches.
fn far() -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(1 << 36))
}

/// A date in any of the forms that servers write: RFC 6265, section 5.1.1.
fn date_of(text: &[u8]) -> Option<SystemTime> {
    let is_delimiter =
        |byte: &u8| matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~');
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && time_of(token).is_some() {
            time = time_of(token);
        } else if day.is_none() && number(token, 1, 2).is_some() {
            day = number(token, 1, 2);
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() {
            year = number(token, 2, 4);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let [hour, minute, second] = time?;
    if year < 1601 {
        return None;
    }
    let small = |number: i16| i8::try_from(number).ok();
    let (month, day) = (small(month?)?, small(day?)?);
    let valid = jiff::civil::Date::new(year, month, day).ok()?;
    let valid = date(valid.year(), valid.month(), valid.day());
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    let instant = valid.to_datetime(time).to_zoned(TimeZone::UTC).ok()?;
    // One before 1970 is over, too.
    let seconds = u64::try_from(instant.timestamp().as_second()).unwrap_or(0);
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// `hh:mm:ss`, and then anything but a digit.
fn time_of(token: &[u8]) -> Option<[i16; 3]> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let (hour, minute, second) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = |field: &[u8]| match field.iter().all(u8::is_ascii_digit) {
        true => number(field, 1, 2),
        false => None,
    };
    Some([whole(hour)?, whole(minute)?, number(second, 1, 2)?])
}

fn month_of(token: &[u8]) -> Option<i16> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    i16::try_from(at + 1).ok()
}

/// The number of so many digits that a token starts with.
fn number(token: &[u8], least: usize, most: usize) -> Option<i16> {
    let digits = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if !(least..=most).contains(&digits) {
        return None;
    }
    std::str::from_utf8(&token[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let since = date_of(text.as_bytes())?.duration_since(UNIX_EPOCH);
        Some(since.unwrap().as_secs())
    }

    #[test]
    fn dates_are_read_in_each_form_that_servers_write() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "6 nov 1994 8:49:37",
            "06-November-1994 08:49:37.123",
        ] {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Mon, 01 Jan 1900 00:00:00 GMT"), Some(0), "over");
        for bad in [
            "",
            "tomorrow",
            "31 Feb 2030 00:00:00",
            "1 Jan 1600 00:00:00",
            "1 Jan 2030",
            "1 Jan 2030 25:00:00",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_last_attribute_that_makes_sense_counts() {
        let url = Url::parse("http://a.example/x/y").unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let read = |line: &str| Cookie::read(line.as_bytes(), &url, now).unwrap();
        let age = |seconds| Some(now + Duration::from_secs(seconds));
        assert_eq!(read("a=b; MAX-AGE=1; max-age=2; max-age=x").expires, age(2));
        let both = "a=b; Max-Age=5; Expires=Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(read(both).expires, age(5));
        assert_eq!(read("a=b; Max-Age=-1").expires, Some(UNIX_EPOCH));
        assert!(read("a=b; Max-Age=99999999999999999999").expires > age(1 << 30));
        assert_eq!(read("a=b; path=; path=/z").path, b"/z");
        assert_eq!(
            read("a=b; path=/z; path=z").path,
            b"/x",
            "as if there were none"
        );
        assert_eq!(read("a=b; domain=.EXAMPLE").domain, "example");
        assert_eq!(read(" a\t=\" b; c=d; HttpOnly").value, b"\" b");
        for bad in ["a", "=b", "", "; a=b", "a=b; domain=b.example"] {
            assert_eq!(Cookie::read(bad.as_bytes(), &url, now), None, "{bad}");
        }
        let long = |length: usize| format!("a={}", "x".repeat(length - 1));
        assert!(Cookie::read(long(MAX_COOKIE).as_bytes(), &url, now).is_some());
        assert!(Cookie::read(long(MAX_COOKIE + 1).as_bytes(), &url, now).is_none());
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic_and_a_cookie_is_for_the_url_that_set_it(
            line in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "[a=; ]{0,6}(expires|max-age|domain|path|secure)=[-0-9a-z:/., ]{0,30}".prop_map(String::into_bytes),
            ],
        ) {
            let url = Url::parse("http://127.0.0.1/a/b").unwrap();
            if let Some(cookie) = Cookie::read(&line, &url, UNIX_EPOCH) {
                let of_its_own = [&cookie.path[..], b"/"].concat();
                if let Ok(path) = String::from_utf8(of_its_own) && !path.contains(['?', '#', '%', '.', '\\', ' ']) && path.is_ascii() {
                    let mut there = url.clone();
                    there.set_path(&path);
                    if there.path() == path {
                        prop_assert!(cookie.is_for(&there), "{:?}", cookie);
                    }
                }
            }
        }
    }
}
