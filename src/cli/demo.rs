//! `perfctl demo`: the built-in target on its own.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::{self, Behavior, Counters, PATHS, Stall, cannot};
use crate::error::{Error, Exit};
use crate::units;

/// Serve the built-in target, to try scenarios on
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Added to every answer, such as 20ms; 0 answers as fast as it can.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::parse_duration)]
    latency: Duration,
    /// The share of answers that take ten times the latency, at least 1 s.
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = units::parse_percent)]
    slow: f64,
    /// The share of answers that are a 503.
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = units::parse_percent)]
    errors: f64,
    /// Answer nothing for a while again and again, such as 10s,1s: the last second of every ten.
    #[arg(long, value_name = "EVERY,LASTING")]
    stall: Option<Stall>,
    /// Decides which requests are slow or fail.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl DemoArgs {
    fn behavior(&self) -> Behavior {
        Behavior {
            latency: self.latency,
            slow_percent: self.slow,
            error_percent: self.errors,
            stall: self.stall,
            seed: self.seed,
            ..Behavior::default()
        }
    }
}

/// Serves until SIGINT or SIGTERM, then says how many requests it had.
///
/// # Errors
/// When the port is taken, or signals cannot be waited for.
pub fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    demo::runtime()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        // After the signals: who can connect can also stop it in order.
        let listener = demo::bind(args.port)?;
        let addr = listener.local_addr().map_err(cannot)?;
        // Nobody reading is no reason to stop serving, so failed writes are let pass.
        let _ = greet(out, &format!("http://{addr}"));

        let counters = Arc::new(Counters::default());
        let stopped = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        demo::serve(listener, args.behavior(), counters.clone(), stopped).await;
        let _ = writeln!(out, "{} requests", units::format_count(counters.requests()));
        Ok(Exit::Pass)
    })
}

fn greet(out: &mut dyn Write, url: &str) -> std::io::Result<()> {
    writeln!(out, "listening on {url}; stop with Ctrl-C\n")?;
    for (method, path, purpose) in PATHS {
        writeln!(out, "  {method:<4} {path:<26}  {purpose}")?;
    }
    writeln!(out)?;
    out.flush()
}
