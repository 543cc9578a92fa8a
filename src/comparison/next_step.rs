//! What would settle an inconclusive comparison: more runs, more data, or another way to compare.
//!
//! Here: the advice, in the options of the command that compares. Not here: what more runs could do
//! for each metric (`statistical`).

use super::gate::{Caller, Gate};
use super::row::Row;
use crate::plan::Metric;

/// An inconclusive comparison.
pub(super) struct Doubt<'a> {
    pub(super) rows: &'a [Row],
    /// Whether runs on the same occasions could settle it.
    pub(super) more_runs_help: bool,
    /// Whether the baseline has too few occasions to show how much they differ.
    pub(super) is_provisional: bool,
}

impl Doubt<'_> {
    /// What would settle it, for people.
    pub(super) fn next_step(&self, gate: &dyn Gate) -> String {
        let open = || self.rows.iter().filter(|row| row.is_open());
        // An error rate is known as well as there are requests, and the simple rule has no intervals:
        // what it cannot decide lacks data.
        let differs = |row: &&Row| row.range.is_some() && row.metric != Metric::ErrorRate;
        if !open().any(|row| differs(&row)) {
            return format!(
                "more requests in each run would settle it: {}",
                longer(gate.caller())
            );
        }
        let runs: Option<Vec<usize>> = open().filter(differs).map(|row| row.outlook.runs).collect();
        let runs = runs.and_then(|runs| runs.into_iter().max());
        match (runs, gate.caller()) {
            (Some(runs), Caller::Ab) => {
                format!("about {runs} runs of each service would settle it: `--runs {runs}`")
            }
            (None, Caller::Ab) => format!(
                "more runs would hardly settle it: {}, or use a quieter machine",
                longer(Caller::Ab)
            ),
            (Some(runs), caller) => {
                let how = self.more_runs(Some(runs), caller);
                format!("about {runs} runs would settle it: {how}")
            }
            (None, caller) if self.more_runs_help => {
                let how = self.more_runs(None, caller);
                format!("more runs may settle it: {how}")
            }
            (None, _) => {
                let other = match self.is_provisional {
                    true => "`perfctl baseline add` gives the baseline runs of more occasions",
                    false => "use a quieter machine",
                };
                format!(
                    "more runs on this occasion would not settle it: `perfctl ab` compares two builds \
                     side by side, or {other}"
                )
            }
        }
    }

    /// How more runs are made: so many, if that is known.
    fn more_runs(&self, wanted: Option<usize>, caller: Caller) -> String {
        match (caller, wanted) {
            (Caller::Report, _) => {
                "`perfctl compare` judges several runs of a build together".into()
            }
            (Caller::Compare, _) => "name further runs of the same build".into(),
            (_, Some(wanted)) if !self.more_runs_help => {
                format!("`--repeat {wanted}` makes them")
            }
            _ => "`--repeat auto` makes more while they help".into(),
        }
    }
}

/// How runs get more requests.
fn longer(caller: Caller) -> &'static str {
    match caller {
        Caller::Run | Caller::Ab | Caller::Selfcheck => "`--run-time` makes them longer",
        Caller::Compare | Caller::Report => "`perfctl run --run-time` makes longer ones",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Statistical;
    use crate::plan::{Percentile, SloScope};

    fn open(metric: Metric, runs: Option<usize>) -> Row {
        let mut row = Row::new(SloScope::Total, metric);
        row.required = true;
        row.range = Some((-0.1, 0.2));
        row.outlook.runs = runs;
        row
    }

    fn step(rows: &[Row], more_runs_help: bool, is_provisional: bool, caller: Caller) -> String {
        let doubt = Doubt {
            rows,
            more_runs_help,
            is_provisional,
        };
        doubt.next_step(&Statistical {
            caller,
            ..Statistical::default()
        })
    }

    #[test]
    fn each_command_is_told_what_it_can_do() {
        let p50 = || Metric::ResponseTime(Percentile::new(50.0).unwrap());
        let rows = [open(p50(), Some(3)), open(p50(), Some(9))];
        let settled = "about 9 runs would settle it: ";
        for (caller, helps, wanted) in [
            (
                Caller::Run,
                true,
                "`--repeat auto` makes more while they help",
            ),
            (Caller::Run, false, "`--repeat 9` makes them"),
            (Caller::Compare, true, "name further runs of the same build"),
            (
                Caller::Report,
                false,
                "`perfctl compare` judges several runs of a build together",
            ),
        ] {
            assert_eq!(
                step(&rows, helps, false, caller),
                settled.to_owned() + wanted
            );
        }
        let ab = step(&rows, false, false, Caller::Ab);
        assert_eq!(
            ab,
            "about 9 runs of each service would settle it: `--runs 9`"
        );

        let rows = [open(p50(), Some(3)), open(p50(), None)];
        let ab = step(&rows, false, false, Caller::Ab);
        assert!(
            ab.contains("`--run-time`") && ab.contains("quieter machine"),
            "{ab}"
        );
        for (is_provisional, wanted) in
            [(true, "`perfctl baseline add`"), (false, "quieter machine")]
        {
            let run = step(&rows, false, is_provisional, Caller::Run);
            assert!(
                run.contains("`perfctl ab`") && run.contains(wanted),
                "{run}"
            );
        }
        let hopeful = step(&rows, true, true, Caller::Run);
        assert!(
            hopeful.starts_with("more runs may settle it: `--repeat auto`"),
            "{hopeful}"
        );
    }

    #[test]
    fn error_rates_and_metrics_without_an_interval_need_more_requests() {
        let mut without = open(Metric::MeanResponseTime, None);
        without.range = None;
        for row in [without, open(Metric::ErrorRate, None)] {
            let text = step(&[row], false, true, Caller::Compare);
            let wanted = "more requests in each run would settle it: `perfctl run --run-time` makes longer ones";
            assert_eq!(text, wanted);
        }
    }
}
