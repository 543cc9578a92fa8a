//! What the server may do, as its operator has said.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use crate::error::Error;
use crate::plan::Plan;

/// The shortest token; characters.
const LEAST_TOKEN: usize = 16;

/// The options of a server.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Names by which browsers reach it besides its address, such as that of a proxy.
    pub host_names: Vec<String>,
    /// The folder of the scenarios that can be started.
    pub scenarios: PathBuf,
    /// The directory of stored runs.
    pub results: PathBuf,
    /// Services that requests may name instead of that of the scenario.
    pub allowed_targets: Vec<AllowedTarget>,
    /// What everybody has to know who asks.
    pub token: Token,
    /// The environment variables that runs see, besides `PATH` and `HOME`.
    pub passed_env: BTreeSet<String>,
    /// What a run may be at most.
    pub limits: Limits,
    /// The scenario that Locust's paths are about; without one there are no such paths.
    pub locust_scenario: Option<String>,
    /// Where each change of state is written; by default, a file in the directory of the runs.
    pub audit_log: Option<PathBuf>,
    /// Describes a plan in words.
    pub describe: fn(&Plan) -> String,
}

impl ServeOptions {
    /// The folder for what the server itself keeps.
    pub(super) fn state_folder(&self) -> PathBuf {
        self.results.join(".serve")
    }

    /// Where changes of state are written.
    pub(super) fn audit_log(&self) -> PathBuf {
        let default = || self.state_folder().join("audit.jsonl");
        self.audit_log.clone().unwrap_or_else(default)
    }

    /// All environment variables that runs see.
    pub(super) fn visible_env(&self) -> BTreeSet<String> {
        let always = ["PATH", "HOME"].map(str::to_owned);
        self.passed_env.iter().cloned().chain(always).collect()
    }
}

/// What a run may be at most; `None` where there is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Virtual users, or in the open model, requests in flight.
    pub max_users: Option<u32>,
    /// Arrivals or requests per second.
    pub max_rate: Option<f64>,
    /// From the first ramp to the end of the last stage.
    pub max_duration: Option<Duration>,
}

/// A service that requests may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedTarget {
    host: Host,
    /// Any port where it is `None`.
    port: Option<u16>,
}

impl AllowedTarget {
    /// Reads `HOST` or `HOST:PORT`.
    ///
    /// # Errors
    /// How it is to be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || "write `staging.example.org` or `staging.example.org:8443`".to_owned();
        if text.contains(['/', '@', '?', '#', '\\']) {
            return Err(bad());
        }
        // Of a scheme without a port of its own, since that of the text would vanish.
        let url = Url::parse(&format!("http://{text}/")).map_err(|_| bad())?;
        let host = url.host().ok_or_else(bad)?.to_owned();
        let port = match text.rsplit_once(':') {
            Some((_, port)) if !text.ends_with(']') => Some(port.parse().map_err(|_| bad())?),
            _ => None,
        };
        Ok(Self { host, port })
    }

    /// Whether a URL leads to it.
    pub(super) fn takes(&self, url: &Url) -> bool {
        let is_port = |port| url.port_or_known_default() == Some(port);
        url.host().map(|host| host.to_owned()) == Some(self.host.clone())
            && self.port.is_none_or(is_port)
    }
}

/// A secret.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// When the system gives no random bits.
    pub fn random() -> Result<Self, Error> {
        let path = Path::new("/dev/urandom");
        let mut bits = [0; 32];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut bits));
        read.map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bits)))
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no good token.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let token = text.lines().next().unwrap_or_default().trim();
        let is_good = token.len() >= LEAST_TOKEN && token.chars().all(|c| c.is_ascii_graphic());
        match is_good {
            true => Ok(Self(token.to_owned())),
            false => Err(Error::usage_help(
                format!(
                    "the first line of `{}` is no token: it must have at least {LEAST_TOKEN} characters, without spaces",
                    path.display()
                ),
                "`openssl rand -hex 32` makes one",
            )),
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether it is this text. How long that takes does not depend on how much of it is right.
    pub(super) fn is(&self, given: &str) -> bool {
        Sha256::digest(given) == Sha256::digest(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_with_or_without_a_port() {
        let takes = |target: &str, url: &str| {
            AllowedTarget::parse(target)
                .unwrap()
                .takes(&Url::parse(url).unwrap())
        };
        assert!(takes("a.example", "http://a.example"));
        assert!(takes("a.example", "https://A.example:8443/x"));
        assert!(takes("a.example:80", "http://a.example/"));
        assert!(takes("[::1]:8000", "http://[::1]:8000"));
        assert!(takes("[::1]", "http://[::1]:8000"));
        assert!(!takes("a.example:80", "https://a.example/"));
        assert!(!takes("a.example", "http://b.a.example/"));
        assert!(!takes("a.example", "http://a.example@b.example/"));
        for bad in ["", "http://a", "a/b", "a:b", "u@a"] {
            assert!(AllowedTarget::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_are_long_and_new_each_time() {
        let [a, b] = [(); 2].map(|()| Token::random().unwrap());
        assert!(a.text().len() > 40 && a.text() != b.text());
        assert!(a.is(a.text()) && !a.is(b.text()) && !a.is(""));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "short\n").unwrap();
        assert!(Token::read(file.path()).is_err());
        std::fs::write(&file, "0123456789abcdef\nrest").unwrap();
        assert_eq!(Token::read(file.path()).unwrap().text(), "0123456789abcdef");
    }
}
