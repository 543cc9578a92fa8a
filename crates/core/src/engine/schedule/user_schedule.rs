//! Which users run, of which class, and when: a pure function of the plan, without a clock.
//!
//! The level of the load says how many users run; this module says which ones. Each stage has a row of
//! users, and as many of them run as the level says, from the front: first the classes with a fixed
//! count, then the others, mixed so that any beginning of the row has them in proportion to their
//! weights. Not here: the level itself (`pacing`).

use std::collections::HashMap;
use std::time::Duration;

use crate::metrics::Adjustment;
use crate::plan::{Plan, Segment, UserClass};

/// A stretch of time in which a virtual user runs, from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserSpan {
    /// The user's number, from 0.
    pub user: u64,
    /// The position of its class.
    pub class: usize,
    /// When it starts.
    pub start: Duration,
    /// When it starts no further iteration.
    pub until: Duration,
}

/// When each user of a closed model runs, ordered by start, if its load is changed by `now` at all times. A user that
/// comes back has several spans.
pub fn user_spans(plan: &Plan, now: Adjustment) -> Vec<UserSpan> {
    let mut segments = plan.load.segments();
    for segment in &mut segments {
        segment.from = now.users(segment.from);
        segment.to = now.users(segment.to);
    }
    let peak = plan.load.peak().ceil();
    let more = (now.users(peak) - peak).max(0.0) as usize;
    let seconds = |s: f64| Duration::from_secs_f64(s.max(0.0));
    let schedule = UserSchedule::new(plan, more);
    let mut spans = Vec::new();
    for (user, class) in schedule.classes.iter().enumerate() {
        // Stretches that follow each other without a gap are one.
        let mut running: Option<(f64, f64)> = None;
        let mut push = |(start, until)| {
            spans.push(UserSpan {
                user: user as u64,
                class: *class,
                start: seconds(start),
                until: seconds(until),
            });
        };
        for segment in &segments {
            let place = schedule.place(segment.stage, user);
            let Some((start, until)) = place.and_then(|place| stretch(segment, place)) else {
                continue;
            };
            match &mut running {
                Some((_, end)) if *end == start => *end = until,
                _ => {
                    let before = running.replace((start, until));
                    before.into_iter().for_each(&mut push);
                }
            }
        }
        running.into_iter().for_each(push);
    }
    spans.sort_by_key(|span| (span.start, span.user));
    spans
}

/// The part of a segment in which its level is above `place`; s.
fn stretch(segment: &Segment, place: f64) -> Option<(f64, f64)> {
    let Segment {
        start,
        length,
        from,
        to,
        ..
    } = *segment;
    let end = start + length;
    let crossing = || start + length * ((place - from) / (to - from)).clamp(0.0, 1.0);
    match (from > place, to > place) {
        (true, true) => Some((start, end)),
        (true, false) => Some((start, crossing())),
        // A constant level above it is reached by a jump.
        (false, true) => Some((crossing(), end)),
        (false, false) => None,
    }
    .filter(|(start, end)| start < end)
}

/// All users that ever run, and the stages they run in.
struct UserSchedule {
    /// The class of each user, by its number.
    classes: Vec<usize>,
    /// For each stage, which of `rows` it has.
    row_of_stage: Vec<usize>,
    /// For each row and user, its place in the row; `None` if it is not in it.
    rows: Vec<Vec<Option<u32>>>,
    /// The number of each user of a class, by the class and its place among them.
    numbers: HashMap<(usize, usize), usize>,
}

/// A row in the making.
struct NewRow {
    /// How many users of each class it has.
    counts: Vec<usize>,
    length: u32,
    /// For each user, its place.
    places: Vec<Option<u32>>,
}

impl NewRow {
    fn new(classes: &[UserClass]) -> Self {
        Self {
            counts: vec![0; classes.len()],
            length: 0,
            places: Vec::new(),
        }
    }

    /// Adds the next user of a class at its end.
    fn push(&mut self, class: usize, schedule: &mut UserSchedule) {
        let next = schedule.numbers.len();
        let of_class = (class, self.counts[class]);
        let number = *schedule.numbers.entry(of_class).or_insert(next);
        self.counts[class] += 1;
        if number == schedule.classes.len() {
            schedule.classes.push(class);
        }
        if self.places.len() <= number {
            self.places.resize(number + 1, None);
        }
        self.places[number] = Some(self.length);
        self.length += 1;
    }
}

impl UserSchedule {
    /// Users are numbered in the order in which they first appear in a row. The third user of a class
    /// is the same one in all rows. So many `more` than the plan has come after all others: their numbers do not
    /// depend on how many they are.
    fn new(plan: &Plan, more: usize) -> Self {
        let mut schedule = Self {
            classes: Vec::new(),
            row_of_stage: Vec::new(),
            rows: Vec::new(),
            numbers: HashMap::new(),
        };
        let highest = plan.load.peak().ceil() as usize;
        let mut known: Vec<&[String]> = Vec::new();
        let mut beyond = Vec::new();
        for stage in &plan.load.stages {
            if let Some(row) = known.iter().position(|names| *names == stage.classes) {
                schedule.row_of_stage.push(row);
                continue;
            }
            let takes_part =
                |class: &UserClass| stage.classes.is_empty() || stage.classes.contains(&class.name);
            let mut row = NewRow::new(&plan.classes);
            let mut classes = row_of(&plan.classes, takes_part, highest + more);
            for class in classes.by_ref().take(highest) {
                row.push(class, &mut schedule);
            }
            known.push(&stage.classes);
            schedule.row_of_stage.push(beyond.len());
            beyond.push((row, classes.collect::<Vec<usize>>()));
        }
        // The first ones of all rows before the second ones.
        for place in 0..more {
            for (row, classes) in &mut beyond {
                if let Some(class) = classes.get(place) {
                    row.push(*class, &mut schedule);
                }
            }
        }
        schedule.rows = beyond.into_iter().map(|(row, _)| row.places).collect();
        schedule
    }

    fn place(&self, stage: usize, user: usize) -> Option<f64> {
        let row = &self.rows[self.row_of_stage[stage]];
        row.get(user).copied().flatten().map(f64::from)
    }
}

/// The classes of a row of `count` users, or fewer if all classes in it have fixed counts.
fn row_of(
    classes: &[UserClass],
    takes_part: impl Fn(&UserClass) -> bool,
    count: usize,
) -> impl Iterator<Item = usize> {
    let part = |pick: fn(&UserClass) -> u32| {
        let weights = classes.iter().map(|class| match takes_part(class) {
            true => pick(class),
            false => 0,
        });
        weights.collect::<Vec<u32>>()
    };
    let fixed = part(|class| class.fixed_count.unwrap_or(0));
    let others = part(|class| class.fixed_count.map_or(class.weight, |_| 0));
    let fixed_total = fixed.iter().map(|count| *count as usize).sum();
    Mix::new(fixed)
        .take(fixed_total)
        .chain(Mix::new(others))
        .take(count)
}

/// Positions in proportion to their weights, in the smoothest order (the weighted round robin of
/// nginx): after any number of them, each is less than one turn off its share.
struct Mix {
    weights: Vec<u32>,
    credit: Vec<i64>,
}

impl Mix {
    fn new(weights: Vec<u32>) -> Self {
        Self {
            credit: vec![0; weights.len()],
            weights,
        }
    }
}

impl Iterator for Mix {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let total: i64 = self.weights.iter().map(|weight| i64::from(*weight)).sum();
        if total == 0 {
            return None;
        }
        for (credit, weight) in self.credit.iter_mut().zip(&self.weights) {
            *credit += i64::from(*weight);
        }
        // The first of equals: the order of the file decides.
        let next = (0..self.credit.len())
            .filter(|i| self.weights[*i] > 0)
            .max_by_key(|i| (self.credit[*i], std::cmp::Reverse(*i)))?;
        self.credit[next] -= total;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{load, plan};
    use crate::plan::{Model, ThinkTime};
    use proptest::prelude::*;

    /// A plan of these stages and classes: weight, and fixed count if there is one.
    fn plan_of(stages: &[(f64, f64, f64)], classes: &[(u32, Option<u32>)]) -> Plan {
        let mut plan = plan(load(Model::Closed, stages), &[1]);
        let class = |(i, (weight, fixed_count)): (usize, &(u32, Option<u32>))| UserClass {
            name: format!("class {i}"),
            weight: *weight,
            fixed_count: *fixed_count,
            think_time: ThinkTime::None,
            ..plan.classes[0].clone()
        };
        plan.classes = classes.iter().enumerate().map(class).collect();
        plan
    }

    fn more_users(users: i64) -> Adjustment {
        Adjustment {
            users,
            ..Adjustment::NONE
        }
    }

    fn one_class(stages: &[(f64, f64, f64)]) -> Vec<UserSpan> {
        user_spans(&plan_of(stages, &[(1, None)]), Adjustment::NONE)
    }

    fn running(spans: &[UserSpan], at: f64) -> Vec<&UserSpan> {
        let at = Duration::from_secs_f64(at);
        let runs = |span: &&UserSpan| span.start <= at && at < span.until;
        spans.iter().filter(runs).collect()
    }

    /// How many users of each class run.
    fn of_classes(spans: &[UserSpan], at: f64, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        running(spans, at)
            .iter()
            .for_each(|span| counts[span.class] += 1);
        counts
    }

    #[test]
    fn users_follow_ramps_jumps_and_returns() {
        // 10 users in 5 s, hold 10 s; jump to 30, hold 5 s; down to 4 in 2 s, hold 3 s.
        let spans = one_class(&[(10.0, 5.0, 10.0), (30.0, 0.0, 5.0), (4.0, 2.0, 3.0)]);
        let cases = [
            (0.0, 1),
            (0.6, 2),
            (4.6, 10),
            (14.9, 10),
            (15.0, 30),
            (19.9, 30),
            (21.0, 17),
            (22.1, 4),
            (24.9, 4),
            (25.0, 0),
        ];
        for (at, users) in cases {
            assert_eq!(running(&spans, at).len(), users, "at {at} s");
        }
    }

    #[test]
    fn a_user_that_comes_back_has_two_spans() {
        let spans = one_class(&[(2.0, 0.0, 1.0), (1.0, 0.0, 1.0), (2.0, 0.0, 1.0)]);
        let of_second: Vec<_> = spans.iter().filter(|s| s.user == 1).collect();
        assert_eq!(of_second.len(), 2);
        assert_eq!(of_second[1].start, Duration::from_secs(2));
    }

    #[test]
    fn fixed_counts_come_first_and_the_rest_follows_the_weights() {
        let classes = [(3, None), (1, Some(2)), (1, None)];
        let spans = user_spans(&plan_of(&[(10.0, 10.0, 10.0)], &classes), Adjustment::NONE);
        for (at, counts) in [
            (0.5, [0, 1, 0]),
            (1.5, [0, 2, 0]),
            (5.5, [3, 2, 1]),
            (15.0, [6, 2, 2]),
        ] {
            assert_eq!(of_classes(&spans, at, 3), counts, "at {at} s");
        }
    }

    #[test]
    fn a_stage_may_have_classes_of_its_own() {
        let mut plan = plan_of(
            &[(4.0, 0.0, 10.0), (6.0, 2.0, 10.0), (2.0, 2.0, 10.0)],
            &[(1, None), (1, None)],
        );
        plan.load.stages[1].classes = vec!["class 1".into()];
        let spans = user_spans(&plan, Adjustment::NONE);
        for (at, counts) in [
            (5.0, [2, 2]),
            // The two of class 1 go on, and two more start at once in place of those of class 0.
            (10.01, [0, 5]),
            (15.0, [0, 6]),
            (30.0, [1, 1]),
        ] {
            assert_eq!(of_classes(&spans, at, 2), counts, "at {at} s");
        }
        let went_on = spans.iter().filter(|s| s.until == Duration::from_secs(34));
        let started: Vec<u64> = went_on.map(|s| s.start.as_secs()).collect();
        assert_eq!(started, [0, 22], "the first of class 1 never ended");
    }

    #[test]
    fn more_and_fewer_users_than_planned_follow_the_level() {
        let mut plan = plan_of(
            &[(4.0, 4.0, 6.0), (2.0, 0.0, 10.0)],
            &[(2, None), (1, None)],
        );
        let planned = user_spans(&plan, Adjustment::NONE);
        for (more, at, counts) in [
            (3, 5.0, [5, 2]),
            (3, 15.0, [3, 2]),
            (-1, 5.0, [2, 1]),
            (-2, 15.0, [0, 0]),
            (-9, 5.0, [0, 0]),
        ] {
            let spans = user_spans(&plan, more_users(more));
            assert_eq!(of_classes(&spans, at, 2), counts, "{more} more at {at} s");
        }
        let held = |users| {
            let held_users = Some(users);
            user_spans(
                &plan,
                Adjustment {
                    held_users,
                    ..more_users(3)
                },
            )
        };
        for (users, at, counts) in [
            (9, 0.1, [6, 3]),
            (9, 15.0, [6, 3]),
            (3, 5.0, [2, 1]),
            (0, 5.0, [0, 0]),
        ] {
            assert_eq!(of_classes(&held(users), at, 2), counts, "{users} at {at} s");
        }
        assert_eq!(held(9).len(), 9, "nobody goes and comes back");
        let classes = |spans: &[UserSpan]| {
            let classes = spans.iter().map(|one| (one.user, one.class));
            classes.collect::<std::collections::BTreeSet<_>>()
        };
        // With rows of their own for the stages, too, everybody keeps number and class.
        plan.load.stages[1].classes = vec!["class 1".into()];
        let of = |more| classes(&user_spans(&plan, more_users(more)));
        assert!(classes(&planned).is_subset(&of(0)));
        for more in 0..5 {
            let (fewer, all) = (of(more), of(more + 1));
            assert!(fewer.is_subset(&all) && fewer.len() < all.len(), "{more}");
        }
    }

    proptest! {
        #[test]
        fn the_number_of_users_is_the_level_at_any_time(
            stages in prop::collection::vec((1u32..60, 0u32..20, 1u32..20), 1..5),
            at in 0.0f64..1.0,
        ) {
            let stages: Vec<_> = stages.iter()
                .map(|(u, r, d)| (f64::from(*u), f64::from(*r), f64::from(*d)))
                .collect();
            let plan = plan_of(&stages, &[(2, None), (1, Some(3)), (5, None)]);
            let spans = user_spans(&plan, Adjustment::NONE);
            let at = at * plan.load.total().as_secs_f64() * 0.999;
            let level = plan.load.segments().iter().rev()
                .find(|s| s.start <= at)
                .map_or(0.0, |s| s.from + (s.to - s.from) * (at - s.start) / s.length);
            let users = running(&spans, at).len() as f64;
            prop_assert!((users - level).abs() <= 1.0 + 1e-6, "{users} for {level}");
        }

        /// At every level, each class has its share of the users to within one.
        #[test]
        fn every_level_has_the_classes_in_proportion(
            weights in prop::collection::vec(1u32..50, 1..6),
            count in 1usize..300,
        ) {
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0.0; weights.len()];
            Mix::new(weights.clone()).take(count).for_each(|i| counts[i] += 1.0);
            for (got, weight) in counts.iter().zip(&weights) {
                let wanted = count as f64 * f64::from(*weight) / f64::from(total);
                prop_assert!((got - wanted).abs() < 1.0, "{counts:?} for {weights:?}");
            }
        }
    }
}
