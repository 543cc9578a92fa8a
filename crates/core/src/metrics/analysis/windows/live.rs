//! The worst windows of a run that goes on, brought up to date with each of its seconds.
//!
//! A request counts in the second in which it was due, and is known when it has ended. So the newest seconds wait until
//! what ends late is in, and a second that a later response changes is judged anew. What a second of the run costs does
//! not grow with the run. Not here: the windows of a whole run (`windows`).

use std::collections::VecDeque;
use std::ops::Range;

use super::WorstWindow;
use super::tally::{Counts, Reach, Second, Tally, in_unit, is_worse};
use crate::metrics::{Cell, Commit, EndpointInfo, SparseHistogram};
use crate::plan::{Metric, Phase, Slo, SloScope};

const SECOND_US: u64 = 1_000_000;
/// A second waits at least this long from its beginning, since requests that are due at its end take a while; us.
const LEAST_WAIT_US: u64 = 2 * SECOND_US;
/// For how many seconds it is known how late responses came.
const RECENT_S: usize = 10;
/// How many windows may still change. What comes even later counts only in the report.
const OPEN_WINDOWS: usize = 120;
/// How long before they are due requests may come up, because the thread of control was late; us.
const AHEAD_US: u64 = 60 * SECOND_US;

/// The worst window of each SLO that has windows of requests, so far.
#[derive(Debug)]
pub struct LiveWindows {
    phases: Vec<MeasuredPhase>,
    tracks: Vec<Track>,
    /// The tracks that each row of the statistics counts in, by their positions.
    rows: Vec<Vec<usize>>,
    /// How many seconds of the load are over.
    seconds: u64,
    /// When the load ended, once that is known; us.
    stopped_at_us: Option<u64>,
}

/// A phase that is measured.
#[derive(Debug)]
struct MeasuredPhase {
    /// Its position among all phases.
    position: usize,
    start_us: u64,
    planned_end_us: u64,
    /// How long the load was in it, or will be.
    length_us: u64,
    /// How many measured seconds there are before it.
    before: u64,
}

impl MeasuredPhase {
    /// How many seconds it has, of which the last one may be shorter.
    fn seconds(&self) -> u64 {
        self.length_us.div_ceil(SECOND_US)
    }
}

impl LiveWindows {
    /// Of a run with these phases, SLOs and rows, whose load starts now.
    pub fn new(phases: &[Phase], slos: &[Slo], rows: &[EndpointInfo]) -> Self {
        let mut before = 0;
        let measured = phases.iter().enumerate().filter(|(_, one)| one.measured);
        let phases = measured.map(|(position, phase)| {
            let phase = MeasuredPhase {
                position,
                start_us: phase.start_us,
                planned_end_us: phase.end_us,
                length_us: phase.end_us.saturating_sub(phase.start_us),
                before,
            };
            before += phase.seconds();
            phase
        });
        let phases = phases.collect();
        let slos = slos.iter().enumerate();
        let tracks = slos.filter_map(|(position, slo)| Track::of(position, slo));
        let mut windows = Self {
            phases,
            tracks: tracks.collect(),
            rows: Vec::new(),
            seconds: 0,
            stopped_at_us: None,
        };
        rows.iter().for_each(|row| windows.add_row(row));
        windows
    }

    fn add_row(&mut self, row: &EndpointInfo) {
        let tracks = self.tracks.iter().enumerate();
        let of_row = tracks.filter(|(_, track)| track.scope.covers(&row.name, row.is_flow));
        self.rows.push(of_row.map(|(at, _)| at).collect());
    }

    /// Takes in what ended in the next second.
    pub fn second(&mut self, commit: &Commit) {
        if self.tracks.is_empty() {
            return;
        }
        self.seconds += 1;
        let now_us = self.seconds * SECOND_US;
        if let Some(stopped_at_us) = commit.stopped_at_us {
            self.stop(stopped_at_us);
        }
        commit.rows.iter().for_each(|row| self.add_row(row));
        for track in &mut self.tracks {
            track.recent_us.push_back(0);
            if track.recent_us.len() > RECENT_S {
                track.recent_us.pop_front();
            }
        }
        for entry in &commit.cells {
            let tracks = self.rows.get(entry.endpoint);
            let Some(tracks) = tracks.filter(|tracks| !tracks.is_empty()) else {
                continue;
            };
            let mut phases = self.phases.iter();
            let Some(phase) = phases.find(|phase| phase.position == entry.phase) else {
                continue;
            };
            // It was to begin when the load had ended already.
            let Some(last) = phase.seconds().checked_sub(1) else {
                continue;
            };
            let second = entry.second.min(last);
            let start_us = (second.saturating_mul(SECOND_US)).saturating_add(phase.start_us);
            if start_us > now_us.saturating_add(AHEAD_US) {
                continue;
            }
            let late_us = now_us.saturating_sub(start_us);
            for &at in tracks {
                let track = &mut self.tracks[at];
                track.extend(&self.phases, phase.before + second + 1);
                track.add((phase.before + second) as usize, &entry.cell, late_us);
            }
        }
        for track in &mut self.tracks {
            track.judge(&self.phases, now_us);
        }
    }

    /// The run does not go on: nothing is waited for any more. Its load ended at this time; without one, when a second
    /// said so, or else with the last second.
    pub fn end(&mut self, stopped_at_us: Option<u64>) {
        let now_us = self.seconds * SECOND_US;
        let stopped_at_us = stopped_at_us.or(self.stopped_at_us).unwrap_or(now_us);
        self.stop(stopped_at_us);
        for track in &mut self.tracks {
            track.judge(&self.phases, u64::MAX);
        }
    }

    /// No load was made from this time on, whatever was planned.
    fn stop(&mut self, at_us: u64) {
        // A damaged file may name any time.
        let at_us = at_us.min(self.seconds * SECOND_US + AHEAD_US);
        if self.stopped_at_us.replace(at_us) == Some(at_us) {
            return;
        }
        let mut before = 0;
        for phase in &mut self.phases {
            let end_us = phase.planned_end_us.min(at_us);
            phase.length_us = end_us.saturating_sub(phase.start_us);
            phase.before = before;
            before += phase.seconds();
        }
        for track in &mut self.tracks {
            track.cut(&self.phases, before as usize);
        }
    }

    /// The worst window so far of the SLO at this position: of as much as was measured where that is less than the
    /// window is long. `None` before there is a value, and for an SLO without windows of requests.
    pub fn worst(&self, slo: usize) -> Option<WorstWindow> {
        let mut tracks = self.tracks.iter();
        tracks.find(|track| track.slo == slo)?.worst()
    }
}

/// The windows of an SLO.
#[derive(Debug)]
struct Track {
    /// Its position among the SLOs.
    slo: usize,
    scope: SloScope,
    metric: Metric,
    wanted_us: u64,
    /// The seconds that windows which may change consist of, and those that are not judged yet.
    seconds: VecDeque<KeptSecond>,
    /// The position of the first of them among all measured seconds.
    first: usize,
    reach: Reach,
    tally: Tally,
    /// The windows that may change, in order.
    open: VecDeque<JudgedWindow>,
    /// The worst of all others, with its value in the unit of the metric.
    closed: Option<(JudgedWindow, WorstWindow)>,
    /// The windows that end up to this second cannot change.
    closed_end: usize,
    /// Whether anything was counted in a second that is judged.
    has_any: bool,
    /// Whether a second changed that was judged.
    has_changed: bool,
    /// How late the latest responses came in each of the last seconds, counted from the beginning of the second that
    /// they were due in; us.
    recent_us: VecDeque<u64>,
}

/// A second, as far as a metric needs it.
#[derive(Debug)]
struct KeptSecond {
    start_us: u64,
    start_s: f64,
    length_us: u64,
    is_empty: bool,
    counted: u64,
    of_them: u64,
    values: SparseHistogram,
}

impl Second for KeptSecond {
    fn length_us(&self) -> u64 {
        self.length_us
    }

    fn counts(&self, _: &Metric) -> impl Iterator<Item = Counts<'_>> {
        std::iter::once(Counts {
            counted: self.counted,
            of_them: self.of_them,
            values: [Some(&self.values), None],
        })
    }
}

/// A window, and its value as a [`Tally`] has it; `None` without data.
#[derive(Debug, Clone, PartialEq)]
struct JudgedWindow {
    window: Range<usize>,
    value: Option<f64>,
}

impl Track {
    fn of(position: usize, slo: &Slo) -> Option<Self> {
        let window_s = slo.window_s?;
        if matches!(slo.metric, Metric::Observed(_)) {
            return None;
        }
        let wanted_us = window_s.saturating_mul(SECOND_US);
        Some(Self {
            slo: position,
            scope: slo.scope.clone(),
            metric: slo.metric.clone(),
            wanted_us,
            seconds: VecDeque::new(),
            first: 0,
            reach: Reach::from(0, wanted_us),
            tally: Tally::default(),
            open: VecDeque::new(),
            closed: None,
            closed_end: 0,
            has_any: false,
            has_changed: false,
            recent_us: VecDeque::new(),
        })
    }

    /// Until there are so many seconds.
    fn extend(&mut self, phases: &[MeasuredPhase], end: u64) {
        loop {
            let next = (self.first + self.seconds.len()) as u64;
            let Some(second) = kept_second(phases, next).filter(|_| next < end) else {
                return;
            };
            self.seconds.push_back(second);
        }
    }

    /// Adds what ended to the second at this position.
    fn add(&mut self, at: usize, cell: &Cell, late_us: u64) {
        if let Some(latest_us) = self.recent_us.back_mut() {
            *latest_us = late_us.max(*latest_us);
        }
        let kept = at.checked_sub(self.first);
        let kept = kept.and_then(|kept| self.seconds.get_mut(kept));
        let Some(second) = kept.filter(|_| at >= self.closed_end) else {
            return;
        };
        let counts = Counts::of(&self.metric, cell);
        let is_judged = at < self.reach.window.end;
        self.has_changed |= is_judged;
        self.has_any |= is_judged;
        second.is_empty = false;
        second.counted += counts.counted;
        second.of_them += counts.of_them;
        for values in counts.values.into_iter().flatten() {
            second.values.merge(values);
        }
    }

    /// No more than so many seconds of the run are measured after all. What counts in later ones of the last phase
    /// counts in the last second.
    fn cut(&mut self, phases: &[MeasuredPhase], count: usize) {
        let last_phase = phases.iter().rfind(|phase| phase.length_us > 0);
        let planned_end_us = last_phase.map_or(0, |phase| phase.planned_end_us);
        while self.first + self.seconds.len() > count
            && let Some(gone) = self.seconds.pop_back()
        {
            let is_of_last_phase = gone.start_us < planned_end_us;
            if let Some(last) = self.seconds.back_mut().filter(|_| is_of_last_phase) {
                last.is_empty &= gone.is_empty;
                last.counted += gone.counted;
                last.of_them += gone.of_them;
                last.values.merge(&gone.values);
            }
        }
        for (second, position) in self.seconds.iter_mut().zip(self.first as u64..) {
            second.length_us = kept_second(phases, position).map_or(0, |one| one.length_us);
        }
        self.judge_anew(self.reach.window.end.min(count));
    }

    /// Judges all windows that are due, and those that have changed.
    fn judge(&mut self, phases: &[MeasuredPhase], now_us: u64) {
        if self.has_changed {
            self.judge_anew(self.reach.window.end);
        }
        let late_us = self.recent_us.iter().copied().max().unwrap_or_default();
        let wait_us = late_us.max(LEAST_WAIT_US);
        loop {
            self.extend(phases, self.reach.window.end as u64 + 1);
            let next = self.seconds.get(self.reach.window.end - self.first);
            let is_due = |second: &KeptSecond| second.start_us.saturating_add(wait_us) <= now_us;
            match next {
                Some(next) if is_due(next) => self.has_any |= !next.is_empty,
                _ => break,
            }
            self.judge_next();
        }
        while self.open.len() > OPEN_WINDOWS {
            self.close_first();
        }
    }

    /// The next window.
    fn judge_next(&mut self) {
        let (seconds, first) = (&self.seconds, self.first);
        self.reach.extend(|at| seconds[at - first].length_us);
        let window = &self.reach.window;
        self.tally
            .move_to(window, &self.metric, |at| &seconds[at - first]);
        if self.reach.is_full() && window.end > self.closed_end {
            self.open.push_back(JudgedWindow {
                window: window.clone(),
                value: self.tally.value(&self.metric),
            });
        }
    }

    /// All windows that may change, up to this second.
    fn judge_anew(&mut self, end: usize) {
        self.open.clear();
        self.reach = Reach::from(self.first, self.wanted_us);
        self.tally = Tally::from(self.first);
        while self.reach.window.end < end {
            self.judge_next();
        }
        self.has_changed = false;
    }

    /// From now on, the first window cannot change, and what only it consists of is not needed any more.
    fn close_first(&mut self) {
        let Some(judged) = self.open.pop_front() else {
            return;
        };
        if let Some(value) = judged.value
            && self.is_worse_than_closed(value)
        {
            let worst = self.window(&judged.window, value);
            self.closed = Some((judged.clone(), worst));
        }
        self.closed_end = judged.window.end;
        self.seconds.drain(..judged.window.start - self.first);
        self.first = judged.window.start;
    }

    fn is_worse_than_closed(&self, value: f64) -> bool {
        let closed = self.closed.as_ref().and_then(|(judged, _)| judged.value);
        is_worse(self.metric.direction(), closed, value)
    }

    fn window(&self, window: &Range<usize>, value: f64) -> WorstWindow {
        let seconds = window.clone().map(|at| &self.seconds[at - self.first]);
        let length_us: u64 = seconds.clone().map(|second| second.length_us).sum();
        WorstWindow {
            value: in_unit(&self.metric, value, seconds),
            start_s: self.seconds[window.start - self.first].start_s,
            length_s: length_us as f64 / 1e6,
        }
    }

    fn worst(&self) -> Option<WorstWindow> {
        if !self.has_any {
            return None;
        }
        if !self.reach.is_full() {
            let value = self.tally.value(&self.metric)?;
            return Some(self.window(&self.reach.window, value));
        }
        let mut worst: Option<(&Range<usize>, f64)> = None;
        for judged in &self.open {
            let Some(value) = judged.value else { continue };
            let is_first = worst.is_none() && self.is_worse_than_closed(value);
            let known = worst.map(|(_, known)| known);
            if is_first || known.is_some() && is_worse(self.metric.direction(), known, value) {
                worst = Some((&judged.window, value));
            }
        }
        match worst {
            Some((window, value)) => Some(self.window(window, value)),
            None => self.closed.as_ref().map(|(_, worst)| *worst),
        }
    }
}

/// The measured second at this position; `None` if no more is measured.
fn kept_second(phases: &[MeasuredPhase], position: u64) -> Option<KeptSecond> {
    let mut phases = phases.iter();
    let phase = phases.find(|phase| position < phase.before + phase.seconds())?;
    let second = position - phase.before;
    let since_us = second * SECOND_US;
    Some(KeptSecond {
        start_us: phase.start_us.saturating_add(since_us),
        start_s: phase.start_us as f64 / 1e6 + second as f64,
        length_us: (phase.length_us - since_us).min(SECOND_US),
        is_empty: true,
        counted: 0,
        of_them: 0,
        values: SparseHistogram::default(),
    })
}

#[cfg(test)]
mod tests;
