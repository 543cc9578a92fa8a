//! What the numbers of a result say: statistics, steadiness, the knee, and whether they are valid.

pub(super) mod health;
pub(super) mod knee;
pub(super) mod statistics;
pub(super) mod steady;
pub(super) mod validity;
