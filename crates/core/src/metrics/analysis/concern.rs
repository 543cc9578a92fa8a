//! Something about the load generator that a reader has to know.
//!
//! Not here: what there is to know (`health`, `dropped`), and what follows from it (`validity`).

/// Something about the load generator that a reader has to know.
pub(super) struct Concern {
    /// Whether it makes the run INVALID.
    pub(super) decisive: bool,
    /// A phrase for people, with what to try.
    pub(super) text: String,
}
