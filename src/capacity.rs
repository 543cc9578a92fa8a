//! How much a service can take: the highest load at which every SLO holds.
//!
//! Here: a search without clocks and sockets, and what follows from its levels. Not here: how levels are carried out
//! (`cli`), or how the answer looks (`report`).

mod criterion;
mod evidence;
#[cfg(test)]
pub(crate) mod fixture;
mod level;
mod posterior;
mod search;
#[cfg(test)]
mod simulation;
mod study;
#[cfg(test)]
mod tests;
mod usl;

pub use criterion::Criterion;
pub use evidence::{Evidence, Ratio, Rule};
pub use level::{Hold, LevelWatch};
pub use search::{
    Capacity, LevelEvidence, Outcome, Purpose, SHORTEST_REST_S, Search, SearchStep, Settings,
};
pub use study::{Gauge, LevelPoint, LevelVerdict, Movement, Study, Unit};
pub use usl::Usl;
