//! Hand-made reports for the golden tests of all formats.

use std::num::NonZeroU16;
use std::time::Duration;

use super::contents::Report;
use crate::comparison::{Baseline, Comparison, Threshold, compare};
use crate::grading::{Grading, Policy};
use crate::metrics::{
    BodyText, Example, ExchangeText, FailureCount, FailureCounts, FailureSample, FailureSamples,
    FailureTexts, MessageText, Observation, ObservedInfo, ObservedValue, Outcome, RunResult,
    Sample, Tick, TraceInfo, TracedRequest, fixture,
};
use crate::plan::{Metric, Model, ObservedUnit, Percentile, Slo, SloScope, Stage};

fn p(percent: f64) -> Metric {
    Metric::ResponseTime(Percentile::new(percent).unwrap())
}

fn slos() -> Vec<Slo> {
    let mut of_endpoint = fixture::slo("p95", p(95.0), 100_000.0);
    of_endpoint.scope = SloScope::Endpoint("list invoices".into());
    vec![
        fixture::slo("api_response_time_p95", p(95.0), 500_000.0),
        of_endpoint,
        fixture::slo("error_rate", Metric::ErrorRate, 0.01),
        fixture::slo("availability", Metric::Availability, 0.999),
        fixture::slo("throughput_rps", Metric::Throughput, 100.0),
    ]
}

/// The report on a run, graded by the default policy.
pub fn report(result: RunResult, comparison: Option<Comparison>) -> Report {
    let grading = Grading::of(&result, comparison.as_ref(), &Policy::default());
    Report {
        comparison,
        ..Report::of_run(result, grading)
    }
}

fn with_slos(mut result: RunResult) -> Report {
    result.run.slos = slos();
    report(result, None)
}

fn healthy(response_us: u64) -> RunResult {
    fixture::run(&[
        ("health", &[(Outcome::Ok, 1_200, 600)]),
        (
            "list invoices",
            &[
                (Outcome::Ok, response_us, 480),
                (Outcome::Ok, 2 * response_us, 20),
            ],
        ),
    ])
}

/// A run that meets all SLOs.
pub fn passing() -> Report {
    let mut report = with_slos(healthy(41_000));
    report.result.run.skipped_slos =
        vec!["throughput_rps (profile): 5 users with this think time offer at most 2.5/s".into()];
    report.directory = Some("results/20261121T000000Z-ap-intake-smoke".into());
    report
}

/// A run that is slow and has failures.
pub fn failing() -> Report {
    with_slos(fixture::run(&[
        ("health", &[(Outcome::Ok, 1_200, 580)]),
        (
            "list invoices",
            &[
                (Outcome::Ok, 80_000, 400),
                (Outcome::Ok, 150_000, 100),
                (Outcome::Http5xx, 3_000, 15),
                (Outcome::CheckFailed, 3_000, 5),
            ],
        ),
    ]))
}

/// A run that is slower than its baseline.
pub fn regressed() -> Report {
    let mut result = healthy(60_000);
    result.run.slos = slos();
    let baseline = Baseline::of(vec![healthy(41_000)]);
    let runs = std::slice::from_ref(&result);
    let comparison = compare(&baseline, runs, &Threshold::default()).unwrap();
    report(result, Some(comparison))
}

/// A run whose load generator ran out of file descriptors.
pub fn invalid() -> Report {
    with_slos(fixture::run(&[(
        "health",
        &[(Outcome::Ok, 1_200, 600), (Outcome::LocalFd, 100, 3)],
    )]))
}

/// A run with logins in its ramp alone, one of which failed there first, and with more kinds of
/// failure than a table shows.
pub fn many_errors() -> Report {
    let mut tick = Tick::default();
    let mut add = |endpoint, at_s: u64, status: u16, count, excerpt: &str| {
        let outcome = match status {
            200 => Outcome::Ok,
            400..500 => Outcome::Http4xx,
            _ => Outcome::Http5xx,
        };
        let sample = Sample {
            status: NonZeroU16::new(status),
            ..fixture::sample(endpoint, outcome, at_s * 1_000_000, 2_000)
        };
        tick.samples.extend(std::iter::repeat_n(sample, count));
        if outcome != Outcome::Ok {
            tick.examples.push(Example {
                endpoint,
                cause: sample.cause(),
                texts: FailureTexts {
                    text: format!("status {status}"),
                    excerpt: (!excerpt.is_empty()).then(|| excerpt.to_owned()),
                },
            });
        }
    };
    add(0, 1, 200, 19, "");
    add(0, 1, 401, 1, "wrong password");
    add(1, 5, 200, 1_000, "");
    add(1, 1, 422, 12, "qty must be an integer");
    add(1, 5, 422, 65, "qty must not be empty");
    add(2, 5, 422, 9, "");
    for status in 500..520 {
        add(2, 6, status, 2, "try later");
    }
    let names = ["login", "create order", "pay"];
    report(
        fixture::of_stages(&names, vec![fixture::stage()], tick),
        None,
    )
}

/// A run of endpoints with these names that all became slower, have failures, and miss two SLOs.
pub fn large(names: &[String]) -> Report {
    let run = |response_us: u64| {
        let requests: &[(Outcome, u64, u64)] = &[
            (Outcome::Ok, response_us, 150),
            (Outcome::Http5xx, 1_234, 5),
        ];
        let endpoints: Vec<_> = names.iter().map(|name| (name.as_str(), requests)).collect();
        fixture::run(&endpoints)
    };
    let mut result = run(3_599_123);
    let slos = names.iter().flat_map(|name| {
        let mean = fixture::slo("mean", Metric::MeanResponseTime, 1.0);
        let errors = fixture::slo("error_rate", Metric::ErrorRate, 0.01);
        [mean, errors].map(|mut slo| {
            slo.scope = SloScope::Endpoint(name.clone());
            slo
        })
    });
    result.run.slos = slos.collect();
    let baseline = Baseline::of(vec![run(1_000)]);
    let runs = std::slice::from_ref(&result);
    let comparison = compare(&baseline, runs, &Threshold::default()).unwrap();
    report(result, Some(comparison))
}

/// The run of [`many_errors`] with some of its failures, and what a hostile service sent for them.
pub fn with_samples(mut report: Report) -> Report {
    let sample = |endpoint, status, body: &str| FailureSample {
        endpoint,
        outcome: Outcome::Http4xx,
        status: Some(status),
        key: None,
        check: None,
        started_us: 1_250_000,
        response_us: 2_000,
        text: format!("status {status}"),
        trace_id: (status == 401).then(|| "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap()),
        exchange: ExchangeText {
            redirects: u64::from(status == 401),
            request: MessageText {
                line: "POST /orders?page=2 HTTP/1.1".to_owned(),
                headers: vec![
                    "host: localhost:1".to_owned(),
                    "authorization: ***".to_owned(),
                ],
                unkept_headers: 0,
                body: Some(BodyText {
                    size_bytes: 1_234,
                    text: None,
                    is_cut: false,
                    note: Some("1,234 bytes of image/png".to_owned()),
                }),
            },
            response: Some(MessageText {
                line: format!("HTTP/1.1 {status}"),
                headers: vec!["x: <script>alert(1)</script>\u{1b}[31m\u{202e}".to_owned()],
                unkept_headers: 2,
                body: Some(BodyText {
                    size_bytes: 9_000,
                    text: Some(body.to_owned()),
                    is_cut: true,
                    note: None,
                }),
            }),
        },
    };
    let hostile = "</pre><script>alert(1)</script>\n::error::x\n=cmd() ]]> \u{202e}\u{1b}[2J";
    report.result.failure_samples = FailureSamples {
        kept: vec![
            sample(1, 422, hostile),
            sample(0, 401, "wrong password"),
            sample(1, 422, "{\"detail\": \"qty\"}"),
        ],
        unkept: 1_200,
    };
    report
}

/// A run whose service was observed, with something that was not there.
pub fn observed() -> Report {
    let mut report = passing();
    let result = &mut report.result;
    let unit = |name: &str| match name {
        "took" => ObservedUnit::Seconds,
        _ => ObservedUnit::Number,
    };
    let names = ["pool", "requests", "took", "cache"].into_iter();
    let info = |name: &str| ObservedInfo {
        name: name.into(),
        source: format!("{name}_of_service"),
        unit: unit(name),
    };
    result.run.observed = names.map(info).collect();
    let increase = |by, over_s| Some(ObservedValue::Increase { by, over_s });
    let requests = [
        None,
        increase(9.0, 2.0),
        increase(2.5, 2.5),
        None,
        increase(15.0, 5.0),
        increase(2.5, 2.5),
    ];
    let pool = [0.1, 0.1, 0.25, 0.25, 0.75, 0.75];
    let times = requests.into_iter().zip(pool).enumerate();
    let observations = times.map(|(at, (requests, pool))| {
        let took = ObservedValue::Distribution {
            sum: 2.0,
            buckets: vec![(0.1, 18.0), (0.5, at as f64)],
            above: 0.0,
        };
        let took = (at > 0).then_some((2, took));
        let requests_failure = (at == 3).then(|| (1, "`/metrics`: status 503".to_owned()));
        let cache = "`/metrics`: there is no `cache_hits_total`";
        let cache_failure = (at == 0).then(|| (3, cache.to_owned()));
        Observation {
            at_ms: [0, 2_000, 4_500, 7_000, 9_500, 12_000][at],
            length_ms: [0, 2_000, 2_500, 2_500, 2_500, 2_500][at],
            values: [(0, ObservedValue::Level(pool))]
                .into_iter()
                .chain(requests.map(|value| (1, value)))
                .chain(took)
                .collect(),
            failures: requests_failure.into_iter().chain(cache_failure).collect(),
        }
    });
    result.observations = observations.collect();
    report
}

/// A run whose requests were traced.
pub fn traced() -> Report {
    let mut report = passing();
    let result = &mut report.result;
    result.run.trace = Some(TraceInfo {
        sampled: 1.0,
        url: Some("https://jaeger.example.org/trace/{trace_id}".to_owned()),
    });
    let request = |endpoint, rank: u64, status: u16, response_us| TracedRequest {
        endpoint,
        outcome: if status == 200 {
            Outcome::Ok
        } else {
            Outcome::Http5xx
        },
        status: Some(status),
        started_us: 1_000_000 + rank * 500_000,
        response_us,
        trace_id: format!("{endpoint}bf92f3577b34da6a3ce929d0e0e473{rank}")
            .parse()
            .unwrap(),
    };
    let slowest =
        |endpoint| (1..6).map(move |rank| request(endpoint, rank, 200, 910_000 - rank * 5_000));
    result.traces.slowest = slowest(0).chain(slowest(1)).collect();
    result.traces.failed = vec![request(1, 2, 503, 1_000), request(1, 3, 503, 1_100)];
    report
}

/// A run without requests.
pub fn empty() -> Report {
    with_slos(fixture::run(&[("health", &[])]))
}

/// An open model with a surge that the service recovers from.
pub fn spike() -> Report {
    let stage = |name: &str, level, ramp_s, duration_s| Stage {
        name: name.into(),
        level,
        ramp: Duration::from_secs(ramp_s),
        duration: Duration::from_secs(duration_s),
        classes: Vec::new(),
    };
    let stages = vec![
        stage("base", 100.0, 2, 20),
        stage("surge", 300.0, 0, 10),
        stage("recovery", 100.0, 0, 30),
    ];
    let samples = (0..6_200).map(|i| {
        let intended_us = i * 10_000;
        match intended_us / 1_000_000 {
            22..32 if i % 50 == 0 => fixture::sample(0, Outcome::Dropped, intended_us, 0),
            22..35 => fixture::sample(0, Outcome::Ok, intended_us, 900_000),
            _ => fixture::sample(0, Outcome::Ok, intended_us, 12_000),
        }
    });
    let tick = Tick {
        samples: samples.collect(),
        ..Tick::default()
    };
    let mut result = fixture::of_stages(&["health"], stages, tick);
    result.run.load.model = Model::Open { max_users: 50 };
    result.run.profile = "spike".into();
    report(result, None)
}

/// A quick look at a service that is mostly fast and sometimes fails.
pub fn quick_look() -> Report {
    let samples = (0..5_000u64).map(|i| {
        let (outcome, response_us) = match i % 500 {
            0 => (Outcome::Http5xx, 700),
            1 => (Outcome::ConnectRefused, 90),
            2 => (Outcome::Ok, 250_000),
            // Many around 2 ms, and fewer up to 5 ms.
            rest => (Outcome::Ok, 1_500 + rest * rest / 70),
        };
        fixture::sample(0, outcome, i * 2_000, response_us)
    });
    let tick = Tick {
        samples: samples.collect(),
        ..Tick::default()
    };
    let stage = Stage {
        name: "50 users".into(),
        level: 50.0,
        ramp: Duration::ZERO,
        duration: Duration::from_secs(10),
        classes: Vec::new(),
    };
    let mut result = fixture::of_stages(&["GET /api/orders"], vec![stage], tick);
    result.run.quick_look = true;
    result.run.profile = "quick-look".into();
    let cell = &mut result.endpoints[0].phases[0];
    (cell.connections, cell.reused) = (50, 4_940);
    report(result, None)
}

/// Names and texts that are long, wide, or hostile.
pub fn hostile() -> Report {
    hostile_with(&[])
}

/// The same with further endpoints of these names.
pub fn hostile_with(further: &[&str]) -> Report {
    let mut names = vec![
        "hostile \u{1b}[31mred\u{1b}[0m\r\n::error::owned | <script>alert(1)</script> `x` @admin",
        "::error file=a.rs::hostile",
        "hostile 請求書の一覧を取得するとても長い名前のエンドポイントその一",
        "hostile get /api/v1/tenants/acme/invoices/2026/11/21/attachments/original",
    ];
    names.extend(further);
    let requests: fixture::Requests<'_> = &[
        (Outcome::Ok, 3_599_000_000, 12_345),
        (Outcome::Reset, 100, 1_234),
    ];
    let endpoints: Vec<(&str, fixture::Requests<'_>)> =
        names.iter().map(|name| (*name, requests)).collect();
    let mut result = fixture::run(&endpoints);
    for endpoint in &mut result.endpoints {
        for cell in &mut endpoint.phases {
            let mut hostile = FailureCounts::default();
            for failures in cell.failure_counts.iter() {
                let text = "\u{1b}]0;owned\u{7}##[group] ::warning::x ".to_owned();
                hostile.add(FailureCount {
                    example: Some(text + &"y".repeat(300)),
                    ..failures.clone()
                });
            }
            cell.failure_counts = hostile;
        }
    }
    let mut slo = fixture::slo("p99.9", p(99.9), 1_000.0);
    slo.scope = SloScope::Endpoint(names[0].into());
    result.run.slos = vec![slo];
    result.run.service = "http://".to_owned() + &"long.".repeat(40);
    report(result, None)
}
