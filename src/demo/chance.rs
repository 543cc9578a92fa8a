//! Randomness that is the same for the same seed and request number, whatever the order of the
//! responses; and the `Server-Timing` made of it.

/// What is drawn; each is independent of the others.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Draw {
    Slow,
    Error,
    Database,
    Cache,
    CacheTime,
    App,
    Service,
}

/// Uniform in 0..1.
pub(super) fn chance(seed: u64, number: u64, draw: Draw) -> f64 {
    let mixed = mix(mix(mix(seed) ^ number) ^ draw as u64);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64: a bijection whose output bits each depend on all input bits.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The share of cache hits.
const HIT_RATIO: f64 = 0.97;

/// The `Server-Timing` of request `number`. Simulated, so independent of the time that the response
/// really takes: database p95 about 19 ms, 97 % cache hits.
pub(super) fn server_timing(seed: u64, number: u64) -> String {
    let draw = |what| chance(seed, number, what);
    let db_ms = (1.0 - 6.0 * (1.0 - draw(Draw::Database)).ln()).min(80.0);
    let hit = draw(Draw::Cache) < HIT_RATIO;
    let (desc, cache_ms) = match hit {
        true => ("hit", 0.05 + 0.2 * draw(Draw::CacheTime)),
        false => ("miss", 1.0 + 4.0 * draw(Draw::CacheTime)),
    };
    let app_ms = db_ms + cache_ms + 0.3 + draw(Draw::App);
    format!("db;dur={db_ms:.2}, cache;desc={desc};dur={cache_ms:.2}, app;dur={app_ms:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_reproducible_uniform_and_independent() {
        let mean = |draw| (0..10_000).map(|n| chance(7, n, draw)).sum::<f64>() / 1e4;
        assert!((0.49..0.51).contains(&mean(Draw::Slow)));
        let both = (0..10_000)
            .filter(|&n| chance(7, n, Draw::Slow) < 0.5 && chance(7, n, Draw::Error) < 0.5)
            .count();
        assert!((2_300..2_700).contains(&both), "{both}");
        assert_eq!(chance(7, 3, Draw::App), chance(7, 3, Draw::App));
        assert_ne!(chance(7, 3, Draw::App), chance(8, 3, Draw::App));
    }

    #[test]
    fn the_database_and_the_cache_meet_common_slos() {
        let texts: Vec<String> = (0..10_000).map(|n| server_timing(0, n)).collect();
        let hits = texts.iter().filter(|t| t.contains("desc=hit")).count();
        assert!((9_600..9_800).contains(&hits), "{hits}");
        let mut db_ms: Vec<f64> = texts
            .iter()
            .map(|t| t["db;dur=".len()..t.find(',').unwrap()].parse().unwrap())
            .collect();
        db_ms.sort_by(f64::total_cmp);
        assert!((15.0..25.0).contains(&db_ms[9_500]), "{}", db_ms[9_500]);
    }
}
