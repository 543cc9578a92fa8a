//! `perfctl demo`: the built-in service on its own.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::signals::EndingSignals;
use crate::demo::{self, Behavior, Counters, Fault, PATHS, ServiceTime, Stall};
use crate::error::{Error, Exit};
use crate::units;

/// Start the built-in service, to try scenarios on
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1; 0 uses any free port
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// Latency of each response, such as `20ms`; 0 responds as fast as possible
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::parse_duration)]
    latency: Duration,
    /// Percentage of responses that take ten times the latency, at least 1 s
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = units::parse_percent)]
    slow: f64,
    /// Percentage of responses with status 503
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = units::parse_percent)]
    errors: f64,
    /// Stop responding periodically: `10s,1s` is the last second of every ten
    #[arg(long, value_name = "PERIOD,TIME")]
    stall: Option<Stall>,
    /// Time that each request takes a server, such as `20ms` or `exponential:5ms`; requests wait for a
    /// free one
    #[arg(long, value_name = "TIME")]
    service_time: Option<ServiceTime>,
    /// Number of servers, for `--service-time`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..), requires = "service_time")]
    servers: u16,
    /// Requests per second, above which the status is 429
    #[arg(long, value_name = "RATE", value_parser = units::parse_rate)]
    limit: Option<f64>,
    /// What is wrong with the service; may be repeated, or be a list with commas
    #[arg(long, value_name = "FAULT", value_delimiter = ',', value_parser = fault_parser())]
    fault: Vec<String>,
    /// Seed that decides which requests are slow or fail
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl DemoArgs {
    fn behavior(&self) -> Behavior {
        Behavior {
            latency: self.latency,
            slow_percent: self.slow,
            error_percent: self.errors,
            stall: self.stall,
            service: self.service_time,
            servers: self.servers.into(),
            limit_per_s: self.limit,
            seed: self.seed,
            faults: faults(&self.fault),
            ..Behavior::default()
        }
    }
}

/// Serves until a signal ends it, then prints how many requests it received.
///
/// # Errors
/// When the port is taken, or signals cannot be waited for.
pub fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    demo::runtime()?.block_on(async {
        let mut signals = EndingSignals::listen()?;
        // After the signals: whoever can connect can also stop it gracefully.
        let listener = demo::bind(args.port)?;
        let addr = listener.local_addr().map_err(Error::StartDemo)?;
        // It serves even if nobody reads the output, so failed writes are ignored.
        let _ = greet(out, &format!("http://{addr}"));

        let counters = Arc::new(Counters::default());
        let stopped = async {
            signals.next().await;
        };
        demo::serve(listener, args.behavior(), counters.clone(), stopped).await;
        let _ = writeln!(
            out,
            "{}",
            units::format_counted(counters.requests(), "request")
        );
        Ok(Exit::Pass)
    })
}

/// What reads the name of a fault.
pub(crate) fn fault_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Fault::ALL.map(|(name, _)| name))
}

/// The faults with these names, which the parser has let through.
pub(crate) fn faults(names: &[String]) -> Vec<Fault> {
    let faults = names.iter().map(|name| Fault::parse(name));
    faults.filter_map(Result::ok).collect()
}

fn greet(out: &mut dyn Write, url: &str) -> std::io::Result<()> {
    writeln!(out, "listening on {url}; stop with Ctrl-C\n")?;
    for (method, path, purpose) in PATHS {
        writeln!(out, "  {method:<4} {path:<26}  {purpose}")?;
    }
    writeln!(out)?;
    out.flush()
}
