//! Who gets the numbers of a run while it goes on: the options of every command that makes runs.

use std::net::SocketAddr;

use clap::Args;

use crate::error::Error;
use crate::exporters::{Destination, Exporters, parse_listen_address};
use crate::metrics::RunInfo;

/// Tools that get the numbers of a run while it goes on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Exporters")]
pub struct ExportArgs {
    /// Serve the numbers of the run to Prometheus at this address, under `/metrics`: `9464`, or
    /// `0.0.0.0:9464` for other machines
    #[arg(long, env = "PERFCTL_PROMETHEUS", value_name = "ADDRESS", value_parser = parse_listen_address)]
    prometheus: Option<SocketAddr>,
}

impl ExportArgs {
    /// Starts exporting a run, of which `info` is known so far, to everybody who is named; `None` if that is nobody.
    /// Says with `note` where pages are.
    ///
    /// # Errors
    /// When an exporter cannot be started.
    pub fn start(
        &self,
        info: impl FnOnce() -> RunInfo,
        note: impl Fn(&str),
    ) -> Result<Option<Exporters>, Error> {
        let destinations = self.destinations();
        if destinations.is_empty() {
            return Ok(None);
        }
        let exporters = Exporters::start(destinations, &info())?;
        for address in exporters.pages() {
            note(&format!("metrics for Prometheus: http://{address}/metrics"));
        }
        Ok(Some(exporters))
    }

    fn destinations(&self) -> Vec<Destination> {
        let pages = self.prometheus.map(Destination::Page);
        pages.into_iter().collect()
    }
}
