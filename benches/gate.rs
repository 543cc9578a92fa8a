//! How long the regression gate takes: a baseline of 20 runs of 10 minutes with 20 endpoints, and
//! one run against it; `cargo bench --bench gate`. The goal is 1 s.

#[path = "../tests/it/support/simulation.rs"]
#[allow(dead_code)]
mod simulation;

use std::time::{Duration, Instant};

use perfctl::comparison::{Baseline, Statistical, compare};
use simulation::{Shape, Simulation};

fn main() {
    for per_second in [1, 10, 50] {
        let shape = Shape {
            seconds: 600,
            per_second,
            endpoints: (1..=20)
                .map(|number| format!("endpoint {number}"))
                .collect(),
        };
        let mut simulation = Simulation::new(1, shape, 0.02);
        let runs = (0..20).flat_map(|i| simulation.occasion(&format!("base {i}"), 1, 1.0));
        let baseline = Baseline::of(runs.collect());
        let candidate = simulation.occasion("candidate", 1, 1.0);
        let times: Vec<Duration> = (0..5)
            .map(|_| {
                let begun = Instant::now();
                let found = compare(&baseline, &candidate, &Statistical::default());
                let took = begun.elapsed();
                assert!(found.is_ok_and(|found| !found.rows.is_empty()));
                took
            })
            .collect();
        let median = {
            let mut sorted = times.clone();
            sorted.sort();
            sorted[sorted.len() / 2]
        };
        println!(
            "20 runs x 600 s x 20 endpoints, {:>5}/s: median {:.3} s of {} times, slowest {:.3} s",
            20 * per_second,
            median.as_secs_f64(),
            times.len(),
            times.iter().max().unwrap_or(&median).as_secs_f64()
        );
    }
}
