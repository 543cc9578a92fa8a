//! `perfctl serve` from outside: [`runs`] that it starts and survives, the [`load`] that it changes, [`threats`] that it refuses, its [`page`] in a
//! browser, the description of its interface ([`interface`]), and that of [`locust`].

mod interface;
mod load;
mod locust;
mod page;
mod runs;
mod threats;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Perfctl, Running};

/// Where the paths of runs begin.
const BASE: &str = "/api/v1/performance/load-test";

/// A scenario of the built-in service whose runs take as long as its profiles say.
const SCENARIO: &str = "
name: small
host: demo
defaults: {think_time: 20ms}
endpoints:
- {name: list, get: /api/v1/invoices/, weight: 3}
- {name: gone, get: /status/404}
slo: {error_rate: 50%, p95: 30s}
profiles:
  quick: {stages: [{name: steady, users: 2, ramp: 0s, duration: 2s}]}
  long: {stages: [{name: steady, users: 2, ramp: 0s, duration: 40s}]}
";

/// A server that runs, and its token.
pub(super) struct Server {
    pub running: Running,
    /// Host and port.
    pub address: String,
    pub token: String,
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    pub body: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails the test when the status is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Server {
    /// A server with the scenario `small`, in a directory of its own.
    pub fn start(options: &[&str]) -> Self {
        Self::of(
            Perfctl::new().file("scenarios/small.yaml", SCENARIO),
            options,
        )
    }

    /// A server of this program.
    pub fn of(program: Perfctl, options: &[&str]) -> Self {
        // How fast the machine is must not decide about the verdicts of its runs either.
        let healthy = ["serve", "--pass-env", "PERFCTL_ASSUME_HEALTHY"];
        let program = program.args(healthy).args(options);
        let program = match options.contains(&"--listen") {
            true => program,
            false => program.args(["--listen", "127.0.0.1:0"]),
        };
        let mut running = program.limit(Duration::from_secs(300)).spawn();
        let text = running.wait_for_stdout("stop with");
        let url = text.split("http://").nth(1).unwrap();
        let (address, rest) = url.split_once('/').unwrap();
        let token = rest.split("#token=").nth(1).unwrap_or_default();
        Self {
            address: address.to_owned(),
            token: token.lines().next().unwrap_or_default().to_owned(),
            running,
        }
    }

    /// Sends a request as it stands, and reads the response to its end.
    pub fn raw(&self, text: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        // A server that refuses a long body may close before it has come.
        let _ = stream.write_all(text.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let head = head.to_lowercase();
        let body = match head.contains("transfer-encoding: chunked") {
            true => unchunked(body),
            false => body.to_owned(),
        };
        Reply {
            status: status.unwrap_or(0),
            head,
            body,
        }
    }

    /// Sends a request with these headers besides `Host` and those of the body.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            text += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-length: {}\r\n\r\n{body}", body.len());
        self.raw(&text)
    }

    /// The header with the token.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Asks for what is at this path behind the base.
    pub fn get(&self, path: &str) -> Reply {
        let path = format!("{BASE}{path}");
        self.send("GET", &path, &[("authorization", &self.bearer())], "")
    }

    /// Sends JSON there.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send_json("POST", path, body)
    }

    /// Sends JSON that changes what is there.
    pub fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send_json("PATCH", path, body)
    }

    fn send_json(&self, method: &str, path: &str, body: &Value) -> Reply {
        let path = format!("{BASE}{path}");
        let bearer = self.bearer();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.send(method, &path, &headers, &body.to_string())
    }

    /// Starts a run of the scenario under this profile.
    #[track_caller]
    pub fn begin(&self, profile: &str) -> String {
        let body = json!({"scenario": "small", "profile": profile});
        let started = self.post("/start", &body).expect(202).json();
        started["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a run is in this state, and returns what is shown of it.
    #[track_caller]
    pub fn wait_for(&self, id: &str, state: &str) -> Value {
        self.wait_until(id, &format!("state is {state}"), |shown| {
            shown["state"] == state
        })
    }

    /// Waits until this holds of what is shown of a run.
    #[track_caller]
    pub fn wait_until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let shown = self.get(&format!("/{id}")).expect(200).json();
            if holds(&shown) {
                return shown;
            }
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "not {what}: {shown:#}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The text of a body that was sent in chunks.
fn unchunked(mut rest: &str) -> String {
    let mut text = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 || length > after.len() {
            break;
        }
        text += &after[..length];
        rest = after[length..].trim_start_matches("\r\n");
    }
    text
}
