//! The failed requests that a run kept, with what was sent and received: `perfctl report --failures`.
//!
//! Not here: how many requests failed (the report itself).

use std::io::{self, Write};

use anstyle::AnsiColor;

use super::page::{BOLD, Page, color, paragraph};
use crate::metrics::{Outcome, RunResult};
use crate::report::text::harmless;
use crate::report::view;
use crate::units::format_counted;

/// Writes the failed requests that were kept of a run, those of the most frequent kind first, for people
/// in this many `columns`.
///
/// # Errors
/// When `out` fails.
pub fn write_failures(result: &RunResult, columns: usize, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page { out, columns };
    let groups = view::sample_groups(result);
    for group in &groups {
        let shown = match group.samples.len() as u64 {
            all if all == group.requests => format_counted(all, "request"),
            some => format!("{some} of {}", format_counted(group.requests, "request")),
        };
        let red = color(AnsiColor::Red);
        let name = harmless(&group.name);
        page.line(&format!("{red}{name}{red:#} ({shown})"))?;
        for sample in &group.samples {
            page.line("")?;
            paragraph("  ", &view::sample_heading(sample), page)?;
            for line in view::sample_lines(sample) {
                match line.is_first {
                    true => page.line(&format!("  {BOLD}{}{BOLD:#}", line.text))?,
                    false => page.line(&format!("  {}", line.text))?,
                }
            }
        }
        page.line("")?;
    }
    let sentence = view::samples_kept(result);
    let none = || match result.count(Outcome::is_failure) > 0 {
        true => "no failed request was kept with its response".to_owned(),
        false => "no request failed".to_owned(),
    };
    paragraph("", &sentence.unwrap_or_else(none), page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn shown(result: &RunResult) -> String {
        let mut out = Vec::new();
        write_failures(result, 80, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn what_was_sent_and_received_is_shown_and_inert() {
        let report = fixture::with_samples(fixture::many_errors());
        let text = shown(&report.result);
        let expected = "\
http_4xx 422: GET create order (2 of 77 requests)

  at 1.25 s, 2.00 ms: status 422
  > POST /orders?page=2 HTTP/1.1
  > host: localhost:1
  > authorization: ***
  >
  > (1,234 bytes of image/png)
  < HTTP/1.1 422
  < x: <script>alert(1)</script>\\u{1b}[31m\\u{202e}
  < ... (2 more header fields)
  <
  < </pre><script>alert(1)</script>
  < : :error::x
  < =cmd() ]]> \\u{202e}\\u{1b}[2J
  < ... (9.0 kB in all)

";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("after 1 redirect, trace 4bf92f3577b34da6a3ce929d0e0e4736:"),
            "{text}"
        );
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        let last = format!("{} {}", last[1], last[0].trim());
        assert_eq!(
            last,
            "3 failed requests are kept with their responses; 1,200 more did not fit into 1.0 MB"
        );
    }

    #[test]
    fn a_run_without_samples_says_so() {
        assert_eq!(shown(&fixture::passing().result), "no request failed\n");
        let kept = shown(&fixture::many_errors().result);
        assert_eq!(kept, "no failed request was kept with its response\n");
    }
}
