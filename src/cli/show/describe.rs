//! A preview of a plan, in words and tables as wide as the terminal.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::metrics::ObservedInfo;
use crate::plan::{
    Arrivals, Direction, Feeder, Hook, HookTarget, Load, Model, Observe, OnEnd, Per, Plan,
    RowOrder, Service, SloScope, Step, ThinkTime, Trace, UserClass, separator_name,
};
use crate::report::{LEAST_COLUMNS, terminal_columns, wrap};
use crate::units::{
    format_count, format_counted, format_duration, format_percent, format_rate, format_users,
    trim_float,
};

/// The width of stdout.
fn columns() -> usize {
    terminal_columns(&std::io::stdout()).max(LEAST_COLUMNS)
}

/// An empty table in perfctl's style, as wide as the terminal.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = plain_table();
    table.set_header(header);
    table
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .force_no_tty()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(columns()).unwrap_or(u16::MAX));
    table
}

/// Aligns a column of numbers.
pub(crate) fn align_right(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// `50 users` or `100/s`, the highest of all stages.
pub(crate) fn level(load: &Load) -> String {
    load.format_level(load.peak())
}

/// How long the load is held: without the first ramp and the warm-up.
pub(crate) fn held(load: &Load) -> String {
    let first_ramp = load
        .stages
        .first()
        .map_or(Duration::ZERO, |stage| stage.ramp);
    format_duration(load.total().saturating_sub(first_ramp + load.warmup))
}

/// The plan, for people.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    let service = match &plan.service {
        Service::Demo => "the built-in service",
        Service::Url(url) => url,
    };
    line(&mut text, "scenario", &plan.scenario);
    line(&mut text, "profile", &plan.profile);
    if let Some(environment) = &plan.environment {
        line(&mut text, "environment", environment);
    }
    line(&mut text, "service", service);
    line(&mut text, "load", &load(&plan.load));
    if let [class] = plan.classes.as_slice() {
        line(&mut text, "think time", &think_time(class.think_time));
    }
    line(&mut text, "duration", &duration(&plan.load));
    line(&mut text, "requests", &requests(plan));
    for feeder in &plan.data {
        line(&mut text, "data", &data(feeder));
    }
    if let Some(observe) = &plan.observe {
        line(&mut text, "observe", &observed(observe));
    }
    if let Some(trace) = &plan.trace {
        let share = format_percent(trace.sampled);
        let header = format!("{share} of the requests, by the header {}", Trace::HEADER);
        line(&mut text, "trace", &header);
    }
    if !plan.abort.is_empty() {
        let rules: Vec<String> = plan.abort.iter().map(ToString::to_string).collect();
        line(&mut text, "abort", &rules.join("; "));
    }
    if let Some(hooks) = &plan.hooks {
        let told = [
            ("findings", &hooks.on_finding),
            ("the verdict", &hooks.on_verdict),
        ];
        for (what, hook) in told {
            if let Some(hook) = hook {
                line(&mut text, "tells", &told_to(what, hook));
            }
        }
    }
    if let Some(lifecycle) = &plan.lifecycle {
        let once = |steps: &[Step], when: &str| {
            let count = format_counted(steps.len() as u64, "step");
            (!steps.is_empty()).then(|| format!("{count}, once {when} the load, not measured"))
        };
        if let Some(setup) = once(&lifecycle.setup, "before") {
            line(&mut text, "setup", &setup);
        }
        if let Some(teardown) = once(&lifecycle.teardown, "after") {
            line(&mut text, "teardown", &teardown);
        }
    }
    if plan.load.stages.len() > 1 {
        let mut stages = table(["stage", "load", "ramp", "held"]);
        for stage in &plan.load.stages {
            let level = plan.load.format_level(stage.level);
            stages.add_row([
                stage.name.clone(),
                level,
                format_duration(stage.ramp),
                format_duration(stage.duration),
            ]);
        }
        let _ = write!(text, "\n{}\n", stages.trim_fmt());
    }
    for table in [classes(plan), flows(plan)].into_iter().flatten() {
        let _ = write!(text, "\n{}\n", table.trim_fmt());
    }
    let mut endpoints = table(["endpoint", "request", "share"]);
    align_right(&mut endpoints, 2);
    let all = plan.endpoints.iter().zip(plan.shares());
    for (endpoint, share) in all.filter(|(endpoint, _)| !endpoint.scripted) {
        endpoints.add_row([
            match &endpoint.group {
                Some(group) if group.source() != endpoint.name => {
                    format!("{} (group {})", endpoint.name, group.source())
                }
                _ => endpoint.name.clone(),
            },
            format!("{} {}", endpoint.method.as_str(), endpoint.url.source()),
            format!("{}%", trim_float(share * 100.0, 1)),
        ]);
    }
    if !endpoints.is_empty() {
        let _ = write!(text, "\n{}\n", endpoints.trim_fmt());
    }
    if !plan.slos.is_empty() {
        let _ = write!(text, "\n{}\n", slos(plan).trim_fmt());
    }
    let notes = notes(plan);
    if !notes.is_empty() {
        let mut table = plain_table();
        for note in notes {
            table.add_row(["note:".to_owned(), note]);
        }
        let _ = write!(text, "\n{}\n", table.trim_fmt());
    }
    text
}

/// Lines as wide as the terminal: `text` after `first`, and below its own beginning.
pub(crate) fn paragraph(first: &str, text: &str) -> String {
    let lines = wrap(first, text, columns()).into_iter();
    lines.map(|line| line + "\n").collect()
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(&paragraph(&format!("  {key:<11} "), value));
}

/// `2 metrics of /metrics, the process uvicorn, every 5s`.
fn observed(observe: &Observe) -> String {
    let count = format_counted(observe.metrics.len() as u64, "metric");
    let metrics = format!("{count} of {}", observe.pages.join(", "));
    let host = ObservedInfo::all(Some(observe)).pop();
    let host = host
        .filter(|_| observe.host.is_some())
        .map(|info| info.source);
    let metrics = (!observe.metrics.is_empty()).then_some(metrics);
    let parts: Vec<String> = metrics.into_iter().chain(host).collect();
    format!(
        "{}, every {}",
        parts.join(", "),
        format_duration(observe.every)
    )
}

/// `a webhook about findings, within 10s`. URLs are secrets, and arguments may hold some.
fn told_to(what: &str, hook: &Hook) -> String {
    let whom = match &hook.to {
        HookTarget::Webhook(_) => "a webhook",
        HookTarget::Command(_) => "a command",
    };
    format!(
        "{whom} about {what}, within {}",
        format_duration(hook.timeout)
    )
}

/// `users.csv, 60 rows, unique, one per user, at the end stop_run`.
fn data(feeder: &Feeder) -> String {
    let mode = match feeder.mode {
        RowOrder::Sequential => "sequential",
        RowOrder::Random => "random",
        RowOrder::Shuffle => "shuffle",
        RowOrder::Unique => "unique",
    };
    let per = match feeder.per {
        Per::Iteration => "iteration",
        Per::User => "user",
    };
    let end = match feeder.on_end {
        OnEnd::Wrap => "wrap",
        OnEnd::StopUser => "stop_user",
        OnEnd::StopRun => "stop_run",
    };
    let rows = format_count(feeder.rows.count());
    let (name, file) = (&feeder.name, &feeder.file);
    let separator = match feeder.rows.separator() {
        None | Some(',') => String::new(),
        Some(other) => format!(" separated by {}", separator_name(other)),
    };
    format!("{name}: {file}{separator}, {rows} rows, {mode}, one per {per}, at the end {end}")
}

fn load(load: &Load) -> String {
    match load.model {
        Model::Closed => {
            let throttle = load.throttle.map(format_rate);
            let most = throttle.map_or_else(String::new, |rate| format!(", at most {rate} in all"));
            format!(
                "{} (closed: each waits for its response){most}",
                level(load)
            )
        }
        Model::Open { max_users } => {
            let process = match load.arrivals {
                Arrivals::Uniform => "",
                Arrivals::Poisson => ", Poisson arrivals",
            };
            format!(
                "{} (open{process}), at most {} in flight",
                level(load),
                format_count(max_users.into())
            )
        }
    }
}

/// The user classes; `None` if there is only a think time to show.
fn classes(plan: &Plan) -> Option<Table> {
    let is_plain = |class: &UserClass| class.on_start.is_empty() && class.on_stop.is_empty();
    if plan.classes.len() == 1 && plan.classes.iter().all(is_plain) {
        return None;
    }
    let mut table = table(["user class", "users", "think time", "on start", "on stop"]);
    for (class, share) in plan.classes.iter().zip(plan.class_shares()) {
        let users = match (class.fixed_count, plan.load.model) {
            (Some(count), Model::Closed) => format_users(count.into()),
            _ => format!("{}%", trim_float(share * 100.0, 1)),
        };
        let steps = |steps: &[Step]| match steps.len() {
            0 => "-".to_owned(),
            n => format_counted(n as u64, "step"),
        };
        table.add_row([
            class.name.clone(),
            users,
            think_time(class.think_time),
            steps(&class.on_start),
            steps(&class.on_stop),
        ]);
    }
    Some(table)
}

/// The flows, and how often they run; `None` if there are none.
fn flows(plan: &Plan) -> Option<Table> {
    if plan.flows.is_empty() {
        return None;
    }
    let mut counts = vec![0.0; plan.flows.len()];
    for (class, share) in plan.classes.iter().zip(plan.class_shares()) {
        let flows = plan.expected(class).flows;
        let sums = counts.iter_mut().zip(flows);
        sums.for_each(|(sum, count)| *sum += share * count);
    }
    let mut table = table(["flow", "per 100 iterations"]);
    align_right(&mut table, 1);
    for (flow, count) in plan.flows.iter().zip(counts) {
        table.add_row([flow.name.clone(), trim_float(count * 100.0, 1)]);
    }
    Some(table)
}

fn think_time(think_time: ThinkTime) -> String {
    match think_time {
        ThinkTime::None => "none".into(),
        ThinkTime::Constant(wait) => format_duration(wait),
        ThinkTime::Between(low, high) => {
            format!("{} to {}", format_duration(low), format_duration(high))
        }
        ThinkTime::Poisson(mean) => format!("{} on average", format_duration(mean)),
        ThinkTime::Gaussian(mean, deviation) => {
            format!("{} ± {}", format_duration(mean), format_duration(deviation))
        }
        ThinkTime::Computed(_) => "computed in the run".into(),
        ThinkTime::Pacing(pacing) => format!("one iteration every {}", format_duration(pacing)),
    }
}

fn duration(load: &Load) -> String {
    let mut text = format_duration(load.total());
    if load.iterations.is_some() {
        return format!("until the iterations are done, at most {text}");
    }
    let parts = [
        (
            "ramp",
            load.stages
                .first()
                .map_or(Duration::ZERO, |stage| stage.ramp),
        ),
        ("warm-up", load.warmup),
    ];
    let parts = parts.iter().filter(|(_, time)| !time.is_zero());
    let parts: Vec<String> = parts
        .map(|(name, time)| format!("{} {name}", format_duration(*time)))
        .collect();
    if !parts.is_empty() {
        let _ = write!(
            text,
            ", of which {} and {} measured",
            parts.join(", "),
            held(load)
        );
    }
    text
}

/// How many requests the load can send, including ramps and warm-up.
fn requests(plan: &Plan) -> String {
    if let Some(iterations) = plan.load.iterations {
        let each = plan.requests_per_iteration();
        let about = if each == 1.0 { "" } else { "about " };
        return format!(
            "{about}{}",
            format_count((iterations as f64 * each).round() as u64)
        );
    }
    let Some(highest) = plan.highest_rate_per_s() else {
        return match plan.waits.is_empty() {
            true => "limited only by the service",
            false => "not known before the run, which computes think times",
        }
        .into();
    };
    let load = &plan.load;
    let mut before = 0.0;
    let mut level_seconds = 0.0;
    for (i, stage) in load.stages.iter().enumerate() {
        let warmup = if i == 0 { load.warmup } else { Duration::ZERO };
        level_seconds += (before + stage.level) / 2.0 * stage.ramp.as_secs_f64();
        level_seconds += stage.level * (stage.duration + warmup).as_secs_f64();
        before = stage.level;
    }
    let count = (level_seconds * highest / load.peak()).round() as u64;
    let most = match (load.model, load.arrivals) {
        (Model::Closed, _) => "at most ",
        (Model::Open { .. }, Arrivals::Uniform) => "",
        (Model::Open { .. }, Arrivals::Poisson) => "about ",
    };
    format!(
        "{most}{} ({most}{})",
        format_count(count),
        format_rate(highest)
    )
}

fn slos(plan: &Plan) -> Table {
    let mut table = table(["SLO", "endpoint", "limit"]);
    for slo in &plan.slos {
        let sign = match slo.metric.direction() {
            Direction::AtMost => "<=",
            Direction::AtLeast => ">=",
        };
        let scope = match &slo.scope {
            SloScope::Total => "all endpoints",
            SloScope::Endpoint(name) => name,
        };
        let advisory = if slo.advisory { " (advisory)" } else { "" };
        let format = |limit: f64| slo.metric.format(limit);
        let limit = format(slo.limit);
        let critical = slo.critical.map(|limit| format!(" / {}", format(limit)));
        let critical = critical.unwrap_or_default();
        let grades = slo.grades.iter();
        let grades = grades.map(|grade| format!("{} {}", grade.letter, format(grade.limit)));
        let grades = match grades.collect::<Vec<_>>() {
            grades if grades.is_empty() => String::new(),
            grades => format!(" ({})", grades.join(", ")),
        };
        let budget = if slo.budget { " (budget)" } else { "" };
        let window = slo.window_s.map(Duration::from_secs).map(format_duration);
        let window = window.map_or_else(String::new, |window| format!(" in the worst {window}"));
        table.add_row([
            format!("{}{window}{budget}", slo.name),
            scope.to_owned(),
            format!("{sign} {limit}{critical}{grades}{advisory}"),
        ]);
    }
    table
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = plan.skipped_slos.clone();
    if plan.transport.tls.insecure {
        notes.push("certificates are not verified (`insecure`)".into());
    }
    if plan.transport.tls.full_handshakes {
        notes.push("each TLS handshake is a full one (`resume: false`)".into());
    }
    if !plan.transport.client.is_default() {
        let client = plan.transport.client.name();
        notes.push(format!("requests are sent with the client `{client}`"));
    }
    for entry in &plan.transport.connect_to {
        let (host, to) = (&entry.host, &entry.to_host);
        let to = if to.contains(':') {
            format!("[{to}]")
        } else {
            to.clone()
        };
        let (port, to_port) = (entry.port, entry.to_port);
        notes.push(format!(
            "connections to {host}:{port} are made to {to}:{to_port}"
        ));
    }
    if let Some(proxy) = &plan.transport.proxy {
        notes.push(format!("requests go through the proxy {}", proxy.url));
    }
    let thinks = plan
        .classes
        .iter()
        .any(|class| class.think_time != ThinkTime::None);
    if thinks && plan.load.model != Model::Closed {
        notes
            .push("the think time is not used: in the open model, arrivals follow the rate".into());
    }
    // Requests that each user sends only once have no share.
    let shares = plan.shares().into_iter().filter(|share| *share > 0.0);
    if let Some(shares) = shares.reduce(f64::min)
        && let Some(highest) = plan.highest_rate_per_s()
        && highest * shares * plan.load.total().as_secs_f64() < 100.0
        && plan.load.iterations.is_none()
    {
        let rarest = format_percent(shares);
        notes.push(format!(
            "the rarest endpoint ({rarest}) gets fewer than 100 requests: its p99 will mean little"
        ));
    }
    notes
}
