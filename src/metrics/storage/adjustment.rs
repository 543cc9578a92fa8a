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

    /// Whether there may be less load than planned, or none.
    fn is_below_plan(&self) -> bool {
        let is_held = self.held_users.is_some() || self.held_rate_per_s.is_some();
        self.is_paused || is_held || self.users < 0 || self.rate_percent < 100
    }

    /// What changed with it, if `before` was in force until then.
    fn kind(&self, before: &Self) -> ChangeKind {
        match () {
            () if self.is_paused != before.is_paused => ChangeKind::Pause,
            () if self.held_users != before.held_users
                || self.held_rate_per_s != before.held_rate_per_s =>
            {
                ChangeKind::Held
            }
            () if self.users > before.users || self.rate_percent > before.rate_percent => {
                ChangeKind::More
            }
            () => ChangeKind::Less,
        }
    }

    /// How it differs from the plan, beside pauses; `None` where it does not.
    pub(crate) fn difference(&self) -> Option<String> {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    More,
    Less,
    Held,
    Pause,
}

/// Adjustments in words, in their order.
pub(crate) fn listed(adjustments: &[Adjustment]) -> String {
    let mut listed: Vec<(u64, ChangeKind, String)> = Vec::new();
    let mut before = Adjustment::NONE;
    for (position, now) in adjustments.iter().enumerate() {
        let kind = now.kind(&before);
        let as_planned = match now.rate_percent == before.rate_percent {
            true => "as many users as planned",
            false => "100% of the planned rate",
        };
        let difference = now.difference().unwrap_or_else(|| as_planned.to_owned());
        before = *now;
        let at = at(now.at_us);
        let text = match kind {
            ChangeKind::More | ChangeKind::Less | ChangeKind::Held => {
                format!("{} from {at} on", difference)
            }
            // Said with its beginning.
            ChangeKind::Pause if !now.is_paused => continue,
            ChangeKind::Pause => {
                let mut later = adjustments[position..].iter();
                match later.find(|later| !later.is_paused) {
                    Some(end) => format!("paused from {at} to {}", self::at(end.at_us)),
                    None => format!("paused from {at} on"),
                }
            }
        };
        match listed.last_mut() {
            Some(last)
                if kind != ChangeKind::Pause
                    && last.1 == kind
                    && now.at_us.saturating_sub(last.0) <= IN_ONE_GO_US =>
            {
                *last = (now.at_us, kind, text);
            }
            _ => listed.push((now.at_us, kind, text)),
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

/// Whether a stretch of the load, in us from its start, had a pause in it, or less load than planned.
pub(crate) fn is_lowered_in(adjustments: &[Adjustment], (start_us, end_us): (u64, u64)) -> bool {
    let ends = adjustments.iter().skip(1).map(|next| next.at_us);
    let ends = ends.chain([u64::MAX]);
    let mut stretches = adjustments.iter().zip(ends);
    stretches.any(|(one, end)| one.is_below_plan() && one.at_us < end_us && start_us < end)
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
        let paused = |from: u64, to: u64| is_lowered_in(&all, (from * 1_000_000, to * 1_000_000));
        assert!(!paused(9, 10) && paused(10, 11) && paused(19, 20) && !paused(20, 21));
        assert!(is_lowered_in(&all[..1], (30_000_000, 31_000_000)));
        assert!(!is_lowered_in(&[], (0, 1)));
        let held = Adjustment {
            held_users: Some(1_000),
            ..users(10, 0)
        };
        assert!(is_lowered_in(&[held], (30_000_000, 31_000_000)), "maybe");
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
