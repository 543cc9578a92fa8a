//! A real Prometheus: it reads the page of a run and takes its remote write, and its percentiles are those of perfctl.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use perfctl::metrics::{Cell, RunResult};
use perfctl::plan::Percentile;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use super::{address, page, scenario};
use crate::support::documents::{blocks, read};
use crate::support::scenario::SCENARIO;
use crate::support::{LIMIT, Perfctl, closed_port, skip};

/// A program of Debian's package `prometheus`.
fn is_there(program: &str) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

/// A server with a directory of its own. Dropping it ends it.
struct Prometheus {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl Prometheus {
    /// One that reads the page of `target` every second, and is ready.
    fn start(target: &str) -> Self {
        // Another program may take the port first.
        let mut started = (0..3).filter_map(|_| Self::try_start(target));
        started.next().expect("Prometheus starts")
    }

    fn try_start(target: &str) -> Option<Self> {
        let directory = tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: page\n    \
             static_configs: [{{targets: ['{target}']}}]\n"
        );
        let path = directory.path().join("prometheus.yml");
        std::fs::write(&path, config).unwrap();
        let address = closed_port().to_string();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .args([
                "--web.enable-remote-write-receiver",
                "--enable-feature=native-histograms",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            address,
            _directory: directory,
        };
        let limit = Instant::now() + LIMIT;
        while server.child.try_wait().unwrap().is_none() && Instant::now() < limit {
            if server
                .get("/-/ready")
                .is_some_and(|answer| answer.contains(" 200 OK"))
            {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }

    fn get(&self, target: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // HTTP/1.0: the answer is in one piece.
        let request = format!("GET {target} HTTP/1.0\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The values of an instant vector.
    #[track_caller]
    fn query(&self, query: &str) -> Vec<f64> {
        let fields = [("query", query)];
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let answer = self.get(&format!("/api/v1/query?{query}")).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let series = body["data"]["result"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        let values = series
            .iter()
            .map(|one| one["value"][1].as_str().unwrap().parse().unwrap());
        values.collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load that pauses before it ends, so that all of it can be read from the page.
fn run_with_pause() -> Perfctl {
    let text = "name: small\nhost: demo\nendpoints:\n- {name: health, get: /health}\nprofiles: {quick: {stages: [{name: \
                steady, rate: 60, ramp: 0s, duration: 3s}, {name: pause, rate: 0, ramp: 0s, duration: 6s}]}}\n";
    let run = Perfctl::new().file(SCENARIO, text);
    run.args([
        "run",
        "--profile",
        "quick",
        "--no-progress",
        "--fail-on",
        "none",
    ])
}

fn steady(result: &RunResult) -> &Cell {
    let mut phases = result.run.phases.iter();
    let position = phases.position(|phase| phase.name == "steady").unwrap();
    &result.endpoints[0].phases[position]
}

#[test]
fn its_percentiles_are_those_of_perfctl() {
    if !is_there("prometheus") {
        return skip("the metrics are read by Prometheus");
    }
    let target = closed_port().to_string();
    let server = Prometheus::start(&target);
    let url = format!("http://{}/api/v1/write", server.address);
    let run = run_with_pause().args(["--prometheus", &target, "--remote-write", &url]);
    let mut running = run.spawn();
    // What it had read when the run ended: after that, it forgets what is gone.
    let mut read = None;
    let select = "job=\"page\",class=\"ok\",phase=\"steady\",measured=\"true\"";
    while !running.has_ended() {
        let count = server.query(&format!("perfctl_requests_total{{{select}}}"));
        let p95 = server.query(&format!(
            "histogram_quantile(0.95, perfctl_response_time_seconds{{{select}}})"
        ));
        if let (&[count], &[p95]) = (&count[..], &p95[..]) {
            read = Some((count, p95));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let completed = running.wait();
    let result = completed.result();
    let times = &steady(&result).response;
    let p95_s = times.percentile(Percentile::new(95.0).unwrap()).unwrap() / 1e6;

    let (count, native_s) = read.expect("the page was read");
    assert_eq!(count, times.count() as f64, "{}", completed.stderr);
    // A native bucket is as wide as this.
    let factor = 2f64.powf(1.0 / 8.0) * 1.001;
    assert!(
        (p95_s / factor..p95_s * factor).contains(&native_s),
        "{native_s} {p95_s}"
    );

    let select = format!(
        "run=\"{}\",class=\"ok\",phase=\"steady\",measured=\"true\"",
        result.run.id
    );
    assert_eq!(
        server.query(&format!("perfctl_requests_total{{{select}}}")),
        [times.count() as f64]
    );
    let classic_s = server.query(&format!(
        "histogram_quantile(0.95, perfctl_response_time_seconds_bucket{{{select}}})"
    ));
    let [classic_s] = classic_s[..] else {
        panic!("{classic_s:?}");
    };
    // The bounds around it, as they are labels.
    let (_, text) = page_text();
    let bounds = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("perfctl_response_time_seconds_bucket{")?;
        let (_, le) = rest.split_once("le=\"")?;
        le.split_once('"')?.0.parse::<f64>().ok()
    });
    let mut bounds: Vec<f64> = bounds.chain([0.0]).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let upper = bounds.partition_point(|bound| *bound < p95_s);
    let bucket = bounds[upper - 1] * 0.999..=bounds[upper] * 1.001;
    assert!(
        bucket.contains(&classic_s),
        "{classic_s} {p95_s} {bucket:?}"
    );
    assert_eq!(
        completed.stderr.matches("warning:").count(),
        0,
        "{}",
        completed.stderr
    );
}

/// The page of a run that has sent something.
fn page_text() -> (String, String) {
    let mut running = scenario(20).args(["--prometheus", "127.0.0.1:0"]).spawn();
    let address = address(&mut running);
    loop {
        let found = page(&address, "text/plain").expect("the run goes on");
        if found.1.contains("perfctl_response_time_seconds_bucket{") {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn promtool_has_nothing_against_the_page_and_the_rules() {
    if !is_there("promtool") {
        return skip("the page is checked by promtool");
    }
    let (_, text) = page_text();
    let mut command = Command::new("promtool");
    let command = command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let (blocks, _) = blocks(&read("docs/exporters.md"));
    let rules = blocks.iter().find(|block| block.text.contains("groups:"));
    let directory = tempdir().unwrap();
    let path = directory.path().join("rules.yml");
    std::fs::write(&path, &rules.expect("an example of rules").text).unwrap();
    let checked = check_rules(&path);
    assert!(checked.contains("SUCCESS: 2 rules found"), "{checked}");
}

fn check_rules(path: &Path) -> String {
    let output = Command::new("promtool")
        .args(["check", "rules"])
        .arg(path)
        .output()
        .unwrap();
    let all = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}
