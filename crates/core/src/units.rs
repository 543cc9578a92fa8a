//! Durations, rates, ratios and sizes: how a user writes them and how they are shown.
//!
//! Every parser returns its error as a lower-case phrase that says what is allowed; the caller adds the
//! location. Nothing else in perfctl parses or prints a unit.

use std::time::Duration;

/// The longest duration accepted anywhere: 30 days.
pub const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Parses `20` (seconds, as Locust does), `500ms`, `1.5s`, `3m`, `1h20m`, `3h30m10s`.
///
/// # Errors
/// A phrase that says what is allowed, if the text is not a duration or is longer than 30 days.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = any_duration(text)?;
    if duration > MAX_DURATION {
        return Err(format!("`{}` is longer than 30 days", text.trim()));
    }
    Ok(duration)
}

/// Parses the age of something: `12h`, `30d`, `8w`. A bare number could mean days as well as seconds, so it
/// needs a unit.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    match bare_number(text) {
        Some(number) if number > 0.0 => Err(format!(
            "`{}` has no unit: write a number with one, such as `12h`, `30d` or `8w`",
            text.trim()
        )),
        _ => any_duration(text),
    }
}

fn any_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let bad = || {
        format!(
            "`{text}` is not a duration: write a number with a unit, such as `500ms`, `30s`, `5m` or `1h30m`"
        )
    };
    match split_number(text) {
        Some((seconds, "")) => seconds_to_duration(seconds),
        Some((number, unit)) => match unit_seconds(unit) {
            Some(scale) => seconds_to_duration(number * scale),
            None => humantime::parse_duration(text).ok(),
        },
        None => None,
    }
    .ok_or_else(bad)
}

/// Parses a duration that is compared with response times: `300ms`, `2s`. A bare number could mean milliseconds
/// as well as seconds, and the wrong guess would go unnoticed, so only 0 may lack a unit.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_time_limit(text: &str) -> Result<Duration, String> {
    match bare_number(text) {
        Some(number) if number > 0.0 => Err(missing_unit(text)),
        _ => parse_duration(text),
    }
}

/// Parses a time limit as [`parse_time_limit`] does, or a bare number of seconds up to 60.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_time_limit_or_seconds(text: &str) -> Result<Duration, String> {
    match bare_number(text) {
        Some(number) if number > 60.0 => Err(format!(
            "{}; without a unit, at most 60 seconds",
            missing_unit(text)
        )),
        _ => parse_duration(text),
    }
}

fn bare_number(text: &str) -> Option<f64> {
    let (number, unit) = split_number(text.trim())?;
    unit.is_empty().then_some(number)
}

fn missing_unit(text: &str) -> String {
    let text = text.trim();
    format!("`{text}` has no unit: write `{text}ms` or `{text}s`")
}

fn seconds_to_duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// Splits a leading non-negative decimal number from the rest.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number = text[..end].parse::<f64>().ok()?;
    number.is_finite().then_some((number, &text[end..]))
}

/// Parses `1%` or `0.01` to 0.01. The result lies in 0..=1.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_ratio(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let ratio = match split_number(text) {
        Some((number, "")) => Some(number),
        _ => text.strip_suffix('%').and_then(share_of_percent),
    };
    ratio
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| {
            format!("`{text}` is not a ratio: write `1%` or `0.01`, from 0 to 1 or 0% to 100%")
        })
}

/// The share that a number of percent is, without a sign: 0.999 for `99.9`. It may be above 1. `None` if it is no number.
pub fn share_of_percent(text: &str) -> Option<f64> {
    let number = text.trim();
    let (_, rest) = split_number(number)?;
    // Read as 99.9e-2, since 99.9 / 100 is not quite 0.999.
    let share = format!("{}e-2", number.trim_end_matches('.')).parse();
    share.ok().filter(|_| rest.is_empty())
}

/// Parses `5`, `5%` or `0.5%` to a percentage, 0 to 100.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    split_number(text.trim())
        .filter(|(_, rest)| matches!(rest.trim(), "" | "%"))
        .map(|(percent, _)| percent)
        .filter(|percent| *percent <= 100.0)
        .ok_or_else(|| format!("`{text}` is not a percentage: write `5` or `5%`, from 0 to 100"))
}

/// Parses `100`, `100/s` or `6000/m` to a rate per second, which is positive and at most 1e7.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    rate(text).filter(|rate| *rate > 0.0).ok_or_else(|| {
        let text = text.trim();
        format!("`{text}` is not a rate: write `100`, `100/s` or `6000/m`, above 0 and at most 10000000/s")
    })
}

/// Parses a rate as [`parse_rate`] does, which may be 0.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_rate_or_zero(text: &str) -> Result<f64, String> {
    rate(text).ok_or_else(|| {
        let text = text.trim();
        format!("`{text}` is not a rate: write `100`, `100/s` or `6000/m`, from 0 to 10000000/s")
    })
}

fn rate(text: &str) -> Option<f64> {
    let (number, rest) = split_number(text.trim())?;
    let per_s = match rest.trim() {
        "" | "/s" => number,
        "/m" | "/min" => number / 60.0,
        "/h" => number / 3600.0,
        _ => return None,
    };
    (per_s <= 1e7).then_some(per_s)
}

/// A duration as a person writes it: `250ms`, `30s`, `1m 30s`, `4h`.
pub fn format_duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{}ms", trim_float(duration.as_secs_f64() * 1e3, 1));
    }
    if duration < Duration::from_secs(60) {
        return format!("{}s", trim_float(duration.as_secs_f64(), 1));
    }
    let seconds = duration.as_secs_f64().round() as u64;
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    shown.join(" ")
}

/// Microseconds with three significant digits and a unit: `870 µs`, `41.2 ms`, `1.05 s`.
pub fn format_latency_us(us: f64) -> String {
    format_latency_us_with(us, 0)
}

/// The same with so many more digits.
pub fn format_latency_us_with(us: f64, more: usize) -> String {
    match us {
        us if us < 999.5 => format!("{} µs", significant(us, more)),
        us if us < 999_500.0 => format!("{} ms", significant(us / 1e3, more)),
        us => format!("{} s", significant(us / 1e6, more)),
    }
}

/// A plain number with three significant digits, or as many as stand before the point: `0.0412`, `12.5`, `5031`.
pub fn format_number(value: f64) -> String {
    format_number_with(value, 0)
}

/// The same with so many more digits.
pub fn format_number_with(value: f64, more: usize) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size => (2.0 - size.log10().floor()).clamp(0.0, 9.0) as usize,
    };
    trim_float(value, digits + more)
}

/// Three significant digits, and so many more, without an exponent.
fn significant(value: f64, more: usize) -> String {
    let decimals = match value.abs() {
        0.0 => return "0".into(),
        v if v >= 99.95 => more,
        v if v >= 9.995 => 1 + more,
        _ => 2 + more,
    };
    format!("{value:.decimals$}")
}

/// A rate per second: `0.25/s`, `12.3/s`, `5031/s`.
pub fn format_rate(rate_per_s: f64) -> String {
    format_rate_with(rate_per_s, 0)
}

/// The same with so many more digits.
pub fn format_rate_with(rate_per_s: f64, more: usize) -> String {
    format!("{}/s", significant(rate_per_s, more))
}

/// A ratio as a percentage: `0%`, `0.12%`, `99.9%`. Never rounds a ratio above 0 to `0%`, or one
/// below 1 to `100%`.
pub fn format_percent(ratio: f64) -> String {
    format_percent_with(ratio, 0)
}

/// The same with so many more digits.
pub fn format_percent_with(ratio: f64, more: usize) -> String {
    let percent = ratio * 100.0;
    for digits in 2 + more..=6 + more {
        let text = trim_float(percent, digits);
        let flatters = (text == "0" && percent > 0.0) || (text == "100" && percent < 100.0);
        if !flatters {
            return format!("{text}%");
        }
    }
    format!("{percent}%")
}

/// Parses `2000000` (bytes), `512kB`, `100 MB`, `1.5 GiB`, from 1 byte to 1 PB.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let bytes = split_number(text).and_then(|(number, unit)| {
        let scale = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            "kib" => 1024.0,
            "mib" => 1024.0 * 1024.0,
            "gib" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        Some(number * scale)
    });
    bytes
        .filter(|bytes| (1.0..=1e15).contains(bytes))
        .map(|bytes| bytes.round() as u64)
        .ok_or_else(|| {
            format!("`{text}` is not a size: write `500kB`, `100MB` or `1GiB`, at least 1 byte")
        })
}

/// Bytes with a decimal unit: `512 B`, `1.5 kB`, `20.1 MB`.
pub fn format_bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1e3 => format!("{b:.0} B"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

/// `n` with a comma between groups of three digits: `1,234,567`.
pub fn format_count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 user`, `50 users`: a count of `what`, whose plural takes an s.
pub fn format_counted(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", format_count(n))
}

/// `1 user`, `50 users`.
pub fn format_users(n: u64) -> String {
    format_counted(n, "user")
}

/// A number with at most `digits` decimals and no trailing zeros.
pub fn trim_float(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0" } else { text }.to_owned()
}

/// Microseconds of a duration, saturating.
pub fn as_us(duration: Duration) -> u64 {
    // In 64 bits, because it is called several times for each request.
    let whole = duration.as_secs().saturating_mul(1_000_000);
    whole.saturating_add(u64::from(duration.subsec_micros()))
}

/// Nanoseconds of a duration, saturating: 584 years fit.
pub fn as_ns(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(u64::from(duration.subsec_nanos()))
}

/// Durations in stored files: whole microseconds, in fields whose names end in `_us`.
pub mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// For `#[serde(with = "...")]`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(duration: &Duration, out: S) -> Result<S::Ok, S::Error> {
        super::as_us(*duration).serialize(out)
    }

    /// For `#[serde(with = "...")]`.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        Ok(Duration::from_micros(u64::deserialize(input)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_as_locust_and_humans_write_them() {
        let cases = [
            ("20", 20_000),
            ("20s", 20_000),
            ("3m", 180_000),
            ("2h", 7_200_000),
            ("1h20m", 4_800_000),
            ("3h30m10s", 12_610_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            ("0.5", 500),
            ("2min", 120_000),
            ("0", 0),
        ];
        for (text, ms) in cases {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in [
            "",
            "s",
            "-1s",
            "1x",
            "nan",
            "inf",
            "1e3",
            "31d",
            "1..2s",
            "5 parsecs",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_limits_have_a_unit() {
        let ms = |ms| Ok(Duration::from_millis(ms));
        assert_eq!(parse_time_limit("300ms"), ms(300));
        assert_eq!(parse_time_limit(" 0.3s"), ms(300));
        assert_eq!(parse_time_limit("1m30s"), ms(90_000));
        assert_eq!(parse_time_limit("0"), ms(0));
        for text in ["300", "0.5", "9000000"] {
            let wrong = parse_time_limit(text).unwrap_err();
            let both = format!("`{text}` has no unit: write `{text}ms` or `{text}s`");
            assert_eq!(wrong, both);
        }
        assert!(
            parse_time_limit("soon")
                .unwrap_err()
                .contains("not a duration")
        );
        assert_eq!(parse_time_limit_or_seconds("0.5"), ms(500));
        assert_eq!(parse_time_limit_or_seconds("60"), ms(60_000));
        assert_eq!(parse_time_limit_or_seconds("90s"), ms(90_000));
        let wrong = parse_time_limit_or_seconds("500").unwrap_err();
        assert!(
            wrong.contains("`500ms` or `500s`; without a unit, at most 60"),
            "{wrong}"
        );
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.0, "1"),
            (-2.345, "-2.35"),
            (123_456.0, "123456"),
        ] {
            assert_eq!(format_number(value), text);
        }
    }

    #[test]
    fn ratios_and_rates() {
        assert_eq!(parse_ratio("1%"), Ok(0.01));
        assert_eq!(parse_ratio("99.9%"), Ok(999.0 / 1000.0));
        assert_eq!(parse_ratio("0.999"), Ok(0.999));
        assert_eq!(share_of_percent("250.1"), Some(2.501));
        assert_eq!(share_of_percent(" 5. "), Some(0.05));
        for bad in ["", ".", "-1", "1e1", "nan", "5%"] {
            assert_eq!(share_of_percent(bad), None, "{bad}");
        }
        assert!(parse_ratio("101%").is_err());
        assert!(parse_ratio("-1%").is_err());
        assert_eq!(parse_percent("0.5"), Ok(0.5));
        assert_eq!(parse_percent("100 %"), Ok(100.0));
        assert!(parse_percent("101").is_err());
        assert!(parse_percent("5%%").is_err());
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let cases = [
            ("7", 7),
            ("512 kB", 512_000),
            ("1.5GiB", 1_610_612_736),
            ("2mb", 2_000_000),
            ("4.1MB", 4_100_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["0", "-1", "1 TB", "1e20", "MB", "0.5B", ""] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(parse_rate("100/s"), Ok(100.0));
        assert_eq!(parse_rate("6000/m"), Ok(100.0));
        assert!(parse_rate("0").is_err());
        assert_eq!(parse_rate_or_zero("0.0 /s"), Ok(0.0));
        assert_eq!(parse_rate_or_zero("6000/m"), Ok(100.0));
        assert!(parse_rate_or_zero("-1").is_err());
        assert!(parse_rate("5/week").is_err());
    }

    #[test]
    fn shown_as_people_read_them() {
        assert_eq!(format_latency_us(41_234.0), "41.2 ms");
        assert_eq!(format_latency_us(999.7), "1.00 ms");
        assert_eq!(format_latency_us(0.0), "0 µs");
        assert_eq!(format_latency_us(1_050_000.0), "1.05 s");
        assert_eq!(format_duration(Duration::from_secs(90)), "1m 30s");
        assert_eq!(format_duration(Duration::from_millis(250)), "250ms");
        assert_eq!(format_duration(Duration::ZERO), "0ms");
        assert_eq!(format_percent(0.999), "99.9%");
        assert_eq!(format_percent(0.000_001), "0.0001%");
        assert_eq!(format_percent(0.999_999), "99.9999%");
        assert_eq!(format_percent(0.0), "0%");
        assert_eq!(format_count(1_234_567), "1,234,567");
        assert_eq!(format_rate(5031.4), "5031/s");
        assert_eq!(format_latency_us_with(500_040.0, 1), "500.0 ms");
        assert_eq!(format_latency_us_with(500_040.0, 2), "500.04 ms");
        assert_eq!(format_rate_with(12.34, 2), "12.340/s");
        assert_eq!(format_percent_with(0.010_004, 2), "1.0004%");
        assert_eq!(trim_float(-0.04, 1), "0");
        assert_eq!(trim_float(-0.4, 0), "0");
        assert_eq!(trim_float(-0.05, 2), "-0.05");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".*") {
            let _ = (parse_duration(&text), parse_time_limit(&text), parse_time_limit_or_seconds(&text), parse_ratio(&text), parse_rate(&text), parse_rate_or_zero(&text), parse_percent(&text), parse_size(&text));
        }

        #[test]
        fn whole_milliseconds_round_trip(ms in 0u64..86_400_000) {
            let text = format!("{ms}ms");
            prop_assert_eq!(parse_duration(&text).unwrap(), Duration::from_millis(ms));
        }
    }
}
