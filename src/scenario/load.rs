//! From a profile and the options of a run to a load.
//!
//! Here: the scaling rules. Not here: where profiles come from (`profile`), nor how a load is
//! carried out (`engine`).
//!
//! | option | effect |
//! |---|---|
//! | users | the highest stage becomes that many, the others in proportion; in an open load: most requests in flight |
//! | rate | an open load whose highest stage is that rate |
//! | run time | the stages last that long together, inner ramps included, in proportion |
//! | spawn rate | the first ramp lasts users / spawn rate |
//! | iterations | all users at once at the highest level, no warm-up, until the iterations are done |

use std::time::Duration;

use super::Options;
use super::decode::MAX_COUNT;
use super::file::ProfileFile;
use super::findings::{Findings, Span};
use super::stages::{Draft, drafts, scale, stretch};
use crate::error::Diagnostic;
use crate::plan::{Arrivals, Load, Model, Stage};
use crate::units::{MAX_DURATION, format_duration};

/// How long an iteration-limited run may take when no run time is given.
const LONGEST_ITERATIONS: Duration = Duration::from_secs(24 * 3600);

/// The load of `profile`, which stands at `at`, under `options`; `timeout` is the longest wait
/// for a response. `None` after a finding.
pub(super) fn load(
    profile: &ProfileFile,
    at: Option<Span>,
    options: &Options,
    timeout: Duration,
    findings: &mut Findings,
) -> Option<Load> {
    let before = findings.len();
    for diagnostic in check_options(options) {
        findings.report(None, diagnostic);
    }
    let (is_open, mut stages) = drafts(profile, at, options, findings)?;
    if findings.len() > before {
        return None;
    }
    let open = is_open || options.rate.is_some();
    if let Some(rate) = options.rate {
        scale(&mut stages, rate);
        if !is_open && stages.len() == 1 {
            stages[0].ramp = None;
        }
    } else if !is_open && let Some(users) = options.users {
        scale(&mut stages, f64::from(users));
    }
    if !open {
        for stage in stages.iter_mut().filter(|stage| stage.target > 0.0) {
            stage.target = stage.target.round().max(1.0);
        }
    }
    let peak = stages.iter().map(|stage| stage.target).fold(0.0, f64::max);
    if let Some(run_time) = options.run_time {
        stretch(&mut stages, run_time);
    }
    let mut warmup = profile.warmup.copied().unwrap_or_default();
    if options.iterations.is_some() {
        warmup = Duration::ZERO;
        stages = vec![Draft {
            name: "iterations".into(),
            target: peak,
            ramp: options.spawn_rate.is_none().then_some(Duration::ZERO),
            duration: options.run_time.unwrap_or(LONGEST_ITERATIONS),
            classes: Vec::new(),
        }];
    }
    let first_ramp = match (open, options.spawn_rate) {
        (true, Some(_)) => {
            findings.report(
                None,
                Diagnostic::new("a spawn rate is for users, and this load is a rate of arrivals")
                    .help("leave the spawn rate out, or give the first stage a `ramp`"),
            );
            None
        }
        (true, None) => Some(stages[0].ramp.unwrap_or_default()),
        (false, Some(per_s)) => spawn_time(stages[0].target, per_s, findings),
        (false, None) => match (stages[0].ramp, profile.spawn_rate.copied()) {
            (Some(ramp), _) => Some(ramp),
            (None, Some(rate)) => spawn_time(stages[0].target, rate.0, findings),
            (None, None) => {
                let per_s = (stages[0].target / 10.0).max(1.0);
                spawn_time(stages[0].target, per_s, findings)
            }
        },
    }?;
    let arrivals = arrivals(profile, options, open, findings)?;
    let given_max = options.users.or(profile.max_users.copied());
    let default_max = (peak * timeout.as_secs_f64()).ceil().clamp(1.0, 10_000.0) as u32;
    let model = match open {
        true => Model::Open {
            max_users: given_max.unwrap_or(default_max),
        },
        false => Model::Closed,
    };
    let stages = stages.into_iter().enumerate().map(|(i, stage)| Stage {
        name: stage.name,
        target: stage.target,
        ramp: if i == 0 {
            first_ramp
        } else {
            stage.ramp.unwrap_or_default()
        },
        duration: stage.duration,
        classes: stage.classes,
    });
    let graceful_stop = options.graceful_stop.or(profile.graceful_stop.copied());
    Some(Load {
        model,
        stages: stages.collect(),
        warmup,
        graceful_stop: graceful_stop.unwrap_or(Duration::from_secs(30)),
        iterations: options.iterations,
        arrivals,
    })
}

/// How arrivals are spaced; a finding where the load has none.
fn arrivals(
    profile: &ProfileFile,
    options: &Options,
    open: bool,
    findings: &mut Findings,
) -> Option<Arrivals> {
    let of_profile = profile.arrivals.copied();
    if !open && (of_profile.is_some() || options.arrivals.is_some()) {
        let place = match options.arrivals {
            Some(_) => None,
            None => profile.arrivals.key(),
        };
        let diagnostic = Diagnostic::new("`arrivals` is for an open load, and this one has users")
            .help("leave it out, or give a rate");
        findings.report(place, diagnostic);
        return None;
    }
    Some(options.arrivals.or(of_profile).unwrap_or_default())
}

/// Options that make no sense in any run.
fn check_options(options: &Options) -> Vec<Diagnostic> {
    let positive = |number: Option<f64>| number.is_none_or(|n| n > 0.0 && n <= 1e7);
    let rules = [
        (
            options
                .users
                .is_none_or(|users| (1..=MAX_COUNT).contains(&users)),
            "the number of users must lie between 1 and 1000000",
        ),
        (
            positive(options.spawn_rate),
            "the spawn rate must be above 0 and at most 10000000/s",
        ),
        (
            positive(options.rate),
            "the rate must be above 0 and at most 10000000/s",
        ),
        (
            options
                .run_time
                .is_none_or(|time| !time.is_zero() && time <= MAX_DURATION),
            "the run time must be above 0 and at most 30 days",
        ),
        (
            options.iterations != Some(0),
            "the number of iterations must be at least 1",
        ),
        (
            options
                .workers
                .is_none_or(|workers| (1..=1024).contains(&workers)),
            "the number of workers must lie between 1 and 1024",
        ),
        (
            options
                .timeout
                .is_none_or(|time| !time.is_zero() && time <= MAX_DURATION),
            "the timeout must be above 0 and at most 30 days",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken
        .map(|(_, message)| Diagnostic::new(message))
        .collect()
}

fn spawn_time(users: f64, per_s: f64, findings: &mut Findings) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(users / per_s).ok();
    let time = time.filter(|time| *time <= MAX_DURATION);
    if time.is_none() {
        let longest = format_duration(MAX_DURATION);
        findings.report(
            None,
            Diagnostic::new(format!(
                "at this spawn rate the users take longer than {longest} to start"
            )),
        );
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::profile;
    use proptest::prelude::*;

    const SPIKE: &str = "stages:\n  - {name: base, users: 30, duration: 1m}\n  - {users: 150, ramp: 10s, duration: 2m}\n  - {users: 30, duration: 110s}\nwarmup: 5s\n";

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

    /// `target ramp_s duration_s` of each stage.
    fn shown(load: &Load) -> String {
        let stages = load.stages.iter().map(|stage| {
            format!(
                "{} {} {}",
                stage.target,
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
    fn the_users_of_an_open_load_are_a_limit() {
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
    fn loads_that_cannot_be_are_refused() {
        let none = Options::default;
        for (text, options, part) in [
            ("name: x\n", none(), "says no load"),
            ("users: 5\n", none(), "missing key `duration`"),
            ("users: 0\nduration: 1m\n", none(), "at least 1"),
            ("users: 5\nrate: 5\nduration: 1m\n", none(), "together"),
            ("users: 5\nduration: 0s\n", none(), "above 0"),
            ("stages: []\n", none(), "empty"),
            (
                "stages: [{users: 0, duration: 1m}]\n",
                none(),
                "empty of load",
            ),
            ("stages: [{users: 1, duration: 0}]\n", none(), "no time"),
            ("stages: [{duration: 1m}]\n", none(), "either"),
            (
                "stages: [{users: 1}]\n",
                none(),
                "missing required key `duration`",
            ),
            (
                "stages: [{users: 1, duration: 1m}, {rate: 1, duration: 1m}]\n",
                none(),
                "in one profile",
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
                "for users",
            ),
            (
                "users: 5\nduration: 1m\narrivals: poisson\n",
                none(),
                "for an open load",
            ),
            (
                "users: 5\nduration: 1m\n",
                Options {
                    arrivals: Some(Arrivals::Uniform),
                    ..none()
                },
                "for an open load",
            ),
            (
                "rate: 5\nduration: 1m\narrivals: posson\n",
                none(),
                "write `uniform` or `poisson`",
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
            prop_assert!(load.stages.iter().all(|stage| stage.target >= 1.0 && stage.target.fract() == 0.0));
            let total = (load.total() - load.stages[0].ramp).as_secs_f64();
            prop_assert!((total - run_time as f64).abs() < 1e-3, "{}", total);
        }
    }
}
