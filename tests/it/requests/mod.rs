//! What is sent over the wire and what comes of it, with each client.

mod auth;
mod bodies;
mod counts;
mod delays;
mod digest;
mod faults;
mod wire;
