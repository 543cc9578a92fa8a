//! Scaling of profiles by options, shapes, and loads that cannot be.

use super::profile;
use super::*;
use proptest::prelude::*;

const SPIKE: &str = "stages:\n  - {name: base, users: 30, duration: 1m}\n  - {users: 150, ramp: 10s, duration: 2m}\n  - {users: 30, duration: 110s}\nwarmup: 5s\n";

/// From and to nothing, with a pause.
const PAUSES: &str = "stages: [{rate: 0, duration: 5s}, {rate: 100, ramp: 10s, duration: 1m}, \
     {rate: 0/s, ramp: 5s, duration: 30s}, {rate: 100, duration: 1m}, {rate: 0, ramp: 10s, duration: 0}]\n";

fn build(text: &str, options: &Options) -> Result<Load, String> {
    let mut findings = Findings::default();
    let file = findings.add_file("p.yaml", text.to_owned());
    let load = profile::decode(file, &mut findings).and_then(|(profile, at)| {
        load(
            &profile,
            Some(at),
            options,
            Duration::from_secs(30),
            &mut findings,
        )
    });
    let result = findings
        .into_result(load)
        .map_err(|error| error.to_string());
    result.map(|load| load.expect("a finding explains a missing load"))
}

/// `level ramp_s duration_s` of each stage.
fn shown(load: &Load) -> String {
    let stages = load.stages.iter().map(|stage| {
        format!(
            "{} {} {}",
            stage.level,
            stage.ramp.as_secs_f64(),
            stage.duration.as_secs_f64()
        )
    });
    stages.collect::<Vec<_>>().join(", ")
}

#[test]
fn options_scale_a_profile() {
    let plain = "users: 50\nduration: 10m\n";
    let secs = |s| Some(Duration::from_secs(s));
    let none = Options::default;
    let cases = [
        (plain, none(), "50 10 600"),
        ("users: 5\nduration: 2m\n", none(), "5 5 120"),
        (
            "users: 5\nspawn_rate: 2\nduration: 2m\n",
            none(),
            "5 2.5 120",
        ),
        (
            plain,
            Options {
                users: Some(200),
                ..none()
            },
            "200 10 600",
        ),
        (
            plain,
            Options {
                spawn_rate: Some(5.0),
                ..none()
            },
            "50 10 600",
        ),
        (
            plain,
            Options {
                run_time: secs(30),
                ..none()
            },
            "50 10 30",
        ),
        (
            plain,
            Options {
                rate: Some(7.5),
                ..none()
            },
            "7.5 0 600",
        ),
        (
            plain,
            Options {
                iterations: Some(9),
                ..none()
            },
            "50 0 86400",
        ),
        (
            plain,
            Options {
                iterations: Some(9),
                spawn_rate: Some(10.0),
                run_time: secs(60),
                ..none()
            },
            "50 5 60",
        ),
        (
            "users: 4\n",
            Options {
                iterations: Some(9),
                ..none()
            },
            "4 0 86400",
        ),
        (SPIKE, none(), "30 10 60, 150 10 120, 30 0 110"),
        (
            SPIKE,
            Options {
                users: Some(15),
                ..none()
            },
            "3 3 60, 15 10 120, 3 0 110",
        ),
        (
            SPIKE,
            Options {
                users: Some(1),
                ..none()
            },
            "1 1 60, 1 10 120, 1 0 110",
        ),
        (
            SPIKE,
            Options {
                run_time: secs(30),
                ..none()
            },
            "30 10 6, 150 1 12, 30 0 11",
        ),
        (
            SPIKE,
            Options {
                rate: Some(50.0),
                ..none()
            },
            "10 0 60, 50 10 120, 10 0 110",
        ),
        (
            "rate: 100\nduration: 1m\n",
            Options {
                users: Some(20),
                ..none()
            },
            "100 0 60",
        ),
        (PAUSES, none(), "0 0 5, 100 10 60, 0 5 30, 100 0 60, 0 10 0"),
        (
            PAUSES,
            Options {
                rate: Some(50.0),
                run_time: secs(18),
                ..none()
            },
            "0 0 0.5, 50 1 6, 0 0.5 3, 50 0 6, 0 1 0",
        ),
        (
            "rate: 100\nduration: 1m\n",
            Options {
                rate: Some(10.0),
                ..none()
            },
            "10 0 60",
        ),
        (
            "users: 300\nduration: 10m\nstages: [{users: 1, duration: 1m}, {users: 3, duration: 1m}]\n",
            none(),
            "100 10 300, 300 0 300",
        ),
    ];
    for (text, options, expected) in cases {
        let load = build(text, &options).unwrap();
        assert_eq!(shown(&load), expected, "{text}{options:?}");
    }
}

#[test]
fn users_in_the_open_model_are_a_limit() {
    let text = "rate: 100\nduration: 1m\n";
    let max = |text, users| match build(
        text,
        &Options {
            users,
            ..Options::default()
        },
    )
    .unwrap()
    .model
    {
        Model::Open { max_users } => max_users,
        Model::Closed => 0,
    };
    assert_eq!(max(text, None), 3000);
    assert_eq!(max(text, Some(20)), 20);
    assert_eq!(max("rate: 100\nmax_users: 7\nduration: 1m\n", None), 7);
    assert_eq!(max("rate: 9000\nduration: 1m\n", None), 10_000);
    assert_eq!(max("rate: 0.001\nduration: 1m\n", None), 1);
}

#[test]
fn arrivals_are_spaced_as_the_option_or_else_the_profile_says() {
    let spacing = |text, arrivals| {
        let options = Options {
            arrivals,
            ..Options::default()
        };
        build(text, &options).unwrap().arrivals
    };
    let (plain, poisson) = (
        "rate: 1\nduration: 1m\n",
        "rate: 1\nduration: 1m\narrivals: poisson\n",
    );
    assert_eq!(spacing(plain, None), Arrivals::Uniform);
    assert_eq!(spacing(poisson, None), Arrivals::Poisson);
    assert_eq!(spacing(plain, Some(Arrivals::Poisson)), Arrivals::Poisson);
    assert_eq!(spacing(poisson, Some(Arrivals::Uniform)), Arrivals::Uniform);
}

#[test]
fn a_run_of_iterations_has_no_warmup() {
    let options = Options {
        iterations: Some(5),
        ..Options::default()
    };
    let load = build(SPIKE, &options).unwrap();
    assert_eq!((load.warmup, load.iterations), (Duration::ZERO, Some(5)));
    assert_eq!(
        build(SPIKE, &Options::default()).unwrap().warmup,
        Duration::from_secs(5)
    );
}

#[test]
fn impossible_loads_are_refused() {
    let none = Options::default;
    for (text, options, part) in [
        ("name: x\n", none(), "defines no load"),
        ("users: 5\n", none(), "missing key `duration`"),
        ("users: 0\nduration: 1m\n", none(), "at least 1"),
        (
            "users: 5\nrate: 5\nduration: 1m\n",
            none(),
            "cannot be combined",
        ),
        ("users: 5\nduration: 0s\n", none(), "above 0"),
        ("stages: []\n", none(), "empty"),
        (
            "stages: [{users: 0, duration: 1m}]\n",
            none(),
            "have no load",
        ),
        (
            "stages: [{rate: 0, duration: 1m}, {rate: 0/s, duration: 1m}]\n",
            none(),
            "have no load",
        ),
        (
            "stages: [{rate: -1, duration: 1m}]\n",
            none(),
            "from 0 to 10000000/s",
        ),
        ("rate: 0\nduration: 1m\n", none(), "above 0"),
        (
            "stages: [{users: 1, duration: 0}]\n",
            none(),
            "have no duration",
        ),
        ("stages: [{duration: 1m}]\n", none(), "either"),
        (
            "stages: [{users: 1}]\n",
            none(),
            "missing required key `duration`",
        ),
        (
            "stages: [{users: 1, duration: 1m}, {rate: 1, duration: 1m}]\n",
            none(),
            "cannot be combined",
        ),
        (
            "users: 5\nduration: 1m\n",
            Options {
                users: Some(0),
                ..none()
            },
            "number of users",
        ),
        (
            "users: 5\nduration: 1m\n",
            Options {
                iterations: Some(0),
                ..none()
            },
            "iterations",
        ),
        (
            "users: 5\nduration: 1m\n",
            Options {
                rate: Some(f64::NAN),
                ..none()
            },
            "rate",
        ),
        (
            "users: 5\nduration: 1m\n",
            Options {
                spawn_rate: Some(1e-300),
                ..none()
            },
            "to start",
        ),
        (
            "rate: 5\nduration: 1m\n",
            Options {
                spawn_rate: Some(1.0),
                ..none()
            },
            "needs users",
        ),
        (
            "users: 5\nduration: 1m\narrivals: poisson\n",
            none(),
            "needs an arrival rate",
        ),
        (
            "users: 5\nduration: 1m\n",
            Options {
                arrivals: Some(Arrivals::Uniform),
                ..none()
            },
            "needs an arrival rate",
        ),
        (
            "rate: 5\nduration: 1m\narrivals: posson\n",
            none(),
            "did you mean `poisson`?",
        ),
    ] {
        let error = build(text, &options).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn scaling_keeps_the_peak_and_the_total(
        levels in proptest::collection::vec((1u32..500, 0u64..100, 1u64..1000), 1..6),
        users in 1u32..10_000,
        run_time in 1u64..100_000,
    ) {
        let stages: Vec<String> = levels.iter()
            .map(|(users, ramp, duration)| format!("{{users: {users}, ramp: {ramp}, duration: {duration}}}"))
            .collect();
        let text = format!("stages: [{}]\n", stages.join(", "));
        let options = Options {
            users: Some(users),
            run_time: Some(Duration::from_secs(run_time)),
            ..Options::default()
        };
        let load = build(&text, &options).unwrap();
        prop_assert_eq!(load.peak(), f64::from(users));
        prop_assert!(load.stages.iter().all(|stage| stage.level >= 1.0 && stage.level.fract() == 0.0));
        let total = (load.total() - load.stages[0].ramp).as_secs_f64();
        prop_assert!((total - run_time as f64).abs() < 1e-3, "{}", total);
    }
}

#[test]
fn shapes_make_many_stages() {
    let none = Options::default;
    for (text, expected) in [
        (
            "steps: {users: {from: 10, to: 30, by: 10}, duration: 1m, ramp: 5s}\n",
            "10 5 60, 20 5 60, 30 5 60",
        ),
        (
            "steps: {rate: {from: 1, to: 0.4, by: 0.3}, duration: 1m}\n",
            "1 0 60, 0.7 0 60, 0.4 0 60",
        ),
        (
            "sine: {users: {low: 0, high: 100}, period: 40s, levels: 4, duration: 50s}\n",
            "15 0 10, 85 0 10, 85 0 10, 15 0 10, 15 0 10",
        ),
        (
            "sweep: {users: [1, 5, 50], duration: 30s}\n",
            "1 2 30, 5 2 30, 50 2 30",
        ),
        (
            "sweep: {rate: [10, 100/s], duration: 30s, ramp: 0}\nduration: 20s\n",
            "10 0 10, 100 0 10",
        ),
        (
            "stages:\n  - {users: 10, spawn_rate: 5, duration: 1m}\n  \
             - {users: 4, spawn_rate: 2, duration: 1m}\n",
            "10 2 60, 4 3 60",
        ),
    ] {
        let load = build(text, &none()).unwrap();
        assert_eq!(shown(&load), expected, "{text}");
    }
    let options = Options {
        users: Some(10),
        ..none()
    };
    let text = "sweep: {users: [1, 5, 50], duration: 30s}\n";
    let load = build(text, &options).unwrap();
    let names: Vec<&str> = load.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["1 user", "1 user", "10 users"], "after scaling");
    assert_eq!(load.shape, Some(crate::plan::Shape::Sweep));
    let sine = "sine: {rate: {low: 1, high: 9}, period: 1m}\n";
    let load = build(sine, &none()).unwrap();
    assert_eq!((load.stages.len(), load.recoveries().len()), (20, 0));
}

#[test]
fn shapes_that_make_no_sense_are_refused() {
    for (text, part) in [
        ("sweep: {users: [5, 5], duration: 1m}\n", "must rise"),
        ("sweep: {users: [], duration: 1m}\n", "has no load"),
        ("sweep: {duration: 1m}\n", "either `users` or `rate`"),
        (
            "sweep: {users: [1], duration: 1m}\nsine: {users: {low: 1, high: 2}, period: 1m}\n",
            "more than one shape",
        ),
        (
            "steps: {users: {from: 1, to: 1000000, by: 0.1}, duration: 1m}\n",
            "at most 1000 levels",
        ),
        (
            "steps: {users: {from: 1, to: 9, by: 0}, duration: 1m}\n",
            "`by` must be above 0",
        ),
        (
            "sine: {users: {low: 1, high: 2}, period: 1ms, duration: 1h}\n",
            "at most 1000 levels",
        ),
        (
            "sine: {users: {low: 3, high: 2}, period: 1m}\n",
            "`low` is above `high`",
        ),
        (
            "sine: {users: {low: 0, high: 0}, period: 1m}\n",
            "has no load",
        ),
        (
            "sine: {users: {low: 0, high: 1}, period: 0}\n",
            "the period is too short",
        ),
        ("sweep: {users: [1], duration: 0}\n", "have no duration"),
        (
            "stages: [{users: 1, ramp: 1s, spawn_rate: 2, duration: 1m}]\n",
            "`ramp` and `spawn_rate` cannot be combined",
        ),
        (
            "stages: [{rate: 1, spawn_rate: 2, duration: 1m}]\n",
            "a spawn rate needs users",
        ),
    ] {
        let error = build(text, &Options::default()).unwrap_err();
        assert!(error.contains(part), "{text}{error}");
    }
}
