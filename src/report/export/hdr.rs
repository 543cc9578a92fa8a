//! Response times in the formats of HdrHistogram's tools: a histogram for each second (`.hlog`), and the
//! distribution by percentiles (`.hgrm`).
//!
//! The encoding is V2 with DEFLATE, which the hdrhistogram crate can write only with further crates.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::locust::started_at;
use super::seconds::seconds;
use crate::metrics::{SparseHistogram, Window, bucket_index, highest_of_bucket};
use crate::report::contents::{Report, Reporter};
use crate::report::text::harmless;

/// Identifies the encoding of the counts, V2.
const COOKIE: u32 = 0x1c84_9303 | 0x10;
/// Identifies the compression, V2.
const COMPRESSED_COOKIE: u32 = 0x1c84_9304 | 0x10;
/// The histograms of perfctl have three significant digits.
const DIGITS: u32 = 3;
/// All histograms of a file can hold values up to this, so that readers can add them; µs: a day.
const HIGHEST_US: u64 = 86_400_000_000;
/// Lines of the distribution for each halving of the distance to 100%, as in HdrHistogram.
const TICKS_PER_HALF: f64 = 5.0;

/// Writes the response times of each endpoint in each second; µs.
pub(crate) struct HlogReporter;
/// Writes the distribution of the response times in the measured phases; ms.
pub(crate) struct HgrmReporter;

impl Reporter for HlogReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut out = io::BufWriter::with_capacity(1 << 16, out);
        let result = &report.result;
        let started_at = started_at(result);
        let start_s = started_at.as_millisecond() as f64 / 1e3;
        writeln!(
            out,
            "#[Response times of each endpoint, in microseconds, by intended start]"
        )?;
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(
            out,
            "#[StartTime: {start_s:.3} (seconds since epoch), {started_at}]"
        )?;
        writeln!(out, "#[BaseTime: {start_s:.3} (seconds since epoch)]")?;
        writeln!(
            out,
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
        )?;
        let tags: Vec<String> = result
            .endpoints
            .iter()
            .map(|one| tag(&one.endpoint.name))
            .collect();
        for ((second, position), of_second) in seconds(result) {
            let mut times = of_second.cell.response;
            times.merge(&of_second.cell.censored);
            if times.is_empty() {
                continue;
            }
            let (tag, max_ms) = (&tags[position], times.max_us as f64 / 1e3);
            writeln!(
                out,
                "Tag={tag},{second}.000,1.000,{max_ms:.3},{}",
                encoded(&times)?
            )?;
        }
        out.flush()
    }
}

impl Reporter for HgrmReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let cell = report.result.cell(None, Window::Measured);
        let mut times = cell.response;
        times.merge(&cell.censored);
        let mut out = io::BufWriter::new(out);
        distribution(&times, &mut out)?;
        out.flush()
    }
}

/// A name as a tag, which must not contain commas or spaces.
fn tag(name: &str) -> String {
    let is_allowed = |c: char| c != ',' && !c.is_whitespace();
    let name = harmless(name);
    let chars = name.chars();
    chars.map(|c| if is_allowed(c) { c } else { '_' }).collect()
}

/// V2, compressed, as Base64.
fn encoded(times: &SparseHistogram) -> io::Result<String> {
    let mut counts = Vec::new();
    let mut next = 0;
    for (bucket, count) in times.iter() {
        let index = bucket_index(bucket);
        if index > next {
            // That many without a count.
            push_zigzag(&mut counts, -((index - next) as i64));
        }
        push_zigzag(&mut counts, i64::try_from(count).unwrap_or(i64::MAX));
        next = index + 1;
    }
    let highest = HIGHEST_US.max(highest_of_bucket(times.max_us));
    let mut plain = Vec::with_capacity(counts.len() + 40);
    plain.extend(COOKIE.to_be_bytes());
    plain.extend((counts.len() as u32).to_be_bytes());
    // The normalizing offset.
    plain.extend(0u32.to_be_bytes());
    plain.extend(DIGITS.to_be_bytes());
    plain.extend(1u64.to_be_bytes());
    plain.extend(highest.to_be_bytes());
    // The ratio of an integer to a double.
    plain.extend(1f64.to_be_bytes());
    plain.extend(counts);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&plain)?;
    let packed = packed.finish()?;
    let mut whole = COMPRESSED_COOKIE.to_be_bytes().to_vec();
    whole.extend((packed.len() as u32).to_be_bytes());
    whole.extend(packed);
    Ok(BASE64_STANDARD.encode(whole))
}

/// ZigZag LEB128: 7 bits a byte, the ninth has 8.
fn push_zigzag(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            break;
        }
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// As HdrHistogram's tools print it.
fn distribution(times: &SparseHistogram, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let (count, mut seen, mut level) = (times.count(), 0, 0.0f64);
    for (bucket, in_bucket) in times.iter() {
        seen += in_bucket;
        let value_ms = highest_of_bucket(bucket).min(times.max_us) as f64 / 1e3;
        let reached = seen as f64 / count as f64;
        while level <= reached && level < 1.0 {
            let inverse = 1.0 / (1.0 - level);
            writeln!(
                out,
                "{value_ms:>12.3} {level:.12} {seen:>10} {inverse:>14.2}"
            )?;
            let halvings = (1.0 / (1.0 - level)).log2().floor() + 1.0;
            level += 1.0 / (TICKS_PER_HALF * 2f64.powf(halvings));
            if seen == count {
                break;
            }
        }
        if seen == count {
            writeln!(out, "{value_ms:>12.3} {:.12} {seen:>10}", 1.0)?;
        }
    }
    let mean_ms = times.mean().unwrap_or(0.0) / 1e3;
    let deviation_ms = times.standard_deviation().unwrap_or(0.0) / 1e3;
    let max_ms = times.max_us as f64 / 1e3;
    writeln!(
        out,
        "#[Mean    = {mean_ms:>12.3}, StdDeviation   = {deviation_ms:>12.3}]"
    )?;
    writeln!(
        out,
        "#[Max     = {max_ms:>12.3}, Total count    = {count:>12}]"
    )?;
    let last = bucket_index(HIGHEST_US.max(times.max_us));
    writeln!(
        out,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        last / 1024,
        2048
    )
}
