//! The options of a load, shared by the commands that resolve a plan.
//!
//! Here: options, their environment variables, and what they become (`scenario::Options`). Not
//! here: how they change a profile (`scenario`).

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::sending::SendingArgs;
use crate::error::Error;
use crate::plan::{Arrivals, Metric, ThinkTime};
use crate::scenario::{LimitOption, Options, Source, parse_wait};
use crate::units::{parse_duration, parse_rate};

/// The load of a run, and the service it goes to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Load profile: a name, or the path of a profile file [default: smoke; with a URL: 50 users for
    /// 10s, without ramp and warm-up]
    #[arg(short, long, env = "PERFCTL_PROFILE", value_name = "NAME|FILE")]
    pub profile: Option<String>,

    #[command(flatten)]
    pub sending: SendingArgs,

    /// Virtual users at the highest level; in the open model, the maximum number of requests in
    /// flight
    #[arg(
        short,
        long,
        alias = "vus",
        short_alias = 'c',
        env = "PERFCTL_USERS",
        value_name = "N"
    )]
    pub users: Option<u32>,

    /// Users to start per second
    #[arg(short = 'r', long, env = "PERFCTL_SPAWN_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub spawn_rate: Option<f64>,

    /// Duration of the load, such as `30s`, `5m` or `1h30m`, without the first ramp and the warm-up
    #[arg(
        short = 't',
        long,
        alias = "duration",
        short_alias = 'z',
        env = "PERFCTL_RUN_TIME",
        value_name = "TIME",
        value_parser = parse_duration
    )]
    pub run_time: Option<Duration>,

    /// Arrivals per second, however slowly the service responds (open model)
    #[arg(long, env = "PERFCTL_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub rate: Option<f64>,

    /// Spacing of arrivals in the open model
    #[arg(long, env = "PERFCTL_ARRIVALS", value_name = "SPACING")]
    pub arrivals: Option<Spacing>,

    /// Most requests per second of all users together (closed model)
    #[arg(long, env = "PERFCTL_THROTTLE", value_name = "RATE", value_parser = parse_rate)]
    pub throttle: Option<f64>,

    /// Stop after this many iterations in total
    #[arg(short, long, env = "PERFCTL_ITERATIONS", value_name = "N")]
    pub iterations: Option<u64>,

    /// Number of worker threads [default: one per core]
    #[arg(long, env = "PERFCTL_WORKERS", value_name = "N")]
    pub workers: Option<usize>,

    /// SLO such as `p95<500ms` or `list invoices:error_rate<1%` (repeatable)
    #[arg(long = "slo", value_name = "SLO")]
    pub slos: Vec<String>,

    /// End the run early, such as with `error_rate > 20% for 10s` (repeatable)
    #[arg(long = "abort", value_name = "LIMIT")]
    pub abort: Vec<String>,

    /// Locust's name for an upper limit of the error rate
    #[arg(long, value_name = "RATIO", value_parser = parse_fail_ratio, hide = true)]
    check_fail_ratio: Option<f64>,

    /// Locust's name for an upper limit of the mean response time
    #[arg(long, value_name = "MS", value_parser = parse_positive, hide = true)]
    check_avg_response_time: Option<f64>,

    /// Locust's name for a lower limit of the throughput
    #[arg(long, value_name = "RPS", value_parser = parse_positive, hide = true)]
    check_rps: Option<f64>,

    /// Wait between iterations and within flows, such as `500ms` or `between(1s, 2s)`, overriding all
    /// think times of the scenario
    #[arg(
        long,
        env = "PERFCTL_THINK_TIME",
        value_name = "WAIT",
        value_parser = parse_wait,
        overrides_with = "no_think_time"
    )]
    pub think_time: Option<ThinkTime>,

    /// No waits at all: the same as `--think-time none`
    #[arg(long, overrides_with = "think_time")]
    pub no_think_time: bool,

    /// Time that requests in flight get to finish when the load ends [default: 30s]
    #[arg(short = 's', long, env = "PERFCTL_STOP_TIMEOUT", value_name = "TIME", value_parser = parse_duration)]
    pub stop_timeout: Option<Duration>,
}

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spacing {
    /// Even
    Uniform,
    /// Random, like the arrivals of many independent users (a Poisson process)
    Poisson,
}

/// A share of failed requests, from 0 to 1.
fn parse_fail_ratio(text: &str) -> Result<f64, String> {
    let ratio = text
        .parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("`{text}` is not a ratio: write 0.01 for 1% of the requests"))
}

fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| *number > 0.0 && *number <= 1e9);
    number.ok_or_else(|| format!("`{text}` is not allowed: write a number above 0, without a unit"))
}

impl LoadArgs {
    /// The options for a scenario file. As [`SendingArgs::options`], with those of the load.
    ///
    /// # Errors
    /// Wrong usage if `LOAD_TEST_TIMEOUT` is not a duration, or `-H` is a header.
    pub fn options(&self) -> Result<Options, Error> {
        Ok(self.with_load(self.sending.options()?))
    }

    /// The options for a quick look. As [`SendingArgs::options_of_request`], with those of the load.
    ///
    /// # Errors
    /// Wrong usage if `LOAD_TEST_TIMEOUT` is not a duration, or there are tags.
    pub fn options_of_request(&self) -> Result<Options, Error> {
        Ok(self.with_load(self.sending.options_of_request()?))
    }

    /// The profile to run `source` under.
    pub fn profile_of<'a>(&'a self, source: &'a Source) -> &'a str {
        let given = self.profile.as_deref();
        given.unwrap_or_else(|| source.default_profile())
    }

    /// The limits that have an option in Locust, in perfctl's units.
    fn limits(&self) -> Vec<LimitOption> {
        let mean_us = self.check_avg_response_time.map(|ms| ms * 1e3);
        let given = [
            (
                "--check-fail-ratio",
                Metric::ErrorRate,
                self.check_fail_ratio,
            ),
            (
                "--check-avg-response-time",
                Metric::MeanResponseTime,
                mean_us,
            ),
            ("--check-rps", Metric::Throughput, self.check_rps),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(option, metric, limit)| {
                limit.map(|limit| LimitOption {
                    option,
                    metric,
                    limit,
                })
            })
            .collect()
    }

    fn with_load(&self, options: Options) -> Options {
        let think_time = match self.no_think_time {
            true => Some(ThinkTime::None),
            false => self.think_time,
        };
        Options {
            users: self.users,
            spawn_rate: self.spawn_rate,
            run_time: self.run_time,
            rate: self.rate,
            throttle: self.throttle,
            arrivals: self.arrivals.map(|spacing| match spacing {
                Spacing::Uniform => Arrivals::Uniform,
                Spacing::Poisson => Arrivals::Poisson,
            }),
            iterations: self.iterations,
            workers: self.workers,
            slos: self.slos.clone(),
            abort: self.abort.clone(),
            limits: self.limits(),
            think_time,
            stop_timeout: self.stop_timeout,
            ..options
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn options(arguments: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
        let arguments = ["perfctl"].iter().chain(arguments);
        let parsed = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let value = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).into())
        };
        let sending = parsed.load.sending.options_with(value);
        let options = sending.map_err(|error| error.to_string())?;
        Ok(parsed.load.with_load(options))
    }

    #[test]
    fn options_have_the_names_and_units_of_locust() {
        let flags = "-u 20 -r 0.5 -t 1h20m -T a,b -E c -e K=a=b -s 5 --slo p95<1s --slo max<2s --arrivals poisson";
        let flags: Vec<&str> = flags.split(' ').collect();
        let options = options(&flags, &[]).unwrap();
        assert_eq!((options.users, options.spawn_rate), (Some(20), Some(0.5)));
        assert_eq!(options.run_time, Some(Duration::from_secs(4800)));
        assert_eq!(options.stop_timeout, Some(Duration::from_secs(5)));
        assert_eq!((options.tags.len(), options.exclude_tags.len()), (2, 1));
        assert_eq!(options.env["K"], "a=b");
        assert_eq!(options.slos, ["p95<1s", "max<2s"]);
        assert_eq!(options.arrivals, Some(Arrivals::Poisson));
    }

    #[test]
    fn the_older_variables_apply_only_where_nothing_else_is_given() {
        let env = [
            ("LOAD_TEST_BASE_URL", "http://a"),
            ("LOAD_TEST_TIMEOUT", "30"),
        ];
        let both = options(&[], &env).unwrap();
        assert_eq!(both.host.as_deref(), Some("http://a"));
        assert_eq!(both.timeout, Some(Duration::from_secs(30)));
        let flags = options(&["-H", "http://b", "--timeout", "1s"], &env).unwrap();
        assert_eq!(flags.host.as_deref(), Some("http://b"));
        assert_eq!(flags.timeout, Some(Duration::from_secs(1)));
        let bare = options(&["--timeout", "30"], &env).unwrap_err();
        assert!(bare.contains("write `30ms` or `30s`"), "{bare}");
        let bad = options(&[], &[("LOAD_TEST_TIMEOUT", "soon")]).unwrap_err();
        assert!(
            bad.contains("LOAD_TEST_TIMEOUT: `soon` is not a duration"),
            "{bad}"
        );
    }

    #[test]
    fn the_last_of_two_think_times_counts() {
        let ms = |ms| ThinkTime::Constant(Duration::from_millis(ms));
        for (flags, expected) in [
            ("", None),
            ("--think-time 500ms", Some(ms(500))),
            ("--think-time constant(2)", Some(ms(2_000))),
            ("--think-time none", Some(ThinkTime::None)),
            ("--no-think-time", Some(ThinkTime::None)),
            ("--no-think-time --think-time 1s", Some(ms(1_000))),
            ("--think-time 1s --no-think-time", Some(ThinkTime::None)),
        ] {
            let flags: Vec<&str> = flags.split_whitespace().collect();
            assert_eq!(
                options(&flags, &[]).unwrap().think_time,
                expected,
                "{flags:?}"
            );
        }
        let error = options(&["--think-time", "soon"], &[]).unwrap_err();
        assert!(error.contains("`soon` is not a think time"), "{error}");
    }

    #[test]
    fn a_pair_without_a_name_is_refused_without_showing_it() {
        for bad in ["s3cret", "=s3cret"] {
            let error = options(&["-e", bad], &[]).unwrap_err();
            assert!(
                error.contains("KEY=VALUE") && !error.contains("s3cret"),
                "{error}"
            );
        }
    }

    #[test]
    fn variables_without_a_value_are_ignored() {
        let env = [("LOAD_TEST_BASE_URL", ""), ("LOAD_TEST_TIMEOUT", "")];
        let options = options(&["--host", "", "--tags", ""], &env).unwrap();
        assert_eq!((options.host, options.timeout), (None, None));
        assert!(options.tags.is_empty());
    }
}
