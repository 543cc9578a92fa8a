//! What the service says of its components in `Server-Timing`.
//!
//! Not here: when that is true (`server`).

use std::time::Duration;

use super::behavior::Behavior;
use super::behavior::chance::{Draw, chance, instance};
use super::behavior::faults::Fault;

/// The share of cache hits, and that with [`Fault::CacheMisses`].
const HIT_RATIO: [f64; 2] = [0.97, 0.6];
/// What the service says of its components for one request.
pub(super) struct Timing {
    /// Of the database.
    pub(super) db: Duration,
    /// How many queries there were.
    pub(super) queries: u64,
    /// How long it waited for a database connection, if it needs one.
    pub(super) waited: Option<Duration>,
}

impl Timing {
    /// Of request `number`. The database is simulated: p95 about 19 ms, or with [`Fault::SlowDb`], 90 ms more.
    pub(super) fn of(behavior: &Behavior, number: u64) -> Self {
        let drawn = chance(behavior.seed, number, Draw::Database);
        let db_ms = (1.0 - 6.0 * (1.0 - drawn).ln()).min(80.0);
        let slower_ms = f64::from(u8::from(behavior.has(Fault::SlowDb))) * 90.0;
        Self {
            db: Duration::from_secs_f64((db_ms + slower_ms) / 1e3),
            queries: 1,
            waited: None,
        }
    }

    /// The header of request `number`. The cache is simulated, too, and neither has to do with the time that the
    /// response really takes: 97 % hits, or with [`Fault::CacheMisses`], 60 %.
    pub(super) fn header(&self, behavior: &Behavior, number: u64) -> String {
        let draw = |what| chance(behavior.seed, number, what);
        let hit_ratio = HIT_RATIO[usize::from(behavior.has(Fault::CacheMisses))];
        let (desc, cache_ms) = match draw(Draw::Cache) < hit_ratio {
            true => ("hit", 0.05 + 0.2 * draw(Draw::CacheTime)),
            false => ("miss", 1.0 + 4.0 * draw(Draw::CacheTime)),
        };
        let db_ms = self.db.as_secs_f64() * 1e3;
        let app_ms = db_ms + cache_ms + 0.3 + draw(Draw::App);
        let (queries, instance) = (self.queries, instance(behavior.seed, number));
        let queue = self.waited.map_or_else(String::new, |waited| {
            format!(", queue;dur={:.2}", waited.as_secs_f64() * 1e3)
        });
        format!(
            "db;dur={db_ms:.2};desc=\"n={queries}\", cache;desc={desc};dur={cache_ms:.2}, \
             app;dur={app_ms:.2}, worker;desc=\"w{instance}\"{queue}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_and_the_cache_meet_common_slos() {
        let behavior = Behavior::default();
        let text = |n| Timing::of(&behavior, n).header(&behavior, n);
        let texts: Vec<String> = (0..10_000).map(text).collect();
        let hits = texts.iter().filter(|t| t.contains("desc=hit")).count();
        assert!((9_600..9_800).contains(&hits), "{hits}");
        let mut db_ms: Vec<f64> = texts
            .iter()
            .map(|t| {
                t["db;dur=".len()..t.find(';').map(|_| t[7..].find(';').unwrap() + 7).unwrap()]
                    .parse()
                    .unwrap()
            })
            .collect();
        db_ms.sort_by(f64::total_cmp);
        assert!((15.0..25.0).contains(&db_ms[9_500]), "{}", db_ms[9_500]);
    }
}
