//! What rules must not mix up: hosts, kinds of connections, scopes of SLOs, and what is good when it is high.
//!
//! Not here: whether they find faults, and nothing in noise (`findings::tests`).

use crate::findings::{Finding, Rule, findings};
use crate::grading::{Grading, Policy};
use crate::metrics::{
    Cell, ComponentCounts, Observation, ObservedInfo, ObservedValue, Outcome, RunResult,
    SparseHistogram, fixture,
};
use crate::plan::{FindingSeverity, Metric, ObservedUnit, Percentile, SloScope};

fn found(result: &RunResult, rule: Rule) -> Vec<Finding> {
    let all = findings(result, &Grading::of(result, None, &Policy::default()));
    all.into_iter().filter(|one| one.rule == rule).collect()
}

/// Two endpoints whose requests succeed.
fn two_endpoints() -> RunResult {
    let requests: fixture::Requests<'_> = &[(Outcome::Ok, 400_000, 100)];
    fixture::run(&[("a", requests), ("b", requests)])
}

/// What was counted of an endpoint in the measured phase.
fn cell(result: &mut RunResult, endpoint: usize) -> &mut Cell {
    result.endpoints[endpoint].phases.last_mut().unwrap()
}

fn parts(found: &[Finding]) -> Vec<&str> {
    let parts = found.iter().filter_map(|one| one.part.as_deref());
    parts.collect()
}

#[test]
fn requests_that_had_no_connection_are_not_over_kept_ones() {
    let requests: fixture::Requests<'_> = &[
        (Outcome::ConnectRefused, 1_000, 2_000),
        (Outcome::Ok, 1_000, 60),
    ];
    let mut result = fixture::run(&[("a", requests)]);
    let cell = cell(&mut result, 0);
    (cell.opening, cell.opening_failures) = (40, 12);
    (cell.kept, cell.kept_failures) = (20, 1);
    assert_eq!(found(&result, Rule::ConnectionErrors), []);
    self::cell(&mut result, 0).kept = 2_000;
    assert_eq!(parts(&found(&result, Rule::ConnectionErrors)), ["new"]);
}

#[test]
fn an_address_is_compared_with_others_of_its_host() {
    let counts = |counts: &[(&str, u64)]| {
        let counts = counts.iter();
        counts
            .map(|(name, count)| ((*name).into(), *count))
            .collect()
    };
    let mut result = two_endpoints();
    let mut bad = |remotes: [&[(&str, u64)]; 2], failed: [&[(&str, u64)]; 2]| {
        for endpoint in 0..2 {
            let cell = cell(&mut result, endpoint);
            cell.remotes = counts(remotes[endpoint]);
            cell.failed_remotes = counts(failed[endpoint]);
        }
        let found = found(&result, Rule::BadAddress);
        parts(&found).concat()
    };
    // The only address of its host.
    assert_eq!(bad([&[("x", 50)], &[("y", 50)]], [&[("x", 30)], &[]]), "");
    let several: &[(&str, u64)] = &[("x", 50), ("z", 50)];
    assert_eq!(bad([several, &[("y", 50)]], [&[("x", 30)], &[]]), "x");
    // The other endpoint only has connections that this one opened.
    assert_eq!(bad([several, &[]], [&[], &[("x", 30)]]), "x");
    // What stands for several addresses is none.
    let many: &[(&str, u64)] = &[("x", 50), ("other", 50)];
    assert_eq!(bad([many, &[]], [&[("other", 30)], &[]]), "");
    assert_eq!(
        bad([many, &[]], [&[("y", 30)], &[]]),
        "",
        "of unknown share"
    );
}

/// A run in which one thing was observed 40 times, once a second.
fn observed(
    (name, source, unit): (&str, &str, ObservedUnit),
    value: impl Fn(f64) -> ObservedValue,
    outcome: Outcome,
) -> RunResult {
    let mut result = fixture::run(&[("a", &[(outcome, 1_000, 100)])]);
    result.run.observed = vec![ObservedInfo {
        name: name.into(),
        source: source.into(),
        unit,
    }];
    let phase = result.run.phases.last().unwrap();
    let (start_ms, end_ms) = (phase.start_us / 1_000, phase.end_us / 1_000);
    let length_ms = (end_ms - start_ms) / 41;
    let times = (1..=40u64).map(|n| Observation {
        at_ms: start_ms + n * length_ms,
        length_ms,
        values: [(0, value(n as f64))].into_iter().collect(),
        failures: Vec::new(),
    });
    result.observations = times.collect();
    result
}

#[test]
fn what_is_good_when_high_is_no_finding() {
    let one_core = |_: f64| ObservedValue::Increase {
        by: 0.98,
        over_s: 1.0,
    };
    let growing = |at: f64| ObservedValue::Level(50e6 + 1e6 * at);
    let cpu = |name, source| {
        let result = observed((name, source, ObservedUnit::Seconds), one_core, Outcome::Ok);
        found(&result, Rule::ResourceExhaustion).len()
    };
    let memory = |name, source| {
        let result = observed((name, source, ObservedUnit::Bytes), growing, Outcome::Ok);
        found(&result, Rule::MemoryGrowth).len()
    };
    assert_eq!(cpu("cpu", "process_cpu_seconds_total"), 1);
    assert_eq!(cpu("cpu", "node_cpu_seconds_total{mode=\"idle\"}"), 0);
    assert_eq!(memory("heap", "heap_bytes"), 1);
    assert_eq!(memory("heap", "heap_free_bytes"), 0);
    // The name of a process is no word of a metric.
    assert_eq!(memory("host_memory", "process `free-shop`"), 1);
}

#[test]
fn a_pool_that_is_used_up_is_a_finding_even_if_every_request_fails() {
    let pool = ("pool", "in_use / size", ObservedUnit::Number);
    let full = |_: f64| ObservedValue::Level(1.0);
    for (outcome, numbers) in [(Outcome::Ok, 2), (Outcome::Http5xx, 1)] {
        let found = found(&observed(pool, full, outcome), Rule::ResourceExhaustion);
        let evidence: Vec<usize> = found.iter().map(|one| one.evidence.len()).collect();
        assert_eq!(evidence, [numbers], "{outcome:?}");
    }
}

#[test]
fn an_slo_of_one_endpoint_says_nothing_about_the_others() {
    let mut result = two_endpoints();
    let db = ComponentCounts {
        time: SparseHistogram::of(&mut vec![150_000; 100]),
        ..ComponentCounts::default()
    };
    let cache = |hits| ComponentCounts {
        hits,
        misses: 100 - hits,
        ..ComponentCounts::default()
    };
    for (endpoint, hits) in [(0, 20), (1, 50)] {
        let components = &mut cell(&mut result, endpoint).components;
        components.insert("db".into(), db.clone());
        components.insert("cache".into(), cache(hits));
    }
    let endpoints = |result: &RunResult, rule| -> Vec<Option<String>> {
        let found = found(result, rule);
        found.into_iter().map(|one| one.endpoint).collect()
    };
    let names = |names: &[&str]| -> Vec<Option<String>> {
        names.iter().map(|name| Some((*name).to_owned())).collect()
    };
    assert_eq!(endpoints(&result, Rule::SlowQueries), names(&["a", "b"]));
    let misses = &found(&result, Rule::CacheMisses)[0];
    assert_eq!(misses.evidence[0].value, 0.35);
    // Both are met.
    let time = Metric::ComponentTime {
        component: "db".into(),
        percentile: Percentile::new(95.0).unwrap(),
    };
    let ratio = Metric::HitRatio {
        component: "cache".into(),
    };
    for (metric, limit) in [(time, 200_000.0), (ratio, 0.1)] {
        let mut slo = fixture::slo("slo", metric, limit);
        slo.scope = SloScope::Endpoint("a".into());
        result.run.slos.push(slo);
    }
    assert_eq!(endpoints(&result, Rule::SlowQueries), names(&["b"]));
    let misses = &found(&result, Rule::CacheMisses)[0];
    assert_eq!(misses.evidence[0].value, 0.5, "{misses:?}");
    for slo in &mut result.run.slos {
        slo.scope = SloScope::Total;
    }
    for rule in [Rule::SlowQueries, Rule::CacheMisses] {
        assert_eq!(found(&result, rule), []);
    }
}

#[test]
fn a_missed_slo_on_errors_is_as_severe_as_it_is_missed() {
    let severity = |failures, limit| {
        let requests: fixture::Requests<'_> = &[
            (Outcome::Ok, 1_000, 1_000 - failures),
            (Outcome::Http5xx, 1_000, failures),
        ];
        let mut result = fixture::run(&[("a", requests)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, limit)];
        let found = found(&result, Rule::HighErrorRate);
        let severities: Vec<_> = found
            .iter()
            .map(|one| (one.severity, one.is_of_slo))
            .collect();
        severities
    };
    use FindingSeverity::{Critical, High, Medium};
    // Few failures that nobody knows much about, and more of them.
    assert_eq!(severity(12, 0.01), [(Medium, true)]);
    assert_eq!(severity(4, 0.001), [(Critical, true)]);
    assert_eq!(severity(30, 0.01), [(Critical, true)]);
    // The rate alone.
    assert_eq!(severity(100, 0.09), [(High, true)]);
    assert_eq!(severity(100, 0.5), [(High, false)]);
}
