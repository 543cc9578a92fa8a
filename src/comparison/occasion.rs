//! Occasions: runs that share the state of a machine, and so are not independent observations.

use crate::metrics::{RunInfo, RunResult};

/// Runs on one machine belong to one occasion while the gap between the end of one and the start of
/// the next is below this; s.
const SAME_OCCASION_S: i64 = 30 * 60;

/// The positions of the runs of each occasion, in the order of their first runs. Runs with the
/// same `--occasion` belong to one; others do if they ran on the same host since the same boot,
/// with less than half an hour in between.
pub fn occasions(runs: &[RunResult]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|&position| started_s(&runs[position].run));
    let mut occasions: Vec<Vec<usize>> = Vec::new();
    for position in order {
        // The last run of an occasion is its latest, since they come in the order of their starts.
        let mut known = occasions.iter_mut();
        let found = known.find(|occasion| {
            let last = occasion.last().map(|&last| &runs[last].run);
            last.is_some_and(|last| is_same(last, &runs[position].run))
        });
        match found {
            Some(occasion) => occasion.push(position),
            None => occasions.push(vec![position]),
        }
    }
    occasions
}

fn is_same(before: &RunInfo, run: &RunInfo) -> bool {
    if before.occasion.is_some() || run.occasion.is_some() {
        return before.occasion == run.occasion;
    }
    let (Some(first), Some(second)) = (started_s(before), started_s(run)) else {
        return false;
    };
    let stopped_at_us = before
        .ending
        .as_ref()
        .map_or(0, |ending| ending.stopped_at_us);
    let end = first.saturating_add_unsigned(stopped_at_us / 1_000_000);
    before.machine.host == run.machine.host
        && before.boot_id == run.boot_id
        && second.saturating_sub(end) < SAME_OCCASION_S
}

/// When the load started; s since 1970.
pub(super) fn started_s(run: &RunInfo) -> Option<i64> {
    let time: jiff::Timestamp = run.started_at.parse().ok()?;
    Some(time.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};

    fn run(started_at: &str, change: impl Fn(&mut RunInfo)) -> RunResult {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        result.run.started_at = format!("2026-11-21T{started_at}Z");
        change(&mut result.run);
        result
    }

    #[test]
    fn runs_in_a_row_on_one_machine_are_one_occasion() {
        let same = |_: &mut RunInfo| {};
        let runs = [
            run("00:50:00", same),
            run("00:00:00", same),
            run("00:29:00", same),
            run("02:00:00", same),
        ];
        assert_eq!(occasions(&runs), [vec![1, 2, 0], vec![3]]);
    }

    #[test]
    fn another_host_another_boot_or_the_option_separates_them() {
        let runs = [
            run("00:00:00", |_| {}),
            run("00:01:00", |run| run.machine.host = "other".into()),
            run("00:02:00", |run| run.boot_id = Some("again".into())),
            run("00:03:00", |run| run.occasion = Some("job 7".into())),
            run("20:00:00", |run| run.occasion = Some("job 7".into())),
            run("00:04:00", |run| run.started_at = "soon".into()),
            run("00:05:00", |_| {}),
        ];
        let parts = occasions(&runs);
        assert_eq!(parts.len(), 5, "{parts:?}");
        assert!(parts.contains(&vec![0, 6]) && parts.contains(&vec![3, 4]));
    }

    #[test]
    fn a_long_run_lasts_until_its_end() {
        let long = run("00:00:00", |run| {
            run.ending.as_mut().unwrap().stopped_at_us = 3_600_000_000;
        });
        let runs = [long, run("01:29:00", |_| {}), run("02:00:00", |_| {})];
        assert_eq!(occasions(&runs), [vec![0, 1], vec![2]]);
    }
}
