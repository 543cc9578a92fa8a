//! The built-in service: a small HTTP/1.1 service to try perfctl on and to test it against.
//!
//! Not here: anything a load generator needs. It shares the machine with the generator, so it logs
//! nothing and keeps no state per client.

mod behavior;
mod counters;
mod invoices;
mod login;
mod responses;
mod route;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod timing;

pub use self::behavior::faults::Fault;
pub use self::behavior::queue::ServiceTime;
pub use self::behavior::{Behavior, Stall};
pub use self::counters::Counters;
pub use self::route::PATHS;
pub use self::server::{Demo, bind, runtime, serve};
