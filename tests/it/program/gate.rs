//! The regression gate over simulated runs, through the public interface: how often it raises a false
//! alarm, how often it finds a real change, and what a person sees of it.

mod first_week;

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::Perfctl;
use crate::support::simulation::{Shape, Simulation, template};
use perfctl::comparison::{Baseline, Comparison, Statistical, compare};
use perfctl::metrics::{RunResult, write_atomically};
use snapbox::{assert_data_eq, file};

/// Where the runs of a candidate are made.
#[derive(Clone, Copy)]
enum Runs {
    /// In one job, as by `--repeat auto`.
    OneOccasion,
    /// Each in a job of its own, collected and judged by `perfctl compare`.
    Occasions,
}

/// Looks at 1, 3 and 5 runs of a candidate until it is settled.
fn job(simulation: &mut Simulation, runs: Runs, factor: f64) -> Comparison {
    let baseline = (0..10).flat_map(|i| simulation.occasion(&format!("base {i}"), 1, 1.0));
    let baseline = Baseline::of(baseline.collect());
    let machine = simulation.machine();
    let mut candidates = Vec::new();
    let mut count = 1;
    loop {
        while candidates.len() < count {
            let (name, level) = match runs {
                Runs::OneOccasion => ("candidate".to_owned(), machine),
                Runs::Occasions => (format!("job {}", candidates.len()), simulation.machine()),
            };
            candidates.push(simulation.run(&name, level + factor.ln()));
        }
        let found = compare(&baseline, &candidates, &Statistical::default()).unwrap();
        // A job makes no further runs where those of its own occasion would not help.
        let goes_on = found.more_runs_help || matches!(runs, Runs::Occasions);
        match found.next_look.filter(|_| goes_on) {
            Some(next) => count = next,
            None => return found,
        }
    }
}

/// How many of so many simulated jobs end how; on two threads.
fn outcomes(jobs: u64, runs: Runs, between: f64, factor: f64) -> BTreeMap<&'static str, u64> {
    let half = |first: u64| {
        let mut simulation = Simulation::new(20_261_121 + first, Shape::default(), between);
        (first..jobs)
            .step_by(2)
            .map(|_| job(&mut simulation, runs, factor).decision.name())
            .collect::<Vec<_>>()
    };
    let outcomes = std::thread::scope(|scope| {
        let halves = [0, 1].map(|first| scope.spawn(move || half(first)));
        halves.map(|half| half.join().unwrap()).concat()
    });
    let mut counts = BTreeMap::from(["regressed", "unchanged"].map(|name| (name, 0)));
    for completed in outcomes {
        *counts.entry(completed).or_default() += 1;
    }
    println!("{jobs} jobs, {factor} times the time, {between} between occasions: {counts:?}");
    counts
}

/// At most 21 alarms in 1,000 are a rate of 0.8 % to four standard deviations.
#[test]
fn equal_builds_raise_few_alarms() {
    let counts = outcomes(1_000, Runs::OneOccasion, 0.03, 1.0);
    assert!(counts["regressed"] <= 21, "{counts:?}");
    assert!(
        counts["unchanged"] >= 500,
        "jobs must be able to pass: {counts:?}"
    );
}

#[test]
fn a_tenth_slower_is_found() {
    let counts = outcomes(200, Runs::Occasions, 0.02, 1.1);
    assert!(counts["regressed"] >= 190, "{counts:?}");
}

/// Writes a run as `perfctl run` does, and returns its path.
fn store(directory: &Path, run: &RunResult) -> String {
    let path = directory.join(&run.run.id);
    std::fs::create_dir(&path).unwrap();
    write_atomically(&path.join("result.json"), run).unwrap();
    path.display().to_string()
}

/// What perfctl prints, and that its exit code is this.
#[track_caller]
fn perfctl(args: &[&str], code: i32) -> String {
    let completed = Perfctl::new().args(args).expect_status(code).run();
    completed.stdout + &completed.stderr
}

#[test]
fn stored_runs_are_judged_together() {
    let directory = tempfile::tempdir().unwrap();
    let mut simulation = Simulation::new(7, Shape::default(), 0.01);
    let base = directory.path().join("base.json.gz").display().to_string();
    let mut add = vec!["baseline", "add", &base];
    let occasions: Vec<String> = (0..5)
        .flat_map(|i| simulation.occasion(&format!("base-{i}"), 1, 1.0))
        .map(|run| store(directory.path(), &run))
        .collect();
    add.extend(occasions.iter().map(String::as_str));
    assert!(perfctl(&add, 0).contains("5 runs of 5 occasions"));
    let shown = perfctl(&["baseline", "show", &base], 0);
    assert_data_eq!(shown, file!["gate/baseline_show.txt"].raw());

    let runs = simulation.occasion("slow", 3, 1.25);
    let slow: Vec<String> = runs
        .iter()
        .map(|run| store(directory.path(), run))
        .collect();
    let one = perfctl(&["compare", &base, &slow[0]], 3);
    assert!(one.contains("inconclusive: it looks worse"), "{one}");
    let step = "would settle it: name further runs of the same build";
    assert_eq!(one.replace("\n   ", "").matches(step).count(), 1, "{one}");
    perfctl(&["compare", &base, &slow[0], "--inconclusive=warn"], 0);
    let three = perfctl(&["compare", &base, &slow[0], &slow[1], &slow[2]], 1);
    let text = three.replace(&slow[2], "[RUN]");
    assert_data_eq!(text, file!["gate/compare.txt"].raw());

    let equal = store(directory.path(), &simulation.occasion("equal", 1, 1.0)[0]);
    perfctl(&["compare", &base, &equal], 0);
    assert!(perfctl(&["compare", &base, &equal, &equal], 2).contains("named twice"));
}

#[test]
fn a_new_build_is_accepted_and_old_runs_are_taken_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut simulation = Simulation::new(8, Shape::default(), 0.01);
    let base = directory.path().join("base.json").display().to_string();
    let mut stored = |name: &str, build: &str| {
        let mut run = simulation.occasion(name, 1, 1.0).remove(0);
        run.run.build = Some(build.into());
        store(directory.path(), &run)
    };
    let old = [stored("a", "v1"), stored("b", "v1"), stored("c", "v1")];
    perfctl(&["baseline", "add", &base, &old[0], &old[1], &old[2]], 0);
    let new = [stored("d", "v2"), stored("e", "v2")];
    let full = perfctl(&["baseline", "add", &base, &new[0], "--up-to", "3"], 0);
    assert!(
        full.contains("nothing added") && full.contains("3 occasions"),
        "{full}"
    );
    let refused = perfctl(&["baseline", "add", &base, &new[0]], 4);
    assert!(
        refused.contains("build `v2`") && refused.contains("accept"),
        "{refused}"
    );
    let taken = perfctl(&["baseline", "prune", &base, "--keep", "2"], 0);
    assert!(taken.contains("2 runs of 2 occasions"), "{taken}");
    let accepted = perfctl(&["baseline", "accept", &base, &new[0], &new[1]], 0);
    assert!(accepted.contains("build `v1` -> `v2`"), "{accepted}");
    assert!(
        perfctl(&["baseline", "prune", &base, "d-0", "e-0"], 2).contains("no run would be left")
    );
}

/// Nothing of the load is sent where the comparison could not be made.
#[test]
fn what_cannot_be_judged_is_refused_before_the_load() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("base.json").display().to_string();
    Baseline::of(vec![template(&Shape::default(), "a", "a")])
        .write(base.as_ref())
        .unwrap();
    let run = [
        "run",
        "http://127.0.0.1:9/",
        "--run-time",
        "5s",
        "--baseline",
        &base,
    ];
    let refused = perfctl(&run, 4);
    assert!(
        refused.contains("60 s are needed") && refused.contains("--gate simple"),
        "{refused}"
    );
    let auto = perfctl(&["run", "http://127.0.0.1:9/", "--repeat", "auto"], 2);
    assert!(auto.contains("needs `--baseline`"), "{auto}");
    let ab = [
        "ab",
        "--a",
        "http://127.0.0.1:9",
        "--b",
        "demo",
        "--run-time",
        "5s",
    ];
    assert!(perfctl(&[&ab[..], &["s.yaml"]].concat(), 2).contains("not found"));
}

#[test]
fn repeated_runs_are_stored_each_and_make_a_baseline() {
    let run = Perfctl::scenario("demo", "- {name: health, get: /health}")
        .args(["-i", "20", "--repeat", "3", "--save-baseline", "base.json"])
        .expect_status(0)
        .run();
    assert!(
        run.stderr.contains("run 2 of 3 is done, not graded"),
        "{}",
        run.stderr
    );
    let runs = std::fs::read_dir(run.dir.path().join("results"))
        .unwrap()
        .count();
    assert_eq!(runs, 3);
    let baseline = Baseline::read(&run.dir.path().join("base.json")).unwrap();
    assert_eq!(baseline.runs.len(), 3);
    let again = Perfctl::after(run)
        .args(["run", "-p", "quick", "-i", "20"])
        .args([
            "--gate",
            "simple",
            "--baseline",
            "base.json",
            "--max-regression",
            "90%",
        ])
        .run();
    assert!(
        again.stdout.contains("1 run against 3 runs"),
        "{}",
        again.stdout
    );
}
