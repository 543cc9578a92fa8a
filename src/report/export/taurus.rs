//! The report as Taurus writes it, for the Performance plugin of Jenkins.

use std::io::{self, Write};

use crate::metrics::{Summary, Window};
use crate::plan::Percentile;
use crate::report::contents::{Report, Reporter};
use crate::report::text::{harmless, markup};

/// The percentiles that the plugin reads.
const PERCENTILES: [f64; 5] = [0.0, 50.0, 90.0, 95.0, 100.0];

/// Writes Taurus' final statistics of the measured phases.
pub(crate) struct TaurusReporter;

impl Reporter for TaurusReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        let result = &report.result;
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(out, "<FinalStatus>")?;
        let duration_s = result.window_s(Window::Measured);
        writeln!(out, "  <TestDuration>{duration_s:.3}</TestDuration>")?;
        // The group without a label is the whole test.
        group("", &result.summary(None, Window::Measured), &mut out)?;
        for (position, endpoint) in result.endpoints.iter().enumerate() {
            // A flow would be counted in addition to its requests.
            if !endpoint.endpoint.is_flow {
                let summary = result.summary(Some(position), Window::Measured);
                group(&endpoint.endpoint.name, &summary, &mut out)?;
            }
        }
        writeln!(out, "</FinalStatus>")?;
        out.flush()
    }
}

fn group(label: &str, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let seconds = |us: Option<f64>| us.unwrap_or(0.0) / 1e6;
    let response = &summary.response_us;
    writeln!(out, "  <Group label=\"{}\">", markup(&harmless(label)))?;
    for (name, value) in [
        ("throughput", summary.requests),
        ("succ", summary.successes),
        ("fail", summary.failures),
        ("bytes", summary.bytes_in),
    ] {
        writeln!(out, "    <{name} value=\"{value}\"/>")?;
    }
    for (name, value_s) in [
        ("avg_rt", seconds(response.mean)),
        ("stdev_rt", seconds(response.standard_deviation)),
        ("avg_lt", seconds(summary.ttfb_us.mean)),
        ("avg_ct", seconds(summary.connect_us.mean)),
    ] {
        writeln!(out, "    <{name} value=\"{value_s:.6}\"/>")?;
    }
    for percent in PERCENTILES {
        let us = match percent {
            0.0 => response.min,
            100.0 => response.max,
            percent => Percentile::new(percent).and_then(|p| summary.response_percentile_us(p)),
        };
        let value_s = seconds(us);
        writeln!(
            out,
            "    <perc param=\"{percent:.1}\" value=\"{value_s:.6}\"/>"
        )?;
    }
    writeln!(out, "  </Group>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    #[test]
    fn a_failing_run() {
        let mut out = Vec::new();
        let report = fixture::failing();
        TaurusReporter.report(&report, 80, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_data_eq!(text, file!["../golden/failing.taurus.xml"].raw());
    }
}
