//! T5: the times perfctl reports are those that the service took, never shorter. How close they come
//! depends on the machine, and is measured by `cargo bench --bench truth`.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::servers::calibrated::{percentile, serve};

fn no_percentile_is_below_what_the_service_really_took() {
    let (base, log) = serve();
    for path in ["/fixed/10", "/exponential/10", "/bimodal/5"] {
        let options = "--rate 200 -t 2s --profile benches/steady.yaml --format json";
        let completed = Perfctl::new()
            .file(
                "benches/steady.yaml",
                include_str!("../../../benches/steady.yaml"),
            )
            .args(["run", &format!("{base}{path}")])
            .args(options.split(' '))
            .run();
        let held_us = log.held_us(path);
        assert_eq!(held_us.len(), 400, "{path}: one response for each arrival");
        let response_ms = &completed.json()["summary"]["response_ms"];
        for (name, share) in [
            ("min", 0.0),
            ("p50", 0.5),
            ("p95", 0.95),
            ("p99", 0.99),
            ("max", 1.0),
        ] {
            let took_us = percentile(&held_us, share) as f64;
            let reported_us = response_ms[name].as_f64().unwrap() * 1e3;
            assert!(
                reported_us >= took_us * 0.999,
                "{path} {name}: {reported_us} for {took_us}"
            );
        }
    }
    assert_eq!(log.requests(), 1_200);
}

for_each_client! {
    no_percentile_is_below_what_the_service_really_took
}
