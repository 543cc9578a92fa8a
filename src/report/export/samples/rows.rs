//! The row of one request: JTL, as JMeter writes it in CSV, or a line of JSON.
//!
//! `docs/reports.md` describes each column and field.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU16;
use std::path::Path;

use http::StatusCode;

use crate::metrics::{ConnectionSample, NewSubject, Outcome, RunInfo, Sample};
use crate::plan::{CheckName, Endpoint, Phase, Plan, TraceId};
use crate::report::export::cell;
use crate::report::text::JsonWriter;
use crate::report::view::error_name;

/// The form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SampleFormat {
    /// Comma-separated values with the columns of JMeter.
    Jtl,
    /// An object on a line of its own.
    JsonLines,
}

impl SampleFormat {
    /// By the name of the file; `None` if it does not tell.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "jtl" | "csv" => Some(Self::Jtl),
            "jsonl" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// What stands above the rows, which have the ids of traces or not.
    pub(super) fn header(self, is_traced: bool) -> String {
        let columns = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,\
                       failureMessage,bytes,sentBytes,grpThreads,allThreads,URL,Latency,IdleTime,Connect";
        match (self, is_traced) {
            (Self::Jtl, false) => format!("{columns}\n"),
            (Self::Jtl, true) => format!("{columns},trace_id\n"),
            (Self::JsonLines, _) => String::new(),
        }
    }
}

/// What belongs to a request beside its sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowContext<'a> {
    /// The connections that it opened.
    pub(super) connection: Option<&'a ConnectionSample>,
    /// The id of its trace, if that was sampled.
    pub(super) trace_id: Option<TraceId>,
    /// The users that were running when it ended.
    pub(super) users: u32,
}

/// Writes the rows of one run. All texts are made once.
#[derive(Debug)]
pub(super) struct RowWriter {
    /// Whether rows have the ids of traces.
    is_traced: bool,
    /// Wall-clock start of the load; ms since 1970.
    started_ms: u64,
    /// The beginning of each line of JSON.
    run: String,
    phases: Vec<(Phase, String)>,
    endpoints: Vec<EndpointTexts>,
    /// Those of positions that came up during the run.
    further: BTreeMap<u16, EndpointTexts>,
}

/// The texts of one endpoint, ready to be written.
#[derive(Debug, Clone)]
struct EndpointTexts {
    label: String,
    method: &'static str,
    url: String,
    /// Its fields in JSON.
    fields: String,
    checks: Vec<CheckName>,
    /// Their names as values of JSON.
    check_names: Vec<String>,
}

impl RowWriter {
    pub(super) fn new(plan: &Plan, run: &RunInfo, base: &str) -> Self {
        let started: Option<jiff::Timestamp> = run.started_at.parse().ok();
        let started_ms = started.map_or(0, |at| at.as_millisecond());
        let phases = run.phases.iter().map(|phase| {
            let (name, is_measured) = (json(&phase.name), phase.measured);
            let fields = format!(r#""phase":{name},"is_measured":{is_measured}"#);
            (phase.clone(), fields)
        });
        let names = plan.check_names();
        let endpoints = plan.endpoints.iter().zip(&names);
        Self {
            is_traced: plan.trace.is_some(),
            started_ms: u64::try_from(started_ms).unwrap_or(0),
            run: format!(r#"{{"run":{}"#, json(&run.id)),
            phases: phases.collect(),
            endpoints: endpoints
                .map(|(endpoint, checks)| EndpointTexts::new(endpoint, checks, base))
                .collect(),
            further: BTreeMap::new(),
        }
    }

    /// Takes in a position that samples have from now on.
    pub(super) fn learn(&mut self, subject: &NewSubject) {
        if let Some(texts) = self.endpoints.get(usize::from(subject.endpoint)) {
            let texts = EndpointTexts {
                label: csv_field(&cell(&subject.name)),
                fields: fields(&subject.name, texts.method),
                ..texts.clone()
            };
            self.further.insert(subject.position, texts);
        }
    }

    fn texts(&self, position: u16) -> Option<&EndpointTexts> {
        let planned = self.endpoints.get(usize::from(position));
        planned.or_else(|| self.further.get(&position))
    }

    /// Whether a sample is a request that was started, rather than a flow or a dropped arrival.
    pub(super) fn is_request(&self, sample: &Sample) -> bool {
        self.texts(sample.endpoint).is_some() && sample.outcome.is_started()
    }

    /// Appends the row of a request to `out`.
    pub(super) fn push(
        &self,
        out: &mut Vec<u8>,
        format: SampleFormat,
        sample: &Sample,
        beside: RowContext<'_>,
    ) {
        let Some(texts) = self.texts(sample.endpoint) else {
            return;
        };
        // Nothing written to a vector fails.
        let _ = match format {
            SampleFormat::Jtl => self.jtl(out, texts, sample, beside),
            SampleFormat::JsonLines => self.json(out, texts, sample, beside),
        };
    }

    fn jtl(
        &self,
        out: &mut Vec<u8>,
        texts: &EndpointTexts,
        sample: &Sample,
        beside: RowContext<'_>,
    ) -> std::io::Result<()> {
        let RowContext {
            connection, users, ..
        } = beside;
        let at_ms = self.started_ms + sample.intended_us / 1_000;
        write!(
            out,
            "{at_ms},{},{},",
            sample.response_us / 1_000,
            texts.label
        )?;
        match sample.status {
            Some(status) => {
                let code = StatusCode::from_u16(status.get()).ok();
                let reason = code.and_then(|code| code.canonical_reason());
                write!(out, "{status},{}", reason.unwrap_or_default())?;
            }
            None => out.write_all(sample.outcome.name().as_bytes())?,
        }
        if sample.status.is_none() {
            out.push(b',');
        }
        let kind = if sample.status.is_some() { "text" } else { "" };
        let is_success = sample.outcome == Outcome::Ok;
        write!(out, ",perfctl 1-1,{kind},{is_success},")?;
        if !is_success {
            out.write_all(texts.failure(sample).as_bytes())?;
        }
        let ttfb_us = sample.ttfb_us.map(|us| us + sample.scheduling_delay_us());
        let connect_us = connection.map_or(0, connect_us);
        write!(
            out,
            ",{},{},{users},{users},{},{},0,{}",
            sample.bytes_in,
            sample.bytes_out,
            texts.url,
            ttfb_us.unwrap_or(0) / 1_000,
            connect_us / 1_000,
        )?;
        match (self.is_traced, beside.trace_id) {
            (false, _) => {}
            (true, None) => out.push(b','),
            (true, Some(id)) => write!(out, ",{id}")?,
        }
        out.push(b'\n');
        Ok(())
    }

    fn json(
        &self,
        out: &mut Vec<u8>,
        texts: &EndpointTexts,
        sample: &Sample,
        beside: RowContext<'_>,
    ) -> std::io::Result<()> {
        let RowContext {
            connection, users, ..
        } = beside;
        let at = self
            .phases
            .partition_point(|(phase, _)| phase.end_us <= sample.intended_us);
        let phase = self.phases.get(at).or(self.phases.last());
        let phase = phase.map_or("", |(_, fields)| fields);
        let at_us = self.started_ms * 1_000 + sample.intended_us;
        out.write_all(self.run.as_bytes())?;
        out.write_all(br#","timestamp_ms":"#)?;
        push_ms(out, Some(at_us))?;
        out.write_all(br#","start_ms":"#)?;
        push_ms(out, Some(sample.intended_us))?;
        write!(out, ",{phase},{},", texts.fields)?;
        match sample.status {
            Some(status) => write!(out, r#""status":{status}"#)?,
            None => out.write_all(br#""status":null"#)?,
        }
        let check = sample.check.map(usize::from);
        let check = check.and_then(|at| texts.check_names.get(at));
        let check = check.map_or("null", String::as_str);
        write!(
            out,
            r#","outcome":"{}","check":{check}"#,
            sample.outcome.name()
        )?;
        for (name, us) in [
            ("response_ms", Some(sample.response_us)),
            ("service_ms", Some(sample.service_us)),
            ("scheduling_delay_ms", Some(sample.scheduling_delay_us())),
            ("ttfb_ms", sample.ttfb_us),
            ("download_ms", sample.download_us),
            ("dns_ms", connection.and_then(|one| one.dns_us)),
            ("connect_ms", connection.and_then(|one| one.connect_us)),
            ("tls_ms", connection.and_then(|one| one.tls_us)),
        ] {
            write!(out, r#","{name}":"#)?;
            push_ms(out, us)?;
        }
        write!(
            out,
            r#","received_bytes":{},"sent_bytes":{},"connections":{},"redirects":{},"users":{users}"#,
            sample.bytes_in, sample.bytes_out, sample.connections, sample.redirects,
        )?;
        match (self.is_traced, beside.trace_id) {
            (false, _) => {}
            (true, None) => out.write_all(br#","trace_id":null"#)?,
            (true, Some(id)) => write!(out, r#","trace_id":"{id}""#)?,
        }
        out.write_all(b"}\n")
    }
}

/// The fields of JSON that tell the endpoint.
fn fields(name: &str, method: &str) -> String {
    let (name, method) = (json(name), json(method));
    format!(r#""endpoint":{name},"method":{method}"#)
}

impl EndpointTexts {
    fn new(endpoint: &Endpoint, checks: &[CheckName], base: &str) -> Self {
        let method = endpoint.method.as_str();
        let names = checks.iter().map(|check| match check {
            CheckName::Key(name) | CheckName::Subject(name) => name,
        });
        Self {
            label: csv_field(&cell(endpoint.row())),
            method,
            url: csv_field(&cell(&url(endpoint, base))),
            fields: fields(endpoint.row(), method),
            checks: checks.to_vec(),
            check_names: names.map(|name| json(name)).collect(),
        }
    }

    /// What failed, as reports name it, as a field of CSV.
    fn failure(&self, sample: &Sample) -> String {
        let check = sample.check.and_then(|at| self.checks.get(usize::from(at)));
        let (key, subject) = match check {
            Some(CheckName::Key(key)) => (Some(key.as_str()), None),
            Some(CheckName::Subject(subject)) => (None, Some(subject.as_str())),
            None => (None, None),
        };
        let status = sample.status.map(NonZeroU16::get);
        csv_field(&cell(&error_name(sample.outcome, key, subject, status)))
    }
}

/// Where its requests go, as the scenario has it, without the query and what may be secret in it. `null`, as in
/// JMeter, for a URL with credentials.
fn url(endpoint: &Endpoint, base: &str) -> String {
    let source = endpoint.url.source();
    let path = source.split(['?', '#']).next().unwrap_or_default();
    let url = match path.starts_with('/') {
        true => format!("{}{path}", base.trim_end_matches('/')),
        false => path.to_owned(),
    };
    match url.contains('@') {
        true => "null".to_owned(),
        false => url,
    }
}

/// Name resolution, TCP and TLS together, as JMeter counts them; us.
fn connect_us(connection: &ConnectionSample) -> u64 {
    let parts = [connection.dns_us, connection.connect_us, connection.tls_us];
    parts.into_iter().flatten().sum()
}

/// Milliseconds with the three digits of microseconds.
fn push_ms(out: &mut Vec<u8>, us: Option<u64>) -> std::io::Result<()> {
    match us {
        Some(us) => write!(out, "{}.{:03}", us / 1_000, us % 1_000),
        None => out.write_all(b"null"),
    }
}

/// A text of JSON, with its quotes.
fn json(text: &str) -> String {
    let mut out = Vec::new();
    // Nothing written to a vector fails, and any text can be JSON.
    let _ = serde_json::to_writer(JsonWriter(&mut out), text);
    String::from_utf8(out).unwrap_or_default()
}

/// A field of a CSV file, in quotes if it needs them.
fn csv_field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
