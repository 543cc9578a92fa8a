//! The search for the capacity: which level is next, and when it is over.
//!
//! Here: a state machine without clocks and sockets, which is told what each level said. Not here: how a level is
//! carried out (`cli`), or when it has said enough (`level`).

#[cfg(test)]
mod tests;

use super::evidence::{CLEAR, Evidence, worst_deviations};
use super::level::Hold;
use super::posterior::{Look, Posterior};

/// The interval is between this quantile and its counterpart.
const TAIL: f64 = 0.025;
/// In turn, levels on both sides of the limit say most about where it is and how steep the curve is.
const SIDES: [f64; 2] = [0.35, 0.65];
/// So many confirming holds may be missed.
const MAX_CONFIRMATIONS: usize = 3;
/// After so many levels in a row that say nothing, the search ends.
pub const MAX_SILENT: usize = 4;
/// The longest wait for the service to recover; s.
const LONGEST_REST_S: usize = 20;
/// It takes so many seconds to see that it has.
pub const SHORTEST_REST_S: usize = 3;
/// What comes between two levels, beyond their length: clients, connections, requests in flight; s.
const BETWEEN_S: f64 = 2.0;

/// What is searched for, and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The first level.
    pub start: f64,
    /// The lowest level worth trying.
    pub least: f64,
    /// No level is higher.
    pub most: f64,
    /// Whether levels are whole numbers; the lowest and the highest have to be, too.
    pub is_whole: bool,
    /// Half the width of the interval that is narrow enough, as a share of the capacity.
    pub precision: f64,
    /// How long the confirming hold lasts, without its warm-up; s. Others last half of that at most.
    pub hold_s: usize,
    /// The part of a level that is not measured; s.
    pub warmup_s: f64,
    /// How long the search may take; s.
    pub budget_s: f64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SearchStep {
    /// Put this load on the service.
    Level {
        /// Arrivals per second, or users.
        level: f64,
        /// For how long.
        hold: Hold,
        /// What for.
        purpose: Purpose,
    },
    /// Wait until the response times are those of the lowest level again.
    Rest {
        /// For how long at most; s.
        most_s: usize,
    },
    /// The search is over.
    Done(Outcome),
}

/// What a level is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To find one that is missed, by doubling; or one that holds, by halving.
    Bracket,
    /// To narrow the interval.
    Narrow,
    /// To confirm that a level holds.
    Confirm,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The capacity is known as well as asked for.
    Found(Capacity),
    /// The time was over before that.
    Open(Capacity),
    /// Every SLO held up to this level, and it was not to go higher.
    AtLeast(f64),
    /// The load generator was the limit at the second level; every SLO was met at the first one, if there is one.
    Generator(Option<f64>, f64),
    /// An SLO was missed even at this level, the lowest.
    Below(f64),
    /// It ended before a level held and a higher one was missed.
    Unknown {
        /// The highest level at which every SLO was met, if there is one.
        held: Option<f64>,
        /// The lowest level that was missed beyond doubt, if any was.
        missed: Option<f64>,
    },
}

/// The highest level at which every SLO holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// The median of what is likely.
    pub level: f64,
    /// The 2.5% quantile.
    pub low: f64,
    /// The 97.5% quantile.
    pub high: f64,
    /// The position of the SLO that gives way first.
    pub limiting: usize,
    /// The level of a long hold in which every SLO was met.
    pub confirmed: Option<f64>,
}

/// What a level said.
#[derive(Debug, Clone, PartialEq)]
pub enum LevelEvidence {
    /// Of each SLO; `None` where nothing was measured.
    Evidence(Vec<Option<Evidence>>),
    /// Nothing: the load generator could not keep up.
    Invalid,
    /// Nothing: no request was measured, or users ended before they sent any.
    Nothing,
}

/// The search.
#[derive(Debug, Clone)]
pub struct Search {
    settings: Settings,
    /// Of each SLO, what the levels said.
    looks: Vec<Vec<Look>>,
    state: State,
    /// The highest level that met every SLO, as far as was measured.
    met: Option<f64>,
    /// The highest level that held, and the lowest that was missed, as it seemed.
    held: Option<f64>,
    missed: Option<f64>,
    /// The lowest that was missed beyond doubt.
    clearly_missed: Option<f64>,
    confirmed: Option<f64>,
    confirmations: usize,
    /// Levels in a row that said nothing.
    silent: usize,
    needs_rest: bool,
    turn: usize,
    last: Option<(f64, Purpose)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Bracket(f64),
    Narrow,
    /// Whatever comes of it, nothing higher is tried.
    ConfirmTop(f64),
    Over(Outcome),
}

impl Search {
    /// For so many SLOs.
    pub fn new(settings: Settings, slos: usize) -> Self {
        let start = match settings.is_whole {
            true => settings.start.round(),
            false => settings.start,
        };
        let start = start.clamp(settings.least, settings.most);
        Self {
            settings,
            looks: vec![Vec::new(); slos],
            state: State::Bracket(start),
            met: None,
            held: None,
            missed: None,
            clearly_missed: None,
            confirmed: None,
            confirmations: 0,
            silent: 0,
            needs_rest: false,
            turn: 0,
            last: None,
        }
    }

    /// What to do after so many seconds.
    pub fn next(&mut self, elapsed_s: f64) -> SearchStep {
        if let State::Over(outcome) = self.state {
            return SearchStep::Done(outcome);
        }
        // Of the budget, for a hold.
        let left_s = self.settings.budget_s - self.settings.warmup_s - BETWEEN_S - elapsed_s;
        if std::mem::take(&mut self.needs_rest) {
            let most_s = left_s as usize;
            let most_s = most_s.saturating_sub(self.bracket_hold().least_s);
            return match most_s.min(LONGEST_REST_S) {
                // A level right after one that was missed would be, too.
                0..SHORTEST_REST_S => SearchStep::Done(self.stopped()),
                most_s => SearchStep::Rest { most_s },
            };
        }
        let step = match self.state {
            State::Over(outcome) => SearchStep::Done(outcome),
            State::Bracket(level) => self.step(level, Purpose::Bracket),
            State::ConfirmTop(level) => self.step(level, Purpose::Confirm),
            State::Narrow => self.narrow(elapsed_s),
        };
        let SearchStep::Level {
            level,
            mut hold,
            purpose,
        } = step
        else {
            return step;
        };
        if hold.least_s as f64 > left_s {
            return SearchStep::Done(self.stopped());
        }
        hold.most_s = hold.most_s.min(left_s as usize);
        self.last = Some((level, purpose));
        SearchStep::Level {
            level,
            hold,
            purpose,
        }
    }

    /// What the last level said.
    pub fn record(&mut self, said: &LevelEvidence) {
        let Some((level, purpose)) = self.last else {
            return;
        };
        let evidence = match said {
            LevelEvidence::Evidence(evidence) => evidence.as_slice(),
            LevelEvidence::Invalid | LevelEvidence::Nothing => &[],
        };
        let Some(worst) = worst_deviations(evidence) else {
            return self.said_nothing(level, *said == LevelEvidence::Invalid);
        };
        self.silent = 0;
        self.turn += usize::from(purpose == Purpose::Narrow);
        for (looks, one) in self.looks.iter_mut().zip(evidence) {
            looks.extend(one.map(|one| (level, one)));
        }
        let is_missed = match purpose {
            // A level in doubt is looked at again, from above.
            Purpose::Bracket => worst > 1.0,
            Purpose::Narrow | Purpose::Confirm => worst > 0.0,
        };
        self.needs_rest = is_missed;
        let highest = |known: Option<f64>| Some(known.map_or(level, |known| known.max(level)));
        let lowest = |known: Option<f64>| Some(known.map_or(level, |known| known.min(level)));
        match is_missed {
            true => self.missed = lowest(self.missed),
            false => self.held = highest(self.held),
        }
        if worst <= 0.0 {
            self.met = highest(self.met);
        }
        if worst > CLEAR {
            self.clearly_missed = lowest(self.clearly_missed);
        }
        self.state = match (self.state, purpose) {
            (State::Bracket(_), _) => self.bracket(level, is_missed, worst > CLEAR),
            (State::ConfirmTop(_), _) if is_missed => State::Narrow,
            (State::ConfirmTop(_), _) => State::Over(Outcome::AtLeast(level)),
            (state, Purpose::Confirm) => {
                self.confirmations += 1;
                if !is_missed {
                    self.confirmed = highest(self.confirmed);
                }
                state
            }
            (state, _) => state,
        };
    }

    /// How the search ends if it is stopped now.
    pub fn stopped(&self) -> Outcome {
        match self.capacity() {
            Some(capacity) if self.held.is_some() => match self.is_narrow(&capacity) {
                true => Outcome::Found(capacity),
                false => Outcome::Open(capacity),
            },
            _ => Outcome::Unknown {
                held: self.met,
                missed: self.clearly_missed,
            },
        }
    }

    /// The capacity as far as it is known; `None` before a level was missed and one held.
    pub fn capacity(&self) -> Option<Capacity> {
        let (limiting, posterior) = self.limit()?;
        Some(self.capacity_of(limiting, &posterior))
    }

    /// The SLO that gives way first, and where its limit is.
    fn limit(&self) -> Option<(usize, Posterior)> {
        self.missed?;
        let of_slos = self.looks.iter().enumerate();
        let of_missed =
            of_slos.filter(|(_, looks)| looks.iter().any(|(_, one)| one.deviations() > 0.0));
        let posteriors = of_missed.map(|(slo, looks)| (slo, Posterior::of(looks)));
        posteriors.min_by(|(_, a), (_, b)| a.quantile(0.5).total_cmp(&b.quantile(0.5)))
    }

    fn capacity_of(&self, limiting: usize, posterior: &Posterior) -> Capacity {
        let level = posterior.quantile(0.5);
        let (mut low, mut high) = (posterior.quantile(TAIL), posterior.quantile(1.0 - TAIL));
        // Where an SLO gives way at once, nothing was seen between the two nearest levels: each limit
        // between them is as likely as the other.
        let looks = &self.looks[limiting];
        let below = looks.iter().filter(|(at, _)| *at <= level);
        let above = looks.iter().filter(|(at, _)| *at > level);
        let below = below.max_by(|(a, _), (b, _)| a.total_cmp(b));
        let above = above.min_by(|(a, _), (b, _)| a.total_cmp(b));
        if let (Some((held, a)), Some((missed, b))) = (below, above)
            && a.excess.is_none()
            && b.deviations() > CLEAR
        {
            (low, high) = (low.min(*held), high.max(*missed));
        }
        Capacity {
            level,
            low,
            high,
            limiting,
            confirmed: self.confirmed,
        }
    }

    fn bracket(&self, level: f64, is_missed: bool, is_clear: bool) -> State {
        let settings = &self.settings;
        match (self.held, self.missed) {
            (Some(_), Some(_)) => State::Narrow,
            _ if is_missed && level <= settings.least => State::Over(match is_clear {
                true => Outcome::Below(level),
                false => self.stopped(),
            }),
            _ if is_missed => State::Bracket(self.rounded(level / 2.0)),
            _ if level >= settings.most => State::ConfirmTop(level),
            _ => State::Bracket(self.rounded(level * 2.0)),
        }
    }

    fn narrow(&self, elapsed_s: f64) -> SearchStep {
        let Some((limiting, posterior)) = self.limit() else {
            return SearchStep::Done(self.stopped());
        };
        let capacity = self.capacity_of(limiting, &posterior);
        let confirming_s = self.settings.warmup_s + self.settings.hold_s as f64 + BETWEEN_S;
        let is_last_chance = {
            let narrowing_s = self.settings.warmup_s + self.narrow_hold().most_s as f64;
            elapsed_s + confirming_s + narrowing_s + BETWEEN_S > self.settings.budget_s
        };
        let is_narrow = self.is_narrow(&capacity);
        if is_narrow && (capacity.confirmed.is_some() || self.confirmations >= MAX_CONFIRMATIONS) {
            return SearchStep::Done(Outcome::Found(capacity));
        }
        if (is_narrow || is_last_chance) && self.confirmations < MAX_CONFIRMATIONS {
            let level = self.rounded_down(posterior.quantile(TAIL));
            if capacity
                .confirmed
                .is_some_and(|confirmed| confirmed >= level)
            {
                return SearchStep::Done(self.stopped());
            }
            return self.step(level, Purpose::Confirm);
        }
        let side = SIDES[self.turn % SIDES.len()];
        let level = self.rounded(posterior.quantile(side));
        self.step(level, Purpose::Narrow)
    }

    fn is_narrow(&self, capacity: &Capacity) -> bool {
        let width = capacity.high - capacity.low;
        width <= 2.0 * self.settings.precision * capacity.level
            // A whole number and its neighbors.
            || self.settings.is_whole && width <= 2.0
    }

    fn step(&self, level: f64, purpose: Purpose) -> SearchStep {
        let hold = self.settings.hold_s;
        let hold = match purpose {
            Purpose::Bracket => self.bracket_hold(),
            Purpose::Narrow => self.narrow_hold(),
            Purpose::Confirm => Hold {
                least_s: hold,
                most_s: hold,
                is_hasty: false,
            },
        };
        SearchStep::Level {
            level,
            hold,
            purpose,
        }
    }

    fn bracket_hold(&self) -> Hold {
        let hold = self.settings.hold_s;
        Hold {
            least_s: (hold / 12).max(1),
            most_s: (hold / 4).max(1),
            is_hasty: true,
        }
    }

    fn narrow_hold(&self) -> Hold {
        let hold = self.settings.hold_s;
        Hold {
            least_s: (hold / 6).max(1),
            most_s: (hold / 2).max(1),
            is_hasty: false,
        }
    }

    /// The level is tried again, unless that was done often enough.
    fn said_nothing(&mut self, level: f64, is_invalid: bool) {
        self.silent += 1;
        self.needs_rest = true;
        if self.silent < MAX_SILENT {
            return;
        }
        self.state = State::Over(match self.stopped() {
            // The search was not to end here.
            Outcome::Found(capacity) => Outcome::Open(capacity),
            Outcome::Unknown { held, .. } if is_invalid => Outcome::Generator(held, level),
            outcome => outcome,
        });
    }

    /// A level as people would choose it: with three digits, or a whole number.
    fn rounded(&self, level: f64) -> f64 {
        self.in_steps(level, f64::round)
    }

    fn rounded_down(&self, level: f64) -> f64 {
        self.in_steps(level, f64::floor)
    }

    fn in_steps(&self, level: f64, round: fn(f64) -> f64) -> f64 {
        let step = match self.settings.is_whole {
            true => 1.0,
            false => 10f64.powf(level.log10().floor() - 2.0),
        };
        (round(level / step) * step).clamp(self.settings.least, self.settings.most)
    }
}
