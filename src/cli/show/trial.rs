//! What `perfctl try` prints: each request and response, what was taken out of it, and its checks.
//!
//! Here: texts and colors. Not here: the lines of a request and its response (`report`), or what to do
//! about a failure (`advice`).

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::advice::next_step;
use super::output::written;
use crate::check::{CheckState, ExchangeLimits, excerpt, exchange_text, without_secret_fields};
use crate::engine::{TrialEvent, TrialExchange, TrialFailure, TrialPart};
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{Plan, Secrets, is_secret_header};
use crate::protocol::Hop;
use crate::report::{BodyLimits, exchange_lines, on_screen, plain};
use crate::units::{format_counted, trim_float};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const PLAIN: Style = Style::new();

/// How much of each body is shown by `perfctl try`.
const BODY: BodyLimits = BodyLimits {
    lines: 20,
    characters: 1_000,
};

/// The most characters of a value that was extracted.
const MAX_VALUE: usize = 100;

/// Prints a trial as it goes on, and counts what came of it.
pub struct TrialPrinter<'a> {
    plan: &'a Plan,
    /// That of set-up and tear-down, if there is one.
    around: Option<&'a Plan>,
    /// Whether set-up or tear-down goes on.
    is_around: bool,
    out: &'a mut dyn Write,
    /// The first refusal of the output; nothing is written after it.
    refused: Option<io::Error>,
    limits: BodyLimits,
    /// Whether it prints a run, in which users do things at the same time.
    is_run: bool,
    /// Whether the last line says what comes next.
    is_below_heading: bool,
    succeeded: u64,
    failed: u64,
    failed_flows: u64,
    /// Whether anything else failed.
    has_failed: bool,
    /// Why the last flow that failed did.
    told: Option<String>,
    /// By the positions of the endpoints: whether a request of it was tried.
    reached: Vec<bool>,
}

impl<'a> TrialPrinter<'a> {
    /// For a trial of this plan, whose relative URLs go to `base`. `around` is the plan of its set-up and
    /// tear-down, if it has them.
    pub fn new(
        plan: &'a Plan,
        around: Option<&'a Plan>,
        base: &str,
        out: &'a mut dyn Write,
    ) -> Self {
        let mut printer = Self {
            plan,
            around,
            is_around: false,
            out,
            refused: None,
            limits: BODY,
            is_run: false,
            is_below_heading: false,
            succeeded: 0,
            failed: 0,
            failed_flows: 0,
            has_failed: false,
            told: None,
            reached: vec![false; plan.endpoints.len()],
        };
        let (scenario, seed) = (&plan.scenario, plan.seed);
        printer.line(DIM, &format!("{scenario}, {base}, seed {seed}"));
        printer
    }

    /// For the requests of a run, one after the other and in full, whichever user sends them.
    pub fn of_run(
        plan: &'a Plan,
        around: Option<&'a Plan>,
        base: &str,
        out: &'a mut dyn Write,
    ) -> Self {
        Self {
            limits: BodyLimits::NONE,
            is_run: true,
            ..Self::new(plan, around, base, out)
        }
    }

    /// Prints one event.
    pub fn print(&mut self, event: &TrialEvent) {
        match event {
            TrialEvent::PartStarted(part) => self.is_around = is_around(*part),
            TrialEvent::PartEnded { part, .. } if is_around(*part) => self.is_around = false,
            _ => {}
        }
        if self.is_run {
            self.print_bounds(event);
        }
        let is_of_run = matches!(
            event,
            TrialEvent::Exchanged(_) | TrialEvent::Unsent { .. } | TrialEvent::Said(_)
        );
        if self.is_run && !is_of_run {
            return;
        }
        match event {
            TrialEvent::UserStarted(class) => {
                if self.plan.classes.len() > 1 {
                    let name = &self.plan.classes[*class].name;
                    self.heading(BOLD, &format!("user class {name}"));
                    self.is_below_heading = true;
                }
            }
            TrialEvent::PartStarted(part) => {
                if let Some(name) = part_name(*part) {
                    self.heading(DIM, name);
                    self.is_below_heading = true;
                }
            }
            TrialEvent::PartEnded { part, failure } => self.part_ended(*part, failure.as_ref()),
            TrialEvent::FlowStarted(flow) => {
                let name = &self.current().flows[*flow].name;
                self.heading(BOLD, &format!("flow {name}"));
                self.is_below_heading = true;
            }
            TrialEvent::FlowEnded { flow, failure } => {
                let name = &self.current().flows[*flow].name;
                match failure {
                    None => self.heading(GREEN, &format!("flow {name}: ok")),
                    Some(failure) => {
                        self.failed_flows += 1;
                        self.told = Some(failure.text.clone());
                        self.heading(RED, &format!("flow {name}: FAILED, {}", failure.text));
                    }
                }
            }
            TrialEvent::Set { values, secrets } => {
                for (name, value) in values {
                    let text = set_text(name, value, secrets);
                    self.labelled("set", PLAIN, &text);
                }
            }
            TrialEvent::Cookies(text) => self.labelled("cookies", PLAIN, text),
            TrialEvent::Exchanged(exchange) => self.exchange(exchange),
            TrialEvent::Said(text) => self.labelled("console", PLAIN, text),
            TrialEvent::Measured(name, text) => {
                self.labelled("measure", PLAIN, &format!("{name} {text}"));
            }
            TrialEvent::Unsent {
                endpoint,
                outcome,
                text,
            } => {
                self.begin(*endpoint, None);
                self.failed += 1;
                let text = format!("FAILED ({}), not sent: {text}", outcome.name());
                self.labelled("result", RED, &text);
            }
        }
    }

    /// Says where the load of a run begins and ends.
    fn print_bounds(&mut self, event: &TrialEvent) {
        let name = match event {
            TrialEvent::PartStarted(part) if is_around(*part) => part_name(*part),
            TrialEvent::PartEnded {
                part: TrialPart::Setup,
                failure: None,
            } => Some("load"),
            _ => None,
        };
        if let Some(name) = name {
            self.heading(DIM, name);
            self.is_below_heading = true;
        }
    }

    /// Prints what came of it. Returns whether all of it succeeded, and the endpoint that was `wanted`,
    /// if it is one, was tried.
    ///
    /// # Errors
    /// If the output cannot be written, unless its reader has gone away.
    pub fn finish(mut self, wanted: Option<&str>) -> Result<bool, Error> {
        let used = self.plan.used_endpoints().into_iter();
        let missing = used.filter(|position| !self.reached[*position]);
        let missing: Vec<&str> = missing
            .map(|position| self.plan.endpoints[position].name.as_str())
            .collect();
        self.line(PLAIN, "");
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            let missing = names.join(", ");
            self.line(
                PLAIN,
                &format!(
                    "not tried: {missing} (a step before it failed, or a condition or chance chose \
                     otherwise)"
                ),
            );
        }
        let is_missing = wanted.is_some_and(|wanted| missing.contains(&wanted));
        let is_ok = self.failed + self.failed_flows == 0 && !self.has_failed && !is_missing;
        let others = match (self.failed_flows, self.has_failed && self.failed == 0) {
            (0, false) => String::new(),
            (0, true) => "; a step failed".to_owned(),
            (flows, _) => format!("; {} failed", format_counted(flows, "flow")),
        };
        let requests = format_counted(self.succeeded + self.failed, "request");
        let (succeeded, failed) = (self.succeeded, self.failed);
        let style = if is_ok { GREEN } else { RED };
        self.line(
            style,
            &format!("{requests}: {succeeded} ok, {failed} failed{others}"),
        );
        written(self.refused.map_or(Ok(()), Err))?;
        Ok(is_ok)
    }

    fn part_ended(&mut self, part: TrialPart, failure: Option<&TrialFailure>) {
        let Some(failure) = failure else { return };
        self.has_failed = true;
        let text = match part {
            TrialPart::Setup => format!("setup failed, so nothing else is tried: {}", failure.text),
            TrialPart::OnStart => {
                format!(
                    "on_start failed, so this user goes no further: {}",
                    failure.text
                )
            }
            // Told already, with the request or the flow.
            _ if failure.is_of_request || self.told.as_ref() == Some(&failure.text) => return,
            _ => format!("FAILED, {}", failure.text),
        };
        self.heading(RED, &text);
    }

    fn exchange(&mut self, exchange: &TrialExchange) {
        self.begin(exchange.endpoint, exchange.row.as_deref());
        for hop in &exchange.hops {
            self.hop(hop, &exchange.secrets);
        }
        if exchange.hops.is_empty() {
            let endpoint = &self.current().endpoints[exchange.endpoint];
            let (method, url) = (endpoint.method.as_str(), endpoint.url.source());
            self.line(PLAIN, &format!("  > {method} {url}"));
        }
        let started = match self.is_run {
            true => format!("at {}, ", ms(exchange.started)),
            false => String::new(),
        };
        self.labelled("time", PLAIN, &format!("{started}{}", times(exchange)));
        if !exchange.token_wait.is_zero() {
            let wait = format!("waited {} for it", ms(exchange.token_wait));
            self.labelled("token", PLAIN, &wait);
        }
        for check in &exchange.checks {
            let (style, state) = match (check.state, exchange.is_pending) {
                (CheckState::Ok, _) => (GREEN, "ok"),
                (CheckState::Failed, true) => (PLAIN, "not yet"),
                (CheckState::Failed, false) => (RED, "FAILED"),
                (CheckState::Skipped, _) => (DIM, "not evaluated"),
            };
            self.labelled("check", style, &format!("{state}: {}", check.text));
        }
        for (name, value) in &exchange.extracted {
            let text = set_text(name, value, &exchange.secrets);
            self.labelled("set", PLAIN, &text);
        }
        for (name, text) in &exchange.measured {
            self.labelled("measure", PLAIN, &format!("{name} {text}"));
        }
        self.result(exchange);
    }

    fn result(&mut self, exchange: &TrialExchange) {
        if exchange.is_pending {
            self.succeeded += 1;
            self.labelled("result", PLAIN, "ok, but `until` does not hold yet");
            return;
        }
        if exchange.outcome == Outcome::Ok {
            self.succeeded += 1;
            self.labelled("result", GREEN, "ok");
            return;
        }
        self.failed += 1;
        let name = exchange.outcome.name();
        let why = reason(exchange).map_or_else(String::new, |why| format!(": {why}"));
        self.labelled("result", RED, &format!("FAILED ({name}){why}"));
        let last = exchange.hops.last();
        if let Some(next) = next_step(exchange.outcome, last) {
            self.labelled("next", PLAIN, &next);
        }
    }

    fn hop(&mut self, hop: &Hop, secrets: &Secrets) {
        let text = exchange_text(hop, secrets, ExchangeLimits::NONE);
        for line in exchange_lines(&text, self.limits) {
            let style = if line.is_first { BOLD } else { PLAIN };
            self.line(style, &format!("  {}", line.text));
        }
    }

    /// The plan whose requests are sent now.
    fn current(&self) -> &'a Plan {
        match self.around {
            Some(around) if self.is_around => around,
            _ => self.plan,
        }
    }

    /// The name of an endpoint, or of the row that a script gives its request, above what is said of its request.
    fn begin(&mut self, endpoint: usize, row: Option<&str>) {
        if !self.is_around {
            self.reached[endpoint] = true;
        }
        let name = &self.current().endpoints[endpoint].name;
        self.heading(BOLD, row.unwrap_or(name));
    }

    /// A line that begins something, with an empty one above it unless another heading is there.
    fn heading(&mut self, style: Style, text: &str) {
        if !std::mem::take(&mut self.is_below_heading) {
            self.line(PLAIN, "");
        }
        self.line(style, text);
    }

    fn labelled(&mut self, label: &str, style: Style, text: &str) {
        self.line(style, &format!("  {label:<7} {text}"));
    }

    /// Writes one line at once, so that it can be read while the next request is on its way.
    fn line(&mut self, style: Style, text: &str) {
        if self.refused.is_some() {
            return;
        }
        let indent = text.len() - text.trim_start().len();
        let safe = format!("{}{}", &text[..indent], plain(&text[indent..]));
        let safe = on_screen(&safe);
        let result = match style.is_plain() || safe.is_empty() {
            true => writeln!(self.out, "{safe}"),
            false => writeln!(self.out, "{style}{safe}{style:#}"),
        };
        self.refused = result.and_then(|()| self.out.flush()).err();
    }
}

/// What there is to say of a failure besides its checks: what the response says, if its status was not
/// expected, or what happened.
fn reason(exchange: &TrialExchange) -> Option<&str> {
    let texts = exchange.texts.as_ref()?;
    let of_status = matches!(exchange.outcome, Outcome::Http4xx | Outcome::Http5xx);
    let is_told = exchange
        .checks
        .iter()
        .any(|one| one.state == CheckState::Failed);
    match (of_status, is_told) {
        (true, _) => texts.excerpt.as_deref(),
        (false, true) => None,
        (false, false) => Some(&texts.text),
    }
}

/// Whether a part belongs to no user of the load.
fn is_around(part: TrialPart) -> bool {
    matches!(part, TrialPart::Setup | TrialPart::Teardown)
}

fn part_name(part: TrialPart) -> Option<&'static str> {
    match part {
        TrialPart::Setup => Some("setup"),
        TrialPart::Teardown => Some("teardown"),
        TrialPart::OnStart => Some("on_start"),
        TrialPart::Task(_) => None,
        TrialPart::OnStop => Some("on_stop"),
    }
}

/// `12.3 ms (connect 0.2 ms, first byte 12.1 ms)`.
fn times(exchange: &TrialExchange) -> String {
    let phases = exchange.phases;
    let parts = [
        ("dns", phases.dns),
        ("connect", phases.connect),
        ("tls", phases.tls),
        ("first byte", phases.ttfb),
        ("download", phases.download),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, time)| Some(format!("{name} {}", ms((*time)?))))
        .collect();
    let total = ms(exchange.duration);
    let mut text = match parts.is_empty() {
        true => total,
        false => format!("{total} ({})", parts.join(", ")),
    };
    let redirects = exchange.hops.len().saturating_sub(1) as u64;
    if redirects > 0 {
        text += &format!(", {} sent", format_counted(redirects + 1, "request"));
    }
    text
}

/// In the unit and the characters that every terminal has.
fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    let digits = if ms < 10.0 { 2 } else { 1 };
    format!("{} ms", trim_float(ms, digits))
}

/// `id = 17`, without what is secret.
fn set_text(name: &str, value: &serde_json::Value, secrets: &Secrets) -> String {
    let text = value.to_string();
    if is_secret_header(&name.to_ascii_lowercase()) {
        let length = value
            .as_str()
            .map_or(text.len(), |text| text.chars().count());
        return format!(
            "{name} = *** ({})",
            format_counted(length as u64, "character")
        );
    }
    let hidden = without_secret_fields(&text).into_owned();
    let shown = excerpt(&secrets.hide(&hidden));
    match shown.char_indices().nth(MAX_VALUE) {
        None => format!("{name} = {shown}"),
        Some((end, _)) => format!("{name} = {}...", &shown[..end]),
    }
}
