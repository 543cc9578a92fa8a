//! Data files and secrets: what a scenario takes from outside of it.
//!
//! Here: opening them, and what is wrong with them. Not here: how rows are split and dealt out
//! (`plan`).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{DataColumns, Names};
use crate::error::Diagnostic;
use crate::plan::{DataFormat, Feeder, Load, Model, OnEnd, Per, RowOrder, Rows};
use crate::scenario::keys::data::{DataFile, SecretFile};
use crate::scenario::source::{below, unusable};
use crate::scenario::yaml::decode::{Field, Located, Pairs};
use crate::scenario::yaml::findings::Findings;
use crate::units::format_count;

/// What errors call a file with data.
const DATA_FILE: &str = "data file";
/// The largest file with a secret; bytes.
const MAX_SECRET: u64 = 64 << 10;

/// The data of a scenario, made known to `names`; what is wrong is reported.
pub(crate) fn feeders(
    field: &Field<Pairs<DataFile>>,
    folder: &Path,
    names: &mut Names<'_>,
    findings: &mut Findings,
) -> Vec<Feeder> {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    let mut feeders = Vec::new();
    for (key, data) in pairs {
        if let Err(message) = names.check_new(&key.text) {
            findings.report(Some(key.at), Diagnostic::new(message));
            names.broken.insert(key.text.clone());
            continue;
        }
        let file = &data.value;
        let rows =
            (file.file.get()).and_then(|path| Some((path, rows(path, file, folder, findings)?)));
        let Some((path, rows)) = rows else {
            // Known, so that its uses are no errors as well.
            names.broken.insert(key.text.clone());
            continue;
        };
        let mode = file.mode.copied().unwrap_or(RowOrder::Sequential);
        let feeder = Feeder {
            name: key.text.clone(),
            file: path.value.clone(),
            mode,
            per: file.per.copied().unwrap_or(Per::Iteration),
            on_end: file.on_end.copied().unwrap_or(match mode {
                RowOrder::Unique => OnEnd::StopRun,
                _ => OnEnd::Wrap,
            }),
            columns: Vec::new(),
            rows,
        };
        if mode == RowOrder::Random && feeder.on_end != OnEnd::Wrap {
            let diagnostic = Diagnostic::new("random rows never run out")
                .help("remove `on_end`, or use the mode `shuffle`, which takes each row once");
            findings.report(file.on_end.key(), diagnostic);
        }
        names.data.push(DataColumns {
            name: feeder.name.clone(),
            columns: feeder.rows.columns().to_vec(),
            per: feeder.per,
        });
        feeders.push(feeder);
    }
    feeders
}

/// Whether the data is enough for this load, and what happens at its end makes sense; reports
/// what does not.
pub(crate) fn check_load(
    field: &Field<Pairs<DataFile>>,
    feeders: &[Feeder],
    load: &Load,
    findings: &mut Findings,
) {
    let pairs = field.get().map_or(&[][..], |pairs| &pairs.0);
    for feeder in feeders {
        let Some((key, data)) = pairs.iter().find(|(key, _)| key.text == feeder.name) else {
            continue;
        };
        let unique = feeder.mode == RowOrder::Unique;
        let (users, most) = match load.model {
            Model::Closed => (load.peak().ceil() as u64, "users"),
            Model::Open { max_users } => (u64::from(max_users), "users (`max_users`)"),
        };
        let of_users = load.model == Model::Closed || feeder.per == Per::User;
        if unique && of_users && feeder.rows.count() < users {
            let diagnostic = Diagnostic::new(format!(
                "`{}` has {} rows, too few for {} {most} with unique rows",
                feeder.file,
                format_count(feeder.rows.count()),
                format_count(users)
            ))
            .help("add rows, use fewer users, or choose another `mode`");
            findings.report(Some(key.at), diagnostic);
        }
        let at = data.value.on_end.key().or(Some(key.at));
        if load.model != Model::Closed && feeder.on_end == OnEnd::StopUser {
            let diagnostic = Diagnostic::new("`stop_user` has no effect in the open model")
                .help("arrivals follow the rate, regardless of users: use `wrap` or `stop_run`");
            findings.report(at, diagnostic);
        }
        let by_arrival = load.model != Model::Closed && feeder.per == Per::Iteration;
        if unique && by_arrival && feeder.on_end == OnEnd::Wrap {
            let diagnostic = Diagnostic::new("unique rows cannot wrap in the open model")
                .help("each arrival takes a row of its own: use `stop_run`, or the mode `shuffle`");
            findings.report(at, diagnostic);
        }
    }
}

fn rows(
    path: &Located<String>,
    file: &DataFile,
    folder: &Path,
    findings: &mut Findings,
) -> Option<Rows> {
    // What is wrong with either was reported, and nothing is known without it.
    let is_known = |is_missing, is_good| is_missing || is_good;
    if !is_known(file.format.is_missing(), file.format.get().is_some())
        || !is_known(file.separator.is_missing(), file.separator.get().is_some())
    {
        return None;
    }
    let ending = path
        .value
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let format = file.format.copied().or(match ending.as_str() {
        "csv" | "tsv" => Some(DataFormat::Csv),
        "jsonl" | "ndjson" => Some(DataFormat::Jsonl),
        "json" => Some(DataFormat::Json),
        _ => None,
    });
    let Some(format) = format else {
        let diagnostic = Diagnostic::new(format!("unknown data format of `{}`", path.value))
            .help("set `format` to `csv`, `jsonl` or `json`");
        findings.report(Some(path.at), diagnostic);
        return None;
    };
    if format != DataFormat::Csv
        && let Some(key) = file.separator.key()
    {
        let diagnostic = Diagnostic::new("`separator` is for CSV files, and this file has JSON")
            .help("remove it, or set `format: csv`");
        findings.report(Some(key), diagnostic);
        return None;
    }
    let separator = match (file.separator.copied(), ending.as_str()) {
        (Some(separator), _) => Some(separator.0),
        (None, "tsv") => Some('\t'),
        (None, _) => None,
    };
    let opened = below(DATA_FILE, &path.value, folder).and_then(|(real, _)| {
        File::open(&real).map_err(|error| unusable(DATA_FILE, &path.value, &error.to_string()))
    });
    match opened.map(|file| Rows::open(file, format, separator)) {
        Ok(Ok(rows)) => Some(rows),
        Ok(Err(faults)) => {
            for fault in faults {
                let place = match fault.line {
                    0 => path.value.clone(),
                    line => format!("{}:{line}:{}", path.value, fault.column),
                };
                let diagnostic = Diagnostic::new(format!("{place}: {}", fault.message));
                findings.report(Some(path.at), diagnostic);
            }
            None
        }
        Err(diagnostic) => {
            findings.report(Some(path.at), diagnostic);
            None
        }
    }
}

/// The secrets of a scenario, made known to `names`; what is wrong is reported.
pub(crate) fn secrets(
    field: &Field<Pairs<SecretFile>>,
    folder: &Path,
    names: &mut Names<'_>,
    findings: &mut Findings,
) {
    for (key, secret) in field.get().map_or(&[][..], |pairs| &pairs.0) {
        if let Err(message) = names.check_new(&key.text) {
            findings.report(Some(key.at), Diagnostic::new(message));
            continue;
        }
        let value = match (secret.env.get(), secret.file.get()) {
            (Some(name), None) => names.environment(&name.value).map_err(|why| (name.at, why)),
            (None, Some(path)) => read_secret(&path.value, folder).map_err(|why| (path.at, why)),
            _ if secret.env.is_missing() == secret.file.is_missing() => Err((
                secret.at,
                Diagnostic::new("a secret needs exactly one source")
                    .help("use either `env: NAME` or `file: PATH`"),
            )),
            // What is wrong with it was reported.
            _ => Ok(String::new()),
        };
        match value {
            Ok(value) => names.secrets.push((key.text.clone(), value)),
            Err((at, diagnostic)) => {
                findings.report(Some(at), diagnostic);
                // Known, so that its uses are no errors as well.
                names.secrets.push((key.text.clone(), String::new()));
            }
        }
    }
}

/// The content of a file without a line break at its end. Unlike data, it may lie anywhere: where
/// secrets are kept is the machine's business, not that of the scenario's folder.
fn read_secret(path: &str, folder: &Path) -> Result<String, Diagnostic> {
    let bad = |why: &str| {
        Diagnostic::new(format!("cannot use the secret file `{path}`: {why}"))
            .help("a relative path starts at the scenario's folder")
    };
    let real = folder.join(path);
    let metadata = std::fs::metadata(&real).map_err(|error| bad(&error.to_string()))?;
    if !metadata.is_file() {
        return Err(bad("it is not a regular file"));
    }
    let mut text = String::new();
    File::open(&real)
        .and_then(|file| file.take(MAX_SECRET + 1).read_to_string(&mut text))
        .map_err(|error| bad(&error.to_string()))?;
    if text.len() as u64 > MAX_SECRET {
        return Err(bad("it is larger than 64 KiB"));
    }
    let value = text.trim_end_matches(['\r', '\n']);
    match value.is_empty() {
        true => Err(bad("it is empty")),
        false => Ok(value.to_owned()),
    }
}
