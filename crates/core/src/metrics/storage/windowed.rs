//! What is kept of each second of a run.
//!
//! Not here: how it is written (`timeline`).

use std::collections::BTreeSet;

use crate::metrics::Cell;
use crate::plan::{Metric, Slo};

/// The components and measures that are kept for each second, since an SLO of theirs has a window.
#[derive(Default)]
pub(super) struct WindowedNames {
    components: BTreeSet<String>,
    measures: BTreeSet<String>,
}

impl WindowedNames {
    /// Those of which these SLOs need each second.
    pub(super) fn of(slos: &[Slo]) -> Self {
        let mut names = Self::default();
        for slo in slos.iter().filter(|slo| slo.window_s.is_some()) {
            match &slo.metric {
                Metric::ComponentTime { component, .. } | Metric::HitRatio { component } => {
                    names.components.insert(component.clone());
                }
                Metric::Measure { measure, .. } => {
                    names.measures.insert(measure.clone());
                }
                _ => {}
            }
        }
        names
    }

    /// What is kept of everything that was counted in a second.
    pub(super) fn kept(&self, cell: Cell) -> Cell {
        let (mut components, mut measures) = (cell.components, cell.measures);
        components.retain(|name, _| self.components.contains(name));
        measures.retain(|name, _| self.measures.contains(name));
        Cell {
            outcomes: cell.outcomes,
            response: cell.response,
            censored: cell.censored,
            components,
            measures,
            ..Cell::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;

    #[test]
    fn only_what_an_slo_with_a_window_is_about_is_kept() {
        let mut cell = Cell::default();
        for name in ["db", "cache", "auth"] {
            cell.components.entry(name.to_owned()).or_default().hits = 1;
            cell.measures.entry(name.to_owned()).or_default();
        }
        cell.bytes_in = 7;
        let of = |component: &str, window_s| {
            let component = component.to_owned();
            let mut slo = fixture::slo("slo", Metric::HitRatio { component }, 0.9);
            slo.window_s = window_s;
            slo
        };
        let names = WindowedNames::of(&[of("db", None), of("cache", Some(60))]);
        let kept = names.kept(cell);
        assert_eq!(kept.components.into_keys().collect::<Vec<_>>(), ["cache"]);
        assert_eq!((kept.measures.len(), kept.bytes_in), (0, 0));
    }
}
