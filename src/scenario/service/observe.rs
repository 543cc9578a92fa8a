//! From `observe` to what is observed of the service while the load goes on.

use super::address;
use crate::error::Diagnostic;
use crate::plan::{HOST_METRICS, HostTarget, Observe, ObservedMetric, ObservedUnit};
use crate::scenario::keys::observe::ObserveFile;
use crate::scenario::yaml::decode::Field;
use crate::scenario::yaml::findings::Findings;

/// The most metrics of a scenario.
const MAX_METRICS: usize = 100;
/// The most pages of a scenario.
const MAX_PAGES: usize = 50;
/// The longest name of a metric.
const MAX_NAME: usize = 40;

/// What to observe; `None` where the scenario does not say. What cannot be understood is reported.
pub(crate) fn observe(field: &Field<ObserveFile>, findings: &mut Findings) -> Option<Box<Observe>> {
    let given = field.get()?;
    let file = &given.value;
    let every = file.every.get();
    if let Some(every) = every.filter(|every| every.value < Observe::SHORTEST) {
        let diagnostic = Diagnostic::new("`every` must be at least `1s`");
        findings.report(Some(every.at), diagnostic);
    }
    check_pairs(field, file, findings);
    Some(Box::new(Observe {
        every: every.map_or(Observe::DEFAULT_EVERY, |every| every.value),
        pages: pages(file, findings),
        metrics: metrics(file, findings),
        host: host(file, findings),
    }))
}

/// What a scenario observes, for those who refer to it.
#[derive(Debug, Clone)]
pub(crate) struct ObservedName {
    /// Its name.
    pub name: String,
    /// The unit in which it is exported, as far as names say it.
    pub unit: ObservedUnit,
    /// Whether its values are per second, as far as names say it.
    pub is_counter: bool,
}

/// The names of all that is observed; also of what could not be understood, which is reported elsewhere.
pub(crate) fn names(field: &Field<ObserveFile>) -> Vec<ObservedName> {
    let file = field.get().map(|given| &given.value);
    let metrics = file.and_then(|file| file.metrics.get());
    let metrics = metrics.map_or(&[][..], |metrics| &metrics.0);
    let of_metrics = metrics.iter().map(|(key, text)| {
        let metric = ObservedMetric::parse(&key.text, &text.value).ok();
        let unit = metric.as_ref().map(ObservedMetric::unit);
        ObservedName {
            name: key.text.clone(),
            unit: unit.unwrap_or(ObservedUnit::Number),
            is_counter: metric.is_some_and(|metric| metric.is_counter()),
        }
    });
    let host = file.filter(|file| !file.host.is_missing());
    let of_host = host.iter().flat_map(|_| HOST_METRICS);
    let of_host = of_host.map(|(name, unit, is_counter)| ObservedName {
        name: name.to_owned(),
        unit,
        is_counter,
    });
    of_metrics.chain(of_host).collect()
}

/// Reports keys that need another one.
fn check_pairs(field: &Field<ObserveFile>, file: &ObserveFile, findings: &mut Findings) {
    let targets = [
        ("process", file.process.is_missing(), file.process.key()),
        ("pid", file.pid.is_missing(), file.pid.key()),
        ("cgroup", file.cgroup.is_missing(), file.cgroup.key()),
    ];
    let given = || targets.iter().filter(|(_, is_missing, _)| !is_missing);
    let of_host = "write `host: local` and one of `process`, `pid` and `cgroup`";
    let mut missing = |at, key: &str, help: &str| {
        let diagnostic = Diagnostic::new(format!("missing required key `{key}`"));
        findings.report(at, diagnostic.help(help));
    };
    match (file.prometheus.is_missing(), file.metrics.is_missing()) {
        (false, true) => missing(
            file.prometheus.key(),
            "metrics",
            "say what to keep of the page: `metrics: {pool: db_pool_in_use}`",
        ),
        (true, false) => missing(
            file.metrics.key(),
            "prometheus",
            "say where the metrics are: `prometheus: http://localhost:9100/metrics`, or a path of the service",
        ),
        _ => {}
    }
    match (file.host.is_missing(), given().next()) {
        (false, None) => missing(file.host.key(), "process", of_host),
        (true, Some((_, _, at))) => missing(*at, "host", of_host),
        _ => {}
    }
    if let Some((name, _, at)) = given().nth(1) {
        let message = format!("`{name}` beside another key that says which processes");
        findings.report(*at, Diagnostic::new(message).help(of_host));
    }
    let has_metrics = !file.prometheus.is_missing() || !file.metrics.is_missing();
    if !has_metrics && file.host.is_missing() && given().next().is_none() {
        let diagnostic = Diagnostic::new("`observe` names nothing to observe");
        let help = "write `prometheus: /metrics` with `metrics`, or `host: local` with `process`";
        findings.report(field.key(), diagnostic.help(help));
    }
}

/// The pages, each of which is a URL or a path of the service.
fn pages(file: &ObserveFile, findings: &mut Findings) -> Vec<String> {
    let given = file.prometheus.get().map_or(&[][..], |pages| &pages.0);
    let mut pages = Vec::new();
    for page in given {
        findings.hide(address::credentials(&page.value));
        let checked = match page.value.as_str() {
            text if text.contains("{{") => Err(Diagnostic::new("templates cannot be used here")
                .help("write a path such as `/metrics` for a page of the service itself")),
            text if !address::credentials(text).is_empty() => Err(Diagnostic::new(
                "the URL of a page must not contain a user name or password",
            )
            .help("pages that ask for credentials cannot be read")),
            text if text.starts_with('/') && !text.starts_with("//") => Ok(text.to_owned()),
            text => address::parse_page(text).map(String::from),
        };
        match checked {
            Ok(page) => pages.push(page),
            Err(diagnostic) => findings.report(Some(page.at), diagnostic),
        }
    }
    if given.len() > MAX_PAGES {
        let message = format!("more than {MAX_PAGES} pages");
        findings.report(file.prometheus.key(), Diagnostic::new(message));
    }
    pages
}

fn metrics(file: &ObserveFile, findings: &mut Findings) -> Vec<ObservedMetric> {
    let given = file.metrics.get().map_or(&[][..], |metrics| &metrics.0);
    let mut metrics = Vec::new();
    for (key, text) in given {
        let name = key.text.as_str();
        let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_good) {
            let message = format!("`{name}` is not a valid name of an observed metric");
            let help = format!("use letters, digits, `_` and `-`, at most {MAX_NAME}");
            findings.report(Some(key.at), Diagnostic::new(message).help(help));
        }
        if HOST_METRICS.iter().any(|(host, ..)| *host == name) {
            let message = format!("`{name}` is the name of what `host: local` observes");
            findings.report(Some(key.at), Diagnostic::new(message));
        }
        match ObservedMetric::parse(name, &text.value) {
            Ok(metric) => metrics.push(metric),
            Err(why) => {
                let help = "write a metric, such as `db_pool_in_use` or `http_requests_total{status=\"500\"}`, or a \
                            ratio of two, such as `db_pool_in_use / db_pool_size`; counters become rates, and \
                            histograms percentiles, without a function";
                findings.report(Some(text.at), Diagnostic::new(why).help(help));
            }
        }
    }
    if given.len() > MAX_METRICS {
        let message = format!("more than {MAX_METRICS} metrics");
        findings.report(file.metrics.key(), Diagnostic::new(message));
    }
    if file
        .metrics
        .get()
        .is_some_and(|metrics| metrics.0.is_empty() && metrics.1.is_empty())
    {
        findings.report(file.metrics.key(), Diagnostic::new("`metrics` is empty"));
    }
    metrics
}

fn host(file: &ObserveFile, findings: &mut Findings) -> Option<HostTarget> {
    let process = file.process.get();
    if let Some(name) = process.filter(|name| name.value.is_empty() || name.value.contains('/')) {
        let diagnostic = Diagnostic::new("`process` is the name of a program, without its folder");
        findings.report(Some(name.at), diagnostic);
    }
    let cgroup = file.cgroup.get();
    if let Some(path) = cgroup.filter(|path| {
        !path.value.starts_with('/') || path.value.split('/').any(|part| part == "..")
    }) {
        let diagnostic =
            Diagnostic::new("the path of a control group starts with `/`, and has no `..`")
                .help("`cat /proc/PID/cgroup` shows that of a process, after the last `::`");
        findings.report(Some(path.at), diagnostic);
    }
    let root = "/sys/fs/cgroup";
    let cgroup = cgroup.map(|path| path.value.strip_prefix(root).unwrap_or(&path.value));
    file.host.get()?;
    process
        .map(|name| HostTarget::Process(name.value.clone()))
        .or(file.pid.copied().map(|pid| HostTarget::Pid(pid.0)))
        .or(cgroup.map(|path| HostTarget::Cgroup(path.to_owned())))
}
