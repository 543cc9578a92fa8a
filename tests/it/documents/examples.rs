//! Checks the examples in the documents against the program: YAML compiles, and commands parse.

use std::collections::BTreeSet;
use std::fs;

use perfctl::scenario::{self, CheckedFile, Options};
use regex::Regex;
use serde_json::Value;

use crate::support::documents::{blocks, documents};
use crate::support::{Authority, Perfctl};

/// The kind of a YAML block, and the complete file that it is part of.
#[derive(Debug, PartialEq)]
enum Yaml {
    Scenario(String),
    Profile(String),
    Workflow(String),
}

/// Completes a block. A fragment starts with a comment that says where it belongs: `# in:
/// scenario`, `# in: endpoint` or `# in: profile`.
fn whole(text: &str) -> Result<Yaml, String> {
    let has = |key: &str| {
        text.lines()
            .any(|line| line.starts_with(&format!("{key}:")))
    };
    let has_any = |keys: &[&str]| keys.iter().any(|key| has(key));
    let marker = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# in: "));
    match marker {
        Some("scenario") => {
            let mut file = text.to_owned();
            if !has("endpoints") {
                file += "endpoints: [{name: list invoices, get: /}]\n";
            }
            if !has("host") {
                file += "host: demo\n";
            }
            Ok(Yaml::Scenario(file))
        }
        Some("endpoint") => {
            let methods = ["get", "head", "post", "put", "patch", "delete", "options"];
            let first = if has_any(&methods) { "" } else { " post: /" };
            let keys: String = text.lines().map(|line| format!("    {line}\n")).collect();
            Ok(Yaml::Scenario(format!(
                "host: demo\nendpoints:\n  -{first}\n{keys}"
            )))
        }
        Some("profile") => {
            let mut file = text.to_owned();
            if !has_any(&["users", "rate", "stages"]) {
                file += "users: 5\n";
            }
            if !has_any(&["duration", "stages"]) {
                file += "duration: 1m\n";
            }
            Ok(Yaml::Profile(file))
        }
        // Files of other programs.
        Some(".gitlab-ci.yml" | "prometheus.yml" | "rules.yml") => {
            Ok(Yaml::Workflow(text.to_owned()))
        }
        Some(other) => Err(format!("`# in: {other}` is not known")),
        None if has("jobs") => Ok(Yaml::Workflow(text.to_owned())),
        None if has("endpoints") => Ok(Yaml::Scenario(text.to_owned())),
        None if has_any(&["users", "rate", "stages", "steps", "sine", "sweep"]) => {
            Ok(Yaml::Profile(text.to_owned()))
        }
        None => Err("say where the fragment belongs, such as `# in: endpoint`".into()),
    }
}

/// A data file with enough rows for any example.
fn rows(header: &str, row: &str) -> String {
    header.to_owned() + &row.repeat(1_000)
}

/// The scripts in the page about scripts, by their names.
fn scripts() -> Vec<(String, String)> {
    let text = fs::read_to_string("docs/scripts.md").unwrap();
    let (blocks, _) = blocks(&text);
    let scripts = blocks.into_iter().filter(|block| block.language == "js");
    let named = scripts.map(|block| {
        let first = block.text.lines().next().unwrap_or_default();
        let name = first
            .strip_prefix("// ")
            .expect("a script begins with its name");
        (name.to_owned(), block.text.clone())
    });
    named.collect()
}

#[test]
fn the_examples_of_scripts_run() {
    let text = fs::read_to_string("docs/scripts.md").unwrap();
    let (blocks, _) = blocks(&text);
    let scenarios = blocks.iter().filter(|block| block.language == "yaml");
    let mut count = 0;
    for scenario in scenarios {
        let Ok(Yaml::Scenario(file)) = whole(&scenario.text) else {
            panic!("line {}: not a scenario", scenario.line);
        };
        let mut program = Perfctl::new().file("scenarios/example.yaml", file);
        for (name, text) in scripts() {
            program = program.file(&format!("scenarios/{name}"), text);
        }
        program.args(["try", "example"]).expect_status(0).run();
        count += 1;
    }
    assert_eq!(count, 2);
}

/// What is wrong with a YAML block.
fn yaml_problem(text: &str) -> Option<String> {
    let (file, is_scenario) = match whole(text) {
        Err(problem) => return Some(problem),
        Ok(Yaml::Workflow(file)) => {
            let parsed = serde_saphyr::from_str::<Value>(&file);
            return parsed.err().map(|error| error.to_string());
        }
        Ok(Yaml::Scenario(file)) => (file, true),
        Ok(Yaml::Profile(file)) => (file, false),
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block.yaml");
    fs::write(&path, &file).unwrap();
    let files = Regex::new(r"file: ([\w.-]+)").unwrap();
    let (certificate, key) = Authority::new().client_pem();
    for found in files.captures_iter(&file) {
        let path = dir.path().join(&found[1]);
        let content = match path.extension().and_then(|ending| ending.to_str()) {
            Some("pem") => &certificate,
            Some("key") => &key,
            _ => "{}",
        };
        fs::write(path, content).unwrap();
    }
    for (pattern, content) in [
        (r"file: ([\w.-]+\.csv)", rows("name\n", "x\n")),
        (r"file: ([\w.-]+\.jsonl)", rows("", "{\"article\": 1}\n")),
        (r"file: ([\w.-]+\.json)\b", "[{\"id\": 1}]".to_owned()),
    ] {
        for found in Regex::new(pattern).unwrap().captures_iter(&file) {
            fs::write(dir.path().join(&found[1]), &content).unwrap();
        }
    }
    for (name, text) in scripts() {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let variables = Regex::new(r"\{\{ *env\.(\w+)|env: (PERFCTL_DOC_\w+)").unwrap();
    let variables = variables.captures_iter(&file);
    let options = Options {
        env: variables
            .map(|v| {
                let name = v.get(1).or(v.get(2)).unwrap();
                (name.as_str().to_owned(), "x".into())
            })
            .collect(),
        ..Options::default()
    };
    match scenario::check_file(&path, "smoke", &options) {
        Err(error) => Some(error.to_string()),
        Ok(CheckedFile::Scenario(_)) if is_scenario => None,
        Ok(CheckedFile::Profile(_)) if !is_scenario => None,
        Ok(_) => Some("taken for the other kind of file".into()),
    }
}

/// The arguments of each call of perfctl in a line of shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '|' | '&' | ';' | '>' | '<' | '(' | ')') => {
                commands.last_mut().unwrap().extend(word.take());
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    let is_setting = |word: &String| {
        word.split_once('=')
            .is_some_and(|(key, _)| !key.contains('-'))
    };
    let starts = [&["perfctl"][..], &["cargo", "run", "--release", "--"]];
    let called = commands.into_iter().filter_map(|words| {
        let words: Vec<String> = words.into_iter().skip_while(is_setting).collect();
        let start = starts
            .into_iter()
            .find(|start| words.starts_with(&own(start)))?;
        Some(words[start.len()..].to_vec())
    });
    called.collect()
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What is wrong with the arguments of a call: with `--help` at the end nothing is executed, but
/// unknown subcommands, options and values are still rejected.
fn call_problem(arguments: &[String]) -> Option<String> {
    // What follows `--` is a curl command.
    let arguments_of_perfctl = arguments.iter().take_while(|word| *word != "--");
    let run = Perfctl::new()
        .args(arguments_of_perfctl)
        .args(["--help"])
        .run();
    (run.status != Some(0)).then(|| format!("`perfctl {}`\n{}", arguments.join(" "), run.stderr))
}

/// All lines of shell in a document: those after `$` in console blocks, inline code that starts
/// with `perfctl`, the `run` steps and `script` lines of workflows, and the `sh` steps of Jenkins.
fn shell_lines(text: &str) -> Vec<String> {
    let (blocks, prose) = blocks(text);
    let mut lines = Vec::new();
    let steps = Regex::new("sh '([^']+)'").unwrap();
    for block in &blocks {
        let joined = block.text.replace("\\\n", " ");
        match block.language.as_str() {
            "console" => lines.extend(
                joined
                    .lines()
                    .filter_map(|l| l.strip_prefix("$ "))
                    .map(str::to_owned),
            ),
            "yaml" => workflow_steps(&block.text, &mut lines),
            "groovy" => lines.extend(
                steps
                    .captures_iter(&joined)
                    .map(|found| found[1].to_owned()),
            ),
            _ => {}
        }
    }
    let code = Regex::new(r"`(perfctl [^`]+)`").unwrap();
    lines.extend(code.captures_iter(&prose).map(|found| found[1].to_owned()));
    lines
}

/// The lines of shell in the `run` steps of a workflow and in the `script` of GitLab's jobs; none in other
/// YAML.
fn workflow_steps(text: &str, lines: &mut Vec<String>) {
    let Ok(workflow) = serde_saphyr::from_str::<Value>(text) else {
        return;
    };
    let jobs = workflow["jobs"].as_object().into_iter().flatten();
    let steps = jobs.flat_map(|(_, job)| job["steps"].as_array().into_iter().flatten());
    let steps = steps.filter_map(|step| step["run"].as_str());
    let jobs = workflow.as_object().into_iter().flatten();
    let scripts = jobs.flat_map(|(_, job)| job["script"].as_array().into_iter().flatten());
    for run in steps.chain(scripts.filter_map(Value::as_str)) {
        lines.extend(run.lines().map(str::to_owned));
    }
}

#[test]
fn every_yaml_example_compiles() {
    let mut count = 0;
    for (path, text) in documents() {
        for block in blocks(&text)
            .0
            .iter()
            .filter(|block| block.language == "yaml")
        {
            count += 1;
            if let Some(problem) = yaml_problem(&block.text) {
                panic!("{path}:{}: {problem}\n{}", block.line, block.text);
            }
        }
    }
    assert!(count > 10, "only {count} blocks found");
}

#[test]
fn every_command_line_parses() {
    let documents = documents();
    let lines = documents.iter().flat_map(|(_, text)| shell_lines(text));
    let calls: BTreeSet<Vec<String>> = lines.flat_map(|line| calls(&line)).collect();
    assert!(calls.len() > 20, "only {} calls found", calls.len());
    let problems: Vec<String> = calls.iter().filter_map(|call| call_problem(call)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_wrong_example_is_noticed() {
    for (block, part) in [
        (
            "# in: endpoint\nget: /\nwieght: 3\n",
            "did you mean `weight`?",
        ),
        ("# in: scenario\nslo: {p101: 1s}\n", "not a percentile"),
        ("# in: profile\nuser: 3\n", "unknown key"),
        ("# in: nowhere\na: 1\n", "not known"),
        ("weight: 3\n", "say where"),
        ("endpoints: []\n", "no endpoints"),
        ("jobs: {a: [}\n", "mismatched bracket"),
    ] {
        let problem = yaml_problem(block).unwrap_or_else(|| panic!("let pass: {block}"));
        assert!(problem.contains(part), "{block}: {problem}");
    }
    for good in [
        "# in: endpoint\nweight: 3\n",
        "# in: endpoint\nget: /{{ env.X }}\nslo: {p95: 1s}\n",
        "# in: profile\nwarmup: 1s\n",
        "users: 3\nduration: 1m\n",
        "jobs: {}\n",
    ] {
        assert_eq!(yaml_problem(good), None, "{good}");
    }
}

#[test]
fn a_wrong_command_is_noticed() {
    let call = |line: &str| calls(line);
    assert_eq!(
        call("A=1 perfctl run --slo 'p95 < 1s' | jq ."),
        [own(&["run", "--slo", "p95 < 1s"])]
    );
    assert_eq!(
        call("cargo run --release -- list > x.txt"),
        [own(&["list"])]
    );
    assert!(call("cargo test").is_empty());
    for wrong in [
        "rum",
        "run --profil smoke",
        "run --users many",
        "baseline ad f",
    ] {
        let arguments: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
        assert!(call_problem(&arguments).is_some(), "{wrong}");
    }
    let text = "Try `perfctl a b`.\n```console\n$ perfctl c \\\n    d\nno\n```\n```yaml\njobs: {a: {steps: [{run: perfctl e}]}}\n```\n```yaml\nx: {script: [perfctl f]}\n```\n\
                ```groovy\nsh 'perfctl g'\n```\n";
    let found: Vec<Vec<String>> = shell_lines(text)
        .iter()
        .flat_map(|line| calls(line))
        .collect();
    assert_eq!(
        found,
        [
            own(&["c", "d"]),
            own(&["e"]),
            own(&["f"]),
            own(&["g"]),
            own(&["a", "b"])
        ]
    );
}
