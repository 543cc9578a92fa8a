//! Tests of how SLOs are spelled.

use super::limit::LimitUnit;
use super::spelling::metric;
use super::*;
use crate::plan::Percentile;

fn p(percent: f64) -> Percentile {
    Percentile::new(percent).unwrap()
}

#[test]
fn every_spelling_of_the_source_documents_is_understood() {
    let endpoints = ["invoice processing", "GET /health"].map(str::to_owned);
    let time = |percent| Metric::ResponseTime(p(percent));
    let component = |name: &str, percent| Metric::ComponentTime {
        component: name.into(),
        percentile: p(percent),
    };
    let cases = [
        ("p95", time(95.0)),
        ("p99.9", time(99.9)),
        ("p99_5", time(99.5)),
        ("api_response_time_p95", time(95.0)),
        ("response_time_p99", time(99.0)),
        ("max_p95_ms", time(95.0)),
        ("mean", Metric::MeanResponseTime),
        ("avg_response_time", Metric::MeanResponseTime),
        ("max", Metric::MaxResponseTime),
        ("error_rate", Metric::ErrorRate),
        ("availability", Metric::Availability),
        ("throughput_rps", Metric::Throughput),
        ("min_throughput", Metric::Throughput),
        ("min_throughput_ops", Metric::Throughput),
        ("database_query_time_p95", component("db", 95.0)),
        ("component_auth_time_p50", component("auth", 50.0)),
        (
            "cache_hit_ratio",
            Metric::HitRatio {
                component: "cache".into(),
            },
        ),
        (
            "l2_hit_ratio",
            Metric::HitRatio {
                component: "l2".into(),
            },
        ),
    ];
    for (name, expected) in cases {
        let (metric, scope, _) = metric(name, &endpoints).unwrap();
        assert_eq!((metric, scope), (expected, SloScope::Total), "{name}");
    }
    let (metric_of_endpoint, scope, _) = metric("invoice_processing_time_p95", &endpoints).unwrap();
    assert_eq!(metric_of_endpoint, time(95.0));
    assert_eq!(scope, SloScope::Endpoint("invoice processing".into()));
    assert!(metric("get_health_time_p50", &endpoints).is_ok());
    for bad in [
        "p101",
        "p(101)",
        "p0",
        "billing_time_p95",
        "",
        "rps",
        "component__time_p95x",
    ] {
        assert!(metric(bad, &endpoints).is_err(), "{bad}");
    }
}

#[test]
fn values_are_seconds_milliseconds_shares_or_rates() {
    for (name, text, limit) in [
        ("api_response_time_p95", "0.5", 500_000.0),
        ("invoice_processing_time_p95", "60", 60e6),
        ("database_query_time_p95", "0.1", 100_000.0),
        ("mean", "0", 0.0),
        ("p95", "500ms", 500_000.0),
        ("max_p95_ms", "200", 200_000.0),
        ("max_p95_ms", "1.001", 1_001.0),
        ("error_rate", "1%", 0.01),
        ("availability", "0.999", 0.999),
        ("throughput_rps", "6000/m", 100.0),
    ] {
        let (_, _, unit) = metric(name, &["invoice processing".into()]).unwrap();
        assert_eq!(unit.parse(text), Ok((limit, None)), "{name}: {text}");
    }
    for name in ["p95", "p99.9", "mean", "avg_response_time", "max"] {
        let (_, _, unit) = metric(name, &[]).unwrap();
        let wrong = unit.parse("300").unwrap_err();
        assert!(wrong.contains("write `300ms` or `300s`"), "{name}: {wrong}");
    }
    let (_, _, unit) = metric("api_response_time_p95", &[]).unwrap();
    assert!(unit.parse("500").is_err(), "milliseconds, most likely");
    assert!(LimitUnit::Millis.parse("200ms").is_err());
    assert!(LimitUnit::Millis.parse("nan").is_err());
}

#[test]
fn expressions_replace_what_was_given_before() {
    let runs = ["a:b", "list", "a -> b"];
    let mut slos = SloSet::new(runs.map(str::to_owned).into(), [], "smoke");
    for good in [
        "p95<500ms",
        "p95 <= 1s",
        "a:b:p95<300ms",
        "availability>=99%",
        "list:error_rate<1%",
        "a -> b:p95<2s",
    ] {
        slos.add_expression(good).unwrap();
    }
    let (kept, skipped) = slos.finish(&runs, None);
    let seen: Vec<(SloScope, f64)> = kept.into_iter().map(|slo| (slo.scope, slo.limit)).collect();
    let of = |name: &str| SloScope::Endpoint(name.into());
    assert_eq!(
        seen,
        [
            (SloScope::Total, 1e6),
            (of("a:b"), 3e5),
            (SloScope::Total, 0.99),
            (of("list"), 0.01),
            (of("a -> b"), 2e6)
        ]
    );
    assert!(skipped.is_empty());
}

#[test]
fn expressions_in_the_wrong_direction_or_shape_are_refused() {
    let mut slos = SloSet::new(vec!["list".into()], [], "smoke");
    for bad in [
        "p95",
        "p95>1s",
        "availability<99%",
        "lst:p95<1s",
        "p95<",
        "p95<1x",
        "p99<300",
        "list:max<0.5",
        "<1s",
        "p95==1s",
    ] {
        let diagnostic = slos.add_expression(bad).unwrap_err();
        assert!(diagnostic.message.contains(bad), "{diagnostic}");
    }
    assert!(slos.finish(&[], None).0.is_empty());
}

#[test]
fn observed_numbers_have_the_direction_of_the_operator_and_the_last_one_counts() {
    let observed = ObservedName {
        name: "pool".into(),
        unit: crate::plan::ObservedUnit::Number,
        is_counter: false,
    };
    let mut slos = SloSet::new(vec!["list".into()], [], "smoke").with_observed(vec![observed]);
    for good in [
        "observed_pool<0.9",
        "observed_pool<80%",
        "observed_pool>0.1",
        "observed_pool_max<1",
    ] {
        slos.add_expression(good).unwrap();
    }
    for bad in ["list:observed_pool<1", "observed_pol<1", "observed_pool<1s"] {
        slos.add_expression(bad).unwrap_err();
    }
    let (kept, _) = slos.finish(&[], None);
    let shown = kept
        .iter()
        .map(|slo| (slo.metric.direction(), slo.metric.format(slo.limit)));
    let shown: Vec<_> = shown.collect();
    let wanted = [
        (Direction::AtMost, "80%"),
        (Direction::AtLeast, "0.1"),
        (Direction::AtMost, "1"),
    ];
    assert_eq!(
        shown,
        wanted.map(|(direction, limit)| (direction, limit.to_owned()))
    );
}
