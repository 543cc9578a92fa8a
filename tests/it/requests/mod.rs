//! What stands on the wire and what becomes of it, with each client.

mod auth;
mod bodies;
mod counts;
mod delays;
mod faults;
mod wire;
