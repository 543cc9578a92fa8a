//! Critical values of the scan for change points.
//!
//! Here: which value of the statistic chance alone exceeds how often. Not here: the statistic.

/// The shortest series that is tested: chance alone orders a shorter one perfectly too often.
pub const LEAST_RUNS: usize = 14;
/// The longest series that is tested.
pub const MOST_RUNS: usize = 200;

/// The levels of the columns of [`CRITICAL`], descending.
const LEVELS: [f64; 8] = [
    0.01, 0.005, 0.002, 0.001, 0.000_5, 0.000_2, 0.000_1, 0.000_05,
];

/// How many runs, and the values that the statistic of equal runs exceeds with at most the
/// probability of the column. Simulated, by 2,000,000 random orders up to 40 runs, 1,000,000 up to
/// 100 and 400,000 beyond; a test simulates some of them again.
#[rustfmt::skip]
const CRITICAL: [(usize, [f64; 8]); 14] = [
    (14, [2.979, 2.979, 3.001, 3.001, 3.001, 3.001, 3.001, 3.001]),
    (16, [3.052, 3.143, 3.196, 3.213, 3.213, 3.213, 3.213, 3.213]),
    (18, [3.176, 3.270, 3.341, 3.398, 3.398, 3.412, 3.412, 3.412]),
    (20, [3.264, 3.349, 3.422, 3.488, 3.551, 3.587, 3.599, 3.599]),
    (24, [3.382, 3.479, 3.594, 3.673, 3.744, 3.810, 3.864, 3.901]),
    (30, [3.515, 3.627, 3.761, 3.853, 3.939, 4.037, 4.096, 4.171]),
    (40, [3.674, 3.803, 3.953, 4.060, 4.163, 4.283, 4.364, 4.434]),
    (50, [3.784, 3.917, 4.079, 4.192, 4.303, 4.440, 4.544, 4.634]),
    (65, [3.906, 4.041, 4.218, 4.343, 4.456, 4.596, 4.708, 4.821]),
    (80, [3.983, 4.131, 4.302, 4.433, 4.547, 4.689, 4.790, 4.920]),
    (100, [4.074, 4.218, 4.401, 4.530, 4.658, 4.821, 4.930, 5.032]),
    (125, [4.153, 4.301, 4.485, 4.605, 4.737, 4.894, 5.031, 5.161]),
    (160, [4.237, 4.386, 4.571, 4.708, 4.829, 5.002, 5.141, 5.252]),
    (200, [4.310, 4.460, 4.649, 4.779, 4.899, 5.040, 5.161, 5.263]),
];

/// The value that the statistic of so many equal runs exceeds with at most the probability `level`. In
/// between it is that of the next longer series and the next lower level, which is larger. `None` outside of
/// the table.
pub(super) fn critical(runs: usize, level: f64) -> Option<f64> {
    let column = LEVELS
        .iter()
        .position(|known| *known <= level * 1.000_001)?;
    let (_, values) = CRITICAL.iter().find(|(known, _)| *known >= runs)?;
    (runs >= LEAST_RUNS).then_some(values[column])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_of_the_table_nothing_is_tested() {
        assert_eq!(critical(30, 0.01), Some(3.515));
        assert_eq!(critical(25, 0.009), Some(3.627));
        assert_eq!(critical(13, 0.01), None);
        assert_eq!(critical(201, 0.01), None);
        assert_eq!(critical(30, 0.000_01), None);
        for (runs, values) in CRITICAL {
            assert!(values.is_sorted(), "{runs}");
        }
    }
}
