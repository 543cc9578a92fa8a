//! Checks the documents against the program: links work, and the lists of keys, options,
//! outcomes, exit codes and decisions are complete. The fields of the JSON report are checked beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use perfctl::error::Exit;
use perfctl::metrics::Outcome;
use perfctl::report::FORMATS;
use perfctl::scenario;
use regex::Regex;
use serde_json::Value;

use crate::support::Perfctl;
use crate::support::documents::{blocks, documents, read, root};

/// The section of `docs/scenario-reference.md` with the keys of each mapping of the schema.
const SECTIONS: [(&str, &str); 34] = [
    (".script", "### `script`"),
    (".environments", "### `environments`"),
    (".environments.secrets", "### `secrets`"),
    (".environments.tls", "### `tls`"),
    (".endpoints.measure", "#### Measures"),
    (".endpoints.extract.between", "#### `between`"),
    ("", "## Scenario files"),
    (".defaults", "### `defaults`"),
    (".endpoints", "### `endpoints`"),
    (".endpoints.multipart", "### `multipart`"),
    (".auth", "### `auth`"),
    (".auth.basic", "#### `basic` and `digest`"),
    (".auth.api_key", "#### `api_key`"),
    (".auth.oauth2", "#### `oauth2`"),
    (".tls", "### `tls`"),
    (".proxy", "### `proxy`"),
    (".endpoints.check", "### `check`"),
    (".endpoints.extract", "### `extract`"),
    (".data", "### `data`"),
    (".secrets", "### `secrets`"),
    (".users", "### `users`"),
    (".users.endpoints", "#### A class's endpoints"),
    (".users.flows", "#### A class's flows"),
    (".flows", "### `flows`"),
    (".slo", "### `slo`"),
    (".observe", "### `observe`"),
    (".trace", "### `trace`"),
    (".on_finding", "### `on_finding`"),
    (".on_verdict", "### `on_verdict`"),
    (".profiles", "## Profile files"),
    (".profiles.stages", "### `stages`"),
    (".profiles.steps", "#### `steps`"),
    (".profiles.sine", "#### `sine`"),
    (".profiles.sweep", "#### `sweep`"),
];

/// The dead links of a document.
fn dead_links(path: &str, text: &str) -> Vec<String> {
    let (_, prose) = blocks(text);
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let folder = Path::new(path).parent().unwrap();
    let links = link.captures_iter(&prose).map(|found| found[1].to_owned());
    let local = links.filter(|link| !link.contains("://"));
    local
        .filter(|link| {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() {
                root().join(path)
            } else {
                root().join(folder).join(file)
            };
            let headings = || {
                fs::read_to_string(&file)
                    .map(|text| anchors(&text))
                    .unwrap_or_default()
            };
            !file.exists() || !(anchor.is_empty() || headings().contains(anchor))
        })
        .collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The text in backquotes in the first cell of each row, for the table under a heading whose first
/// column has this name.
fn first_cells(text: &str, heading: &str, column: &str) -> Vec<String> {
    let code = Regex::new("`([^`]+)`").unwrap();
    let section = text.lines().skip_while(|line| *line != heading).skip(1);
    let section = section.take_while(|line| !line.starts_with('#'));
    let start = format!("| {column} |");
    let table = section.skip_while(|line| !line.starts_with(&start));
    let mut cells = Vec::new();
    for row in table.map_while(|line| line.strip_prefix('|')) {
        let cell = row.split(" |").next().unwrap_or_default();
        cells.extend(code.captures_iter(cell).map(|found| found[1].to_owned()));
    }
    assert!(
        !cells.is_empty(),
        "no table of `{column}` under `{heading}`"
    );
    cells
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

/// The keys of every mapping of a schema, by its path.
fn schema_keys(schema: &Value, path: &str, found: &mut BTreeMap<String, Vec<String>>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.insert(path.to_owned(), properties.keys().cloned().collect());
        for (key, value) in properties {
            schema_keys(value, &format!("{path}.{key}"), found);
        }
    }
    for part in ["items", "additionalProperties"] {
        schema_keys_if_object(&schema[part], path, found);
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        schema_keys_if_object(choice, path, found);
    }
}

fn schema_keys_if_object(schema: &Value, path: &str, found: &mut BTreeMap<String, Vec<String>>) {
    if schema.is_object() {
        schema_keys(schema, path, found);
    }
}

#[test]
fn every_link_works() {
    let mut count = 0;
    for (path, text) in documents() {
        count += text.matches("](").count();
        let dead = dead_links(&path, &text);
        assert!(dead.is_empty(), "{path}: {dead:?}");
    }
    assert!(count > 10, "only {count} links found");
}

fn section(path: &str) -> Option<(&'static str, &'static str)> {
    SECTIONS.into_iter().find(|(known, _)| *known == path)
}

#[test]
fn the_reference_has_exactly_the_keys_of_the_schema() {
    let mut keys = BTreeMap::new();
    schema_keys(&scenario::scenario_schema(), "", &mut keys);
    schema_keys(&scenario::profile_schema(), ".profiles", &mut keys);
    let text = read("docs/scenario-reference.md");
    for (path, keys) in keys {
        // The keys of a shape's levels are in the row of the levels.
        let level = [".users", ".rate"]
            .iter()
            .find_map(|end| path.strip_suffix(end));
        let shape = level.filter(|shape| shape.starts_with(".profiles."));
        if let Some((_, heading)) = shape.and_then(section) {
            for key in keys {
                let row = text.lines().skip_while(|line| *line != heading);
                let mut rows = row.filter(|line| line.starts_with("| `users` or `rate`"));
                assert!(
                    rows.next().unwrap().contains(&format!("`{key}`")),
                    "{heading} {key}"
                );
            }
            continue;
        }
        // These are the same in all places.
        let path = match path.find(".auth") {
            Some(at) => path[at..].replace("digest", "basic"),
            None if path.ends_with(".slo") || path == ".budgets" => ".slo".to_owned(),
            None => path.clone(),
        };
        let (_, heading) =
            self::section(&path).unwrap_or_else(|| panic!("`{path}` has no section"));
        assert_eq!(
            sorted(first_cells(&text, heading, "key")),
            sorted(keys),
            "{heading}"
        );
    }
}

#[test]
fn the_reference_has_exactly_the_keys_of_steps() {
    let schema = scenario::scenario_schema();
    let mut keys = BTreeSet::new();
    for kind in schema["definitions"]["step"]["anyOf"].as_array().unwrap() {
        let properties = kind["properties"].as_object();
        let branches = kind["properties"]["random"]["items"]["properties"].as_object();
        for mapping in [properties, branches].into_iter().flatten() {
            keys.extend(mapping.keys().cloned());
        }
    }
    let text = read("docs/scenario-reference.md");
    let documented: BTreeSet<String> = first_cells(&text, "### Steps", "key").into_iter().collect();
    assert_eq!(documented, keys);
}

#[test]
fn every_option_and_variable_of_a_run_is_documented() {
    let help = Perfctl::new()
        .args(["run", "--help"])
        .expect_status(0)
        .run()
        .stdout;
    let names = Regex::new(r"--[a-z][a-z-]+|PERFCTL_[A-Z_]+").unwrap();
    let text = read("docs/scenario-reference.md");
    for name in names.find_iter(&help).map(|found| found.as_str()) {
        let documented = Regex::new(&format!("[` ]{name}[`= ]")).unwrap();
        assert!(name == "--help" || documented.is_match(&text), "{name}");
    }
    for alias in [
        "LOAD_TEST_BASE_URL",
        "LOAD_TEST_REPORTS_PATH",
        "LOAD_TEST_TIMEOUT",
        "NO_COLOR",
    ] {
        assert!(text.contains(alias), "{alias}");
    }
}

#[test]
fn every_format_and_column_of_a_report_is_documented_in_order() {
    let text = read("docs/reports.md");
    let formats: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let documented = first_cells(&text, "## Formats", "format");
    assert_eq!(documented, formats);
    let run = Perfctl::scenario("demo", "- {name: health, get: /health}");
    let run = run.args(["-i", "2", "--format", "series-csv"]).run();
    let columns = first_cells(&text, "## The series", "column").join(",");
    assert_eq!(Some(columns.as_str()), run.stdout.lines().next());
}

#[test]
fn every_input_output_and_target_of_ci_is_documented_in_order() {
    let text = read("docs/ci.md");
    let action: Value = serde_saphyr::from_str(&read("action.yml")).unwrap();
    let names = |part: &str| -> Vec<String> {
        let parts = action[part].as_object().unwrap();
        parts.keys().cloned().collect()
    };
    assert_eq!(
        first_cells(&text, "### The action", "input"),
        names("inputs")
    );
    assert_eq!(
        first_cells(&text, "### The action", "output"),
        names("outputs")
    );
    let fragment = read("src/cli/init/ci/perfctl.mk");
    let targets = fragment
        .lines()
        .find_map(|line| line.strip_prefix(".PHONY: "));
    let documented = first_cells(&text, "## make", "target").join(" ");
    assert_eq!(Some(documented.as_str()), targets);
}

#[test]
fn every_outcome_is_documented_in_order() {
    let documented = first_cells(&read("docs/metrics.md"), "## Outcomes", "outcome");
    assert_eq!(documented, Outcome::ALL.map(Outcome::name));
}

#[test]
fn every_exit_code_is_documented() {
    // A new kind of exit does not compile here: it needs a row.
    let code = |exit: Exit| match exit {
        Exit::Pass | Exit::Failed | Exit::Usage | Exit::Inconclusive => exit.code(),
        Exit::Error | Exit::Stopped(_) | Exit::Custom(_) => exit.code(),
    };
    let fixed = [
        Exit::Pass,
        Exit::Failed,
        Exit::Usage,
        Exit::Inconclusive,
        Exit::Error,
        Exit::Stopped(1),
        Exit::Stopped(2),
        Exit::Stopped(3),
        Exit::Stopped(15),
    ];
    let mut codes: Vec<String> = fixed.map(|exit| code(exit).to_string()).to_vec();
    codes.push("N".into());
    assert_eq!(
        first_cells(&read("docs/exit-codes.md"), "# Exit codes", "code"),
        codes
    );
}

#[test]
fn every_profile_is_documented() {
    let names: Vec<String> = scenario::embedded_profiles()
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(
        first_cells(&read("docs/profiles.md"), "# Profiles", "profile"),
        names
    );
}

#[test]
fn every_decision_is_listed() {
    let list = read("docs/decisions/README.md");
    let linked = Regex::new(r"\((\d{4}-[a-z0-9-]+\.md)\)").unwrap();
    let linked: Vec<String> = linked
        .captures_iter(&list)
        .map(|link| link[1].to_owned())
        .collect();
    let files = fs::read_dir(root().join("docs/decisions")).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        linked,
        sorted(files.filter(|name| name != "README.md").collect())
    );
}

#[test]
fn the_changelog_has_this_version() {
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(
        read("docs/changelog.md")
            .lines()
            .any(|line| line == heading),
        "{heading}"
    );
}

#[test]
fn every_module_is_in_the_architecture() {
    let documented = first_cells(
        &read("docs/architecture.md"),
        "## Folders and layers",
        "module",
    );
    let modules = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    let libraries = read("crates/core/src/lib.rs") + &read("src/lib.rs");
    let modules = modules
        .captures_iter(&libraries)
        .map(|module| module[1].to_owned());
    let histogram = std::iter::once("histogram".to_owned());
    assert_eq!(
        sorted(documented),
        sorted(modules.chain(histogram).collect())
    );
}

#[test]
fn documents_name_nothing_of_this_machine() {
    let private = Regex::new(r"/(?:tmp|home|root|work|Users)/").unwrap();
    for (path, text) in documents() {
        assert!(!private.is_match(&text), "{path}");
    }
}

#[test]
fn a_dead_link_is_noticed() {
    let text =
        "# One two\n[a](gone.md) [b](#one-two) [c](#three) [d](../README.md) [e](https://a.b)";
    assert_eq!(
        dead_links("docs/x.md", text),
        ["gone.md", "#one-two", "#three"]
    );
    let (_, readme) = &documents()[0];
    assert!(anchors(readme).contains("exit-codes"));
}

#[test]
fn every_test_that_the_measurement_page_names_exists() {
    let page = read("docs/measurement.md");
    let code: String = (["crates", "src", "tests"].into_iter().flat_map(sources)).collect();
    let name = Regex::new(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`").unwrap();
    let named: Vec<&str> = name
        .captures_iter(&page)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert!(named.len() > 50, "{named:?}");
    for test in named {
        assert!(code.contains(&format!("fn {test}(")), "{test}");
    }
}

/// The texts of all Rust files below a folder.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

#[test]
fn every_measurement_of_the_benchmarks_is_in_the_table() {
    let program = read("bench/run");
    let measurements = program.split("MEASUREMENTS = {").nth(1).unwrap();
    let name = Regex::new("(?m)^    \"([a-z0-9]+)\": \\(").unwrap();
    let names = name.captures_iter(measurements);
    let commands: Vec<_> = names
        .map(|name| format!("bench/run {}", &name[1]))
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    let page = read("docs/performance.md");
    let heading = "## How do I run the benchmarks?";
    assert_eq!(
        sorted(first_cells(&page, heading, "command")),
        sorted(commands)
    );
}
