//! Who may ask for what, where runs may be sent, and the log of what was done.

pub(super) mod audit;
pub(super) mod guard;
pub(super) mod target;
