//! Observes the service while the load goes on: the metrics that it exports, and its processes on this machine.
//!
//! Here: when and how they are read, and what of them is a value. Nothing here runs in a worker. Whatever goes wrong
//! is a reason why something was not observed, and never an error. Not here: how values are stored and what they say
//! of a run (`metrics`).

mod exposition;
mod host;
mod page;
mod reading;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use url::Url;

use crate::metrics::ObservedValue;
use crate::plan::{HOST_METRICS, Plan, Selector};
use crate::protocol::http::PageReader;
use host::Host;
use page::Page;
use reading::{Change, Reading};

/// The formats that can be read.
const ACCEPT: &str = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5";
/// The most reasons that are kept for one metric.
const MAX_REASONS: usize = 3;

/// What was observed at one time.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// When reading began.
    pub at: Instant,
    /// The values, by the positions of [`crate::metrics::ObservedInfo::all`].
    pub values: Vec<(usize, ObservedValue)>,
    /// What could not be observed, and why, by position; each reason once.
    pub failures: Vec<(usize, String)>,
}

/// Observes the service of a plan.
pub struct Observer {
    pages: Vec<Source>,
    timeout: Duration,
    /// The selectors of all metrics.
    selectors: Vec<Selector>,
    /// Of each metric: the positions of its selectors.
    metrics: Vec<(usize, Option<usize>)>,
    /// By selector; behind them, by metric of the host.
    terms: Vec<Term>,
    host: Option<Host>,
    /// Whether nothing was read yet.
    is_first: bool,
    /// By position, the reasons that were given.
    reasons: BTreeMap<usize, Vec<String>>,
}

/// A page.
struct Source {
    /// As the scenario names it.
    name: String,
    /// Host and port.
    instance: String,
    /// Or why it cannot be read at all.
    reader: Result<PageReader, String>,
    /// Whether it did not respond in time when it was last read.
    is_slow: bool,
}

/// What is known of a selector, or of a metric of the host.
#[derive(Default)]
struct Term {
    /// When it was last read, and what each page had.
    before: Option<(Instant, Vec<Option<Reading>>)>,
    /// Which pages have had it.
    has: Vec<bool>,
}

impl Observer {
    /// For a plan whose paths go to `base`; `None` where it observes nothing. Connects nowhere yet.
    pub fn new(plan: &Plan, base: &str) -> Option<Self> {
        let observe = plan.observe.as_ref()?;
        let pages = observe
            .pages
            .iter()
            .map(|name| Source::new(name, plan, base));
        let mut selectors = Vec::new();
        let mut position = |selector: &Selector| {
            selectors.push(selector.clone());
            selectors.len() - 1
        };
        let metrics: Vec<_> = observe
            .metrics
            .iter()
            .map(|metric| (position(&metric.of), metric.to.as_ref().map(&mut position)))
            .collect();
        let of_host = observe.host.as_ref().map_or(0, |_| HOST_METRICS.len());
        let terms = selectors.len() + of_host;
        Some(Self {
            pages: pages.collect(),
            timeout: observe.timeout(),
            terms: (0..terms).map(|_| Term::default()).collect(),
            selectors,
            metrics,
            host: observe.host.clone().map(Host::new),
            is_first: true,
            reasons: BTreeMap::new(),
        })
    }

    /// Reads everything once. If it is the `last` time, pages that did not respond in time before are not waited for
    /// again.
    pub async fn observe(&mut self, last: bool) -> Sighting {
        let at = Instant::now();
        let (selectors, timeout) = (&self.selectors, self.timeout);
        let wanted: Vec<&Selector> = selectors.iter().collect();
        let read = self
            .pages
            .iter_mut()
            .map(|page| page.read(&wanted, timeout, last));
        let pages = join_all(read).await;
        // A counter with labels may not be there before the first request.
        let is_first = std::mem::replace(&mut self.is_first, false);
        let is_early = is_first && pages.iter().all(Result::is_ok);
        let names: Vec<&str> = self.pages.iter().map(|page| page.name.as_str()).collect();
        // What a dead page would have had of a metric is not known, even if others have the metric too.
        let dead = pages.iter().zip(&names).filter_map(|(page, name)| {
            let why = page.as_ref().err()?;
            Some(format!("`{name}`: {why}"))
        });
        let dead: Vec<String> = dead.collect();
        let mut changes = Vec::with_capacity(self.terms.len());
        for (selector, term) in selectors.iter().zip(&mut self.terms) {
            let readings = pages.iter().map(|page| match page {
                Ok(page) => page.reading(selector),
                Err(why) => Err(why.clone()),
            });
            changes.push(term.change(at, readings.collect(), &names));
        }
        let of_host = self.host.iter().flat_map(Host::read);
        for (reading, term) in of_host.zip(&mut self.terms[selectors.len()..]) {
            changes.push(term.change(at, vec![reading], &[]));
        }
        let host = selectors.len()..changes.len();
        let metrics = self.metrics.clone().into_iter();
        let metrics = metrics.chain(host.map(|term| (term, None)));
        let mut sighting = Sighting {
            at,
            values: Vec::new(),
            failures: Vec::new(),
        };
        for (position, (of, to)) in metrics.enumerate() {
            match value(&changes[of], to.map(|to| &changes[to])) {
                Ok(None) => {}
                Ok(Some(value)) if value.is_sound() => sighting.values.push((position, value)),
                Ok(Some(_)) => self.fail(position, "it is not a finite number", &mut sighting),
                Err(_) if is_early => {}
                Err(why) => self.fail(position, &why, &mut sighting),
            }
        }
        for why in &dead {
            for position in 0..self.metrics.len() {
                self.fail(position, why, &mut sighting);
            }
        }
        sighting
    }

    /// Adds a reason, unless it was given before.
    fn fail(&mut self, position: usize, why: &str, sighting: &mut Sighting) {
        let reasons = self.reasons.entry(position).or_default();
        if reasons.len() < MAX_REASONS && !reasons.iter().any(|known| known == why) {
            reasons.push(why.to_owned());
            sighting.failures.push((position, why.to_owned()));
        }
    }
}

impl Source {
    fn new(name: &str, plan: &Plan, base: &str) -> Self {
        let text = match name.starts_with('/') {
            true => format!("{}{name}", base.trim_end_matches('/')),
            false => name.to_owned(),
        };
        let url = text.parse::<Url>().map_err(|error| error.to_string());
        let host = url
            .as_ref()
            .ok()
            .and_then(Url::host_str)
            .unwrap_or_default();
        let port = url.as_ref().ok().and_then(Url::port_or_known_default);
        Self {
            name: name.to_owned(),
            instance: match port {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            },
            reader: url
                .and_then(|url| PageReader::new(plan, url).map_err(|error| error.to_string())),
            is_slow: false,
        }
    }

    async fn read(
        &mut self,
        wanted: &[&Selector],
        timeout: Duration,
        last: bool,
    ) -> Result<Page, String> {
        if last && self.is_slow {
            return Err("it did not respond in time".to_owned());
        }
        let started = Instant::now();
        let reader = self.reader.as_ref().map_err(String::clone)?;
        let read = reader.read(ACCEPT, timeout).await;
        self.is_slow = started.elapsed() >= timeout;
        let text = read?;
        let text = std::str::from_utf8(&text).map_err(|_| "it is not text in UTF-8".to_owned())?;
        Page::read(text, &self.instance, wanted)
    }
}

/// What has changed, and in how long a time; `None` if that takes an earlier reading, and there is none.
type TermChange = Result<Option<(Change, f64)>, String>;

impl Term {
    /// What has changed since it was last read. `names` are those of the pages that the readings are from.
    fn change(
        &mut self,
        at: Instant,
        readings: Vec<Result<Reading, String>>,
        names: &[&str],
    ) -> TermChange {
        self.has.resize(readings.len(), false);
        let said = |position: usize, why: &str| match names.get(position) {
            Some(name) => format!("`{name}`: {why}"),
            None => why.to_owned(),
        };
        let mut reason = None;
        for (position, reading) in readings.iter().enumerate() {
            match reading {
                Ok(_) => self.has[position] = true,
                // A sum without a part of it would be another number.
                Err(why) if self.has[position] => return Err(said(position, why)),
                Err(why) => drop(reason.get_or_insert_with(|| said(position, why))),
            }
        }
        let readings: Vec<Option<Reading>> = readings.into_iter().map(Result::ok).collect();
        if readings.iter().all(Option::is_none) {
            return Err(reason.unwrap_or_default());
        }
        let before = self.before.take();
        let over_s = match &before {
            Some((before, _)) => at.saturating_duration_since(*before).as_secs_f64(),
            None => 0.0,
        };
        let mut sum: Option<Change> = None;
        for (position, reading) in readings.iter().enumerate() {
            let before = before
                .as_ref()
                .and_then(|(_, before)| before[position].as_ref());
            let change = reading.as_ref().and_then(|reading| reading.since(before));
            sum = match (sum, change) {
                (Some(sum), Some(change)) => match sum.and(change) {
                    None => return Err("it has another kind on another page".to_owned()),
                    sum => sum,
                },
                (sum, change) => sum.or(change),
            };
        }
        self.before = Some((at, readings));
        Ok(sum.map(|change| (change, over_s)))
    }
}

/// The value of a metric, from the changes of its parts.
fn value(of: &TermChange, to: Option<&TermChange>) -> Result<Option<ObservedValue>, String> {
    let (Some((of, over_s)), to) = (of.clone()?, to.cloned().transpose()?) else {
        return Ok(None);
    };
    match to {
        None => Ok(Some(of.value(over_s))),
        Some(None) => Ok(None),
        Some(Some((to, _))) => of.ratio_to(to, over_s).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(value: f64) -> Result<Reading, String> {
        Ok(Reading::Counter([(String::new(), value)].into()))
    }

    fn dead() -> Result<Reading, String> {
        Err("connection refused".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_sum_needs_all_pages_that_have_had_a_part_of_it() {
        let mut term = Term::default();
        let start = Instant::now();
        let mut at = |s, readings| {
            let change = term.change(start + Duration::from_secs(s), readings, &["a", "b"]);
            change.map(|change| change.map(|(change, over_s)| (change, over_s as u64)))
        };
        let increase = |by, over_s| Ok(Some((Change::Increase(by), over_s)));
        assert_eq!(
            at(0, vec![dead(), dead()]),
            Err("`a`: connection refused".into())
        );
        // A page that never had it is no part of the sum.
        assert_eq!(at(5, vec![counter(10.0), dead()]), Ok(None));
        assert_eq!(at(10, vec![counter(15.0), dead()]), increase(5.0, 5));
        // What it counted before it was seen is nobody's rate.
        assert_eq!(at(15, vec![counter(16.0), counter(1e6)]), increase(1.0, 5));
        assert_eq!(
            at(20, vec![counter(17.0), dead()]),
            Err("`b`: connection refused".into())
        );
        assert_eq!(
            at(25, vec![counter(18.0), counter(1e6 + 8.0)]),
            increase(10.0, 10)
        );
    }

    #[test]
    fn a_ratio_needs_both_of_its_parts() {
        let level = |level| Ok(Some((Change::Level(level), 5.0)));
        let missing: TermChange = Err("gone".into());
        assert_eq!(
            value(&level(6.0), Some(&level(3.0))),
            Ok(Some(ObservedValue::Level(2.0)))
        );
        assert_eq!(value(&level(6.0), Some(&missing)), Err("gone".into()));
        assert_eq!(value(&level(6.0), Some(&Ok(None))), Ok(None));
        assert_eq!(value(&missing, None), Err("gone".into()));
    }
}
