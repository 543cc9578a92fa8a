//! Flows and user classes: which endpoints and flows there are, and the steps that users take.

mod calls;
pub(super) mod classes;
mod data_flow;
pub(super) mod include;
pub(super) mod index;
mod lifecycle;
mod loops;
pub(super) mod positions;
pub(super) mod steps;
#[cfg(test)]
mod tests;
pub(super) mod variants;
pub(super) mod waits;
