//! What people changed of a load while it went on.
//!
//! Not here: how it is changed (`engine`), or what that means for the verdict (`grading`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{format_duration, format_rate, format_users};

/// More of them than this are not listed one by one.
const MOST_LISTED: usize = 6;
/// Of changes in one direction that follow each other within this time, the last one is listed; us.
const IN_ONE_GO_US: u64 = 2_000_000;

/// How the load differs from its plan from a time on, because it was changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adjustment {
    /// From when on, from the start of the load; us.
    pub at_us: u64,
    /// Closed model: how many users more than planned; below 0 for fewer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub users: i64,
    /// Open model: the arrival rate as a percentage of the planned one.
    #[serde(default = "as_planned", skip_serializing_if = "is_as_planned")]
    pub rate_percent: u32,
    /// Closed model: how many users there are instead, whatever is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_users: Option<u32>,
    /// Open model: the arrivals per second instead, whatever is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_rate_per_s: Option<f64>,
    /// Whether nothing is started until the next one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_paused: bool,
}

fn is_zero(users: &i64) -> bool {
    *users == 0
}

fn as_planned() -> u32 {
    100
}

fn is_as_planned(percent: &u32) -> bool {
    *percent == as_planned()
}

impl Adjustment {
    /// The load as planned.
    pub const NONE: Self = Self {
        at_us: 0,
        users: 0,
        rate_percent: 100,
        held_users: None,
        held_rate_per_s: None,
        is_paused: false,
    };

    /// The level of the load where this one is planned: users, or arrivals per second, which are none in a pause.
    pub fn level(&self, planned: f64, is_rate: bool) -> f64 {
        match is_rate {
            true => self.rate_per_s(planned),
            false => self.users(planned).max(0.0),
        }
    }

    /// Open model: the arrivals per second where this many are planned.
    pub fn rate_per_s(&self, planned: f64) -> f64 {
        let scaled = planned * f64::from(self.rate_percent) / 100.0;
        match self.is_paused {
            true => 0.0,
            false => self.held_rate_per_s.unwrap_or(scaled),
        }
    }

    /// Closed model: the users where this many are planned. Below 0 for as many fewer than none, so that a ramp of
    /// the plan brings users only once it has made up for them.
    pub fn users(&self, planned: f64) -> f64 {
        let shifted = planned + self.users as f64;
        self.held_users.map_or(shifted, f64::from)
    }

    /// Whether there is less load than planned, or none, where this much is.
    fn is_below(&self, planned: f64, is_rate: bool) -> bool {
        self.is_paused || self.level(planned, is_rate) < planned
    }

    /// How the level changed with it, if `before` was in force until then; `None` where it did not.
    fn kind(&self, before: &Self) -> Option<ChangeKind> {
        let steps = |one: &Self| (one.users, one.rate_percent);
        match () {
            () if self.held_users != before.held_users
                || self.held_rate_per_s != before.held_rate_per_s =>
            {
                Some(ChangeKind::Held)
            }
            () if self.users > before.users || self.rate_percent > before.rate_percent => {
                Some(ChangeKind::More)
            }
            () => (steps(self) != steps(before)).then_some(ChangeKind::Less),
        }
    }

    /// How it differs from the plan, beside pauses; `None` where it does not.
    pub fn difference(&self) -> Option<String> {
        if let Some(rate_per_s) = self.held_rate_per_s {
            return Some(format!("held at {}", format_rate(rate_per_s)));
        }
        if let Some(users) = self.held_users {
            return Some(format!("held at {}", format_users(users.into())));
        }
        match (self.users, self.rate_percent) {
            (0, 100) => None,
            (0, percent) => Some(format!("{percent}% of the planned rate")),
            (users, _) => Some(format!(
                "{} {} than planned",
                format_users(users.unsigned_abs()),
                if users > 0 { "more" } else { "fewer" }
            )),
        }
    }
}

/// What a load is to be from now on; `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSetting {
    /// Closed model: the users from now on, whatever is planned.
    #[serde(default)]
    pub users: Option<u32>,
    /// Open model: the arrivals per second from now on, whatever is planned; at least 0.
    #[serde(default, rename = "rate")]
    pub rate_per_s: Option<f64>,
    /// Whether it pauses.
    #[serde(default, rename = "paused")]
    pub is_paused: Option<bool>,
}

impl LoadSetting {
    /// Whether it changes nothing.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    More,
    Less,
    Held,
}

/// Adjustments in words, in their order.
pub(crate) fn listed(adjustments: &[Adjustment]) -> String {
    // Pauses have no kind.
    let mut listed: Vec<(u64, Option<ChangeKind>, String)> = Vec::new();
    let mut before = Adjustment::NONE;
    for (position, now) in adjustments.iter().enumerate() {
        let kind = now.kind(&before);
        let pauses = now.is_paused && !before.is_paused;
        let as_planned = match now.rate_percent == before.rate_percent {
            true => "as many users as planned",
            false => "100% of the planned rate",
        };
        before = *now;
        let at = at(now.at_us);
        if kind.is_some() {
            let difference = now.difference().unwrap_or_else(|| as_planned.to_owned());
            let text = format!("{difference} from {at} on");
            match listed.last_mut() {
                Some(last)
                    if last.1 == kind && now.at_us.saturating_sub(last.0) <= IN_ONE_GO_US =>
                {
                    *last = (now.at_us, kind, text);
                }
                _ => listed.push((now.at_us, kind, text)),
            }
        }
        if pauses {
            // Its end is said with it.
            let mut later = adjustments[position..].iter();
            let text = match later.find(|later| !later.is_paused) {
                Some(end) => format!("paused from {at} to {}", self::at(end.at_us)),
                None => format!("paused from {at} on"),
            };
            listed.push((now.at_us, None, text));
        }
    }
    let more = listed.len().saturating_sub(MOST_LISTED);
    let mut texts: Vec<String> = listed.into_iter().map(|(_, _, text)| text).collect();
    texts.truncate(MOST_LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    texts.into_iter().chain(more).collect::<Vec<_>>().join(", ")
}

/// A time to the second, or to a tenth within the first ones.
fn at(us: u64) -> String {
    let unit_us = match us {
        0..10_000_000 => 100_000,
        _ => 1_000_000,
    };
    format_duration(Duration::from_micros(us / unit_us * unit_us))
}

/// Whether a stretch of the load, in us from its start, had a pause in it, or less load than planned. `most` is the
/// highest level that is planned in a part of it: users, or arrivals per second where it `is_rate`.
pub(crate) fn is_lowered_in(
    adjustments: &[Adjustment],
    (start_us, end_us): (u64, u64),
    most: impl Fn((u64, u64)) -> f64,
    is_rate: bool,
) -> bool {
    let ends = adjustments.iter().skip(1).map(|next| next.at_us);
    let ends = ends.chain([u64::MAX]);
    let mut stretches = adjustments.iter().zip(ends);
    stretches.any(|(one, end)| {
        let part = (one.at_us.max(start_us), end.min(end_us));
        part.0 < part.1 && one.is_below(most(part), is_rate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(at_s: u64, users: i64) -> Adjustment {
        Adjustment {
            at_us: at_s * 1_000_000,
            users,
            ..Adjustment::NONE
        }
    }

    #[test]
    fn what_was_changed_is_told_in_its_order() {
        let paused = |at_s, is_paused| Adjustment {
            is_paused,
            ..users(at_s, 3)
        };
        let all = [
            users(12, 1),
            users(13, 2),
            users(14, 3),
            paused(60, true),
            paused(72, false),
            users(80, -1),
            users(90, 0),
        ];
        assert_eq!(
            listed(&all),
            "3 users more than planned from 14s on, paused from 1m to 1m 12s, 1 user fewer than \
             planned from 1m 20s on, as many users as planned from 1m 30s on"
        );
        assert_eq!(
            listed(&all[..4]),
            "3 users more than planned from 14s on, paused from 1m on"
        );
        let up_and_down = [users(12, 1), users(13, 11), users(14, 1)];
        assert_eq!(
            listed(&up_and_down),
            "11 users more than planned from 13s on, 1 user more than planned from 14s on"
        );
        let rate = Adjustment {
            rate_percent: 110,
            ..users(1, 0)
        };
        assert_eq!(listed(&[rate]), "110% of the planned rate from 1s on");
        let held = |at_s, held_users| Adjustment {
            held_users,
            ..users(at_s, 1)
        };
        assert_eq!(
            listed(&[users(10, 1), held(20, Some(9)), held(21, Some(40))]),
            "1 user more than planned from 10s on, held at 40 users from 21s on"
        );
        let held = Adjustment {
            held_rate_per_s: Some(250.0),
            ..rate
        };
        assert_eq!(listed(&[held]), "held at 250/s from 1s on");
        let held = |at_s, held_users, is_paused| Adjustment {
            held_users: Some(held_users),
            is_paused,
            ..users(at_s, 0)
        };
        let with_pause = [
            held(10, 7, false),
            held(20, 4, true),
            held(30, 4, false),
            held(40, 4, true),
            held(50, 5, false),
        ];
        assert_eq!(
            listed(&with_pause),
            "held at 7 users from 10s on, held at 4 users from 20s on, paused from 20s to 30s, paused from 40s to \
             50s, held at 5 users from 50s on"
        );
        let many: Vec<_> = (1..=20).map(|n| users(n * 10, n as i64)).collect();
        assert!(listed(&many).ends_with("and 14 more"), "{}", listed(&many));
    }

    #[test]
    fn a_pause_lasts_until_the_next_change_that_ends_it() {
        let all = [
            Adjustment {
                is_paused: true,
                ..users(10, 0)
            },
            users(20, 0),
        ];
        let lowered = |all: &[Adjustment], from: u64, to: u64| {
            is_lowered_in(all, (from * 1_000_000, to * 1_000_000), |_| 5.0, false)
        };
        let paused = |from, to| lowered(&all, from, to);
        assert!(!paused(9, 10) && paused(10, 11) && paused(19, 20) && !paused(20, 21));
        assert!(lowered(&all[..1], 30, 31));
        assert!(!lowered(&[], 0, 1));
    }

    #[test]
    fn a_level_that_is_held_lowers_the_load_where_more_is_planned() {
        let held = |at_s, held_users| Adjustment {
            held_users: Some(held_users),
            ..users(at_s, 0)
        };
        // 5 users are planned, and 9 from 30 s on.
        let most = |(_, end_us)| if end_us > 30_000_000 { 9.0 } else { 5.0 };
        let lowered = |all: &[Adjustment], from: u64, to: u64| {
            is_lowered_in(all, (from * 1_000_000, to * 1_000_000), most, false)
        };
        assert!(!lowered(&[held(10, 5)], 20, 21) && lowered(&[held(10, 5)], 29, 31));
        assert!(lowered(&[held(10, 4)], 20, 21) && !lowered(&[held(10, 4)], 9, 10));
        assert!(!lowered(&[held(10, 4), held(20, 40)], 20, 31));
        assert!(lowered(&[held(10, 4), held(20, 40)], 19, 31));
        let rate = |held_rate_per_s| Adjustment {
            held_rate_per_s,
            ..Adjustment::NONE
        };
        let second = (20_000_000, 21_000_000);
        assert!(!is_lowered_in(&[rate(Some(5.0))], second, most, true));
        assert!(is_lowered_in(&[rate(Some(4.9))], second, most, true));
    }

    #[test]
    fn what_is_as_planned_takes_no_room_in_the_journal() {
        let text = serde_json::to_string(&users(12, 1)).unwrap();
        assert_eq!(text, r#"{"at_us":12000000,"users":1}"#);
        assert_eq!(
            serde_json::from_str::<Adjustment>(&text).unwrap(),
            users(12, 1)
        );
    }
}
