//! Digest authentication (RFC 7616): reading a challenge, and answering it for each request.
//!
//! Here: pure functions of texts. Not here: when an answer is sent (`client`).

use ::http::header::{HeaderMap, WWW_AUTHENTICATE};
use md5::Md5;
use sha2::{Digest, Sha256};

/// What a server requires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether `qop="auth"` is among the options it offers.
    qop: bool,
    userhash: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Algorithm {
    /// The same as `Md5`, without being named.
    #[default]
    Unnamed,
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
}

impl Algorithm {
    fn parse(text: &str) -> Option<Self> {
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess]
            .into_iter()
            .find(|known| {
                known
                    .name()
                    .is_some_and(|name| name.eq_ignore_ascii_case(text))
            })
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Unnamed => None,
            Self::Md5 => Some("MD5"),
            Self::Md5Sess => Some("MD5-sess"),
            Self::Sha256 => Some("SHA-256"),
            Self::Sha256Sess => Some("SHA-256-sess"),
        }
    }

    fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess)
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Unnamed | Self::Md5 | Self::Md5Sess => hex(&Md5::digest(text)),
            Self::Sha256 | Self::Sha256Sess => hex(&Sha256::digest(text)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first supported digest challenge; `None` when there is no digest challenge at all.
///
/// # Errors
/// What the first one requires that is not supported, when none of them is.
pub(crate) fn challenge(headers: &HeaderMap) -> Result<Option<Challenge>, String> {
    let mut refused = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        for (scheme, parameters) in challenges(&String::from_utf8_lossy(value.as_bytes())) {
            if !scheme.eq_ignore_ascii_case("digest") {
                continue;
            }
            match Challenge::new(&parameters) {
                Ok(challenge) => return Ok(Some(challenge)),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
    }
    refused.map_or(Ok(None), Err)
}

impl Challenge {
    fn new(parameters: &[(String, String)]) -> Result<Self, String> {
        let get = |name: &str| {
            let mut all = parameters.iter();
            let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let algorithm = match get("algorithm") {
            None => Algorithm::Unnamed,
            Some(name) => Algorithm::parse(&name).ok_or_else(|| {
                format!("the service requires the algorithm `{name}`, which is not supported")
            })?,
        };
        let qop = match get("qop") {
            None => false,
            Some(list)
                if list
                    .split(',')
                    .any(|one| one.trim().eq_ignore_ascii_case("auth")) =>
            {
                true
            }
            Some(list) => {
                return Err(format!(
                    "the service requires `qop={list}`, which is not supported"
                ));
            }
        };
        Ok(Self {
            realm: get("realm").unwrap_or_default(),
            nonce: get("nonce").ok_or("the challenge of the service has no nonce")?,
            opaque: get("opaque"),
            algorithm,
            qop,
            userhash: get("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true")),
        })
    }
}

/// Answers a challenge for each request until the next challenge.
#[derive(Debug)]
pub(crate) struct DigestResponder {
    challenge: Challenge,
    /// The client's own nonce, the same for all answers, as the session algorithms require.
    cnonce: String,
    username: String,
    /// The hash of name, realm and password.
    secret: String,
    /// How many requests it has answered.
    count: u32,
}

impl DigestResponder {
    /// For this challenge. `seed` makes the client's nonce: the same for the same user in each run.
    pub(crate) fn new(challenge: Challenge, username: &str, password: &str, seed: u64) -> Self {
        let algorithm = challenge.algorithm;
        let mut cnonce = hex(&Sha256::digest(format!("{seed}:{}", challenge.nonce)));
        cnonce.truncate(16);
        let mut secret = algorithm.hash(&format!("{username}:{}:{password}", challenge.realm));
        if algorithm.is_session() {
            secret = algorithm.hash(&format!("{secret}:{}:{cnonce}", challenge.nonce));
        }
        Self {
            challenge,
            cnonce,
            username: username.to_owned(),
            secret,
            count: 0,
        }
    }

    /// The `authorization` header of the next request, for this method and path with query.
    pub(crate) fn next(&mut self, method: &str, uri: &str) -> String {
        self.count = self.count.wrapping_add(1);
        let challenge = &self.challenge;
        let algorithm = challenge.algorithm;
        let (nonce, cnonce) = (&challenge.nonce, &self.cnonce);
        let count = format!("{:08x}", self.count);
        let request = algorithm.hash(&format!("{method}:{uri}"));
        let hashed = match challenge.qop {
            true => format!("{}:{nonce}:{count}:{cnonce}:auth:{request}", self.secret),
            // As before there was a `qop`: RFC 2069.
            false => format!("{}:{nonce}:{request}", self.secret),
        };
        let mut header = format!(
            "Digest {}, realm={}, nonce={}, uri={}, response=\"{}\"",
            self.user(),
            quoted(&challenge.realm),
            quoted(nonce),
            quoted(uri),
            algorithm.hash(&hashed)
        );
        if let Some(name) = algorithm.name() {
            header.push_str(&format!(", algorithm={name}"));
        }
        if challenge.qop || algorithm.is_session() {
            header.push_str(&format!(", cnonce=\"{cnonce}\""));
        }
        if challenge.qop {
            header.push_str(&format!(", qop=auth, nc={count}"));
        }
        if let Some(opaque) = &challenge.opaque {
            header.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        header
    }

    fn user(&self) -> String {
        let challenge = &self.challenge;
        if challenge.userhash {
            let name = format!("{}:{}", self.username, challenge.realm);
            let hash = challenge.algorithm.hash(&name);
            return format!("username=\"{hash}\", userhash=true");
        }
        if self.username.is_ascii() {
            return format!("username={}", quoted(&self.username));
        }
        // A header holds ASCII: RFC 5987, section 3.2.
        let encoded: String = url::form_urlencoded::byte_serialize(self.username.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
            .replace('*', "%2A");
        format!("username*=UTF-8''{encoded}")
    }
}

/// A quoted string, by RFC 9110.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The challenges in a `www-authenticate` header: scheme and parameters of each. What cannot be
/// read ends the list.
fn challenges(text: &str) -> Vec<(&str, Vec<(String, String)>)> {
    let mut found: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return found;
        }
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        // `Name = value` is a parameter of the scheme before it; a word alone is a scheme.
        match (value, found.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
                parameters.push((word.to_owned(), value));
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push((word, Vec::new()));
                rest = after;
            }
        }
    }
}

/// The token at the start of `text`, and what follows.
fn token(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// The token or quoted string at the start of `text`, and what follows.
fn value_of(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &inside[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        map
    }

    fn first(values: &[&str]) -> Challenge {
        challenge(&headers(values)).unwrap().unwrap()
    }

    /// The example of RFC 7616, section 3.9.1.
    const MD5: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    fn answer(challenge: &str) -> String {
        let mut responder =
            DigestResponder::new(first(&[challenge]), "Mufasa", "Circle of Life", 0);
        responder.cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into();
        responder.next("GET", "/dir/index.html")
    }

    #[test]
    fn the_examples_of_the_rfc_are_answered_as_it_says() {
        let md5 = answer(MD5);
        assert!(
            md5.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""),
            "{md5}"
        );
        for part in [
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\"",
            "uri=\"/dir/index.html\"",
            "qop=auth, nc=00000001",
            "algorithm=MD5",
            "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        ] {
            assert!(md5.contains(part), "{part}: {md5}");
        }
        let sha256 = answer(&MD5.replace("=MD5", "=SHA-256"));
        let response = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert!(sha256.contains(response), "{sha256}");
    }

    #[test]
    fn a_server_without_qop_gets_an_answer_by_rfc_2069() {
        // The example of RFC 2069, with the erratum to it.
        let challenge = "Digest realm=\"testrealm@host.com\", \
            nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let mut responder = DigestResponder::new(first(&[challenge]), "Mufasa", "CircleOfLife", 0);
        let header = responder.next("GET", "/dir/index.html");
        assert!(
            header.contains("response=\"1949323746fe6a43ef61f9606e7febea\""),
            "{header}"
        );
        assert!(
            !header.contains("nc=") && !header.contains("algorithm"),
            "{header}"
        );
    }

    #[test]
    fn each_answer_to_a_challenge_has_its_number() {
        let mut responder = DigestResponder::new(first(&[MD5]), "a", "b", 7);
        for number in 1..=11 {
            let header = responder.next("POST", "/");
            assert!(header.contains(&format!("nc={number:08x}")), "{header}");
        }
        let other = DigestResponder::new(first(&[MD5]), "a", "b", 8);
        assert_ne!(other.cnonce, responder.cnonce);
    }

    #[test]
    fn the_first_supported_challenge_is_taken() {
        let seen = first(&[
            "Basic realm=\"a, b\", Digest realm=\"c\", nonce=1, algorithm=SHA-512-256",
            "Negotiate YII=, Digest realm=\"d \\\"e\\\"\", nonce=\"2\", qop=auth, algorithm=sha-256",
        ]);
        assert_eq!((&*seen.realm, &*seen.nonce), ("d \"e\"", "2"));
        assert_eq!(seen.algorithm, Algorithm::Sha256);
        assert_eq!(challenge(&headers(&["Basic realm=x"])), Ok(None));
        assert_eq!(challenge(&headers(&[])), Ok(None));
        for (text, part) in [
            ("Digest nonce=1, algorithm=SHA-512-256", "SHA-512-256"),
            ("Digest nonce=1, qop=auth-int", "auth-int"),
            ("Digest realm=x", "has no nonce"),
        ] {
            let refused = challenge(&headers(&[text])).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn names_that_are_not_allowed_in_headers_are_encoded_or_hashed() {
        let plain = first(&["Digest realm=r, nonce=1"]);
        let header = DigestResponder::new(plain, "J\u{e4}s\u{f8}n Doe", "p", 0).next("GET", "/");
        assert!(
            header.contains("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe"),
            "{header}"
        );
        let hashed = first(&["Digest realm=r, nonce=1, userhash=true"]);
        let header = DigestResponder::new(hashed, "ann", "p", 0).next("GET", "/");
        let expected = hex(&Md5::digest("ann:r"));
        assert!(
            header.contains(&expected) && header.contains("userhash=true"),
            "{header}"
        );
    }

    proptest! {
        #[test]
        fn no_challenge_makes_the_parser_panic(text in "(Digest|nonce|=|\"|\\\\|,| |é|a){0,24}") {
            let _ = challenges(&text);
        }
    }
}
