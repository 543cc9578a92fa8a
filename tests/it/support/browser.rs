//! Debian's Chromium, driven over a pipe by its own protocol, which needs no driver.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LIMIT, skip};

/// A browser with one page.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    calls: u64,
    session: String,
    /// What the page has complained about.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it; `None` where there is none.
    pub fn start() -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        // It reads from descriptor 3 and writes to 4.
        let script = "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let child = Command::new("sh")
            .args([
                "-c",
                &format!("command -v chromium >/dev/null || exit 127; {script}"),
                "sh",
            ])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args([
                "--disable-sync",
                "--remote-debugging-pipe",
                &data,
                "about:blank",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let (sender, answers) = channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output
                .read_until(0, &mut message)
                .is_ok_and(|length| length > 0)
            {
                message.pop();
                let answer = serde_json::from_slice(&message).unwrap_or_default();
                if sender.send(answer).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            commands: child.stdin.take().unwrap(),
            child,
            answers,
            calls: 0,
            session: String::new(),
            complaints: Vec::new(),
            _profile: profile,
        };
        let Some(target) = browser.try_call("Target.createTarget", &json!({"url": "about:blank"}))
        else {
            skip("pages are opened in `chromium`, which does not start");
            return None;
        };
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    fn try_call(&mut self, method: &str, parameters: &Value) -> Option<Value> {
        self.calls += 1;
        let mut command = json!({"id": self.calls, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.commands
            .write_all(format!("{command}\0").as_bytes())
            .ok()?;
        loop {
            let answer = self.answers.recv_timeout(LIMIT).ok()?;
            self.note(&answer);
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return Some(answer["result"].clone());
            }
        }
    }

    #[track_caller]
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let answer = self.try_call(method, parameters);
        answer.unwrap_or_else(|| panic!("chromium does not answer {method}"))
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let text = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => &parameters["exceptionDetails"],
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                &parameters["entry"]
            }
            _ => return,
        };
        self.complaints.push(text.to_string());
    }

    /// Opens a page.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
    }

    /// Makes the window this wide, and the page dark or light.
    #[track_caller]
    pub fn look(&mut self, width: u32, is_dark: bool) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let call = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", &call);
        let thrown = &result["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_until(&mut self, expression: &str) {
        let start = Instant::now();
        let safe = format!(
            "(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"
        );
        while self.value(&safe) != true {
            if start.elapsed() > LIMIT {
                let text = self.value("document.body.innerText");
                panic!("not {expression}: {text}\n{:?}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The whole page as a picture in the format PNG.
    #[track_caller]
    pub fn picture(&mut self) -> Vec<u8> {
        let shot = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.call("Page.captureScreenshot", &shot);
        let data = answer["data"].as_str().unwrap();
        BASE64_STANDARD.decode(data).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The whole of it, with its processes.
        let close = json!({"id": self.calls + 1, "method": "Browser.close"});
        let _ = self.commands.write_all(format!("{close}\0").as_bytes());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
