//! The rows that are about the machine: its memory, its ports, its processor time, and a network that
//! drops packets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::servers::calibrated::serve;
use crate::support::{Fault, Misbehaving, Perfctl, skip};
use crate::torture::cases::{bomb, gzipped, large_header};

/// Runs an endpoint 30 times, five users at once, and returns the most memory it took and the
/// report.
fn memory_kib(fault: Fault, endpoint: &str) -> (u64, String) {
    let server = Misbehaving::start(fault);
    let yaml = format!("host: {}\nendpoints: [{endpoint}]\n", server.url());
    let mut running = Perfctl::new()
        .file("scenario.yaml", yaml)
        .args(["run", "scenario.yaml", "--iterations", "30", "-u", "5"])
        .args(["--format", "json", "--no-progress"])
        .spawn();
    let mut peak = 0;
    while !running.has_ended() {
        peak = running.peak_memory_kib().unwrap_or_default().max(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    let completed = running.wait();
    assert!(peak > 0, "{}", completed.stderr);
    (peak, completed.stdout)
}

fn memory_stays_flat(cases: Vec<(Fault, &str, &str)>) {
    let (plain, _) = memory_kib(Fault::Ok, "{get: /}");
    for (fault, endpoint, outcome) in cases {
        let (peak, report) = memory_kib(fault, endpoint);
        assert!(
            report.contains(&format!("\"{outcome}\": 30")),
            "{outcome}: {report}"
        );
        let more_mib = peak.saturating_sub(plain) / 1024;
        assert!(
            more_mib <= 50,
            "{outcome}: {more_mib} MiB more than a plain run"
        );
    }
}

#[test]
fn row_10_12_memory_stays_flat_whatever_the_length_of_head_and_body() {
    memory_stays_flat(vec![
        (
            Fault::SlowHead,
            "{get: /, timeout: 200ms}",
            "timeout_headers",
        ),
        (
            Fault::BigBody(10_000_000_000),
            "{get: /, max_body: 20MB}",
            "body_too_large",
        ),
    ]);
}

#[test]
fn row_13_17_memory_stays_flat_with_bombs_and_large_heads() {
    let checked = "{get: /, check: {body_contains: x}}";
    memory_stays_flat(vec![
        (gzipped(bomb()), checked, "body_too_large"),
        (large_header(1_000_000), "{get: /}", "protocol"),
    ]);
}

/// A network namespace of its own, removed at the end; `None`, and a line on standard error,
/// where none can be made.
struct Namespace(String);

impl Namespace {
    fn new(row: u8, setup: &str) -> Option<Self> {
        let name = format!("perfctl-row-{row}-{}", std::process::id());
        let script = format!("ip netns add {name} && ip netns exec {name} sh -c '{setup}'");
        let made = Command::new("sh").args(["-c", &script]).output();
        let namespace = Self(name);
        let why = match made {
            Ok(output) if output.status.success() => return Some(namespace),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        skip(&format!("row {row}: no network namespace: {why}"));
        None
    }

    fn run(&self, script: &str, dir: &std::path::Path) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.0, "sh", "-c", script])
            .current_dir(dir)
            .env("PERFCTL", env!("CARGO_BIN_EXE_perfctl"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

#[test]
fn row_02_a_syn_that_is_never_answered_is_a_connect_timeout() {
    // What is routed to the loopback device and belongs to nobody there vanishes.
    let setup = "ip link set lo up && ip route add 10.99.0.0/24 dev lo";
    let Some(namespace) = Namespace::new(2, setup) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let yaml = "host: http://10.99.0.2\nendpoints: [{get: /, connect_timeout: 300ms}]\n";
    std::fs::write(dir.path().join("scenario.yaml"), yaml).unwrap();
    let run = "$PERFCTL run scenario.yaml --iterations 2 -u 2 --format json --no-progress";
    let report: serde_json::Value = serde_json::from_str(&namespace.run(run, dir.path())).unwrap();
    let text = report.to_string();
    assert!(text.contains(r#""timeout_connect":2"#), "{text}");
    let phases = report["phases"].as_array().unwrap();
    let times: Vec<_> = phases
        .iter()
        .map(|phase| &phase["summary"]["response_ms"])
        .collect();
    let times = times.iter().find(|times| times["count"] == 2).unwrap();
    let (min, max) = (
        times["min"].as_f64().unwrap(),
        times["max"].as_f64().unwrap(),
    );
    // The upper bound leaves room for a busy machine.
    assert!(min >= 300.0 && max < 2_000.0, "{times}");
}

#[test]
fn row_09_a_machine_without_free_ports_makes_the_run_invalid() {
    let setup = "ip link set lo up && echo 50000 50049 > /proc/sys/net/ipv4/ip_local_port_range";
    let Some(namespace) = Namespace::new(9, setup) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    // Eighty users keep a connection each, and there are fifty ports.
    let yaml = "host: http://127.0.0.1:8080\nendpoints: [{get: /health}]\n";
    std::fs::write(dir.path().join("scenario.yaml"), yaml).unwrap();
    let run = "$PERFCTL demo --port 8080 > demo.txt & demo=$!
        for try in $(seq 400); do grep -q listening demo.txt && break; sleep 0.05; done
        $PERFCTL run scenario.yaml -u 80 -r 200 -t 1s --think-time 20ms --format json --no-progress
        kill $demo";
    let report = namespace.run(run, dir.path());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verdict"], "invalid", "{report}");
    assert!(report["grade"].is_null());
    assert!(
        report["reasons"].to_string().contains("local_ports"),
        "{}",
        report["reasons"]
    );
}

/// A control group with a tenth of a core, removed at the end; `None`, and a line on standard error,
/// where none can be made.
struct TenthOfACore(PathBuf);

impl TenthOfACore {
    fn new() -> Option<Self> {
        let name = format!("perfctl-row-39-{}", std::process::id());
        let make = |root: &str, quota: &[(&str, &str)]| {
            let group = Self(Path::new(root).join(&name));
            fs::create_dir(&group.0)?;
            let mut files = quota.iter();
            files.try_for_each(|(file, text)| fs::write(group.0.join(file), text))?;
            // Only a real control group lists its processes.
            fs::metadata(group.0.join("cgroup.procs"))?;
            Ok::<_, std::io::Error>(group)
        };
        // The highest weight, so that what else runs on this machine leaves the group its tenth.
        let second = [("cpu.max", "10000 100000"), ("cpu.weight", "10000")];
        let first = [
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "10000"),
            ("cpu.shares", "262144"),
        ];
        let made = match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            true => make("/sys/fs/cgroup", &second),
            false => make("/sys/fs/cgroup/cpu", &first),
        };
        made.inspect_err(|error| skip(&format!("row 39: no control group: {error}")))
            .ok()
    }
}

impl Drop for TenthOfACore {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn row_39_a_generator_that_uses_up_its_quota_is_invalid() {
    let Some(group) = TenthOfACore::new() else {
        return;
    };
    let (base, _log) = serve();
    let dir = tempfile::tempdir().unwrap();
    let run = "echo $$ > \"$GROUP/cgroup.procs\" && exec \"$PERFCTL\" run \"$URL\" -u 200 -t 7s \\
        --workers 1 --format json --no-progress";
    let output = Command::new("sh")
        .args(["-c", run])
        .current_dir(dir.path())
        .env("GROUP", &group.0)
        .env("URL", format!("{base}/now"))
        .env("PERFCTL", env!("CARGO_BIN_EXE_perfctl"))
        .env("PERFCTL_ASSUME_HEALTHY", "0")
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "invalid", "{report}");
    let reasons = report["reasons"].to_string();
    assert!(
        reasons.contains("of the CPU time available to perfctl"),
        "{reasons}"
    );
}
