//! The texts that console and Markdown share: rows, sentences and notes, as plain strings.

mod changes;
mod criteria;
mod errors;
mod exchange;
mod headline;
mod history;
mod notes;
mod numbers;
mod quick_look;
mod samples;
mod target;

pub(super) use changes::{
    change_cells, change_headers, comparison_remarks, comparison_sentence, rows,
};
pub(super) use criteria::{
    are_judged, bound, compliance, criterion_name, error_budgets, letter, measured, next_step,
    points_lost, slos, verdict,
};
pub(super) use errors::{ErrorRow, error_name, error_table, error_text, errors};
pub use exchange::{BodyLimits, ExchangeLine, exchange_lines};
pub(super) use headline::headline;
pub(super) use history::{
    HISTORY_NUMBERS, history_changes, history_direction, history_faults, history_finding,
    history_numbers, history_predecessor, history_span, history_title,
};
pub(super) use notes::notes;
pub(super) use numbers::{
    FLOW_NUMBERS, LEVEL_NUMBERS, MEASURE_NUMBERS, NUMBERS, connecting, counts, endpoints,
    endpoints_aside, flows, levels, measures, numbers, phases, traffic,
};
pub(super) use quick_look::{
    all_failed, connections, has_no_verdict, histogram, is_quick_look, percentiles, spread,
    statuses, summary,
};
pub(super) use samples::{sample_groups, sample_heading, sample_lines, samples_kept, samples_note};
pub(super) use target::findings::{FINDINGS_ASIDE, findings};
pub(super) use target::observed::{OBSERVED_NUMBERS, observed, unobserved};
pub(super) use target::traces::{TRACE_COLUMNS, trace_link, trace_pattern, traces, traces_note};
