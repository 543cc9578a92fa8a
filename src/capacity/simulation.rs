//! Services whose capacity is known, simulated: a search over hours of load takes milliseconds.
//!
//! Only for tests.

use std::collections::VecDeque;

use super::evidence::{Ratio, Rule};
use super::level::LevelWatch;
use super::search::{LevelEvidence, Outcome, Search, SearchStep, Settings};

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014).
pub struct Random(pub u64);

impl Random {
    /// Uniform in 0..1, never 0.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.uniform().ln()
    }
}

/// A service.
#[derive(Debug, Clone, Copy)]
pub enum Service {
    /// One server with exponential service times of this mean; s.
    Exponential(f64),
    /// So many servers with this fixed service time; s.
    Pool(usize, f64),
    /// At most so many requests per second, with bursts of up to a tenth of that; others fail at once.
    Limiter(f64),
}

/// A search on a simulated service.
pub struct SimulatedSearch {
    pub service: Service,
    pub is_poisson: bool,
    pub rule: Rule,
    pub settings: Settings,
}

impl SimulatedSearch {
    /// How the search ends, after how many simulated seconds.
    pub fn search(&self, random: &mut Random) -> (Outcome, f64) {
        let mut search = Search::new(self.settings, 1);
        let mut elapsed_s = 0.0;
        loop {
            match search.next(elapsed_s) {
                SearchStep::Done(outcome) => return (outcome, elapsed_s),
                SearchStep::Rest { .. } => elapsed_s += 3.0,
                SearchStep::Level { level, hold, .. } => {
                    let mut watch = LevelWatch::new(vec![self.rule], hold);
                    let took_s = self.level(level, hold.most_s, &mut watch, random);
                    elapsed_s += took_s + 0.5;
                    search.record(&LevelEvidence::Evidence(watch.evidence()));
                }
            }
        }
    }

    fn level(&self, rate: f64, most_s: usize, watch: &mut LevelWatch, random: &mut Random) -> f64 {
        let warmup_s = self.settings.warmup_s;
        let mut free = vec![
            0.0;
            match self.service {
                Service::Pool(count, _) => count,
                _ => 1,
            }
        ];
        let burst = match self.service {
            Service::Limiter(rate) => rate / 10.0,
            _ => 0.0,
        };
        let (mut tokens, mut filled_at) = (burst, 0.0);
        // (end, start, is bad), by start; those of a queue end in this order, too.
        let mut pending: VecDeque<(f64, f64, bool)> = VecDeque::new();
        let mut now = 0.0;
        let mut second = 1.0;
        let end = warmup_s + most_s as f64;
        let mut stop = end;
        loop {
            now += match self.is_poisson {
                true => random.exponential(1.0 / rate),
                false => 1.0 / rate,
            };
            while second <= now.min(end) {
                let ended: Vec<_> = pending
                    .iter()
                    .filter(|one| one.0 <= second)
                    .copied()
                    .collect();
                pending.retain(|one| one.0 > second);
                ended.iter().for_each(|one| self.count(one, watch));
                watch.in_flight(pending.len() as f64);
                let held = second - warmup_s;
                second += 1.0;
                if held >= 1.0 && watch.is_decided(held as usize) {
                    stop = second - 1.0;
                    break;
                }
            }
            if now >= end || stop < end {
                break;
            }
            let (ended_at, is_bad) = match self.service {
                Service::Exponential(mean) => {
                    free[0] = now.max(free[0]) + random.exponential(mean);
                    (free[0], false)
                }
                Service::Pool(_, time) => {
                    let first = free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
                    *first = now.max(*first) + time;
                    (*first, false)
                }
                Service::Limiter(rate) => {
                    tokens = (tokens + (now - filled_at) * rate).min(burst);
                    filled_at = now;
                    let is_bad = tokens < 1.0;
                    if !is_bad {
                        tokens -= 1.0;
                    }
                    (now + 0.002, is_bad)
                }
            };
            pending.push_back((ended_at, now, is_bad));
        }
        pending.iter().for_each(|one| self.count(one, watch));
        let drained = pending.iter().map(|one| one.0).fold(stop, f64::max);
        drained.max(stop)
    }

    fn count(&self, &(ended_at, start, is_bad): &(f64, f64, bool), watch: &mut LevelWatch) {
        if start < self.settings.warmup_s {
            return;
        }
        let is_slow = self
            .rule
            .limit_s
            .is_some_and(|limit_s| ended_at - start > limit_s);
        let part = f64::from(u8::from(is_bad || is_slow));
        let second = (start - self.settings.warmup_s) as usize;
        watch.add(second, &[Ratio { part, whole: 1.0 }], 1.0);
    }
}
