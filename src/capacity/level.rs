//! One level while it goes on: when it has said enough.
//!
//! Here: the seconds of a level, and the sequential test on them. Not here: where the seconds come from (`cli`),
//! or which level is next (`search`).

use super::evidence::{Evidence, Ratio, Rule};

/// So many standard deviations from the limit decide a level early.
const DECISIVE: f64 = 2.5;
/// A miss is decided after so many seconds at the earliest.
const LEAST_MISS_S: usize = 3;

/// How long a level is held, without its warm-up; s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// At least, unless it is missed.
    pub least_s: usize,
    /// At most.
    pub most_s: usize,
    /// Whether it ends as soon as nothing bad was seen for the least time, without being sure.
    pub is_hasty: bool,
}

/// The seconds of a level, as far as they have come.
#[derive(Debug, Clone)]
pub struct LevelWatch {
    rules: Vec<Rule>,
    hold: Hold,
    /// By the second of the intended start after the warm-up, for each SLO.
    seconds: Vec<Vec<Ratio>>,
    /// Requests started in each of them.
    started: Vec<f64>,
    in_flight: f64,
}

impl LevelWatch {
    /// A level that has not begun.
    pub fn new(rules: Vec<Rule>, hold: Hold) -> Self {
        Self {
            rules,
            hold,
            seconds: Vec::new(),
            started: Vec::new(),
            in_flight: 0.0,
        }
    }

    /// Counts what ended and was meant to start in this second: one ratio for each SLO, and the requests.
    pub fn add(&mut self, second: usize, ratios: &[Ratio], requests: f64) {
        // The load ends at the longest hold; a request of a flow may start later.
        let second = second.min(self.hold.most_s.saturating_sub(1));
        if self.seconds.len() <= second {
            let empty = vec![Ratio::default(); self.rules.len()];
            self.seconds.resize(second + 1, empty);
            self.started.resize(second + 1, 0.0);
        }
        for (sum, ratio) in self.seconds[second].iter_mut().zip(ratios) {
            sum.add(*ratio);
        }
        self.started[second] += requests;
    }

    /// How many requests are in flight now.
    pub fn in_flight(&mut self, count: f64) {
        self.in_flight = count;
    }

    /// What the seconds so far say about each SLO; `None` where nothing was measured.
    pub fn evidence(&self) -> Vec<Option<Evidence>> {
        (0..self.rules.len())
            .map(|rule| Evidence::of(&self.ratios(rule), &self.rules[rule]))
            .collect()
    }

    /// Whether the level has said enough after so many seconds.
    pub fn is_decided(&self, elapsed_s: usize) -> bool {
        let now = self.evidence_now(elapsed_s);
        if elapsed_s >= LEAST_MISS_S && now.iter().flatten().any(|one| one.deviations() > DECISIVE)
        {
            return true;
        }
        let holds = |one: &Option<Evidence>| {
            one.is_none_or(|one| {
                self.hold.is_hasty && one.excess.is_none() || one.deviations() < -DECISIVE
            })
        };
        elapsed_s >= self.hold.least_s && now.iter().any(Option::is_some) && now.iter().all(holds)
    }

    fn ratios(&self, rule: usize) -> Vec<Ratio> {
        self.seconds.iter().map(|second| second[rule]).collect()
    }

    /// As [`Self::evidence`], with the requests in flight that are too old already: by the number that
    /// arrived within the limit, and by Little's law none of the others would be there otherwise.
    fn evidence_now(&self, elapsed_s: usize) -> Vec<Option<Evidence>> {
        (0..self.rules.len())
            .map(|position| {
                let rule = self.rules[position];
                let mut ratios = self.ratios(position);
                // Seconds in which nothing ended are also some.
                ratios.resize(ratios.len().max(elapsed_s), Ratio::default());
                let limit_s = rule.limit_s.filter(|_| rule.covers_in_flight);
                if let (Some(limit_s), Some(last)) = (limit_s, ratios.last_mut()) {
                    let overdue = self.overdue(limit_s, elapsed_s);
                    last.add(Ratio {
                        part: overdue,
                        whole: overdue,
                    });
                }
                Evidence::of(&ratios, &rule)
            })
            .collect()
    }

    /// How many requests in flight are certainly older than this.
    fn overdue(&self, limit_s: f64, elapsed_s: usize) -> f64 {
        let seconds = elapsed_s.max(1) as f64;
        let ended: f64 = self.started.iter().sum();
        let rate_per_s = (ended + self.in_flight) / seconds;
        let young = rate_per_s * limit_s;
        (self.in_flight - young - 4.0 * young.sqrt() - 1.0).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        allowed: 0.05,
        limit_s: Some(0.1),
        is_share: true,
        covers_in_flight: true,
    };

    /// Seconds of 100 requests, of which so many are slow.
    fn watch(hold: Hold, slow: &[f64]) -> LevelWatch {
        let mut watch = LevelWatch::new(vec![RULE], hold);
        for (second, part) in slow.iter().enumerate() {
            let whole = 100.0;
            watch.add(second, &[Ratio { part: *part, whole }], whole);
        }
        watch
    }

    const HASTY: Hold = Hold {
        least_s: 5,
        most_s: 30,
        is_hasty: true,
    };

    #[test]
    fn a_level_goes_on_until_it_has_said_enough() {
        let decided = |hold, slow: &[f64]| watch(hold, slow).is_decided(slow.len());
        assert!(!decided(HASTY, &[0.0; 4]), "too short");
        assert!(decided(HASTY, &[0.0; 5]));
        assert!(decided(HASTY, &[90.0; 3]), "a clear miss needs less");
        assert!(!decided(HASTY, &[5.0; 12]), "at the limit");
        let careful = Hold {
            is_hasty: false,
            ..HASTY
        };
        assert!(!decided(careful, &[0.0; 5]), "slow requests come in bursts");
        assert!(decided(careful, &[0.0; 30]));
    }

    #[test]
    fn requests_in_flight_that_are_too_old_count() {
        // The service stopped responding: 100/s come, and 10 may be in it.
        let mut stuck = watch(HASTY, &[0.0, 0.0, 0.0]);
        assert!(!stuck.is_decided(3));
        stuck.in_flight(20.0);
        assert!(!stuck.is_decided(3));
        stuck.in_flight(700.0);
        assert!(stuck.is_decided(10));
        assert_eq!(
            stuck.evidence()[0].unwrap().excess,
            None,
            "they may still end"
        );
    }
}
