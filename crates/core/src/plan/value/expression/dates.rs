//! Dates in expressions: from seconds since 1970 to a text, and back.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use minijinja::Error;

use super::loan::wrong;

/// Seconds since 1970 as a date, in a format of `strftime`, in UTC or another time zone.
pub(super) fn date(
    seconds: f64,
    format: Option<&str>,
    zone: Option<&str>,
) -> Result<String, Error> {
    let out_of_range = || wrong("date: the time is out of range");
    let milliseconds = (seconds * 1e3).round();
    if !milliseconds.is_finite() {
        return Err(out_of_range());
    }
    let time = Timestamp::from_millisecond(milliseconds as i64)
        .map_err(|_| out_of_range())?
        .to_zoned(time_zone("date", zone)?);
    let default = match zone {
        None => "%Y-%m-%dT%H:%M:%SZ",
        Some(_) => "%Y-%m-%dT%H:%M:%S%:z",
    };
    jiff::fmt::strtime::format(format.unwrap_or(default), &time)
        .map_err(|error| wrong(format!("date: {error}")))
}

/// A date as seconds since 1970. One without an offset is in UTC, or in another time zone.
pub(super) fn timestamp(date: &str, zone: Option<&str>) -> Result<i64, Error> {
    if let Ok(time) = date.parse::<Timestamp>() {
        return Ok(time.as_second());
    }
    let civil = match date.parse::<DateTime>() {
        Ok(civil) => civil,
        Err(_) => date
            .parse::<Date>()
            .map_err(|_| wrong("timestamp: the text is not a date such as `2026-11-21T00:00:00Z`"))?
            .into(),
    };
    let time = civil.to_zoned(time_zone("timestamp", zone)?);
    let time = time.map_err(|_| wrong("timestamp: the time is out of range"))?;
    Ok(time.timestamp().as_second())
}

/// A time zone by its name, such as `Europe/Berlin`, or by its offset, such as `+02:00`; UTC without one.
fn time_zone(function: &str, name: Option<&str>) -> Result<TimeZone, Error> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    match name {
        None => Ok(TimeZone::UTC),
        Some(name) => PARSER.parse_time_zone(name).map_err(|_| {
            wrong(format!(
                "{function}: unknown time zone `{name}`: use a name such as `Europe/Berlin`, or an offset such as `+02:00`"
            ))
        }),
    }
}
