//! Decimal numbers of any length, compared exactly.
//!
//! Not here: computing with numbers (`expression`).

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// A number as it was written, compared by its value: `1` and `1.0` are equal.
#[derive(Debug, Clone)]
pub struct Decimal {
    text: String,
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
    /// How many digits stand before the decimal point; negative for zeros behind it.
    before_point: i64,
}

impl Decimal {
    /// Reads digits with an optional sign, decimal point and exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole.as_bytes(), fraction.as_bytes()].concat();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = all.iter().take_while(|digit| **digit == b'0').count();
        let end = all.iter().rposition(|digit| *digit != b'0');
        let digits = end.map_or_else(Vec::new, |end| all[zeros..=end].to_vec());
        let before_point = match digits.is_empty() {
            true => 0,
            false => (whole.len() as i64 - zeros as i64).saturating_add(exponent),
        };
        Some(Self {
            text: text.to_owned(),
            is_negative: text.starts_with('-') && !digits.is_empty(),
            digits,
            before_point,
        })
    }

    fn magnitude(&self) -> (bool, i64, &[u8]) {
        (!self.digits.is_empty(), self.before_point, &self.digits)
    }
}

/// One that no number can hold is as good as the largest.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let most = i64::MAX / 4;
    let size = digits.parse().unwrap_or(most).min(most);
    Some(if text.starts_with('-') { -size } else { size })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            // Digits without zeros at the end are in the order of their fractions.
            (false, false) => self.magnitude().cmp(&other.magnitude()),
            (true, true) => other.magnitude().cmp(&self.magnitude()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As a number, where JSON can write it so.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text.parse::<serde_json::Number>() {
            Ok(number) => number.serialize(serializer),
            Err(_) => self.text.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_compared_by_their_value() {
        let ascending = [
            "-1e99",
            "-18446744073709551617",
            "-18446744073709551616",
            "-2",
            "-1.50",
            "-0.001",
            "0",
            "1e-9",
            "0.5",
            "1",
            "9007199254740992",
            "9007199254740993",
            "2733382000000000048",
            "2733382000000000049",
            "1e20",
            "1e9223372036854775808",
        ];
        for pair in ascending.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
        }
        for (a, b) in [
            ("1", "1.0"),
            ("0", "-0.0e7"),
            ("100", "1e2"),
            ("+.5", "5.e-1"),
            ("007", "7"),
        ] {
            assert_eq!(decimal(a), decimal(b));
        }
        for bad in [
            "", "-", ".", "e5", "1e", "1e+", "1_000", "0x1", "NaN", "inf", "1.2.3", "--1", "1 ",
        ] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decimals_are_in_the_order_of_integers_and_floats(
            a in any::<i128>(), b in any::<i128>(), zeros in 0_usize..5,
            x in -1e30_f64..1e30, y in -1e-3_f64..1e-3,
        ) {
            let padded = format!("{a}.{}", "0".repeat(zeros));
            prop_assert_eq!(decimal(&padded).cmp(&decimal(&b.to_string())), a.cmp(&b));
            let (of_x, of_y) = (decimal(&x.to_string()), decimal(&format!("{y:e}")));
            prop_assert_eq!(Some(of_x.cmp(&of_y)), x.partial_cmp(&y));
        }
    }
}
