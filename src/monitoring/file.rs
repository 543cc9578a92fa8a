//! What all files have in common: SLOs that are in them, and those that are left out.
//!
//! Not here: the files themselves.

use crate::plan::{Plan, Slo};

/// A file, and what could not be said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedFile<T> {
    /// What is in the file.
    pub content: T,
    /// A sentence for each SLO that is not in it, with the reason.
    pub left_out: Vec<String>,
}

/// Each SLO of a plan as `express` says it, and a sentence for each that it cannot say.
pub(super) fn each_slo<T>(
    plan: &Plan,
    mut express: impl FnMut(&Slo) -> Result<T, String>,
) -> (Vec<(&Slo, T)>, Vec<String>) {
    let (mut expressed, mut left_out) = (Vec::new(), plan.skipped_slos.clone());
    for slo in &plan.slos {
        match express(slo) {
            Ok(one) => expressed.push((slo, one)),
            Err(why) => {
                let of = slo.scope.endpoint();
                let of = of.map_or_else(String::new, |name| format!(" of `{name}`"));
                let limit = slo.metric.format(slo.limit);
                left_out.push(format!("`{}`{of} {limit} is left out: {why}", slo.name));
            }
        }
    }
    (expressed, left_out)
}
