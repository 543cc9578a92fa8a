//! Reports make sense whatever was measured: results with nothing, with one request, with nothing
//! but failures, close to their limits, after a fraction of a second or ten minutes. No number is
//! impossible, and no sentence contradicts itself.

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use regex::Regex;
use serde_json::Value;

use super::contents::{Focus, Report};
use super::{DEFAULT_COLUMNS, FORMATS, LEAST_COLUMNS, fixture, text, view};
use crate::comparison::{Baseline, Statistical, Threshold, compare};
use crate::metrics::{Outcome, RunResult, Sample, Tick, Window, fixture as results};
use crate::plan::{Metric, Model, Percentile, Shape, Slo, SloScope, Stage};

/// Ten minutes; us.
const TEN_MINUTES: u64 = 600_000_000;

/// What no text may contain: numbers that are none, a negative zero, `1 requests`, `0 of 0`.
static NONSENSE: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        r"\b(NaN|nan|inf|Infinity|None|Some)\b",
        r"(^|[^0-9A-Za-z-])-0(\.0+)?([^0-9.]|$)",
        r"(^|[^0-9.,])1 (requests|runs|redirects|connections|arrivals|users|times|seconds|responses|flows|samples)\b",
        r"\b0 of 0\b",
    ]
    .map(|pattern| Regex::new(pattern).unwrap())
});

/// `is 500 ms, the limit is 500 ms`, `at 500 ms instead of 500 ms`.
static PAIRS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    [
        r" is (.+), the limit is (.+)$",
        r" at (.+) instead of (.+)$",
    ]
    .map(|pattern| Regex::new(pattern).unwrap())
});

/// How a result is generated.
#[derive(Debug, Clone)]
struct Run {
    /// Names `a`, `b`, `c`: outcome, response time in us, how many.
    endpoints: Vec<Vec<(Outcome, u64, u64)>>,
    stages: Vec<(u64, u64)>,
    is_open: bool,
    is_sweep: bool,
    iterations: Option<u64>,
    signal: Option<u8>,
    killed: bool,
}

impl Run {
    fn result(&self) -> RunResult {
        let names = ["a", "b", "c"];
        let stages: Vec<Stage> = self
            .stages
            .iter()
            .enumerate()
            .map(|(position, &(ramp_ms, duration_ms))| Stage {
                name: format!("stage {position}"),
                level: 1.0 + position as f64,
                ramp: Duration::from_millis(ramp_ms),
                duration: Duration::from_millis(duration_ms),
                classes: Vec::new(),
            })
            .collect();
        let length_us: u64 = self.stages.iter().map(|(a, b)| (a + b) * 1_000).sum();
        let samples = self.endpoints.iter().enumerate();
        let samples = samples.flat_map(|(endpoint, groups)| {
            groups
                .iter()
                .flat_map(move |&(outcome, response_us, count)| {
                    (0..count).map(move |i| {
                        let at_us = i * length_us / count;
                        // Those after the first are a little slower, so that there are spreads.
                        let response_us = response_us + response_us / 1_000 * (i % 7);
                        Sample {
                            redirects: u8::from(i == 0).into(),
                            ..results::sample(endpoint as u16, outcome, at_us, response_us)
                        }
                    })
                })
        });
        let tick = Tick {
            samples: samples.collect(),
            ..Tick::default()
        };
        let mut result = results::of_stages(&names[..self.endpoints.len()], stages, tick);
        let run = &mut result.run;
        if self.is_open {
            run.load.model = Model::Open { max_users: 10 };
        }
        run.load.shape = self.is_sweep.then_some(Shape::Sweep);
        run.load.iterations = self.iterations;
        let ending = run.ending.as_mut().unwrap();
        ending.signal = self.signal;
        if self.killed {
            run.ending = None;
        }
        result
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(Outcome::Ok),
        // One dropped arrival is left out: those sentences are tested with the health.
        2 => prop::sample::select(
            Outcome::ALL.into_iter().filter(|&o| o != Outcome::Dropped).collect::<Vec<_>>()
        ),
    ]
}

fn group() -> impl Strategy<Value = (Outcome, u64, u64)> {
    let response_us = prop_oneof![
        Just(0u64),
        Just(1),
        Just(999),
        Just(1_000),
        Just(100_000),
        Just(999_950),
        Just(TEN_MINUTES),
        1u64..2_000_000,
    ];
    let count = prop_oneof![Just(1u64), Just(2), 3u64..40, Just(150)];
    prop_oneof![
        8 => (outcome(), response_us, count),
        1 => (2u64..40).prop_map(|count| (Outcome::Dropped, 0, count)),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let length_ms = prop_oneof![Just(1u64), Just(250), Just(999), Just(4_000), Just(62_000)];
    let ramp_ms = prop_oneof![Just(0u64), Just(500)];
    (
        prop::collection::vec(prop::collection::vec(group(), 0..3), 1..=3),
        prop::collection::vec((ramp_ms, length_ms), 1..=4),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(1u64..500),
        prop::option::weighted(0.1, prop::sample::select(vec![1u8, 2, 3, 15])),
        prop::bool::weighted(0.05),
    )
        .prop_map(
            |(endpoints, stages, is_open, is_sweep, iterations, signal, killed)| Run {
                endpoints,
                stages,
                is_open,
                is_sweep,
                iterations,
                signal,
                killed,
            },
        )
}

fn metrics() -> Vec<Metric> {
    let percentile = |percent| Metric::ResponseTime(Percentile::new(percent).unwrap());
    vec![
        percentile(50.0),
        percentile(95.0),
        percentile(99.9),
        Metric::MeanResponseTime,
        Metric::MaxResponseTime,
        Metric::ErrorRate,
        Metric::Availability,
        Metric::Throughput,
    ]
}

/// SLOs whose limits are `times` what was measured, in total and of the first endpoint.
fn with_slos(mut result: RunResult, times: f64) -> RunResult {
    let mut slos: Vec<Slo> = Vec::new();
    for (scope, endpoint) in [
        (SloScope::Total, None),
        (SloScope::Endpoint("a".into()), Some(0)),
    ] {
        let summary = result.summary(endpoint, Window::Measured);
        for metric in metrics() {
            let measured = summary.value(&metric).unwrap_or(1.0);
            let limit = match metric {
                // The share that is missing is what counts.
                Metric::Availability => 1.0 - (1.0 - measured) * times,
                _ => measured * times,
            };
            let mut slo = results::slo(&metric.to_string(), metric, limit);
            slo.scope = scope.clone();
            slos.push(slo);
        }
    }
    result.run.slos = slos;
    result
}

fn written(report: &Report, format: &str, columns: usize) -> String {
    let mut out = Vec::new();
    let format = FORMATS.iter().find(|known| known.name == format).unwrap();
    format.reporter.report(report, columns, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    match format.name {
        // The only one with colors.
        "console" => anstream::adapter::strip_str(&text).to_string(),
        _ => text,
    }
}

fn check_text(text: &str) -> Result<(), TestCaseError> {
    for pattern in NONSENSE.iter() {
        let found = text.lines().find(|line| pattern.is_match(line));
        prop_assert!(found.is_none(), "{pattern}: {found:?}\n{text}");
    }
    Ok(())
}

fn check_sentence(sentence: &str) -> Result<(), TestCaseError> {
    check_text(sentence)?;
    for pair in PAIRS
        .iter()
        .filter_map(|pattern| pattern.captures(sentence))
    {
        prop_assert!(pair[1] != pair[2], "{sentence}");
    }
    Ok(())
}

/// Every distribution of times in a JSON report, and every text.
fn check_json(value: &Value) -> Result<(), TestCaseError> {
    match value {
        Value::String(text) => check_sentence(text)?,
        Value::Number(number) => {
            // JSON has no other numbers, but might have too large ones.
            prop_assert!(number.as_f64().is_some_and(f64::is_finite), "{number}");
        }
        Value::Array(items) => items.iter().try_for_each(check_json)?,
        Value::Object(fields) => {
            if let Some(count) = fields.get("count").filter(|_| fields.contains_key("p50")) {
                let names = ["min", "p50", "p90", "p95", "p99", "p99.9", "max"];
                let times: Vec<f64> = names.iter().filter_map(|n| fields[*n].as_f64()).collect();
                let wanted = if count == 0 { 0 } else { names.len() };
                prop_assert_eq!(times.len(), wanted, "{:?}", fields);
                prop_assert!(times.is_sorted(), "{fields:?}");
                if let Some(mean) = fields["mean"].as_f64() {
                    prop_assert!(times[0] <= mean && mean <= times[6], "{fields:?}");
                }
            }
            fields.values().try_for_each(check_json)?;
        }
        Value::Bool(_) | Value::Null => {}
    }
    Ok(())
}

fn check(report: &Report) -> Result<(), TestCaseError> {
    for criterion in report.grading.slos() {
        let (limit, measured) = (view::bound(criterion), view::measured(criterion));
        let limit = limit.trim_start_matches(['≤', '≥', ' ']).to_owned();
        let is_exact = criterion.value == Some(criterion.limit);
        prop_assert!(
            criterion.met || limit != measured || is_exact,
            "{criterion:?}"
        );
        prop_assert!((0.0..=100.0).contains(&criterion.score), "{criterion:?}");
    }
    let next = report.grading.next.iter().map(|next| &next.how);
    for sentence in report.grading.reasons.iter().chain(next) {
        check_sentence(sentence)?;
    }
    check_text(&written(report, "markdown", DEFAULT_COLUMNS))?;
    for format in ["junit", "github", "gitlab", "taurus"] {
        check_text(&written(report, format, DEFAULT_COLUMNS))?;
    }
    for columns in [LEAST_COLUMNS, DEFAULT_COLUMNS, 200] {
        let text = written(report, "console", columns);
        check_text(&text)?;
        let wide = text.lines().find(|line| text::width(line) > columns);
        prop_assert!(wide.is_none(), "{columns}: {wide:?}\n{text}");
    }
    let json: Value = serde_json::from_str(&written(report, "json", DEFAULT_COLUMNS)).unwrap();
    for share in ["error_rate_percent", "availability_percent"] {
        let share = &json["summary"][share];
        let percent = share.as_f64();
        prop_assert!(share.is_null() || percent.is_some_and(|it| (0.0..=100.0).contains(&it)));
    }
    check_json(&json)
}

/// The reports on a result with limits near what was measured, alone and against another.
fn check_all(result: RunResult, before: RunResult, times: f64) -> Result<(), TestCaseError> {
    let result = with_slos(result, times);
    check(&fixture::report(result.clone(), None))?;
    let runs = std::slice::from_ref(&result);
    let simple = compare(
        &Baseline::of(vec![before.clone()]),
        runs,
        &Threshold::default(),
    );
    let mut others = vec![before.clone(), before.clone(), before];
    for (number, other) in others.iter_mut().enumerate() {
        other.run.occasion = Some(number.to_string());
        other.run.id = format!("before {number}");
    }
    let statistical = compare(&Baseline::of(others), runs, &Statistical::default());
    for comparison in [simple, statistical].into_iter().flatten() {
        let mut report = fixture::report(result.clone(), Some(comparison));
        check(&report)?;
        report.focus = Focus::Comparison;
        check(&report)?;
    }
    Ok(())
}

/// The cases that were asked for by name, so that they do not depend on chance.
#[test]
fn the_usual_extremes_make_sense() {
    let one = |group| vec![vec![group]];
    let cases = [
        ("nothing", vec![vec![]]),
        ("one request", one((Outcome::Ok, 20_000, 1))),
        ("one failure", one((Outcome::ConnectRefused, 100, 1))),
        ("all failed", one((Outcome::Http5xx, 3_000, 200))),
        (
            "all timed out",
            one((Outcome::TimeoutHeaders, 1_000_000, 40)),
        ),
        ("all interrupted", one((Outcome::Interrupted, 1_000_000, 5))),
        ("never started", one((Outcome::Dropped, 0, 5))),
        ("no time at all", one((Outcome::Ok, 0, 5))),
        (
            "one response after ten minutes",
            vec![vec![
                (Outcome::Ok, 20_000, 200),
                (Outcome::Ok, TEN_MINUTES, 1),
            ]],
        ),
        (
            "ten minutes and nothing else",
            vec![vec![(Outcome::Ok, TEN_MINUTES, 1)], vec![]],
        ),
    ];
    for (name, endpoints) in cases {
        for stages in [
            vec![(0, 250)],
            vec![(0, 1)],
            vec![(0, 62_000)],
            vec![(0, 4_000); 3],
        ] {
            for is_open in [false, true] {
                let run = Run {
                    endpoints: endpoints.clone(),
                    stages: stages.clone(),
                    is_open,
                    is_sweep: stages.len() == 3,
                    iterations: None,
                    signal: None,
                    killed: false,
                };
                let before = Run {
                    endpoints: vec![vec![(Outcome::Ok, 20_000, 200)]; endpoints.len()],
                    ..run.clone()
                };
                for times in [0.0, 0.999_9, 1.2] {
                    check_all(run.result(), before.result(), times)
                        .unwrap_or_else(|error| panic!("{name}, {stages:?}, {times}: {error}"));
                }
            }
        }
    }
}

/// A dozen results, each in three reports at several widths, take seconds: `PROPTEST_CASES` does not
/// multiply them.
#[test]
fn any_result_makes_sense() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(12));
    let any = (run(), 1u64..4, 0.8f64..1.2);
    let made = runner.run(&any, |(run, factor, times)| {
        let mut before = run.clone();
        before.signal = None;
        before.killed = false;
        for (_, response_us, count) in before.endpoints.iter_mut().flatten() {
            *response_us *= factor;
            *count *= factor;
        }
        check_all(run.result(), before.result(), times)
    });
    made.unwrap_or_else(|error| panic!("{error}"));
}
