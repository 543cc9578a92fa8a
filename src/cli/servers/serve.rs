//! `perfctl serve`: runs over HTTP, and a page that shows them.
//!
//! Here: options. Not here: what the server does (`serve`).

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::show::describe;
use crate::cli::signals::EndingSignals;
use crate::demo;
use crate::error::{Error, Exit};
use crate::report::plain;
use crate::serve::{self, AllowedTarget, Limits, ServeOptions, Token};
use crate::units::{parse_duration, parse_rate};

/// Start, watch and compare runs in a browser or over HTTP
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(
        long,
        env = "PERFCTL_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8089"
    )]
    listen: SocketAddr,

    /// Folder of the scenarios that can be started
    #[arg(
        long,
        env = "PERFCTL_SCENARIOS",
        value_name = "DIR",
        default_value = "scenarios"
    )]
    scenarios: PathBuf,

    /// Directory for stored runs
    #[arg(
        long,
        env = "PERFCTL_OUT",
        value_name = "DIR",
        default_value = "results"
    )]
    results: PathBuf,

    /// Scenario for scripts that were written for Locust's web interface: `/swarm`, `/stop`, `/stats/requests`
    #[arg(long, value_name = "SCENARIO")]
    locust_api: Option<String>,

    /// Service that runs may be sent to instead of that of their scenario, as HOST or HOST:PORT
    /// (repeatable)
    #[arg(long, value_name = "HOST", value_parser = AllowedTarget::parse, help_heading = "Protection")]
    allow_target: Vec<AllowedTarget>,

    /// Name by which browsers reach the server besides its address, such as that of a proxy (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Protection")]
    allow_host: Vec<String>,

    /// File whose first line is the token [default: a new token for each start]
    #[arg(
        long,
        env = "PERFCTL_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Protection"
    )]
    token_file: Option<PathBuf>,

    /// Environment variable that runs see besides PATH and HOME (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Protection")]
    pass_env: Vec<String>,

    /// Most virtual users of a run
    #[arg(long, value_name = "N", help_heading = "Protection")]
    max_users: Option<u32>,

    /// Most arrivals per second of a run; closed loads are throttled to as many requests
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "Protection")]
    max_rate: Option<f64>,

    /// Longest load of a run
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Protection")]
    max_duration: Option<Duration>,

    /// File for a line of JSON for each run that is started, changed or cancelled [default: .serve/audit.jsonl in
    /// `--results`]
    #[arg(
        long,
        env = "PERFCTL_AUDIT_LOG",
        value_name = "FILE",
        help_heading = "Protection"
    )]
    audit_log: Option<PathBuf>,
}

/// Serves until a signal ends it. A run that goes on is left alone.
///
/// # Errors
/// When the options do not go together, the port is taken, or the directory of the runs cannot be used.
pub fn run(args: &ServeArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    if !args.listen.ip().is_loopback() && args.token_file.is_none() {
        return Err(Error::usage_help(
            format!(
                "`--listen {}` can be reached from other machines",
                args.listen
            ),
            "add `--token-file FILE`, with a token that you have chosen; `openssl rand -hex 32` makes one",
        ));
    }
    let token = match &args.token_file {
        Some(path) => Token::read(path)?,
        None => Token::random()?,
    };
    let shown_token = args.token_file.is_none().then(|| token.text().to_owned());
    let options = ServeOptions {
        listen: args.listen,
        host_names: args.allow_host.clone(),
        scenarios: args.scenarios.clone(),
        results: args.results.clone(),
        allowed_targets: args.allow_target.clone(),
        token,
        passed_env: args.pass_env.iter().cloned().collect::<BTreeSet<_>>(),
        limits: Limits {
            max_users: args.max_users,
            max_rate: args.max_rate,
            max_duration: args.max_duration,
        },
        locust_scenario: args.locust_api.clone(),
        audit_log: args.audit_log.clone(),
        describe: describe::plan,
    };
    serve::check(&options)?;
    let runtime = demo::runtime()?;
    let left = runtime.block_on(async {
        let mut signals = EndingSignals::listen()?;
        let listener = serve::bind(args.listen).await?;
        let address = listener.local_addr().unwrap_or(args.listen);
        // It serves even if nobody reads the output.
        let _ = match shown_token {
            Some(token) => writeln!(out, "open http://{address}/#token={token}"),
            None => writeln!(out, "open http://{address}/, with the token of the file"),
        };
        let _ = writeln!(out, "stop with Ctrl-C; a run that goes on is left alone");
        let _ = out.flush();
        let stopped = async {
            signals.next().await;
        };
        serve::serve(listener, options, stopped).await
    });
    // Whoever reads a large run for somebody is not waited for.
    runtime.shutdown_background();
    if let Some((id, process)) = left? {
        let id = plain(&id);
        let _ = writeln!(
            out,
            "the run `{id}` goes on; `kill -INT {process}` ends it, and the next `perfctl serve` shows it"
        );
    }
    Ok(Exit::Pass)
}
