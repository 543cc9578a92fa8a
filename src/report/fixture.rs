//! Hand-made reports for the golden tests of all formats.

use std::time::Duration;

use super::contents::{Focus, Report};
use crate::comparison::{Baseline, Comparison, Threshold, compare};
use crate::grading::{Grading, Policy};
use crate::metrics::{Outcome, RunResult, Tick, fixture};
use crate::plan::{Metric, Model, Percentile, Slo, SloScope, Stage};

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
    Report {
        grading: Grading::of(&result, comparison.as_ref(), &Policy::default()),
        result,
        comparison,
        runs: Vec::new(),
        is_stored: false,
        directory: None,
        focus: Focus::Run,
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

/// Names and texts that are long, wide, or hostile.
pub fn hostile() -> Report {
    let names = [
        "hostile \u{1b}[31mred\u{1b}[0m\r\n::error::owned | <script>alert(1)</script> `x` @admin",
        "::error file=a.rs::hostile",
        "hostile 請求書の一覧を取得するとても長い名前のエンドポイントその一",
        "hostile get /api/v1/tenants/acme/invoices/2026/11/21/attachments/original",
    ];
    let requests: fixture::Requests<'_> = &[
        (Outcome::Ok, 3_599_000_000, 12_345),
        (Outcome::Reset, 100, 1_234),
    ];
    let endpoints: Vec<(&str, fixture::Requests<'_>)> =
        names.iter().map(|name| (*name, requests)).collect();
    let mut result = fixture::run(&endpoints);
    for endpoint in &mut result.endpoints {
        for cell in &mut endpoint.phases {
            for text in cell.examples.values_mut() {
                *text = "\u{1b}]0;owned\u{7}##[group] ::warning::x ".to_owned() + &"y".repeat(300);
            }
        }
    }
    let mut slo = fixture::slo("p99.9", p(99.9), 1_000.0);
    slo.scope = SloScope::Endpoint(names[0].into());
    result.run.slos = vec![slo];
    result.run.service = "http://".to_owned() + &"long.".repeat(40);
    report(result, None)
}
