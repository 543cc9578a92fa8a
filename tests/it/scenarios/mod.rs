//! What a scenario means, and what is said about a bad one.

mod bad_input;
mod errors;
mod expressions;
mod fingerprint;
mod given;
mod locust;
mod names;
mod steps;
mod templates;
mod urls;
mod users_and_flows;
mod values;
