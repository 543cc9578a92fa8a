//! What a scenario means, and what is said about a bad one.

mod bad_input;
mod classes;
mod errors;
mod extraction;
mod fingerprint;
mod locust;
mod names;
mod once_a_run;
mod steps;
mod users_and_flows;
mod values;
