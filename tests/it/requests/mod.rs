//! What is sent over the wire and what comes of it, with each client.

mod auth;
mod bodies;
mod cookies;
mod counts;
mod delays;
mod differential;
mod digest;
mod faults;
mod heads;
mod reach;
mod wire;
