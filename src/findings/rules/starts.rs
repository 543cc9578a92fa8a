//! Classes of users that did not get past their `on_start`.
//!
//! Not here: failed requests (`errors`), one of which may be why.

use crate::findings::finding::Finding;
use crate::findings::numbers::Numbers;
use crate::findings::rule::Rule;
use crate::findings::statistics::share_interval;
use crate::metrics::Starts;
use crate::plan::{FindingSeverity, Model, Scale};
use crate::units::format_count;

/// A smaller share of failures hardly changes the load.
const SHARE: f64 = 0.01;

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let run = &numbers.result.run;
    let classes = run.starts.iter();
    let found = classes.filter_map(|(class, starts)| of_class(class, starts, run.load.model));
    found.collect()
}

fn of_class(class: &str, starts: &Starts, model: Model) -> Option<Finding> {
    let (least, _) = share_interval(starts.failed, starts.ended);
    if least <= SHARE {
        return None;
    }
    let share = starts.failed as f64 / starts.ended as f64;
    let severity = match starts.failed == starts.ended {
        true => FindingSeverity::Critical,
        false => FindingSeverity::High,
    };
    let [failed, ended] = [starts.failed, starts.ended].map(format_count);
    let mut text = match model {
        Model::Closed => format!("{class}: `on_start` failed for {failed} of {ended} users"),
        // An arrival that finds none starts a user.
        Model::Open { .. } => format!("{class}: `on_start` failed {failed} of {ended} times"),
    };
    if let Some(why) = &starts.why {
        text += &format!(", the first: {why}");
    }
    let finding = Finding::new(Rule::FailedStart, severity, text)
        .of_part(class)
        .against("failed_share", (share, SHARE), Scale::Share)
        .with("failed_share_at_least", least, Scale::Share)
        .with("failed_starts", starts.failed as f64, Scale::Number);
    Some(finding)
}
