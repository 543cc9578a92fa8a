//! What was run, and how.

use std::time::Duration;

use crate::metrics::RunResult;
use crate::plan::{Arrivals, Model};
use crate::units::{format_duration, format_rate, format_users};

/// Two lines: what was run, and how.
pub(crate) fn headline(result: &RunResult) -> [String; 2] {
    let run = &result.run;
    let phases = run.phases.iter().enumerate();
    let measured_s: f64 = phases
        .filter(|(_, phase)| phase.measured)
        .map(|(position, _)| result.phase_length_s(position))
        .sum();
    let measured = Duration::try_from_secs_f64(measured_s).unwrap_or_default();
    let most = match run.load.stages.len() {
        0 | 1 => "",
        _ => "up to ",
    };
    let load = match run.load.model {
        Model::Closed => {
            format!(
                "{most}{} (closed model)",
                format_users(run.load.peak() as u64)
            )
        }
        Model::Open { .. } => {
            let process = match run.load.arrivals {
                Arrivals::Uniform => "",
                Arrivals::Poisson => ", Poisson arrivals",
            };
            let rate = format_rate(run.load.peak());
            format!("{most}{rate} (open model{process})")
        }
    };
    let started = run.started_at.split('.').next().unwrap_or_default();
    let what = match run.endpoints.first() {
        // The method and the URL, without its query.
        Some(endpoint) if run.quick_look => {
            let path = endpoint.name.trim_start_matches(&endpoint.method);
            format!("{} {}{}", endpoint.method, run.service, path.trim_start())
        }
        _ => {
            let environment = run.environment.as_ref();
            let environment = environment.map_or_else(String::new, |name| format!(" · {name}"));
            format!(
                "{} · {}{environment} · {}",
                run.scenario, run.profile, run.service
            )
        }
    };
    [
        what,
        format!(
            "{load} · {} measured · {} · seed {}",
            format_duration(measured),
            started.trim_end_matches('Z').replace('T', " ") + " UTC",
            run.seed
        ),
    ]
}
