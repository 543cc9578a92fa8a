//! The charts of pages, as SVG.
//!
//! Here: what is drawn. Not here: the text around it, and which charts a page has (`page`, `history`).

pub(super) mod axis;
pub(super) mod bins;
pub(super) mod changes;
pub(super) mod curve;
pub(super) mod frame;
pub(super) mod heatmap;
pub(super) mod levels;
pub(super) mod observed;
pub(super) mod svg;
pub(super) mod timeline;
