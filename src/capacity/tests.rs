//! Searches on services whose capacity is known. With `-- --ignored`, there are hundreds of them.

use super::evidence::Rule;
use super::search::{Outcome, Settings};
use super::simulation::{Random, Service, SimulatedSearch};

const P95_100_MS: Rule = Rule {
    allowed: 0.05,
    limit_s: Some(0.1),
    is_share: true,
    covers_in_flight: true,
};

const ERRORS_1_PERCENT: Rule = Rule {
    allowed: 0.01,
    limit_s: None,
    is_share: true,
    covers_in_flight: false,
};

const SETTINGS: Settings = Settings {
    start: 10.0,
    least: 1.0,
    most: 1e6,
    is_whole: false,
    precision: 0.05,
    hold_s: 60,
    warmup_s: 3.0,
    budget_s: 570.0,
};

#[test]
fn the_capacity_of_known_services_is_found_within_five_percent() {
    search_known_services(8);
}

#[test]
#[ignore = "takes a minute"]
fn the_capacity_of_known_services_is_found_in_hundreds_of_searches() {
    search_known_services(200);
}

/// So many searches on each. At least 19 of 20 have to be within 5%, and as many intervals to cover the truth.
fn search_known_services(searches: u64) {
    // The time for 95% in a queue with one server is ln(20) / (200 - rate). A limiter of 300/s fails 1% at 303/s.
    let p95_1_s = Rule {
        limit_s: Some(1.0),
        ..P95_100_MS
    };
    let queue = Service::Exponential(0.005);
    let services = [
        (queue, true, P95_100_MS, 200.0 - 20f64.ln() / 0.1),
        (queue, true, p95_1_s, 200.0 - 20f64.ln()),
        (Service::Pool(4, 0.02), false, P95_100_MS, 200.0),
        (
            Service::Limiter(300.0),
            false,
            ERRORS_1_PERCENT,
            300.0 / 0.99,
        ),
    ];
    for (service, is_poisson, rule, truth) in services {
        let simulated = SimulatedSearch {
            service,
            is_poisson,
            rule,
            settings: Settings {
                // As `perfctl capacity` does it with a longer limit.
                hold_s: if rule == p95_1_s { 160 } else { 60 },
                ..SETTINGS
            },
        };
        let (mut close, mut covered) = (0, 0);
        for seed in 0..searches {
            let (outcome, took_s) = simulated.search(&mut Random(seed));
            let (Outcome::Found(found) | Outcome::Open(found)) = outcome else {
                panic!("{service:?}: {outcome:?}");
            };
            assert!(took_s < 600.0, "{service:?}: {took_s} s");
            close += u64::from((found.level / truth - 1.0).abs() <= 0.05);
            covered += u64::from((found.low..=found.high).contains(&truth));
        }
        println!("{service:?}: {close} of {searches} close, {covered} covered");
        // With few searches, one is more than the share that may be.
        let least = searches * 19 / 20 - 1;
        assert!(
            close >= least && covered >= least,
            "{service:?}: {close} close, {covered} covered"
        );
    }
}

#[test]
fn what_was_not_seen_is_not_claimed() {
    let search = |service, rule, change: fn(&mut Settings)| {
        let mut settings = SETTINGS;
        change(&mut settings);
        let simulated = SimulatedSearch {
            service,
            is_poisson: true,
            rule,
            settings,
        };
        simulated.search(&mut Random(7)).0
    };
    let queue = Service::Exponential(0.005);
    // Nothing is missed up to the highest level that was allowed.
    let capped = search(queue, P95_100_MS, |settings| settings.most = 100.0);
    assert_eq!(capped, Outcome::AtLeast(100.0));
    // The limit is below the service time.
    let impossible = Rule {
        limit_s: Some(0.001),
        ..P95_100_MS
    };
    assert_eq!(search(queue, impossible, |_| ()), Outcome::Below(1.0));
    let hurried = search(queue, P95_100_MS, |settings| settings.budget_s = 30.0);
    assert!(
        matches!(
            hurried,
            Outcome::Unknown {
                held: Some(40.0),
                ..
            }
        ),
        "{hurried:?}"
    );
    let open = search(queue, P95_100_MS, |settings| {
        (settings.budget_s, settings.precision) = (150.0, 0.001)
    });
    assert!(matches!(open, Outcome::Open(_)), "{open:?}");
}
