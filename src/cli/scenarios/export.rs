//! `perfctl export`: dashboards, alert rules and OpenSLO files of a scenario's SLOs.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use regex::Regex;

use crate::cli::args::sending::pairs;
use crate::cli::show::output::{print, write_announced, write_json};
use crate::error::{Error, Exit};
use crate::monitoring::{self, DEFAULT_BUCKETS_S, ServiceMetric};
use crate::plan::{Plan, Selector};
use crate::report::plain;
use crate::scenario::{self, Options};

/// The histogram of the semantic conventions of OpenTelemetry, as Prometheus names it.
const USUAL_METRIC: &str = "http_server_request_duration_seconds";

/// Write a Grafana dashboard, Prometheus alert rules or OpenSLO from a scenario
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    command: ExportCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum ExportCommand {
    /// A Grafana dashboard of the scenario's runs, with the limits of its SLOs
    Grafana(ScenarioArgs),
    /// Prometheus alert rules for load tests with the scenario, or for the service itself
    ///
    /// Without `--metric`, an alert fires while a load test misses an SLO. With it, alerts are about the response times
    /// that the service exports in production.
    Alerts(AlertArgs),
    /// The SLOs in the format OpenSLO v1, for the service in production
    Slo(SloArgs),
}

#[derive(Debug, Clone, Args)]
struct AlertArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Histogram of the response times that the service exports, such as
    /// `http_server_request_duration_seconds`
    #[arg(long, value_name = "NAME", value_parser = metric_name, help_heading = "Service")]
    metric: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Clone, Args)]
struct SloArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Histogram of the response times that the service exports
    #[arg(long, value_name = "NAME", value_parser = metric_name, default_value = USUAL_METRIC, help_heading = "Service")]
    metric: String,
    #[command(flatten)]
    service: ServiceArgs,
}

/// The scenario, and where the file goes.
#[derive(Debug, Clone, Args)]
struct ScenarioArgs {
    /// Scenario file, or its name in `scenarios/` [default: scenarios/default.yaml, or the only file
    /// there]
    scenario: Option<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Load profile, whose SLOs apply: a name, or the path of a profile file [default: smoke]
    #[arg(short, long, env = "PERFCTL_PROFILE", value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Environment of the scenario, such as `staging`
    #[arg(long, env = "PERFCTL_ENVIRONMENT", value_name = "NAME")]
    environment: Option<String>,
    /// Set `{{ env.KEY }}` to a value, overriding the environment (repeatable)
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// SLO such as `p95<500ms` or `list invoices:error_rate<1%` (repeatable)
    #[arg(long = "slo", value_name = "SLO")]
    slos: Vec<String>,
}

/// How the service exports its response times.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service")]
struct ServiceArgs {
    /// Labels of the service's series, such as `job="api",namespace="prod"`
    #[arg(long, value_name = "MATCHERS", default_value = "", hide_default_value = true, value_parser = matchers)]
    selector: String,
    /// Bounds of the histogram's buckets in seconds [default: those of OpenTelemetry, 0.005 to 10]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = bound)]
    buckets: Vec<f64>,
    /// Label with the route of a request
    #[arg(long, value_name = "LABEL", value_parser = label_name, default_value = "http_route")]
    route_label: String,
    /// Label with the method of a request
    #[arg(long, value_name = "LABEL", value_parser = label_name, default_value = "http_request_method")]
    method_label: String,
    /// Label with the status of a response
    #[arg(long, value_name = "LABEL", value_parser = label_name, default_value = "http_response_status_code")]
    status_label: String,
    /// Regular expression of the statuses that are errors of the service
    #[arg(long, value_name = "REGEX", value_parser = pattern, default_value = "5..")]
    errors: String,
}

/// Writes what is asked for. What cannot be said in it is named on stderr.
///
/// # Errors
/// All that is wrong with the scenario, or a file that cannot be written.
pub fn run(args: &ExportArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    match &args.command {
        ExportCommand::Grafana(scenario) => {
            let made = monitoring::dashboard(&scenario.plan()?);
            let mut json = Vec::new();
            write_json(&made.content, &mut json)?;
            scenario.write(&json, out)?;
            say(&made.left_out);
        }
        ExportCommand::Alerts(args) => {
            let service = args.metric.as_deref().map(|name| args.service.metric(name));
            let made = monitoring::alert_rules(&args.scenario.plan()?, service.as_ref());
            args.scenario.write(made.content.as_bytes(), out)?;
            say(&made.left_out);
        }
        ExportCommand::Slo(args) => {
            let service = args.service.metric(&args.metric);
            let made = monitoring::open_slo(&args.scenario.plan()?, &service);
            args.scenario.write(made.content.as_bytes(), out)?;
            say(&made.left_out);
        }
    }
    Ok(Exit::Pass)
}

impl ScenarioArgs {
    fn plan(&self) -> Result<Plan, Error> {
        let source = scenario::find(self.scenario.as_deref())?;
        let options = Options {
            environment: self.environment.clone(),
            env: pairs(&self.env, "`--env` takes KEY=VALUE")?,
            slos: self.slos.clone(),
            ..Options::default()
        };
        let profile = self.profile.as_deref();
        let profile = profile.unwrap_or_else(|| source.default_profile());
        scenario::compile(&source, profile, &options)
    }

    fn write(&self, content: &[u8], out: &mut dyn Write) -> Result<(), Error> {
        match &self.output {
            Some(path) => write_announced(path, |file| file.write_all(content)),
            None => print(out, &String::from_utf8_lossy(content)),
        }
    }
}

impl ServiceArgs {
    fn metric(&self, name: &str) -> ServiceMetric {
        let buckets = match self.buckets.is_empty() {
            true => &DEFAULT_BUCKETS_S[..],
            false => &self.buckets,
        };
        ServiceMetric {
            name: name.to_owned(),
            selector: self.selector.clone(),
            buckets_s: buckets.to_vec(),
            route_label: self.route_label.clone(),
            method_label: self.method_label.clone(),
            status_label: self.status_label.clone(),
            errors: self.errors.clone(),
        }
    }
}

fn say(left_out: &[String]) {
    for sentence in left_out {
        // The file says it, too.
        let _ = writeln!(anstream::stderr(), "note: {}", plain(sentence));
    }
}

fn metric_name(text: &str) -> Result<String, String> {
    let base = ["_bucket", "_count", "_sum"];
    let base = base.into_iter().find_map(|end| text.strip_suffix(end));
    let base = base.unwrap_or(text);
    match Selector::parse(base) {
        Ok(selector) if selector.name == text || selector.name == base && !text.contains('{') => {
            Ok(base.to_owned())
        }
        Ok(_) => Err("write the name alone, and labels with `--selector`".to_owned()),
        Err(why) => Err(why),
    }
}

fn label_name(text: &str) -> Result<String, String> {
    Selector::parse(&format!("x{{{text}=\"\"}}"))?;
    Ok(text.to_owned())
}

fn matchers(text: &str) -> Result<String, String> {
    let inner = text.trim();
    let inner = inner.strip_prefix('{').unwrap_or(inner);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let inner = inner.trim().trim_end_matches(',');
    Selector::parse(&format!("x{{{inner}}}"))?;
    Ok(inner.to_owned())
}

fn bound(text: &str) -> Result<f64, String> {
    let bound = text.trim().parse().ok();
    let bound = bound.filter(|bound: &f64| *bound > 0.0 && bound.is_finite());
    bound.ok_or_else(|| format!("`{text}` is not a number of seconds above 0"))
}

fn pattern(text: &str) -> Result<String, String> {
    match Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
