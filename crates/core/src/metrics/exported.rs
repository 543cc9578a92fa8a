//! The names under which the numbers of a run are exported while it goes on, as Prometheus knows them.
//!
//! Here: names of metrics and labels, for the code that exports them and the code that writes queries. Not here: values,
//! and what is done with them.

/// Requests that were started and have ended, by `outcome`.
pub const REQUESTS_TOTAL: &str = "perfctl_requests_total";
/// Response times; a histogram, without the requests that failed where they have a `class` of their own.
pub const RESPONSE_TIME_SECONDS: &str = "perfctl_response_time_seconds";
/// How late requests started; a histogram.
pub const SCHEDULING_DELAY_SECONDS: &str = "perfctl_scheduling_delay_seconds";
/// Arrivals of the open model that were never started.
pub const DROPPED_ARRIVALS_TOTAL: &str = "perfctl_dropped_arrivals_total";
/// Flows that have ended, by `outcome`.
pub const FLOWS_TOTAL: &str = "perfctl_flows_total";
/// Times of flows without their think times; a histogram.
pub const FLOW_TIME_SECONDS: &str = "perfctl_flow_time_seconds";
/// Connections opened.
pub const CONNECTIONS_TOTAL: &str = "perfctl_connections_total";
/// Virtual users that the load asks for now, in the closed model.
pub const TARGET_USERS: &str = "perfctl_target_users";
/// Arrivals per second that the load asks for now, in the open model.
pub const TARGET_ARRIVALS_PER_SECOND: &str = "perfctl_target_arrivals_per_second";
/// Virtual users running, or requests in flight in the open model.
pub const USERS: &str = "perfctl_users";
/// Bytes received.
pub const RECEIVED_BYTES_TOTAL: &str = "perfctl_received_bytes_total";
/// Bytes sent.
pub const SENT_BYTES_TOTAL: &str = "perfctl_sent_bytes_total";
/// CPU time of perfctl, as a share of what the cores offer.
pub const GENERATOR_CPU_RATIO: &str = "perfctl_generator_cpu_ratio";
/// CPU time of the busiest worker, as a share of one core.
pub const GENERATOR_BUSIEST_WORKER_RATIO: &str = "perfctl_generator_busiest_worker_ratio";
/// Always 1; its labels say what is run.
pub const RUN_INFO: &str = "perfctl_run_info";

/// The label with the name of the scenario.
pub const SCENARIO: &str = "scenario";
/// The label with the name of the run. Pages that are read have it in [`RUN_INFO`] only, where the label
/// [`INSTANCE`] tells whose it is.
pub const RUN: &str = "run";
/// The label that Prometheus gives to what it reads from one address.
pub const INSTANCE: &str = "instance";
/// The label with the row of the statistics.
pub const ENDPOINT: &str = "endpoint";
/// The label with the name of the flow.
pub const FLOW: &str = "flow";
/// The label with the name of the phase.
pub const PHASE: &str = "phase";
/// The label with whether the phase is measured: `true` or `false`. A stage can have the name of a phase that is not.
pub const MEASURED: &str = "measured";
/// The label with how a request ended: `ok`, or the type of the error.
pub const OUTCOME: &str = "outcome";
/// The label of times: `ok`, `failed`, or `censored` for those that are only a lower bound.
pub const CLASS: &str = "class";
