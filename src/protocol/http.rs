//! HTTP by reqwest: the only user of that crate.
