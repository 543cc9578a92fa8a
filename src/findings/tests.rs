//! Simulated runs: each fault is found by its rule alone, and healthy noise by none.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::grading::Policy;
use crate::metrics::{
    ComponentSample, ConnectionSample, Observation, ObservedInfo, ObservedValue, OriginSample,
    Outcome, Responder, Sample, Starts, Tick, fixture,
};
use crate::plan::{
    Direction, FindingSeverity, MeasureUnit, Metric, Model, ObservedNumber, ObservedUnit,
    Percentile, Scale, SloScope, Stage,
};

/// What is wrong with the simulated service.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    SlowDatabase,
    CacheMisses,
    NPlusOne,
    Errors(f64),
    Degradation,
    Stalls,
    BadInstance,
    SlowInstance,
    BadAddress,
    StaleConnections,
    Leak,
    WarmUp,
    FullPool,
    Queue,
    Waiting,
    OneCore,
    AllCores,
}

const ENDPOINTS: [&str; 2] = ["health", "list invoices"];
const REMOTES: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];

/// A run of 60 s with a request of both endpoints each 50 ms, on average.
fn simulate(fault: Fault, seed: u64) -> RunResult {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut tick = Tick::default();
    let mut at_us = 0;
    while at_us < 60_000_000 {
        at_us += (rng.random::<f64>() * 100_000.0) as u64 + 1;
        request(fault, at_us.min(59_999_999), &mut rng, &mut tick);
    }
    let stage = Stage {
        name: "steady".into(),
        level: 5.0,
        ramp: Duration::ZERO,
        duration: Duration::from_secs(60),
        classes: Vec::new(),
    };
    let mut result = fixture::of_stages(&ENDPOINTS, vec![stage], tick);
    observe(fault, &mut rng, &mut result);
    result
}

/// One request with everything that the service says of it.
fn request(fault: Fault, at_us: u64, rng: &mut ChaCha12Rng, tick: &mut Tick) {
    let exponential = |rng: &mut ChaCha12Rng, mean: f64| -mean * (1.0 - rng.random::<f64>()).ln();
    let second = at_us / 1_000_000;
    let endpoint = rng.random_range(0..2u16);
    let instance = rng.random_range(0..4);
    let remote = rng.random_range(0..3);
    let limit = [20.0, 100.0][rng.random_range(0..2)];
    let db_ms = match fault {
        Fault::SlowDatabase => 90.0 + exponential(rng, 20.0),
        _ => exponential(rng, 6.0),
    };
    // Some responses of healthy services are much slower than others.
    let tail = match rng.random::<f64>() < 0.01 {
        true => exponential(rng, 40.0),
        false => 0.0,
    };
    let slower = match fault {
        Fault::Degradation => 40.0 * second as f64 / 60.0,
        Fault::Stalls if second % 6 == 2 => 700.0,
        Fault::SlowInstance if instance == 2 => 50.0,
        _ => 0.0,
    };
    let response_us = ((db_ms + 5.0 + exponential(rng, 3.0) + tail + slower) * 1e3) as u64;
    let is_new = rng.random::<f64>() < 0.2;
    let rate = match fault {
        Fault::Errors(rate) => rate,
        Fault::BadInstance if instance == 2 => 0.3,
        Fault::BadAddress if remote == 1 => 0.2,
        Fault::StaleConnections if !is_new => 0.1,
        _ => 0.0,
    };
    let is_failed = rng.random::<f64>() < rate;
    let outcome = match is_failed {
        true => Outcome::Http5xx,
        false => Outcome::Ok,
    };
    let bytes_in = (limit * 80.0) as u64;
    tick.samples.push(Sample {
        connections: u16::from(is_new),
        reused: u16::from(!is_new),
        bytes_in,
        ..fixture::sample(endpoint, outcome, at_us, response_us)
    });
    let intended_us = at_us;
    let address: std::net::SocketAddr = REMOTES[remote].parse().unwrap();
    if is_new {
        tick.connections.push(ConnectionSample {
            endpoint,
            intended_us,
            dns_us: None,
            connect_us: Some(300),
            tls_us: None,
            tls_handshakes: 0,
            tls_resumed: 0,
            remote: Some(address),
            version: None,
        });
    }
    let origin = |origin| OriginSample {
        endpoint,
        intended_us,
        origin,
        is_failed,
        response_us,
    };
    if is_failed {
        tick.origins.push(origin(Responder::Address(address)));
    }
    let name = Responder::Instance(format!("w{}", instance + 1));
    tick.origins.push(origin(name));
    let uses = match fault {
        Fault::NPlusOne if endpoint == 1 => 1 + limit as u64,
        _ => 2 + u64::from(endpoint),
    };
    let hit_ratio = match fault {
        Fault::CacheMisses => 0.6,
        _ => 0.95,
    };
    let component = |name: &str, ms: f64, hit, count| ComponentSample {
        endpoint,
        intended_us,
        name: name.into(),
        duration_us: Some((ms * 1e3) as u64),
        hit,
        count,
        bytes_in,
    };
    let hit = Some(rng.random::<f64>() < hit_ratio);
    tick.components
        .push(component("db", db_ms, None, Some(uses)));
    tick.components.push(component("cache", 0.2, hit, None));
    if fault == Fault::Queue {
        tick.components.push(component(
            "queue",
            0.4 * response_us as f64 / 1e3,
            None,
            None,
        ));
    }
}

/// What is observed each second.
fn observe(fault: Fault, rng: &mut ChaCha12Rng, result: &mut RunResult) {
    let info = |name: &str, source: &str, unit| ObservedInfo {
        name: name.into(),
        source: source.into(),
        unit,
    };
    result.run.observed = vec![
        info("heap", "heap_bytes", ObservedUnit::Bytes),
        info(
            "pool",
            "db_pool_in_use / db_pool_size",
            ObservedUnit::Number,
        ),
        info("hits", "hits_total / lookups_total", ObservedUnit::Number),
        info("waiting", "db_pool_waiting", ObservedUnit::Number),
        info("host_cpu", "process `shop`", ObservedUnit::Seconds),
        info("ready", "pods_ready / pods", ObservedUnit::Number),
    ];
    let mut walk = 0.0;
    result.observations = (1..60u64)
        .map(|second| {
            let at = second as f64;
            walk += rng.random::<f64>() - 0.5;
            let grown = match fault {
                Fault::Leak => at,
                // Caches fill, and then have what they need.
                Fault::WarmUp => 60.0 * (1.0 - (-at / 8.0).exp()),
                _ => 0.0,
            };
            let pool: f64 = match fault {
                Fault::FullPool if second % 2 == 0 => 1.0,
                _ => 0.2 + 0.3 * rng.random::<f64>(),
            };
            let hits = ObservedValue::Ratio {
                of: 99.0,
                to: 100.0,
            };
            let waiting = match fault {
                Fault::Waiting => 4.0,
                _ => 0.3,
            };
            let waiting = (waiting + rng.random::<f64>()).floor();
            // Of two.
            let cores = match fault {
                Fault::OneCore => 0.97 + 0.04 * rng.random::<f64>(),
                Fault::AllCores => 1.85 + 0.1 * rng.random::<f64>(),
                _ => 0.7 + 0.5 * rng.random::<f64>(),
            };
            let values = [
                ObservedValue::Level(50e6 + 1e6 * (grown + walk)),
                ObservedValue::Level(pool),
                hits,
                ObservedValue::Level(waiting),
                ObservedValue::Increase {
                    by: cores,
                    over_s: 1.0,
                },
                ObservedValue::Level(1.0),
            ];
            Observation {
                at_ms: second * 1_000,
                length_ms: 1_000,
                values: values.into_iter().enumerate().collect(),
                failures: Vec::new(),
            }
        })
        .collect();
}

fn found(result: &RunResult) -> Vec<Finding> {
    findings(result, &Grading::of(result, None, &Policy::default()))
}

fn rules(result: &RunResult) -> Vec<Rule> {
    found(result).iter().map(|finding| finding.rule).collect()
}

#[test]
fn each_fault_is_found_by_its_rule_and_by_no_other() {
    let faults = [
        (Fault::SlowDatabase, Rule::SlowQueries, 2),
        (Fault::CacheMisses, Rule::CacheMisses, 1),
        (Fault::NPlusOne, Rule::NPlusOne, 1),
        (Fault::Errors(0.3), Rule::HighErrorRate, 2),
        (Fault::Degradation, Rule::Degradation, 1),
        (Fault::Stalls, Rule::PeriodicStalls, 1),
        (Fault::SlowInstance, Rule::BadInstance, 1),
        (Fault::Leak, Rule::MemoryGrowth, 1),
        (Fault::FullPool, Rule::ResourceExhaustion, 1),
        (Fault::Queue, Rule::Queueing, 2),
        (Fault::Waiting, Rule::Queueing, 1),
        (Fault::OneCore, Rule::ResourceExhaustion, 1),
        (Fault::AllCores, Rule::ResourceExhaustion, 1),
    ];
    for (fault, rule, count) in faults {
        let result = simulate(fault, 7);
        let found = found(&result);
        assert!(
            found.iter().all(|one| one.rule == rule),
            "{fault:?}: {found:#?}"
        );
        assert_eq!(found.len(), count, "{fault:?}: {found:#?}");
        assert_eq!(result.check(), Ok(()));
    }
    // Where requests fail because of somebody, they also fail often.
    for (fault, rule, part) in [
        (Fault::BadInstance, Rule::BadInstance, "w3"),
        (Fault::BadAddress, Rule::BadAddress, "10.0.0.2:80"),
        (Fault::StaleConnections, Rule::ConnectionErrors, "kept"),
    ] {
        let found = found(&simulate(fault, 7));
        let is_there = |one: &Finding| one.rule == rule && one.part.as_deref() == Some(part);
        assert!(found.iter().any(is_there), "{fault:?}: {found:#?}");
        let is_expected = |one: &Finding| is_there(one) || one.rule == Rule::HighErrorRate;
        assert!(found.iter().all(is_expected), "{fault:?}: {found:#?}");
    }
}

#[test]
fn healthy_noise_is_no_finding() {
    let mut alarms = Vec::new();
    for seed in 0..60 {
        let fault = [Fault::None, Fault::WarmUp, Fault::Errors(0.002)][seed as usize % 3];
        let found = rules(&simulate(fault, seed));
        alarms.extend(found.into_iter().map(|rule| (seed, rule)));
    }
    assert_eq!(alarms, []);
}

#[test]
fn the_severity_of_errors_follows_their_rate() {
    for (rate, severity) in [
        (0.3, Some(FindingSeverity::Critical)),
        (0.1, Some(FindingSeverity::High)),
        (0.03, Some(FindingSeverity::Medium)),
        (0.004, None),
    ] {
        let found = found(&simulate(Fault::Errors(rate), 3));
        let most = found.first().map(|finding| finding.severity);
        assert_eq!(most, severity, "{rate}: {found:#?}");
    }
    // One of three is a rate of 33 %, of which nobody knows much.
    let few: fixture::Requests<'_> = &[(Outcome::Ok, 1_000, 2), (Outcome::Http5xx, 1_000, 1)];
    assert_eq!(rules(&fixture::run(&[("a", few)])), []);
}

fn p95() -> Metric {
    Metric::ResponseTime(Percentile::new(95.0).unwrap())
}

#[test]
fn a_missed_slo_says_which_component_takes_the_time_and_what_would_meet_it() {
    let mut result = simulate(Fault::SlowDatabase, 1);
    let mut slo = fixture::slo("p95", p95(), 140_000.0);
    slo.scope = SloScope::Endpoint("list invoices".into());
    result.run.slos = vec![slo, fixture::slo("p99", p95(), 1_000_000.0)];
    let found = found(&result);
    let slow = found.iter().find(|one| one.rule == Rule::HighLatency);
    let slow = slow.unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(slow.endpoint.as_deref(), Some("list invoices"));
    assert!(
        slow.text.contains("the limit is 140 ms; `db` takes 9"),
        "{}",
        slow.text
    );
    let improvement = slow.improvement.as_deref().unwrap();
    assert!(improvement.starts_with("`db` is 9"), "{improvement}");
    assert!(
        improvement.ends_with("less it would be within the limit"),
        "{improvement}"
    );
    let all = recommendations(&found);
    let first = all
        .iter()
        .find(|one| one.rule == Rule::HighLatency)
        .unwrap();
    assert_eq!(first.expected_improvements, [improvement.to_owned()]);
    assert!(all.iter().all(|one| !one.evidence.is_empty()));
    assert_eq!(all.len(), 2, "one for each rule");
}

#[test]
fn every_missed_slo_is_a_finding_and_those_of_one_endpoint_are_one() {
    let mut result = fixture::run(&[("a", &[(Outcome::Ok, 400_000, 100)])]);
    let p99 = Metric::ResponseTime(Percentile::new(99.0).unwrap());
    result.run.slos = vec![
        fixture::slo("p95", p95(), 300_000.0),
        fixture::slo("p99", p99, 100_000.0),
        fixture::slo("throughput_rps", Metric::Throughput, 1_000.0),
    ];
    let found = found(&result);
    let of = |rule: Rule| found.iter().filter(move |one| one.rule == rule);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(
        of(Rule::HighLatency).next().unwrap().severity,
        FindingSeverity::Critical
    );
    assert_eq!(
        of(Rule::LowThroughput).next().unwrap().evidence[0].threshold,
        Some(1_000.0)
    );
}

#[test]
fn the_numbers_of_a_missed_slo_are_in_its_unit() {
    let observed = |scale| {
        Metric::Observed(ObservedNumber {
            name: "x".into(),
            part: None,
            extreme: None,
            scale,
            direction: Direction::AtMost,
        })
    };
    let measure = |unit| Metric::Measure {
        measure: "x".into(),
        unit,
        percentile: None,
    };
    for (metric, shown) in [
        (Metric::Throughput, ["3000/s", "2000/s"]),
        (measure(MeasureUnit::Count), ["3", "2"]),
        (measure(MeasureUnit::Ms), ["3.00 ms", "2.00 ms"]),
        (measure(MeasureUnit::Bytes), ["3.0 kB", "2.0 kB"]),
        (observed(Scale::Number), ["3", "2"]),
        (observed(Scale::Share), ["300000%", "200000%"]),
        (observed(Scale::Rate), ["3000/s", "2000/s"]),
        (observed(Scale::Time), ["3.00 ms", "2.00 ms"]),
        (observed(Scale::Bytes), ["3.0 kB", "2.0 kB"]),
        (observed(Scale::ByteRate), ["3.0 kB/s", "2.0 kB/s"]),
    ] {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        result.run.slos = vec![fixture::slo("x", metric.clone(), 2_000.0)];
        let grading = Grading::of(&result, None, &Policy::default());
        let slo = grading.slos().next().unwrap();
        let finding = Finding::of_missed(Rule::MissedSlo, slo, 3_000.0);
        let name = metric.to_string().replace('_', " ");
        let [value, limit] = shown;
        let line = format!("{name}: {value} (threshold {limit})");
        assert_eq!(finding.evidence[0].to_string(), line);
    }
}

/// Levels of users for 10 s each, against a service that works on 4 requests of 20 ms at a time.
fn levels(users: &[u64], at_once: u64) -> RunResult {
    let stages = users.iter().map(|users| Stage {
        name: format!("{users} users"),
        level: *users as f64,
        ramp: Duration::ZERO,
        duration: Duration::from_secs(10),
        classes: Vec::new(),
    });
    let mut tick = Tick::default();
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    for (i, users) in (0u64..).zip(users) {
        let time_us = 20_000 * (*users).max(at_once) / at_once;
        let count = 10_000_000 * users / time_us;
        tick.samples.extend((0..count).map(|k| {
            let noise = rng.random_range(0..time_us / 10);
            let at_us = i * 10_000_000 + k * 10_000_000 / count;
            fixture::sample(0, Outcome::Ok, at_us, time_us + noise)
        }));
    }
    fixture::of_stages(&["a"], stages.collect(), tick)
}

#[test]
fn throughput_that_stays_while_response_times_grow_is_saturation() {
    let found = found(&levels(&[1, 2, 4, 8, 16], 4));
    assert_eq!(found.len(), 1, "{found:#?}");
    let finding = &found[0];
    assert_eq!(finding.rule, Rule::Saturation);
    assert!(
        finding.text.starts_with("from 4 users to 8 users, "),
        "{}",
        finding.text
    );
    assert!(
        finding
            .text
            .ends_with("of 8.4 requests in flight, 4.2 wait"),
        "{}",
        finding.text
    );
    assert_eq!(finding.seconds, Some((30, 40)));
    assert_eq!(rules(&levels(&[1, 2, 4, 8], 8)), [], "it is not saturated");
    assert_eq!(rules(&levels(&[16], 4)), [], "a single level does not tell");
}

#[test]
fn an_invalid_run_has_no_findings() {
    let mut result = simulate(Fault::SlowDatabase, 1);
    result.run.ending.as_mut().unwrap().totals.planned += 1;
    assert_eq!(rules(&result), []);
}

#[test]
fn rules_have_names_of_their_own_and_are_documented() {
    let document = include_str!("../../docs/findings.md");
    for rule in Rule::ALL {
        let row = format!("| `{}` | {} |", rule.name(), rule.condition());
        assert!(document.contains(&row), "docs/findings.md: {row}");
    }
    let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        let texts = [rule.condition(), rule.meaning(), rule.next_step()];
        assert!(
            texts
                .iter()
                .all(|text| !text.ends_with('.') && text.len() > 20),
            "{rule:?}"
        );
    }
}

/// The run, in which `on_start` of the class `shopper` failed so many times.
fn with_starts(mut result: RunResult, failed: u64, ended: u64) -> RunResult {
    let starts = Starts {
        ended,
        failed,
        failed_measured: 0,
        why: Some("step `log in` ended as http_4xx".to_owned()),
    };
    result.run.starts = [("shopper".to_owned(), starts)].into();
    result
}

#[test]
fn a_class_whose_start_fails_is_a_finding_if_the_share_is_more_than_chance() {
    let run = || fixture::run(&[("a", &[(Outcome::Ok, 400_000, 100)])]);
    let found = |failed, ended| found(&with_starts(run(), failed, ended));
    let all = found(6, 6);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(
        all[0].text,
        "shopper: `on_start` failed for 6 of 6 users, the first: step `log in` ended as http_4xx"
    );
    assert_eq!(all[0].severity, FindingSeverity::Critical);
    assert_eq!(found(3, 6)[0].severity, FindingSeverity::High);
    // These shares are above 1%, but so they may be by chance.
    assert_eq!(found(1, 50), []);
    assert_eq!(found(3, 200), []);
    assert_eq!(found(20, 200).len(), 1);
    let mut killed = with_starts(run(), 6, 6);
    killed.run.ending = None;
    assert_eq!(rules(&killed), [Rule::FailedStart]);
}

/// In the open model, users are started for arrivals, and each arrival tries again.
#[test]
fn starts_of_the_open_model_are_not_counted_as_users() {
    let mut result = fixture::run(&[("a", &[(Outcome::Ok, 400_000, 100)])]);
    result.run.load.model = Model::Open { max_users: 10 };
    let all = found(&with_starts(result, 60, 100));
    assert_eq!(all.len(), 1, "{all:#?}");
    let shown = all[0].evidence.iter().map(ToString::to_string);
    let shown: Vec<_> = shown.chain([all[0].text.clone()]).collect();
    assert_eq!(
        shown,
        [
            "failed share: 60% (threshold 1%)",
            "failed share at least: 47.14%",
            "failed starts: 60",
            "shopper: `on_start` failed 60 of 100 times, the first: step `log in` ended as http_4xx",
        ]
    );
}

/// Overload makes starts fail, too: they are no reason to be silent about it.
#[test]
fn a_failed_start_hides_no_other_finding() {
    for failed in [3, 100, 200] {
        let found = rules(&with_starts(levels(&[4, 8], 4), failed, 200));
        assert!(found.contains(&Rule::Saturation), "{failed}: {found:?}");
        assert_eq!(found.contains(&Rule::FailedStart), failed > 3);
    }
    let mut result = fixture::run(&[("a", &[(Outcome::Ok, 400_000, 100)])]);
    result.run.slos = vec![fixture::slo("throughput_rps", Metric::Throughput, 1_000.0)];
    let found = rules(&with_starts(result, 6, 6));
    assert_eq!(found, [Rule::FailedStart, Rule::LowThroughput]);
}
