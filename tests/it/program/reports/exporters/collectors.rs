//! Numbers that are sent to collectors while a run goes on: what arrives, and what happens if it does not.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use perfctl::metrics::Outcome;
use prost::Message;
use serde_json::Value;

use super::scenario;
use crate::support::recording::{Recording, Seen, answer};
use crate::support::{
    Authority, Certificate, Completed, Fault, Misbehaving, Perfctl, Talk, TlsServer, closed_port,
    skip,
};

fn started(completed: &Completed) -> f64 {
    completed.result().count(Outcome::is_started) as f64
}

/// What a token looks like that must be nowhere to be seen.
const TOKEN: &str = "token-51423";

#[track_caller]
fn assert_secret(completed: &Completed) {
    let journal = completed.runs().pop().unwrap().join("journal.jsonl");
    let stored = std::fs::read_to_string(journal).unwrap();
    for text in [&stored, &completed.stdout, &completed.stderr] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[test]
fn remote_write_ends_with_the_numbers_of_the_run() {
    let server = Recording::start(|_, _| answer("204 No Content", "", ""));
    let url = format!("{}/api/v1/write", server.url());
    let run = scenario(1)
        .args(["--remote-write", &url])
        .env("PERFCTL_REMOTE_WRITE_TOKEN", TOKEN);
    let completed = run.expect_status(0).run();
    let last = server.seen().pop().unwrap();
    assert_eq!(last.line, "POST /api/v1/write HTTP/1.1");
    assert_eq!(last.header("content-encoding"), Some("snappy"));
    assert_eq!(last.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(
        last.header("x-prometheus-remote-write-version"),
        Some("0.1.0")
    );
    assert_eq!(
        last.header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    let message = snap::raw::Decoder::new()
        .decompress_vec(&last.body)
        .unwrap();
    let request = WriteRequest::decode(&message[..]).unwrap();
    let sum = |name: &str| {
        let series = request.timeseries.iter();
        let series =
            series.filter(|one| one.labels[0].value == name && one.labels[0].name == "__name__");
        series.map(|one| one.samples[0].value).sum::<f64>()
    };
    assert_eq!(sum("perfctl_requests_total"), started(&completed));
    assert_eq!(
        sum("perfctl_response_time_seconds_count"),
        started(&completed)
    );
    assert_eq!(completed.stderr, "", "nothing failed");
    assert_secret(&completed);
}

/// A Python that has the packages `opentelemetry-proto` and `grpcio`; see `.ci/run`.
fn python() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    [here, "python3".into()].into_iter().find(|python| {
        let import =
            "import grpc, opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc";
        let status = Command::new(python).args(["-c", import]).output();
        status.is_ok_and(|output| output.status.success())
    })
}

/// Decodes a request, or is a collector that prints what it gets: its port first, then a line for each request.
const COLLECTOR: &str = r#"
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
def show(request, **more):
    print(json.dumps({**MessageToDict(request), **more}), flush=True)
if sys.argv[1] == "decode":
    request = messages.ExportMetricsServiceRequest()
    request.ParseFromString(sys.stdin.buffer.read())
    show(request)
    sys.exit()
import grpc
from concurrent import futures
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service
class Collector(service.MetricsServiceServicer):
    def Export(self, request, context):
        show(request, headers=dict(context.invocation_metadata()))
        if sys.argv[1] == "refuse":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        return messages.ExportMetricsServiceResponse()
server = grpc.server(futures.ThreadPoolExecutor(2))
service.add_MetricsServiceServicer_to_server(Collector(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"#;

/// That script; dropping it ends it.
struct Script(Child);

impl Script {
    fn start(python: &Path, mode: &str) -> Self {
        let mut command = Command::new(python);
        command.args(["-c", COLLECTOR, mode]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sum of the counts of a metric in a request.
fn otlp_sum(request: &Value, name: &str) -> f64 {
    let metrics = &request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let metric = metrics
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == name);
    let metric = metric.unwrap_or_else(|| panic!("no {name} in {request}"));
    let kinds = ["sum", "histogram", "exponentialHistogram"];
    let points = kinds
        .iter()
        .find_map(|kind| metric[kind]["dataPoints"].as_array());
    let number = |point: &Value| {
        let number = point["asInt"].as_str().or(point["count"].as_str());
        number.unwrap().parse::<f64>().unwrap()
    };
    points.unwrap().iter().map(number).sum()
}

#[test]
fn otlp_by_http_is_read_by_the_package_of_opentelemetry() {
    let Some(python) = python() else {
        return skip("OTLP is decoded by the Python package `opentelemetry-proto`");
    };
    let server = Recording::ok();
    let run = scenario(1).args(["--otlp", &server.url()]);
    let run = run.env("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={TOKEN}"));
    let aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let run = run.env(aggregation, "base2_exponential_bucket_histogram");
    let completed = run.expect_status(0).run();
    let last = server.seen().pop().unwrap();
    assert_eq!(last.line, "POST /v1/metrics HTTP/1.1");
    assert_eq!(last.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(last.header("api-key"), Some(TOKEN));
    let mut script = Script::start(&python, "decode");
    script
        .0
        .stdin
        .take()
        .unwrap()
        .write_all(&last.body)
        .unwrap();
    let request: Value = serde_json::from_reader(script.0.stdout.take().unwrap()).unwrap();
    assert_eq!(otlp_sum(&request, "perfctl.requests"), started(&completed));
    assert_eq!(
        otlp_sum(&request, "perfctl.response_time"),
        started(&completed)
    );
    assert_eq!(completed.stderr, "");
    assert_secret(&completed);
}

/// What a collector of gRPC in this mode got of a run of so many seconds.
fn exported(python: &Path, mode: &str, seconds: u32) -> (Completed, Vec<Value>) {
    let mut script = Script::start(python, mode);
    let mut lines = BufReader::new(script.0.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();
    let run = scenario(seconds).args(["--otlp", &format!("grpc://127.0.0.1:{port}")]);
    let run = run.env("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={TOKEN}"));
    let run = run.env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    let completed = run.expect_status(0).run();
    drop(script);
    let requests = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    let requests = requests.collect();
    assert_secret(&completed);
    (completed, requests)
}

#[test]
fn otlp_by_grpc_is_taken_by_a_server_of_grpc() {
    let Some(python) = python() else {
        return skip("OTLP is taken by the Python packages `opentelemetry-proto` and `grpcio`");
    };
    let (completed, requests) = exported(&python, "take", 7);
    assert!(requests.len() > 1, "{requests:?}");
    for name in ["perfctl.requests", "perfctl.scheduling_delay"] {
        let all = requests.iter().map(|request| otlp_sum(request, name));
        assert_eq!(all.sum::<f64>(), started(&completed), "{name}");
    }
    let mut until = None;
    for request in &requests {
        assert_eq!(request["headers"]["api-key"], TOKEN);
        let text = request.to_string();
        assert!(text.contains("TEMPORALITY_DELTA") && !text.contains("TEMPORALITY_CUMULATIVE"));
        let resource = &request["resourceMetrics"][0]["resource"]["attributes"];
        assert!(
            resource.to_string().contains(&completed.result().run.id),
            "{resource}"
        );
        let scope = &request["resourceMetrics"][0]["scopeMetrics"][0];
        let users = &scope["metrics"][0]["gauge"]["dataPoints"][0];
        let start = users["startTimeUnixNano"].as_str().unwrap().to_owned();
        assert_eq!(
            until.unwrap_or_else(|| start.clone()),
            start,
            "each begins where the last ended"
        );
        until = users["timeUnixNano"].as_str().map(str::to_owned);
    }
    assert_eq!(completed.stderr, "");

    let (completed, _) = exported(&python, "refuse", 1);
    assert!(
        completed
            .stderr
            .contains("failed: gRPC status 16: who are you?\n"),
        "{}",
        completed.stderr
    );
}

/// As many endpoints as take more than one window of HTTP/2.
#[test]
fn grpc_goes_over_tls_with_the_certificates_of_the_scenario() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, Certificate::Good, Talk::H2);
    let endpoints = (0..200).map(|number| format!("- {{name: health {number}, get: /health}}\n"));
    let exported = |trust: &str| {
        let run = Perfctl::scenario("demo", &(endpoints.clone().collect::<String>() + trust));
        let run = run.file("scenarios/ca.pem", authority.pem());
        let url = format!("grpcs://{}", server.authority());
        let run = run.args(["--iterations", "2000", "--no-progress", "--otlp", &url]);
        run.expect_status(0).run().stderr
    };
    let said = exported("tls: {ca_file: ca.pem}");
    // That server answers when it has read everything, and knows nothing of gRPC.
    assert!(
        said.ends_with("failed: the response has no gRPC status\n"),
        "{said}"
    );
    assert!(
        said.starts_with(&format!("warning: OTLP to grpcs://{} ", server.authority())),
        "{said}"
    );
    let said = exported("");
    assert!(
        said.contains("invalid peer certificate: UnknownIssuer"),
        "{said}"
    );
}

/// The sum of a field of the lines of InfluxDB's protocol that begin like this.
fn influx_sum(seen: &Seen, name: &str, field: &str) -> f64 {
    let text = seen.text();
    let lines = text
        .lines()
        .filter(|line| line.starts_with(&format!("{name},")));
    let number = |line: &str| {
        let (_, rest) = line.split_once(&format!(" {field}=")).unwrap();
        rest.split(['i', ',', ' '])
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    lines.map(number).sum()
}

/// Each delivery is about the time since the one before that was taken.
#[test]
fn what_influxdb_did_not_take_is_part_of_what_it_gets_next() {
    let server = Recording::start(|_, number| match number {
        0 => answer("503 Service Unavailable", "", "{\"message\": \"busy\"}\n"),
        _ => answer("204 No Content", "", ""),
    });
    let url = format!("{}/api/v2/write?org=o&bucket=b", server.url());
    let run = scenario(7)
        .args(["--influx", &url])
        .env("INFLUX_TOKEN", TOKEN);
    let completed = run.expect_status(0).run();
    let mut seen = server.seen();
    let refused = seen.remove(0);
    assert_eq!(refused.path(), "/api/v2/write?org=o&bucket=b");
    assert_eq!(
        refused.header("authorization"),
        Some(&*format!("Token {TOKEN}"))
    );
    assert!(
        influx_sum(&refused, "perfctl_requests", "count") > 0.0,
        "{}",
        refused.text()
    );
    for name in ["perfctl_requests", "perfctl_response_time_seconds"] {
        let taken = seen
            .iter()
            .map(|one| influx_sum(one, name, "count"))
            .sum::<f64>();
        assert_eq!(taken, started(&completed), "{name}");
    }
    let origin = server.url();
    let said = format!(
        "warning: InfluxDB writes to {origin}/api/v2/write failed 1 of {} times: status 503: {{\"message\": \"busy\"}}\n",
        seen.len() + 1
    );
    assert_eq!(completed.stderr, said);
    assert_secret(&completed);
}

#[test]
fn statsd_gets_counters_and_gauges() {
    for (option, line) in [
        ("--statsd", ".health.steady.ok.requests:"),
        (
            "--dogstatsd",
            ",endpoint:health,phase:steady,measured:true,class:ok,outcome:ok",
        ),
    ] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let completed = scenario(1).args([option, &address]).expect_status(0).run();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let (mut text, mut packet) = (String::new(), [0; 2_000]);
        while let Ok(length) = socket.recv(&mut packet) {
            text += std::str::from_utf8(&packet[..length]).unwrap();
            text.push('\n');
        }
        assert!(text.contains(line), "{option}\n{text}");
        let requests = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let count = rest.split_once("|c")?.0;
            name.ends_with("requests")
                .then(|| count.parse::<f64>().unwrap())
        });
        assert_eq!(requests.sum::<f64>(), started(&completed), "{text}");
        assert_eq!(completed.stderr, "");
    }
}

#[test]
fn collectors_that_hang_or_are_gone_cost_a_line() {
    let hanging = Misbehaving::start(Fault::Hang);
    let (hangs, gone) = (hanging.addr(), closed_port());
    let options = [
        "--remote-write".to_owned(),
        format!("http://{gone}/api/v1/write"),
        "--influx".to_owned(),
        format!("http://user:{TOKEN}@{hangs}/write?db=x&p={TOKEN}"),
        "--otlp".to_owned(),
        format!("grpc://{hangs}"),
    ];
    let completed = scenario(1).args(options).expect_status(0).run();
    let mut lines: Vec<&str> = completed.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            format!(
                "warning: InfluxDB writes to http://{hangs}/write failed: no response within 5s"
            ),
            format!("warning: OTLP to grpc://{hangs} failed: no response within 5s"),
            format!(
                "warning: remote write to http://{gone}/api/v1/write failed: Connection refused (os error 111)"
            ),
        ]
    );
    assert_secret(&completed);
    let wrong = scenario(1)
        .args(["--influx", "http://127.0.0.1:8086"])
        .run();
    assert_eq!(wrong.status, Some(2));
    assert!(
        wrong
            .stderr
            .contains("`http://localhost:8086/write?db=NAME`"),
        "{}",
        wrong.stderr
    );
}
