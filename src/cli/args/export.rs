//! Who gets the numbers of a run while it goes on: the options of every command that makes runs.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use url::{Url, form_urlencoded};

use crate::error::Error;
use crate::exporters::{
    Collector, Destination, Exporters, OtlpPoints, OtlpUrl, parse_influx, parse_listen_address,
    parse_otlp, parse_remote_write, parse_statsd,
};
use crate::metrics::RunInfo;
use crate::plan::Plan;

/// Tools that get the numbers of a run while it goes on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Exporters")]
pub struct ExportArgs {
    /// Serve the numbers of the run to Prometheus at this address, under `/metrics`: `9464`, or
    /// `0.0.0.0:9464` for other machines
    #[arg(long, env = "PERFCTL_PROMETHEUS", value_name = "ADDRESS", value_parser = parse_listen_address)]
    prometheus: Option<SocketAddr>,

    /// Send the numbers of the run to Prometheus by remote write, such as
    /// `http://localhost:9090/api/v1/write`
    #[arg(
        long,
        env = "PERFCTL_REMOTE_WRITE",
        hide_env_values = true,
        value_name = "URL",
        value_parser = parse_remote_write
    )]
    remote_write: Option<Url>,

    /// Send the numbers of the run to a collector of OpenTelemetry: `http://HOST:4318` or
    /// `grpc://HOST:4317`
    #[arg(
        long,
        env = "PERFCTL_OTLP",
        hide_env_values = true,
        value_name = "URL",
        value_parser = parse_otlp
    )]
    otlp: Option<OtlpUrl>,

    /// Send the numbers of the run to InfluxDB, such as `http://localhost:8086/write?db=perfctl`
    #[arg(
        long,
        env = "PERFCTL_INFLUX",
        hide_env_values = true,
        value_name = "URL",
        value_parser = parse_influx
    )]
    influx: Option<Url>,

    /// Send the numbers of the run to StatsD
    #[arg(long, env = "PERFCTL_STATSD", value_name = "HOST:PORT", value_parser = parse_statsd)]
    statsd: Option<String>,

    /// Send the numbers of the run to Datadog's agent: StatsD with tags
    #[arg(long, env = "PERFCTL_DOGSTATSD", value_name = "HOST:PORT", value_parser = parse_statsd)]
    dogstatsd: Option<String>,
}

impl ExportArgs {
    /// Starts exporting a run of this plan, of which `info` is known so far, to everybody who is named; `None` if that
    /// is nobody. Says with `note` where pages are.
    ///
    /// # Errors
    /// When an exporter cannot be started.
    pub fn start(
        &self,
        plan: &Arc<Plan>,
        info: impl FnOnce() -> RunInfo,
        note: impl Fn(&str),
    ) -> Result<Option<Exporters>, Error> {
        let destinations = self.destinations(|name| std::env::var_os(name))?;
        if destinations.is_empty() {
            return Ok(None);
        }
        let exporters = Exporters::start(destinations, plan, &info())?;
        for address in exporters.pages() {
            note(&format!("metrics for Prometheus: http://{address}/metrics"));
        }
        Ok(Some(exporters))
    }

    /// Everybody who is named. Secrets are in environment variables, which others know as well.
    fn destinations(
        &self,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Vec<Destination>, Error> {
        let env = |name: &str| {
            let value = env(name).and_then(|value| value.into_string().ok());
            value.filter(|value| !value.is_empty())
        };
        let authorized = |url: &Url, scheme: &str, variable: &str| {
            let token = env(variable);
            let header =
                token.map(|token| ("authorization".to_owned(), format!("{scheme} {token}")));
            Collector {
                url: url.clone(),
                headers: header.into_iter().collect(),
            }
        };
        let mut all: Vec<Destination> =
            self.prometheus.map(Destination::Page).into_iter().collect();
        if let Some(url) = &self.remote_write {
            let collector = authorized(url, "Bearer", "PERFCTL_REMOTE_WRITE_TOKEN");
            all.push(Destination::RemoteWrite(collector));
        }
        if let Some(OtlpUrl(url, is_grpc)) = &self.otlp {
            let is = |variable: &str, value: &str| {
                env(variable).is_some_and(|set| set.eq_ignore_ascii_case(value))
            };
            let temporality = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
            let aggregation = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
            let headers = env("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
            all.push(Destination::Otlp {
                collector: Collector {
                    url: url.clone(),
                    headers: otlp_headers(&headers)?,
                },
                is_grpc: *is_grpc,
                points: OtlpPoints {
                    is_delta: is(temporality, "delta"),
                    is_exponential: is(aggregation, "base2_exponential_bucket_histogram"),
                },
            });
        }
        if let Some(url) = &self.influx {
            all.push(Destination::Influx(authorized(
                url,
                "Token",
                "INFLUX_TOKEN",
            )));
        }
        for (address, is_tagged) in [(&self.statsd, false), (&self.dogstatsd, true)] {
            all.extend(
                address
                    .clone()
                    .map(|address| Destination::Statsd { address, is_tagged }),
            );
        }
        Ok(all)
    }
}

/// Parses `name=value,name=value`, as the SDKs of OpenTelemetry do.
fn otlp_headers(text: &str) -> Result<Vec<(String, String)>, Error> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let headers = pairs.map(|pair| match pair.split_once('=') {
        Some((name, value)) => {
            let encoded = format!("x={}", value.trim().replace('+', "%2B").replace('&', "%26"));
            let mut decoded = form_urlencoded::parse(encoded.as_bytes());
            let value = decoded
                .next()
                .map_or_else(String::new, |(_, value)| value.into_owned());
            Ok((name.trim().to_lowercase(), value))
        }
        // The text is not shown: it may be a secret.
        None => Err(Error::usage(
            "OTEL_EXPORTER_OTLP_HEADERS is not NAME=VALUE,NAME=VALUE",
        )),
    });
    headers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_settings_come_from_the_environment() {
        let args = ExportArgs {
            remote_write: parse_remote_write("http://h:9090/api/v1/write").ok(),
            otlp: parse_otlp("grpc://h:4317").ok(),
            influx: parse_influx("http://h:8086/write?db=x").ok(),
            dogstatsd: Some("h:8125".to_owned()),
            ..ExportArgs::default()
        };
        let made = args.destinations(|name| {
            let value = match name {
                "PERFCTL_REMOTE_WRITE_TOKEN" => "r",
                "INFLUX_TOKEN" => "i",
                "OTEL_EXPORTER_OTLP_HEADERS" => "Api-Key=a%20b, x=c=d",
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE" => "Delta",
                _ => "",
            };
            Some(value.into())
        });
        let made = made.unwrap();
        let [
            Destination::RemoteWrite(prometheus),
            Destination::Otlp {
                collector,
                is_grpc: true,
                points,
            },
            Destination::Influx(influx),
            Destination::Statsd {
                is_tagged: true, ..
            },
        ] = &made[..]
        else {
            panic!("{} destinations", made.len());
        };
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(prometheus.headers, [header("authorization", "Bearer r")]);
        assert_eq!(influx.headers, [header("authorization", "Token i")]);
        assert_eq!(
            collector.headers,
            [header("api-key", "a b"), header("x", "c=d")]
        );
        assert!(points.is_delta && !points.is_exponential);
        let wrong = otlp_headers("secret").unwrap_err().to_string();
        assert!(wrong.contains("NAME=VALUE") && !wrong.contains("secret"));
    }
}
