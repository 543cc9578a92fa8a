//! Runs the steps of GitHub workflows and composite actions as GitHub's runner does, as far as ours use it: their shell
//! is run, and the actions of others that they use are played.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::documents::root;
use crate::support::{Perfctl, Running};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A scenario for runs of a second.
pub const SCENARIO: &str = "name: shop\nhost: demo\n\
                            endpoints: [{name: list, get: /health}]\nslo: {error_rate: 1%}\n";
/// Its load: the same number of requests, however long they take.
pub const SMOKE: &str = "rate: 60\nwarmup: 0s\nduration: 1s\n";

/// The built-in service with a latency.
pub struct Service {
    _running: Running,
    /// Its base URL.
    pub url: String,
}

impl Service {
    pub fn start(latency: &str) -> Self {
        let demo = Perfctl::new().args(["demo", "--port", "0", "--latency", latency]);
        let mut running = demo.spawn();
        let text = running.wait_for_stdout(";");
        let url = text.split([' ', ';']).nth(2).unwrap().to_owned();
        Self {
            _running: running,
            url,
        }
    }
}

/// Whether there is such a program.
pub fn is_there(program: &str) -> bool {
    let search = format!("command -v {program}");
    let found = Command::new("sh").args(["-c", &search]).output();
    found.is_ok_and(|found| found.status.success())
}

/// A shell in a folder as in CI, with perfctl on its path and limits that short runs on a busy machine keep.
fn bash(dir: &Path) -> Command {
    let perfctl = Path::new(env!("CARGO_BIN_EXE_perfctl")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut bash = Command::new("bash");
    bash.env_clear()
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", perfctl.display()))
        .env("HOME", dir)
        .env("PERFCTL_ASSUME_HEALTHY", "1")
        .env("PERFCTL_NO_PROGRESS", "true")
        .env("PERFCTL_INCONCLUSIVE", "warn")
        .env("PERFCTL_GATE", "simple")
        .env("PERFCTL_MAX_REGRESSION", "100%");
    bash
}

/// Runs a script as CI systems do: it ends at the first command that fails.
pub fn shell(dir: &Path, script: &str) -> Output {
    bash(dir)
        .args(["-eo", "pipefail", "-c", script])
        .output()
        .unwrap()
}

/// All that was printed.
pub fn output(output: &Output) -> String {
    let all = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    all.concat()
}

/// A repository on GitHub with its caches and artifacts, and its comments on pull requests.
pub struct Repository {
    folder: TempDir,
}

/// What a job did.
#[derive(Debug)]
pub struct Job {
    /// Whether no step failed.
    pub passed: bool,
    /// What all steps printed.
    pub log: String,
    /// The job summary.
    pub summary: String,
    /// The outputs of the action.
    pub outputs: BTreeMap<String, String>,
    /// What `gh` was called with.
    pub calls: Vec<String>,
    /// The bodies that `gh` was given.
    pub bodies: Vec<String>,
}

impl Repository {
    /// With a scenario, its profile, and the workflows of `perfctl init`. The action is that of this repository, and
    /// its program is in the cache.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let this = Self { folder };
        for part in ["work", "caches", "artifacts", "gh", "temp", "tools"] {
            fs::create_dir(this.at(part)).unwrap();
        }
        this.write("work/scenarios/shop.yaml", SCENARIO);
        this.write("work/profiles/smoke.yaml", SMOKE);
        this.write("gh/comments.json", "[]");
        this.write("gh/pulls.json", "[]");
        this.write("tools/gh", include_str!("gh"));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(this.at("tools/gh"), executable).unwrap();
        let init = this.shell("cd work && perfctl init --ci github");
        assert!(init.status.success(), "{}", output(&init));
        let source = root().display();
        let action = this.shell(&format!(
            "mkdir -p action/src && cd action && touch src/main.rs && \
             cp -r {source}/action.yml {source}/ci {source}/profiles {source}/Cargo.toml {source}/Cargo.lock . && \
             git init -q . && git add . && \
             git -c user.name=x -c user.email=x@y -c commit.gpgsign=false commit -qm x"
        ));
        assert!(action.status.success(), "{}", output(&action));
        this
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn shell(&self, script: &str) -> Output {
        shell(self.folder.path(), script)
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// Makes a file a link to another.
    pub fn link(&self, path: &str, to: &str) {
        self.unlink(path);
        std::os::unix::fs::symlink(self.at(to), self.at(path)).unwrap();
    }

    pub fn unlink(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.at(path)).unwrap()
    }

    pub fn exists(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// Runs the job of a workflow. `event` has the context `github`, and `inputs` if there are any.
    pub fn run(&self, workflow: &str, job: &str, event: &Value) -> Job {
        self.shell("rm -rf temp gh/calls gh/body.* work/.perfctl work/comment && mkdir temp");
        for file in ["temp/summary", "temp/env"] {
            self.write(file, "");
        }
        let text = self.read(&format!("work/.github/workflows/{workflow}"));
        let workflow: Value = serde_saphyr::from_str(&text).unwrap();
        let job = &workflow["jobs"][job];
        let mut contexts = event.clone();
        contexts["runner"] = json!({"os": "Linux", "arch": "X64", "temp": self.at("temp")});
        contexts["vars"] = json!({"PERFCTL_GIT": self.at("action")});
        let mut github = json!({
            "repository": "me/shop", "token": "t0ken", "run_id": "7", "run_attempt": "1",
        });
        for (key, value) in event["github"].as_object().unwrap() {
            github[key] = value.clone();
        }
        contexts["github"] = github;
        let mut running = Job {
            passed: true,
            log: String::new(),
            summary: String::new(),
            outputs: BTreeMap::new(),
            calls: Vec::new(),
            bodies: Vec::new(),
        };
        let wanted = job["if"].as_str().is_none_or(|condition| {
            is_true(&Expression::evaluate(condition, &contexts, running.passed))
        });
        if wanted {
            let env = filled(&job["env"], &contexts);
            self.steps(&job["steps"], &mut contexts, &env, None, &mut running);
        }
        running.summary = self.read("temp/summary");
        running.calls = self.read("gh/calls").lines().map(str::to_owned).collect();
        running.bodies = (1..=running.calls.len())
            .map(|number| self.read(&format!("gh/body.{number}")))
            .filter(|body| !body.is_empty())
            .collect();
        running
    }

    fn steps(
        &self,
        steps: &Value,
        contexts: &mut Value,
        env: &[(String, String)],
        action: Option<&Path>,
        job: &mut Job,
    ) {
        contexts["steps"] = json!({});
        let mut passed = true;
        for step in steps.as_array().unwrap() {
            let condition = step["if"].as_str().unwrap_or("success()");
            let may_run = passed || condition.contains("always()");
            if !may_run || !is_true(&Expression::evaluate(condition, contexts, passed)) {
                continue;
            }
            let with = filled(&step["with"], contexts);
            let mut outputs = Map::new();
            let ended = match (step["run"].as_str(), step["uses"].as_str()) {
                (Some(script), _) => {
                    let own = filled(&step["env"], contexts);
                    let folder = fill(step["working-directory"].as_str().unwrap_or("."), contexts);
                    let env = [env, &own].concat();
                    let (ended, named) = self.script(script, &folder, &env, action, contexts, job);
                    outputs = named;
                    ended
                }
                (_, Some(local)) if local.starts_with("./") => {
                    self.action(local, &with, contexts, env, &mut outputs, job)
                }
                (_, Some(uses)) => self.play(uses, &with.into_iter().collect()),
                _ => panic!("{step}"),
            };
            passed &= ended || step["continue-on-error"] == true;
            if let Some(id) = step["id"].as_str() {
                let outcome = if ended { "success" } else { "failure" };
                contexts["steps"][id] = json!({"outputs": outputs, "outcome": outcome});
            }
        }
        job.passed = passed;
    }

    fn script(
        &self,
        script: &str,
        folder: &str,
        env: &[(String, String)],
        action: Option<&Path>,
        contexts: &Value,
        job: &mut Job,
    ) -> (bool, Map<String, Value>) {
        // Whatever is filled into a script could be a command of a stranger.
        assert!(!script.contains("${{"), "{script}");
        self.write("temp/output", "");
        let github = &contexts["github"];
        let text = |key: &str| github[key].as_str().unwrap_or_default().to_owned();
        let mut bash = bash(&self.at("work").join(folder));
        let path = bash
            .get_envs()
            .find(|(key, _)| *key == "PATH")
            .unwrap()
            .1
            .unwrap()
            .to_owned();
        let tools = format!("{}:{}", self.at("tools").display(), path.to_str().unwrap());
        bash.env("PATH", tools)
            .env("GITHUB_REF", text("ref"))
            .env("GITHUB_EVENT_NAME", text("event_name"))
            .env("GITHUB_REPOSITORY", text("repository"))
            .env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_RUN_ID", text("run_id"))
            .env("GITHUB_OUTPUT", self.at("temp/output"))
            .env("GITHUB_STEP_SUMMARY", self.at("temp/summary"))
            .env("RUNNER_TEMP", self.at("temp"))
            .env("GH_STATE", self.at("gh"));
        bash.envs(action.map(|path| ("GITHUB_ACTION_PATH", path)));
        bash.envs(env.iter().map(|(key, value)| (key, value)));
        let done = bash
            .args(["-eo", "pipefail", "-c", script])
            .output()
            .unwrap();
        job.log += &output(&done);
        let outputs = self.read("temp/output");
        let outputs = outputs.lines().map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.into())
        });
        (done.status.success(), outputs.collect())
    }

    fn action(
        &self,
        path: &str,
        with: &[(String, String)],
        contexts: &Value,
        env: &[(String, String)],
        outputs: &mut Map<String, Value>,
        job: &mut Job,
    ) -> bool {
        let folder = self.at("work").join(path);
        let text = fs::read_to_string(folder.join("action.yml")).unwrap();
        let action: Value = serde_saphyr::from_str(&text).unwrap();
        let mut inner = contexts.clone();
        let mut inputs = Map::new();
        for (name, input) in action["inputs"].as_object().unwrap() {
            let default = fill(input["default"].as_str().unwrap(), contexts);
            inputs.insert(name.clone(), default.into());
        }
        for (name, value) in with {
            let known = inputs.insert(name.clone(), value.clone().into());
            assert!(known.is_some(), "the action has no input `{name}`");
        }
        inner["inputs"] = inputs.into();
        self.steps(
            &action["runs"]["steps"],
            &mut inner,
            env,
            Some(&folder),
            job,
        );
        for (name, output) in action["outputs"].as_object().unwrap() {
            let value = fill(output["value"].as_str().unwrap(), &inner);
            job.outputs.insert(name.clone(), value.clone());
            outputs.insert(name.clone(), value.into());
        }
        job.passed
    }

    /// Plays an action of GitHub.
    fn play(&self, uses: &str, with: &BTreeMap<String, String>) -> bool {
        let name = uses.split('@').next().unwrap();
        let key = |name: &str| with.get(name).map(String::as_str).unwrap_or_default();
        let script = match name {
            "actions/checkout" => return true,
            // The program of the action has been built before.
            "actions/cache" => {
                let program = env!("CARGO_BIN_EXE_perfctl");
                format!(
                    "mkdir -p {0}/bin && ln -s {program} {0}/bin/perfctl",
                    key("path")
                )
            }
            // The newest whose key begins so.
            "actions/cache/restore" => format!(
                "newest=$(ls -t caches | grep '^{}' | head -1) && cp -r \"caches/$newest/.\" work/{} || true",
                key("restore-keys"),
                key("path")
            ),
            "actions/cache/save" => {
                let (path, key) = (key("path"), key("key"));
                format!("rm -rf caches/{key} && cp -r work/{path} caches/{key}")
            }
            "actions/upload-artifact" => format!(
                "rm -rf artifacts/{0} && cp -r {1} artifacts/{0}",
                key("name"),
                key("path")
            ),
            "actions/download-artifact" => {
                format!("cp -r artifacts/{} work/{}", key("name"), key("path"))
            }
            _ => panic!("{uses} is not played here"),
        };
        self.shell(&script).status.success()
    }
}

/// The entries of a mapping, their expressions filled in.
fn filled(mapping: &Value, contexts: &Value) -> Vec<(String, String)> {
    let entries = mapping.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), fill(&text(value), contexts)))
        .collect()
}

/// A text with its `${{ }}` filled in.
fn fill(template: &str, contexts: &Value) -> String {
    let mut parts = template.split("${{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").unwrap();
        filled += &text(&Expression::evaluate(expression, contexts, true));
        filled += rest;
    }
    filled
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value != ""
}

/// An expression of GitHub: names, texts, `==`, `!=`, `!`, `&&`, `||`, parentheses, `success()` and `always()`.
struct Expression<'a> {
    words: Vec<String>,
    at: usize,
    contexts: &'a Value,
    passed: bool,
}

impl Expression<'_> {
    fn evaluate(text: &str, contexts: &Value, passed: bool) -> Value {
        let word = regex::Regex::new(r"'[^']*'|\|\||&&|[=!]=|[!()]|[\w.-]+").unwrap();
        let text = text.trim().trim_start_matches("${{").trim_end_matches("}}");
        let words = word.find_iter(text).map(|word| word.as_str().to_owned());
        let mut expression = Expression {
            words: words.collect(),
            at: 0,
            contexts,
            passed,
        };
        let value = expression.any();
        assert_eq!(expression.at, expression.words.len(), "{text}");
        value
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Value {
        let mut value = self.all();
        while self.take("||") {
            let other = self.all();
            value = if is_true(&value) { value } else { other };
        }
        value
    }

    fn all(&mut self) -> Value {
        let mut value = self.comparison();
        while self.take("&&") {
            let other = self.comparison();
            value = if is_true(&value) { other } else { value };
        }
        value
    }

    fn comparison(&mut self) -> Value {
        let value = self.one();
        if self.take("==") {
            return (text(&value) == text(&self.one())).into();
        }
        if self.take("!=") {
            return (text(&value) != text(&self.one())).into();
        }
        value
    }

    fn one(&mut self) -> Value {
        if self.take("!") {
            return (!is_true(&self.one())).into();
        }
        if self.take("(") {
            let value = self.any();
            assert!(self.take(")"));
            return value;
        }
        let word = self.words[self.at].clone();
        self.at += 1;
        if self.take("(") {
            assert!(self.take(")"));
            return (word == "always" || self.passed).into();
        }
        match word.strip_prefix('\'') {
            Some(text) => text.trim_end_matches('\'').into(),
            None => {
                let path = format!("/{}", word.replace('.', "/"));
                self.contexts.pointer(&path).cloned().unwrap_or_default()
            }
        }
    }
}

#[test]
fn expressions_mean_what_they_mean_to_github() {
    let contexts = json!({"a": {"b-c": "x", "no": false}, "inputs": {"none": ""}});
    for (expression, value) in [
        ("a.b-c", json!("x")),
        ("a.b-c == 'x' && 'y' || 'z'", json!("y")),
        ("inputs.none || (a.b-c != 'x' && 'y' || 'z')", json!("z")),
        ("a.no || 'false'", json!("false")),
        ("a.missing.far == ''", json!(true)),
        ("!a.no && always()", json!(true)),
    ] {
        assert_eq!(
            Expression::evaluate(expression, &contexts, true),
            value,
            "{expression}"
        );
    }
    assert_eq!(fill("1 ${{ a.b-c }} ${{ a.no }}", &contexts), "1 x false");
}
