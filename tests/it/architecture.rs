//! The layers of the program, and the house rules that a machine can check.

mod circles;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use regex::Regex;

/// What each module may use, besides `units`, `error` and itself. A new module needs a row here, and
/// the direction of the data in `src/lib.rs` says where it belongs.
const LAYERS: [(&str, &[&str]); 22] = [
    (
        "cli",
        &[
            "serve",
            "report",
            "monitoring",
            "findings",
            "capacity",
            "history",
            "grading",
            "comparison",
            "scenario",
            "engine",
            "observation",
            "exporters",
            "check",
            "protocol",
            "metrics",
            "plan",
            "script",
            "demo",
        ],
    ),
    (
        "serve",
        &[
            "report",
            "grading",
            "comparison",
            "scenario",
            "metrics",
            "plan",
        ],
    ),
    (
        "report",
        &[
            "findings",
            "capacity",
            "history",
            "grading",
            "comparison",
            "metrics",
            "plan",
        ],
    ),
    ("monitoring", &["metrics", "plan"]),
    ("findings", &["grading", "comparison", "metrics", "plan"]),
    ("capacity", &["grading", "metrics", "plan"]),
    ("history", &["grading", "comparison", "metrics", "plan"]),
    ("grading", &["comparison", "metrics", "plan"]),
    ("comparison", &["metrics", "plan"]),
    ("scenario", &["plan", "script"]),
    (
        "engine",
        &["protocol", "check", "metrics", "plan", "script"],
    ),
    ("observation", &["protocol", "metrics", "plan"]),
    ("exporters", &["protocol", "metrics", "plan"]),
    ("check", &["protocol", "metrics", "plan"]),
    ("protocol", &["metrics", "plan"]),
    ("metrics", &["plan", "histogram"]),
    ("plan", &["script", "histogram"]),
    ("histogram", &[]),
    ("script", &[]),
    ("demo", &[]),
    ("units", &[]),
    ("error", &[]),
];

/// Libraries that only one place may know, so that they can be replaced there: the name in code,
/// and how the paths of the allowed files start.
const ONLY_IN: [(&str, &str); 8] = [
    ("reqwest", "src/protocol/http/reqwest"),
    ("serde_saphyr", "src/scenario"),
    ("hdrhistogram", "src/histogram/dense.rs"),
    ("humantime", "src/units.rs"),
    ("minijinja", "src/plan/value/expression src/report/html.rs"),
    ("axum", "src/demo src/serve"),
    ("rquickjs", "src/script"),
    (
        "ratatui",
        "src/report/live/ src/cli/run/execute/keyboard.rs",
    ),
];

/// The longest file; about 500 lines are the aim.
const MAX_LINES: usize = 550;

/// Most files side by side in a folder, so that a stranger finds the right one.
const MAX_FILES: usize = 12;

/// Where the libraries below the program are, and where they would be in it: the rules are those of one program.
const LIBRARIES: [(&str, &str); 2] = [
    ("crates/core/src/", "src/"),
    ("crates/histogram/src/", "src/histogram/"),
];

/// The path of a file if all crates were one.
fn in_program(path: &str) -> String {
    if path == "crates/histogram/src/lib.rs" {
        return "src/histogram.rs".to_owned();
    }
    let mut libraries = LIBRARIES.iter();
    let moved = libraries.find_map(|(from, to)| Some(to.to_string() + path.strip_prefix(from)?));
    moved.unwrap_or_else(|| path.to_owned())
}

/// The text of a file if all crates were one: histograms are a module of that.
fn text_in_program(path: &str, text: &str) -> String {
    let text = match path.starts_with("crates/histogram/") {
        true => text.replace("crate::", "crate::histogram::"),
        false => text.to_owned(),
    };
    text.replace("perfctl_histogram::", "crate::histogram::")
}

/// The files of all crates in these folders, with their paths from the root.
fn files_of(folders: &[&str]) -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = LIBRARIES.iter().map(|(folder, _)| *folder);
    let folders = folders.iter().copied().chain(libraries);
    let files = folders.flat_map(|folder| rust_files(&root.join(folder)));
    let named = files.map(|file| {
        let path = file.strip_prefix(root).unwrap().to_string_lossy();
        (path.replace('\\', "/"), file)
    });
    let named: Vec<_> = named.collect();
    assert!(named.len() > 500, "only {} files found", named.len());
    named
}

/// What breaks a rule in the file `path` (relative, such as `src/plan/load.rs`), with its place.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let length = text.lines().count();
    if length > MAX_LINES {
        found.push(format!(
            "{path}: {length} lines, at most {MAX_LINES}; split it along a noun"
        ));
    }
    let place_in_program = in_program(path);
    let Some(inside) = place_in_program.strip_prefix("src/") else {
        return found;
    };
    if !text.starts_with("//!") {
        found.push(format!(
            "{path}:1: starts without `//!`: say what belongs here and what does not"
        ));
    }
    let code = without_comments(&text_in_program(path, text));
    if let Some(line) = place(&code, r"\bunsafe\b") {
        found.push(format!("{path}:{line}: unsafe code"));
    }
    if let Some(line) = place(&code, r"\bsuper::super::") {
        found.push(format!(
            "{path}:{line}: `super::super::` hides what is used; write `crate::`"
        ));
    }
    for (library, home) in ONLY_IN {
        // A module of ours may have the library's name: `self::reqwest::`.
        let named = format!(r"(?m)(^|[^:\w\n]|\W::){library}::|\buse {library}\b");
        if !home
            .split(' ')
            .any(|home| place_in_program.starts_with(home))
            && let Some(line) = place(&code, &named)
        {
            found.push(format!(
                "{path}:{line}: uses {library}, allowed only in {home}"
            ));
        }
    }
    let module = inside.split(['/', '.']).next().unwrap_or_default();
    if !matches!(module, "lib" | "main") {
        found.extend(wrong_uses(path, module, &code));
    }
    found
}

fn wrong_uses(path: &str, module: &str, code: &str) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!(
            "{path}: module `{module}` has no row in the table of layers"
        )];
    };
    used_modules(code)
        .into_iter()
        .filter(|(_, used)| used != module && !["units", "error"].contains(&used.as_str()))
        .filter(|(_, used)| !allowed.contains(&used.as_str()))
        .map(|(line, used)| {
            let allowed = allowed.join(", ");
            format!("{path}:{line}: `{module}` uses `{used}`; allowed: {allowed}, units, error")
        })
        .collect()
}

/// Lines and names of the top-level modules in `crate::name` and `crate::{name, name::...}`.
fn used_modules(code: &str) -> Vec<(usize, String)> {
    let paths = compiled(r"\bcrate::(?:(?<name>[a-z_]+)|(?<group>\{[^;]*;))");
    let mut used = Vec::new();
    for path in paths.captures_iter(code) {
        let line = line_of(code, path.get(0).unwrap().start());
        match (path.name("name"), path.name("group")) {
            (Some(name), _) => used.push((line, name.as_str().to_owned())),
            (None, group) => {
                let names = first_names(group.unwrap().as_str());
                used.extend(names.into_iter().map(|name| (line, name)));
            }
        }
    }
    used
}

/// The first name of each entry of `{a, b::c, d::{e, f}}`.
fn first_names(group: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let (mut depth, mut in_path) = (0, false);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                names.push(String::new());
                in_path = false;
            }
            ':' => in_path = true,
            c if depth == 1 && !in_path && (c.is_ascii_lowercase() || c == '_') => {
                names.last_mut().unwrap().push(c);
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn place(code: &str, pattern: &str) -> Option<usize> {
    let found = compiled(pattern).find(code)?;
    Some(line_of(code, found.start()))
}

/// The pattern, compiled once: hundreds of files are searched for each.
fn compiled(pattern: &str) -> Regex {
    static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap();
    let compile = || Regex::new(pattern).unwrap();
    compiled
        .entry(pattern.to_owned())
        .or_insert_with(compile)
        .clone()
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// The text with the content of its comments removed and its lines kept.
fn without_comments(text: &str) -> String {
    // Not within `https://`, which stands in texts.
    let comment = compiled(r"(?m)(^|[^:])//.*$");
    comment.replace_all(text, "$1").into_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn the_code_keeps_to_its_layers_and_house_rules() {
    let found: Vec<String> = files_of(&["src", "tests"])
        .iter()
        .flat_map(|(path, file)| violations(path, &fs::read_to_string(file).unwrap()))
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Folders with more files than can be taken in at a glance.
fn crowded_folders<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (folder, _) in paths.filter_map(|path| path.rsplit_once('/')) {
        *counts.entry(folder).or_default() += 1;
    }
    let crowded = counts.iter().filter(|(_, count)| **count > MAX_FILES);
    crowded
        .map(|(folder, count)| {
            format!(
                "{folder}: {count} files side by side, at most {MAX_FILES}; group them along nouns"
            )
        })
        .collect()
}

#[test]
fn no_folder_is_crowded() {
    let files = files_of(&["src", "tests", "benches"]);
    let paths = files.iter().map(|(path, _)| path.as_str());
    // The face of a crate lists its modules.
    let listed = paths.filter(|path| in_program(path).matches('/').count() > 1);
    let found = crowded_folders(listed);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));

    let many: Vec<String> = (0..=MAX_FILES).map(|i| format!("src/a/{i}.rs")).collect();
    assert_eq!(crowded_folders(many.iter().map(String::as_str)).len(), 1);
    assert!(crowded_folders(many[1..].iter().map(String::as_str)).is_empty());
}

#[test]
fn each_rule_is_noticed_when_broken() {
    let cases = [
        (
            "src/plan.rs",
            "//! x\nuse crate::metrics::Outcome;",
            "src/plan.rs:2: `plan` uses `metrics`; allowed: ",
        ),
        (
            "src/engine/open.rs",
            "//! x\nuse crate::{plan::Plan, report::{a, b}};",
            "src/engine/open.rs:2: `engine` uses `report`",
        ),
        (
            "src/check.rs",
            "//! x\n\nlet a = crate::engine::x();",
            "src/check.rs:3: `check` uses `engine`",
        ),
        (
            "src/demo/route.rs",
            "//! x\nuse crate::{\n    plan,\n    units,\n};",
            "src/demo/route.rs:2: `demo` uses `plan`",
        ),
        (
            "src/novel.rs",
            "//! x",
            "src/novel.rs: module `novel` has no row",
        ),
        (
            "src/plan.rs",
            "use std::fmt;",
            "src/plan.rs:1: starts without `//!`",
        ),
        (
            "src/plan/load.rs",
            "//! x\nuse super::super::units;",
            "src/plan/load.rs:2: `super::super::`",
        ),
        (
            "src/engine.rs",
            "//! x\nreqwest::get();",
            "src/engine.rs:2: uses reqwest",
        ),
        (
            "src/cli/run.rs",
            "//! x\nuse minijinja as templates;",
            "src/cli/run.rs:2: uses minijinja",
        ),
        (
            "crates/histogram/src/sparse.rs",
            "//! x\nuse hdrhistogram::Histogram;",
            "crates/histogram/src/sparse.rs:2: uses hdrhistogram",
        ),
        (
            "crates/core/src/script/user.rs",
            "//! x\nuse perfctl_histogram::Histogram;",
            "crates/core/src/script/user.rs:2: `script` uses `histogram`",
        ),
        (
            "src/units.rs",
            "//! x\nunsafe { }",
            "src/units.rs:2: unsafe code",
        ),
    ];
    for (path, text, message) in cases {
        let found = violations(path, text);
        assert_eq!(found.len(), 1, "{path} {text}: {found:?}");
        assert!(found[0].starts_with(message), "{found:?}");
    }
    let long = "// x\n".repeat(MAX_LINES + 1);
    assert_eq!(violations("tests/a.rs", &long).len(), 1);
}

#[test]
fn what_is_allowed_or_only_talked_about_is_let_pass() {
    let text = "//! Unlike reqwest::Client.\n\
        // crate::report shows it, in unsafe ways\n\
        use crate::{error::{Error, Exit}, plan::Plan, units};\n\
        let url = \"https://a\"; // axum::serve\n";
    assert_eq!(
        violations("src/metrics/fold.rs", text),
        Vec::<String>::new()
    );
    assert_eq!(
        violations("src/lib.rs", "//! x\n#![forbid(unsafe_code)]"),
        Vec::<String>::new()
    );
    assert_eq!(
        violations(
            "src/protocol/http/reqwest/connector.rs",
            "//! x\nreqwest::get()"
        ),
        Vec::<String>::new()
    );
}

/// Row 38 of the faults: a wall clock that jumps changes no measurement, since none comes from it.
#[test]
fn durations_do_not_come_from_the_wall_clock() {
    // When a run started, how old a run or a baseline is, what a template fills in, when a cookie ends, and when
    // something was exported, or somebody asked for something.
    const ALLOWED: [&str; 8] = [
        "src/cli/run/execute.rs",
        "src/comparison/comparable.rs",
        "src/exporters/sink.rs",
        "src/metrics/storage/run_dir.rs",
        "src/plan/value/generators.rs",
        "src/protocol/http/cookies.rs",
        "src/protocol/http/cookies/cookie.rs",
        "src/serve/access/audit.rs",
    ];
    let clock = Regex::new(r"SystemTime|UNIX_EPOCH|Timestamp::now|Zoned::now").unwrap();
    for (path, file) in files_of(&["src"]) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !clock.is_match(&text) || ALLOWED.contains(&in_program(&path).as_str()),
            "{path}"
        );
    }
}
