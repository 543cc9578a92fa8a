//! A port that runs against the recording server `scenarios/ports/fake.py`, and what the server saw.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Perfctl, skip};

/// The folder with the ports.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/ports")
}

/// A request that the server saw.
#[derive(Debug)]
pub struct Seen {
    /// Method and path, such as `GET /health`.
    pub line: String,
    /// What follows the `?`, as sent.
    pub query: String,
    /// Headers by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The beginning of the body, as text.
    pub body: String,
}

impl Seen {
    fn of(entry: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let url = text("u");
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let headers = entry["h"].as_object().unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        Self {
            line: format!("{} {path}", text("m")),
            query: query.to_owned(),
            headers: headers.collect(),
            body: text("b"),
        }
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body, which is JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    /// A field of the form that is the body; nothing if there is none.
    pub fn field(&self, name: &str) -> String {
        field(&self.body, name)
    }

    /// A parameter of the query; nothing if there is none.
    pub fn parameter(&self, name: &str) -> String {
        field(&self.query, name)
    }

    /// The last segment of the path.
    pub fn last_segment(&self) -> &str {
        self.line.rsplit('/').next().unwrap()
    }
}

fn field(form: &str, name: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    let found = pairs.find(|(key, _)| key == name);
    found.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// What came of a port.
pub struct Trial {
    /// The requests, in the order in which they came.
    pub seen: Vec<Seen>,
    /// How many requests the report has in each row.
    pub rows: BTreeMap<String, u64>,
    /// The report, as JSON.
    pub report: Value,
}

impl Trial {
    /// The requests with this method and beginning of the path.
    pub fn of<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a Seen> + 'a {
        self.seen
            .iter()
            .filter(move |seen| seen.line.starts_with(line))
    }

    /// How many requests have this method and path.
    pub fn count(&self, line: &str) -> usize {
        self.seen.iter().filter(|seen| seen.line == line).count()
    }

    /// How many requests failed, by the name of the failure.
    pub fn failures(&self) -> BTreeMap<String, u64> {
        let mut failures = BTreeMap::new();
        for error in self.report["errors"].as_array().unwrap() {
            let name = error["key"].as_str().or(error["error_type"].as_str());
            let counts = ["requests", "unmeasured_requests"].map(|key| error[key].as_u64());
            let count: u64 = counts.into_iter().flatten().sum();
            *failures.entry(name.unwrap().to_owned()).or_default() += count;
        }
        failures
    }
}

/// Whether `count` is about what this share of `all` is: within half of it, and three.
#[track_caller]
pub fn assert_share(what: &str, count: usize, (share, all): (f64, usize)) {
    let expected = share * all as f64;
    let off = (count as f64 - expected).abs();
    assert!(
        off <= expected / 2.0 + 3.0,
        "{what}: {count} instead of about {expected}"
    );
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the port NAME without waits against its application, with these arguments of `perfctl run`, in
/// which `{port}` is that of the server, and `%20` a space. `None` where there is no Python.
#[track_caller]
pub fn trial(name: &str, application: &str, args: &str) -> Option<Trial> {
    let perfctl = Perfctl::new();
    let log = perfctl.dir().join("seen.jsonl");
    let (application, flags) = application.split_once(' ').unwrap_or((application, ""));
    let server = Command::new("python3")
        .arg(folder().join("fake.py"))
        .args([application, "0"])
        .arg(&log)
        .args(flags.split_whitespace())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = server else {
        skip("python3 is missing");
        return None;
    };
    let stdout = child.stdout.take().unwrap();
    let server = Server(child);
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port).unwrap();
    let port = port.trim();
    assert!(!port.is_empty(), "{application}: the server did not start");
    let completed = perfctl
        .args(["run".into(), folder().join(format!("{name}.yaml"))])
        .args(["--host", &format!("http://127.0.0.1:{port}")])
        .args(["--seed", "7", "--no-think-time", "--fail-on", "none"])
        .args(["--format", "json", "--full"])
        .args(
            args.split_whitespace()
                .map(|word| word.replace("{port}", port).replace("%20", " ")),
        )
        .expect_status(0)
        .run();
    drop(server);
    let log = completed.read("seen.jsonl");
    let seen = log.lines().map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        assert_ne!(entry["s"], 599, "the application failed: {line}");
        Seen::of(&entry)
    });
    let seen = seen.collect();
    let report: Value = serde_json::from_str(&completed.stdout).unwrap();
    let rows = report["endpoints"].as_array().unwrap().iter().map(|row| {
        let count = |key: &str| row[key].as_u64().unwrap_or(0);
        let count = count("total_requests") + count("unmeasured_requests");
        (row["endpoint"].as_str().unwrap().to_owned(), count)
    });
    Some(Trial {
        seen,
        rows: rows.collect(),
        report,
    })
}
