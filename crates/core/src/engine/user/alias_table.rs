//! Weighted choice in constant time, by Vose's alias method (M. D. Vose, "A linear algorithm for
//! generating random numbers with a given distribution", IEEE TSE 17(9), 1991).

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// Picks positions by weight, in constant time.
#[derive(Debug, Clone)]
pub(super) struct AliasTable {
    /// For each column: the probability of staying in it, and the position to take otherwise.
    columns: Vec<(f64, usize)>,
}

impl AliasTable {
    /// A table for these weights. At least one must be above 0.
    pub(super) fn new(weights: &[u32]) -> Self {
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let n = weights.len() as f64;
        let mut scaled: Vec<f64> = weights.iter().map(|w| f64::from(*w) * n / total).collect();
        let mut columns: Vec<(f64, usize)> = (0..weights.len()).map(|i| (1.0, i)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|i| scaled[*i] < 1.0);
        while let (Some(&low), Some(&high)) = (small.last(), large.last()) {
            small.pop();
            columns[low] = (scaled[low], high);
            scaled[high] -= 1.0 - scaled[low];
            if scaled[high] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        // What is left is full up to rounding, except a weight of zero, which stays zero.
        for i in small {
            if weights[i] == 0 {
                let other = weights.iter().position(|w| *w > 0).unwrap_or(i);
                columns[i] = (0.0, other);
            }
        }
        Self { columns }
    }

    /// Picks a position.
    pub(super) fn pick(&self, rng: &mut ChaCha12Rng) -> usize {
        let column = rng.random_range(0..self.columns.len());
        let (stay, other) = self.columns[column];
        if stay >= 1.0 || rng.random::<f64>() < stay {
            column
        } else {
            other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #[test]
        fn each_position_has_exactly_its_share(
            weights in prop::collection::vec(0u32..1000, 1..40),
        ) {
            let total: u32 = weights.iter().sum();
            prop_assume!(total > 0);
            let table = AliasTable::new(&weights);
            let mut share = vec![0.0; weights.len()];
            for (i, (stay, other)) in table.columns.iter().enumerate() {
                share[i] += stay / weights.len() as f64;
                share[*other] += (1.0 - stay) / weights.len() as f64;
            }
            for (share, weight) in share.iter().zip(&weights) {
                let wanted = f64::from(*weight) / f64::from(total);
                prop_assert!((share - wanted).abs() < 1e-9, "{share} for {wanted}");
            }
        }
    }

    #[test]
    fn picks_follow_the_weights() {
        let table = AliasTable::new(&[3, 0, 1]);
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut seen = [0u32; 3];
        (0..40_000).for_each(|_| seen[table.pick(&mut rng)] += 1);
        assert_eq!(seen[1], 0);
        assert!((29_500..30_500).contains(&seen[0]), "{seen:?}");
    }
}
