//! The dashboard on a real terminal, driven by tmux: keys, sizes, and how the terminal is left.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use perfctl::metrics::read_result;
use tempfile::TempDir;

use crate::support::{LIMIT, skip};

const SCENARIO: &str = "
name: shop
host: demo
defaults: {think_time: constant(50ms)}
endpoints:
  - {name: health, get: /health}
  - {name: a page that is not there, get: /nothing}
slo: {p95: 10s, error_rate: 1%}
";

/// A terminal with a shell in it; closed when it goes away.
struct Tmux {
    dir: TempDir,
}

impl Tmux {
    /// Of this size, with a scenario in the current directory. `None` without tmux.
    fn start((columns, rows): (u16, u16), scenario: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip("tmux is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("scenario.yaml"), scenario).unwrap();
        let tmux = Self { dir };
        let (x, y) = (columns.to_string(), rows.to_string());
        let folder = tmux.dir.path().to_str().unwrap();
        let shell = format!(
            "env -i PATH={} TERM=screen LANG=C.UTF-8 PS1='$ ' PERFCTL_ASSUME_HEALTHY=1 sh",
            std::env::var("PATH").unwrap()
        );
        let new = [
            "new-session",
            "-d",
            "-x",
            &x,
            "-y",
            &y,
            "-c",
            folder,
            &shell,
        ];
        let started = tmux.ask(&new);
        assert!(started.status.success(), "{started:?}");
        Some(tmux)
    }

    fn ask(&self, args: &[&str]) -> Output {
        let socket = self.dir.path().join("tmux");
        let mut tmux = Command::new("tmux");
        // Not in the one that the tests may run in, and without anybody's settings.
        tmux.env_remove("TMUX").args(["-f", "/dev/null", "-S"]);
        tmux.arg(socket).args(args).output().unwrap()
    }

    /// Types a command, which tells its process and its exit code.
    fn run(&self, options: &str) {
        let program = env!("CARGO_BIN_EXE_perfctl");
        let line = format!(
            "sh -c 'echo $$ > pid; exec {program} run scenario.yaml {options}'; echo exit=$?"
        );
        std::fs::write(self.dir.path().join("run.sh"), line).unwrap();
        self.press(&["clear; echo before the run; . ./run.sh", "Enter"]);
    }

    fn press(&self, keys: &[&str]) {
        let pressed = self.ask(&[&["send-keys"], keys].concat());
        assert!(pressed.status.success(), "{pressed:?}");
    }

    fn resize(&self, (columns, rows): (u16, u16)) {
        let (x, y) = (columns.to_string(), rows.to_string());
        let resized = self.ask(&["resize-window", "-x", &x, "-y", &y]);
        assert!(resized.status.success(), "{resized:?}");
    }

    /// What is on the screen; with `above` it, what was scrolled out.
    fn screen(&self, above: bool) -> String {
        let all: &[&str] = if above { &["-S", "-"] } else { &[] };
        let captured = self.ask(&[&["capture-pane", "-p"], all].concat());
        String::from_utf8(captured.stdout).unwrap()
    }

    /// Waits until the screen is as it should be, and returns it.
    #[track_caller]
    fn wait(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen(false);
            if is_there(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < LIMIT, "no {what}:\n{}", self.screen(true));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    fn process(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("pid")).unwrap()
    }

    /// Waits for the exit code, and checks that the terminal is as it was before. All that is in it.
    #[track_caller]
    fn ended(&self, code: u8) -> String {
        self.wait_for(&format!("exit={code}"));
        let state = self.ask(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(String::from_utf8_lossy(&state.stdout).trim(), "0 1");
        self.press(&["stty -a > state; echo stty=done", "Enter"]);
        self.wait("state of the terminal", |screen| {
            screen.lines().any(|line| line == "stty=done")
        });
        let state = std::fs::read_to_string(self.dir.path().join("state")).unwrap();
        for flag in ["icanon", "echo", "isig", "opost", "icrnl"] {
            assert!(
                state
                    .split_whitespace()
                    .any(|word| word.trim_end_matches(';') == flag),
                "{state}"
            );
        }
        let all = self.screen(true);
        assert!(all.contains("before the run"), "{all}");
        assert!(!all.contains("Endpoints by"), "{all}");
        all
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}

#[test]
fn keys_change_the_load_and_the_report_follows() {
    let Some(tmux) = Tmux::start((80, 24), SCENARIO) else {
        return;
    };
    tmux.run("-u 3 -r 10 -t 10m");
    tmux.wait_for("3 of 3 users");
    // Once the ramp and the warm-up are over.
    let screen = tmux.wait_for("✗ error_rate");
    assert!(screen.starts_with("shop · "), "{screen}");
    assert!(screen.contains("http_4xx 404"), "{screen}");
    tmux.press(&["w"]);
    tmux.wait_for("4 of 4 users");
    tmux.press(&["W"]);
    tmux.wait_for("14 of 14 users");
    tmux.press(&["S", "s"]);
    tmux.wait_for("3 of 3 users");
    tmux.press(&["w", "e"]);
    let screen = tmux.wait_for("Endpoints by p95");
    assert!(
        screen.contains("1 user more than planned  adjusted: no grade"),
        "{screen}"
    );
    tmux.press(&["p"]);
    tmux.wait_for("PAUSED");
    tmux.wait("silence", |screen| screen.contains("  0/s  "));
    tmux.press(&["p"]);
    tmux.wait("end of the pause", |screen| !screen.contains("PAUSED"));
    tmux.press(&["?"]);
    tmux.wait_for("add 1 or 10 users");
    tmux.press(&["?"]);
    tmux.wait("end of the help", |screen| {
        !screen.contains("add 1 or 10 users")
    });
    tmux.press(&["q"]);
    let all = tmux.ended(130);
    // However the report breaks its lines.
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(all.contains("1 user more than planned from"), "{all}");
    let mut runs = std::fs::read_dir(tmux.dir.path().join("results")).unwrap();
    let result = read_result(&runs.next().unwrap().unwrap().path()).unwrap();
    let users: Vec<i64> = result.run.adjustments.iter().map(|one| one.users).collect();
    assert_eq!(users, [1, 11, 1, 0, 1, 1, 1]);
    assert_eq!(result.invalid_because(), [""; 0]);
}

#[test]
fn the_dashboard_follows_the_size_of_the_terminal() {
    let Some(tmux) = Tmux::start((80, 24), SCENARIO) else {
        return;
    };
    tmux.run("-u 3 -r 10 -t 10m");
    tmux.wait_for("http_4xx 404");
    let is_whole = |screen: &str, columns: usize| {
        let last = screen.trim_end().lines().last().unwrap_or_default();
        let fits = |line: &str| line.chars().count() <= columns;
        last.contains("? keys") && screen.lines().all(fits)
    };
    for size in [(60, 20), (60, 15), (200, 50), (120, 40)] {
        tmux.resize(size);
        let (columns, rows) = (usize::from(size.0), usize::from(size.1));
        tmux.wait(&format!("dashboard of {size:?}"), |screen| {
            let is_high = screen
                .lines()
                .nth(rows - 1)
                .is_some_and(|line| line.contains("? keys"));
            is_high && is_whole(screen, columns) && screen.contains("Endpoints by trouble")
        });
    }
    tmux.resize((50, 12));
    tmux.wait_for("the dashboard needs 60 columns and 15 rows");
    tmux.resize((80, 24));
    tmux.wait("dashboard", |screen| is_whole(screen, 80));
    // What others write to the screen goes away.
    let pane = tmux.ask(&["display-message", "-p", "#{pane_tty}"]);
    let pane = String::from_utf8(pane.stdout).unwrap();
    std::fs::write(pane.trim(), "\x1b[2J\x1b[Hwritten by others").unwrap();
    tmux.wait_for("written by others");
    tmux.press(&["C-l"]);
    tmux.wait("dashboard", |screen| {
        is_whole(screen, 80) && screen.starts_with("shop · ")
    });
    tmux.press(&["C-c"]);
    tmux.ended(130);
}

#[test]
fn the_terminal_is_left_as_it_was_whatever_ends_the_run() {
    let Some(tmux) = Tmux::start((80, 24), SCENARIO) else {
        return;
    };
    tmux.run("-u 3 -r 10 -t 10m");
    tmux.wait_for("3 of 3 users");
    let process = tmux.process();
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -TERM {process}")])
        .status();
    assert!(killed.unwrap().success());
    let all = tmux.ended(143);
    assert!(all.contains("INCONCLUSIVE"), "{all}");

    // Nobody answers, so that only the second one ends it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = SCENARIO.replace(
        "host: demo",
        &format!("host: http://{}", listener.local_addr().unwrap()),
    );
    std::fs::write(tmux.dir.path().join("scenario.yaml"), silent).unwrap();
    tmux.run("-u 1 -t 10m --stop-timeout 10m");
    tmux.wait_for("1 of 1 user");
    tmux.press(&["q"]);
    tmux.wait_for("stopping: waiting for requests in flight");
    tmux.press(&["q"]);
    tmux.ended(130);
}

/// The signal that says so ends the load as any other, and nothing waits for keys that nobody can press.
#[test]
fn a_terminal_that_is_closed_ends_the_run_and_leaves_its_result() {
    let Some(tmux) = Tmux::start((80, 24), SCENARIO) else {
        return;
    };
    tmux.run("-u 3 -r 10 -t 10m");
    tmux.wait_for("users");
    tmux.wait("two seconds", |_| {
        let runs = std::fs::read_dir(tmux.dir.path().join("results"));
        let journal = runs.ok().and_then(|mut runs| runs.next()?.ok());
        let journal = journal.map(|run| run.path().join("journal.jsonl"));
        let text = journal.and_then(|path| std::fs::read_to_string(path).ok());
        text.is_some_and(|text| text.lines().count() > 2)
    });
    let process = std::path::PathBuf::from(format!("/proc/{}", tmux.process().trim()));
    tmux.ask(&["kill-server"]);
    let begun = Instant::now();
    while process.exists() {
        assert!(begun.elapsed() < LIMIT, "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut runs = std::fs::read_dir(tmux.dir.path().join("results")).unwrap();
    let result = read_result(&runs.next().unwrap().unwrap().path()).unwrap();
    let ending = result.run.ending.unwrap();
    assert_eq!(ending.signal, Some(1));
}

#[test]
fn without_the_dashboard_there_are_lines() {
    let Some(tmux) = Tmux::start((80, 24), SCENARIO) else {
        return;
    };
    for options in ["--no-tui", "--repeat 2"] {
        tmux.run(&format!("-u 3 -r 10 -t 10m {options}"));
        let screen = tmux.wait_for("3 users");
        assert!(screen.contains("before the run"), "{screen}");
        tmux.press(&["C-c"]);
        tmux.wait_for("exit=130");
    }
    tmux.resize((50, 20));
    tmux.run("-u 3 -r 10 -t 10m");
    let screen = tmux.wait_for("3 users");
    assert!(screen.contains("before the run"), "{screen}");
    tmux.press(&["C-c"]);
    tmux.wait_for("exit=130");
}
