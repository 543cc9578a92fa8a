//! The Universal Scalability Law: how throughput grows with the number of requests in the service.
//!
//! Here: the fit, its interval, and when it is refused. Not here: where the numbers come from (`study`).
//!
//! `X(N) = rate N / (1 + contention (N - 1) + crosstalk N (N - 1))`, N. J. Gunther, "Guerrilla Capacity Planning",
//! Springer 2007, chapters 4 to 6.

use serde::Serialize;

use crate::units::format_counted;

/// Fewer levels do not tell three unknowns from noise.
const LEAST_POINTS: usize = 5;
/// The levels have to span this ratio of concurrency.
const LEAST_SPAN: f64 = 4.0;
/// The fit is refused where it is off by more than this on average (root mean square of the relative errors).
const MAX_ERROR: f64 = 0.1;
/// Fits of resampled errors, for the interval.
const RESAMPLES: usize = 400;

/// What one level says: requests in the service on average, and successes per second.
pub type Point = (f64, f64);

/// A fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Usl {
    /// Throughput of one request at a time; per second.
    pub rate_per_s: f64,
    /// Share of the work that is done one after the other.
    pub contention: f64,
    /// Cost of keeping each pair of requests consistent.
    pub crosstalk: f64,
    /// The highest throughput of the fit; per second.
    pub peak_per_s: f64,
    /// Its 95% interval.
    pub peak_interval_per_s: [f64; 2],
    /// The concurrency of the highest throughput; `None` if throughput only levels off.
    pub peak_concurrency: Option<f64>,
    /// The root mean square of the relative errors.
    pub error: f64,
}

impl Usl {
    /// Fits these points.
    ///
    /// # Errors
    /// Why they do not allow a fit, or why it does not fit.
    pub fn fit(points: &[Point]) -> Result<Self, String> {
        let points: Vec<Point> = points
            .iter()
            .copied()
            .filter(|(n, x)| *n > 0.0 && *x > 0.0)
            .collect();
        if points.len() < LEAST_POINTS {
            return Err(format!(
                "{} with successes; at least {LEAST_POINTS} are needed",
                format_counted(points.len() as u64, "level")
            ));
        }
        let concurrency = || points.iter().map(|(n, _)| *n);
        let (least, most) = (
            concurrency().fold(f64::INFINITY, f64::min),
            concurrency().fold(0.0, f64::max),
        );
        if most < LEAST_SPAN * least {
            return Err(
                "the levels are too close to each other in their requests in flight".to_owned(),
            );
        }
        let law = Law::fit(&points).ok_or("the levels do not determine it")?;
        let errors: Vec<f64> = points
            .iter()
            .map(|(n, x)| x / law.throughput(*n) - 1.0)
            .collect();
        let squares: f64 = errors.iter().map(|error| error * error).sum();
        let error = (squares / points.len() as f64).sqrt();
        if error > MAX_ERROR {
            return Err(format!("it is off by {:.0}% on average", error * 100.0));
        }
        let (peak_per_s, peak_concurrency) = law.peak().ok_or(
            "throughput grew in proportion to the requests in flight: there is no peak in sight",
        )?;
        // A peak far beyond what was measured is a guess.
        if points.iter().map(|(_, x)| *x).fold(0.0, f64::max) < peak_per_s / 2.0 {
            return Err("the levels are too low to tell where throughput ends".to_owned());
        }
        Ok(Self {
            rate_per_s: law.rate,
            contention: law.contention,
            crosstalk: law.crosstalk,
            peak_per_s,
            peak_interval_per_s: law.peak_interval(&points, &errors, peak_per_s),
            peak_concurrency,
            error,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Law {
    rate: f64,
    contention: f64,
    crosstalk: f64,
}

impl Law {
    fn throughput(&self, n: f64) -> f64 {
        self.rate * n / (1.0 + self.contention * (n - 1.0) + self.crosstalk * n * (n - 1.0))
    }

    /// The highest throughput, and where it is.
    fn peak(&self) -> Option<(f64, Option<f64>)> {
        if self.crosstalk > 1e-9 && self.contention < 1.0 {
            let at = ((1.0 - self.contention) / self.crosstalk).sqrt();
            return Some((self.throughput(at), Some(at)));
        }
        (self.contention > 1e-9).then(|| (self.rate / self.contention, None))
    }

    /// By weighted least squares of the relative errors, in `N / X = a + b (N - 1) + c N (N - 1)`, which is linear;
    /// `b` and `c` are not negative.
    fn fit(points: &[Point]) -> Option<Self> {
        let row = |n: f64, x: f64| {
            // Relative to N / X, so that each point counts the same.
            let weight = x / n;
            [weight, weight * (n - 1.0), weight * n * (n - 1.0)]
        };
        let rows: Vec<[f64; 3]> = points.iter().map(|(n, x)| row(*n, *x)).collect();
        // Of all choices of what is zero, the best that has no negative part.
        let choices: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[0]];
        let fits = choices.into_iter().filter_map(|used| {
            let solved = least_squares(&rows, used)?;
            let is_sound = solved[0] > 0.0 && solved.iter().all(|part| *part >= 0.0);
            let off = |row: &[f64; 3]| {
                let sum: f64 = row.iter().zip(&solved).map(|(a, b)| a * b).sum();
                (sum - 1.0).powi(2)
            };
            is_sound.then(|| (rows.iter().map(off).sum::<f64>(), solved))
        });
        let (_, [a, b, c]) = fits.min_by(|(x, _), (y, _)| x.total_cmp(y))?;
        Some(Self {
            rate: 1.0 / a,
            contention: b / a,
            crosstalk: c / a,
        })
    }

    /// By resampling the errors (B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 9.5).
    fn peak_interval(&self, points: &[Point], errors: &[f64], peak_per_s: f64) -> [f64; 2] {
        let mut state = 1u64;
        let mut peaks: Vec<f64> = (0..RESAMPLES)
            .filter_map(|_| {
                let again: Vec<Point> = points
                    .iter()
                    .map(|(n, _)| {
                        // Knuth's MMIX; only to choose, and the same each time.
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let error = errors[(state >> 33) as usize % errors.len()];
                        (*n, self.throughput(*n) * (1.0 + error))
                    })
                    .collect();
                Some(Self::fit(&again)?.peak()?.0)
            })
            .collect();
        peaks.sort_by(f64::total_cmp);
        let at = |share: f64| {
            peaks
                .get((share * peaks.len() as f64) as usize)
                .copied()
                .unwrap_or(peak_per_s)
        };
        [at(0.025).min(peak_per_s), at(0.975).max(peak_per_s)]
    }
}

/// The unknowns of `rows * unknowns = 1` in the least squares, of which only those `used` are not zero.
fn least_squares(rows: &[[f64; 3]], used: &[usize]) -> Option<[f64; 3]> {
    let size = used.len();
    let mut matrix = vec![vec![0.0; size + 1]; size];
    for row in rows {
        for (i, a) in used.iter().enumerate() {
            for (j, b) in used.iter().enumerate() {
                matrix[i][j] += row[*a] * row[*b];
            }
            matrix[i][size] += row[*a];
        }
    }
    // Gauss-Jordan with pivots.
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        matrix.swap(column, pivot);
        let by = matrix[column][column];
        if by.abs() < 1e-12 {
            return None;
        }
        matrix[column].iter_mut().for_each(|part| *part /= by);
        let above = matrix[column].clone();
        for (_, row) in matrix
            .iter_mut()
            .enumerate()
            .filter(|(row, _)| *row != column)
        {
            let times = row[column];
            row.iter_mut()
                .zip(&above)
                .for_each(|(part, other)| *part -= times * other);
        }
    }
    let mut solved = [0.0; 3];
    used.iter()
        .zip(&matrix)
        .for_each(|(at, row)| solved[*at] = row[size]);
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(law: Law, noise: f64) -> Vec<Point> {
        let levels = [0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        let signs = [1.0, -1.0, 0.5, -0.5, 1.0, -1.0, 0.3, -0.7];
        levels
            .into_iter()
            .zip(signs)
            .map(|(n, sign)| (n, law.throughput(n) * (1.0 + sign * noise)))
            .collect()
    }

    #[test]
    fn a_law_is_found_from_its_points() {
        let law = Law {
            rate: 100.0,
            contention: 0.05,
            crosstalk: 0.002,
        };
        let exact = Usl::fit(&points(law, 0.0)).unwrap();
        assert!(
            (exact.contention - 0.05).abs() < 1e-6 && (exact.crosstalk - 0.002).abs() < 1e-6,
            "{exact:?}"
        );
        let at = exact.peak_concurrency.unwrap();
        assert!((at - (0.95f64 / 0.002).sqrt()).abs() < 1e-3);
        let noisy = Usl::fit(&points(law, 0.03)).unwrap();
        let [low, high] = noisy.peak_interval_per_s;
        assert!(
            low < exact.peak_per_s && exact.peak_per_s < high,
            "{noisy:?}"
        );
    }

    /// One server with exponential service of 200/s: `X = 200 N / (1 + N)`.
    #[test]
    fn a_queue_with_one_server_has_its_rate_as_the_peak() {
        let queue: Vec<Point> = [0.1, 0.5, 1.0, 3.0, 6.0, 10.0]
            .map(|n: f64| (n, 200.0 * n / (1.0 + n)))
            .into();
        let fit = Usl::fit(&queue).unwrap();
        assert!((fit.peak_per_s - 200.0).abs() < 0.1, "{fit:?}");
        assert_eq!(fit.peak_concurrency, None);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        let linear: Vec<Point> = [1.0, 2.0, 4.0, 8.0, 16.0].map(|n| (n, 10.0 * n)).into();
        assert!(
            Usl::fit(&linear).unwrap_err().contains("no peak"),
            "{:?}",
            Usl::fit(&linear)
        );
        let few = Usl::fit(&linear[..1]).unwrap_err();
        assert_eq!(few, "1 level with successes; at least 5 are needed");
        let erratic = [
            (1.0, 10.0),
            (2.0, 50.0),
            (4.0, 12.0),
            (8.0, 90.0),
            (16.0, 20.0),
        ];
        assert!(Usl::fit(&erratic).unwrap_err().contains("off by"));
        let close = [
            (1.0, 10.0),
            (1.1, 11.0),
            (1.2, 12.0),
            (1.3, 12.5),
            (1.4, 13.0),
        ];
        assert!(Usl::fit(&close).unwrap_err().contains("too close"));
    }
}
