//! What the numbers of a result say: statistics, steadiness, the knee, and whether they are valid.

pub(super) mod abort;
mod concern;
mod dropped;
pub(super) mod health;
pub(super) mod knee;
pub(super) mod levels;
pub(super) mod observed;
pub(super) mod statistics;
pub(super) mod steady;
mod validity;
pub(super) mod windows;
