//! Windows of SLOs: which metrics can have one, and how long they can be.
//!
//! Not here: the worst window of a run (`metrics`).

use std::time::Duration;

use crate::error::Diagnostic;
use crate::plan::Metric;
use crate::units::format_duration;

/// The length of a window; s.
pub(super) fn seconds(window: Duration, metric: &Metric) -> Result<u64, Diagnostic> {
    let is_extreme = match metric {
        Metric::MaxResponseTime => true,
        Metric::Observed(number) => number.extreme.is_some(),
        _ => false,
    };
    if is_extreme {
        let message = format!("`{metric}` needs no `window`");
        let help = "the highest or lowest value of a run is that of its worst window, too";
        return Err(Diagnostic::new(message).help(help));
    }
    if window < Duration::from_secs(1) || window.subsec_nanos() > 0 {
        let message = format!(
            "`window` must be whole seconds, not {}",
            format_duration(window)
        );
        return Err(Diagnostic::new(message).help("write `30s`, `5m` or `1h`"));
    }
    Ok(window.as_secs())
}
