//! From YAML to a [`Plan`](crate::plan::Plan): reads a scenario and a profile, and resolves them with the options of
//! the run, or reports all errors in both at once.
//!
//! Here: the public face. Not here: what is done with a plan (`engine`), nor how options are
//! written on a command line (`cli`).
//!
//! ```text
//! text -> yaml (places) -> keys (what is written) -> compile (what it means) -> Plan
//!                                                    | request, flow, names, service
//!                                                    | load
//!                                                    | slo
//! ```

mod compile;
mod flow;
mod keys;
mod load;
mod names;
mod options;
mod outline;
mod request;
mod service;
mod slo;
mod source;
mod yaml;

pub use compile::compile;
pub use keys::think_time::parse_wait;
pub use options::{LimitOption, Options};
pub use outline::{
    CheckedFile, EndpointOutline, Outline, ProfileOutline, check_file, embedded_profiles, outline,
    profile_schema, profile_text, profiles, scenario_schema,
};
pub use service::address::{parse_connect_to_option, with_scheme};
pub use source::request::{QuickAuth, QuickBody, QuickContent, QuickPart, QuickRequest};
pub use source::{Source, find, find_in, profile_files, scenarios, scenarios_in, yaml_files};
