//! The texts that console and Markdown share: rows, sentences and notes, as plain strings.

mod changes;
mod criteria;
mod errors;
mod headline;
mod notes;
mod numbers;

pub(super) use changes::{
    change_cells, change_headers, comparison_remarks, comparison_sentence, rows,
};
pub(super) use criteria::{
    are_judged, bound, compliance, criterion_name, measured, next_step, points_lost, slos, verdict,
};
pub(super) use errors::errors;
pub(super) use headline::headline;
pub(super) use notes::notes;
pub(super) use numbers::{
    FLOW_NUMBERS, NUMBERS, connecting, endpoints, endpoints_aside, flows, numbers, phases, traffic,
};
