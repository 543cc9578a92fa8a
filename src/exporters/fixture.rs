//! Counts for the tests of the formats.

use crate::exporters::counts::{Counts, PhaseLabels};
use crate::metrics::{Adjustment, Cell, EndpointInfo, HealthSample, Outcome, SparseHistogram};
use crate::plan::Model;
use crate::plan::fixture::load;

/// One endpoint, whose name needs to be escaped, and one flow.
pub(super) fn counts() -> Counts {
    let row = |name: &str, is_flow| EndpointInfo {
        name: name.to_owned(),
        method: "GET".to_owned(),
        is_flow,
        is_templated: false,
    };
    let cell = Cell {
        outcomes: [
            (Outcome::Ok, 3),
            (Outcome::Http5xx, 1),
            (Outcome::Dropped, 2),
        ]
        .into(),
        response: SparseHistogram::of(&mut [1_000, 1_500, 250_000]),
        failed: SparseHistogram::of(&mut [2_000_000]),
        scheduling_delay: SparseHistogram::of(&mut [0, 0, 10, 20]),
        bytes_in: 400,
        bytes_out: 100,
        connections: 2,
        ..Cell::default()
    };
    let flow = Cell {
        outcomes: [(Outcome::Ok, 1)].into(),
        response: SparseHistogram::of(&mut [300_000]),
        ..Cell::default()
    };
    Counts {
        run: "20261127-shop".to_owned(),
        scenario: "shop".to_owned(),
        profile: "smoke".to_owned(),
        build: String::new(),
        rows: vec![row("list \"a, b\"=\\ 1", false), row("buy", true)],
        phases: vec![PhaseLabels {
            name: "steady".to_owned(),
            measured: true,
        }],
        cells: [((0, 0), cell), ((1, 0), flow)].into(),
        load: load(Model::Closed, &[(5.0, 0.0, 60.0)]),
        adjustment: Adjustment::NONE,
        is_stopped: false,
        seconds: 3,
        users: 5,
        health: Some(HealthSample {
            cpu_share: 0.25,
            busiest_worker_share: 0.5,
            ..HealthSample::default()
        }),
    }
}
