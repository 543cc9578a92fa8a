//! Randomness that is the same for the same seed and request number, whatever the order of the
//! responses.

/// What is drawn; each is independent of the others.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Draw {
    Slow,
    Error,
    Database,
    Cache,
    CacheTime,
    App,
    Instance,
    Failure,
    Service,
}

/// Uniform in 0..1.
pub(crate) fn chance(seed: u64, number: u64, draw: Draw) -> f64 {
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

/// How many instances there seem to be.
const INSTANCES: f64 = 4.0;
/// The one that fails with `bad-instance`.
pub(crate) const BAD_INSTANCE: u64 = 3;

/// Which instance responds to request `number`, from 1.
pub(crate) fn instance(seed: u64, number: u64) -> u64 {
    1 + (chance(seed, number, Draw::Instance) * INSTANCES) as u64
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
}
