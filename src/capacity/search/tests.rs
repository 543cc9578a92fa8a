//! Searches that are told what each level says.

use super::*;
use crate::capacity::fixture::evidence;

const SETTINGS: Settings = Settings {
    start: 10.0,
    least: 1.0,
    most: 1_000.0,
    is_whole: false,
    precision: 0.05,
    hold_s: 60,
    warmup_s: 3.0,
    budget_s: 1_200.0,
};

/// The levels until the first that `says` calls invalid for good, or the outcome.
fn levels(settings: Settings, says: impl Fn(f64) -> LevelEvidence) -> (Vec<f64>, Outcome) {
    let mut search = Search::new(settings, 1);
    let mut levels = Vec::new();
    loop {
        match search.next(levels.len() as f64 * 10.0) {
            SearchStep::Done(outcome) => return (levels, outcome),
            SearchStep::Rest { .. } => {}
            SearchStep::Level { level, .. } => {
                levels.push(level);
                search.record(&says(level));
            }
        }
    }
}

fn said(deviations: f64) -> LevelEvidence {
    LevelEvidence::Evidence(vec![Some(evidence(deviations))])
}

#[test]
fn levels_double_until_one_is_missed_and_then_close_in() {
    let (tried, outcome) = levels(SETTINGS, |level| {
        said(if level > 100.0 { 9.0 } else { -9.0 })
    });
    assert_eq!(tried[..5], [10.0, 20.0, 40.0, 80.0, 160.0]);
    assert!(
        tried[5..].iter().all(|level| (80.0..160.0).contains(level)),
        "{tried:?}"
    );
    let Outcome::Found(found) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(found.low <= 100.0 && 100.0 <= found.high, "{found:?}");
    assert!(found.confirmed.is_some_and(|level| level <= 100.0));
}

#[test]
fn a_level_that_the_generator_cannot_carry_out_ends_the_search_with_what_held() {
    let (tried, outcome) = levels(SETTINGS, |level| match level > 100.0 {
        true => LevelEvidence::Invalid,
        false => said(-9.0),
    });
    assert_eq!(tried[3..], [&[80.0][..], &[160.0; MAX_SILENT]].concat());
    assert_eq!(outcome, Outcome::Generator(Some(80.0), 160.0));
}

#[test]
fn a_level_that_says_nothing_never_holds() {
    for silent in [LevelEvidence::Nothing, LevelEvidence::Evidence(vec![None])] {
        let (tried, outcome) = levels(SETTINGS, |level| match level > 15.0 {
            true => silent.clone(),
            false => said(-9.0),
        });
        assert_eq!(tried[1..], [20.0; MAX_SILENT], "{silent:?}");
        let held = Some(10.0);
        let missed = None;
        assert_eq!(outcome, Outcome::Unknown { held, missed });
    }
    let (_, outcome) = levels(SETTINGS, |_| LevelEvidence::Nothing);
    let (held, missed) = (None, None);
    assert_eq!(outcome, Outcome::Unknown { held, missed });
}

#[test]
fn time_that_runs_out_while_halving_leaves_open_what_holds() {
    let settings = Settings {
        budget_s: 35.0,
        ..SETTINGS
    };
    let (tried, outcome) = levels(settings, |_| said(9.0));
    assert_eq!(tried, [10.0, 5.0, 2.5]);
    let (held, missed) = (None, Some(2.5));
    assert_eq!(outcome, Outcome::Unknown { held, missed });
    // The lowest level was not missed beyond doubt.
    let (tried, outcome) = levels(SETTINGS, |_| said(1.5));
    assert_eq!(tried.last(), Some(&1.0));
    let missed = None;
    assert_eq!(outcome, Outcome::Unknown { held, missed });
}

#[test]
fn a_level_in_doubt_is_not_said_to_hold() {
    let settings = Settings {
        budget_s: 35.0,
        ..SETTINGS
    };
    let (tried, outcome) = levels(settings, |level| {
        said(if level > 15.0 { 0.5 } else { -9.0 })
    });
    assert_eq!(tried, [10.0, 20.0, 40.0]);
    let (held, missed) = (Some(10.0), None);
    assert_eq!(outcome, Outcome::Unknown { held, missed });
}

#[test]
fn no_level_is_above_the_highest_and_users_are_whole() {
    let settings = Settings {
        start: 2.5,
        most: 101.0,
        is_whole: true,
        ..SETTINGS
    };
    // The highest level is missed, and the limit may be above it.
    for limit in [99.0, 100.5] {
        let (tried, _) = levels(settings, |level| said((level - limit) / 2.0));
        assert_eq!(tried[0], 3.0);
        let is_allowed = |level: &f64| level.fract() == 0.0 && *level <= 101.0;
        assert!(tried.iter().all(is_allowed), "{tried:?}");
    }
    let settings = Settings {
        most: 100.4,
        ..SETTINGS
    };
    let (tried, _) = levels(settings, |level| said((level - 100.2) / 2.0));
    assert!(tried.iter().all(|level| *level <= 100.4), "{tried:?}");
}

#[test]
fn nothing_goes_on_beyond_the_budget() {
    let step_at = |elapsed_s, last| {
        let mut search = Search::new(SETTINGS, 1);
        assert!(matches!(search.next(0.0), SearchStep::Level { .. }));
        search.record(&said(last));
        search.next(elapsed_s)
    };
    let most_s = |step| match step {
        SearchStep::Level { hold, .. } => hold.most_s,
        SearchStep::Rest { most_s } => most_s,
        SearchStep::Done(_) => 0,
    };
    // 5 s are for the warm-up and what comes between.
    assert_eq!(most_s(step_at(1_100.0, -9.0)), 15);
    assert_eq!(most_s(step_at(1_187.5, -9.0)), 7);
    assert_eq!(most_s(step_at(1_191.0, -9.0)), 0, "5 s at least");
    assert_eq!(most_s(step_at(1_100.0, 9.0)), 20);
    assert_eq!(
        most_s(step_at(1_180.5, 9.0)),
        9,
        "the level after it needs 5 s"
    );
    assert_eq!(most_s(step_at(1_188.5, 9.0)), 0);
}

#[test]
fn a_level_that_says_nothing_is_tried_again() {
    let mut search = Search::new(SETTINGS, 1);
    let mut next = |says: &LevelEvidence| loop {
        if let SearchStep::Level { level, .. } = search.next(0.0) {
            search.record(says);
            return level;
        }
    };
    assert_eq!(next(&said(-9.0)), 10.0);
    assert_eq!(next(&said(9.0)), 20.0);
    let level = next(&LevelEvidence::Invalid);
    assert_eq!(next(&LevelEvidence::Invalid), level);
    assert_eq!(next(&said(-9.0)), level);
    assert_ne!(next(&said(-9.0)), level);
}

#[test]
fn a_first_level_that_is_missed_is_halved() {
    let (tried, _) = levels(SETTINGS, |level| said(if level > 3.0 { 9.0 } else { -9.0 }));
    assert_eq!(tried[..3], [10.0, 5.0, 2.5]);
}
