//! The tests of the whole program, in one binary, since linking it takes longer than most of them.
//!
//! - [`program`]: commands, options, exit codes, reports, signals, the gate.
//! - [`scenarios`]: what a scenario means, and what is said about a bad one.
//! - [`requests`]: what stands on the wire, with each client.
//! - [`torture`]: servers that misbehave.
//! - [`serve`]: `perfctl serve`: its interface, its page, and what it refuses.
//! - [`documents`]: README and `docs/` held to the program.
//! - [`ports`]: the locustfiles of others as scenarios.
//! - [`architecture`]: the layers and the house rules.
//!
//! A test that needs a process of its own is a program of its own beside this folder.

mod architecture;
mod documents;
mod ports;
mod program;
mod requests;
mod scenarios;
mod serve;
mod support;
mod torture;
