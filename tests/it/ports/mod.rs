//! The locustfiles of others as scenarios, in `scenarios/ports`: each compiles, and sends against the
//! recording server beside them what its locustfile sends.
//!
//! Here: a file for each kind of service. How a scenario is run there: [`trial`].

mod accounts;
mod every;
mod pages;
mod services;
mod shops;
mod trial;
