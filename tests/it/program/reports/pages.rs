//! The report as a page, in a browser.

use std::path::Path;
use std::process::Command;

use crate::support::{Perfctl, skip};

/// What Chromium makes of a page, and what it says about it; `None` where there is no Chromium.
pub(super) fn opened(page: &Path) -> Option<(String, String)> {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=2000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output();
    match output {
        Ok(output) => Some((
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )),
        Err(error) => {
            skip(&format!("pages are opened in `chromium`: {error}"));
            None
        }
    }
}

#[test]
fn a_page_has_its_charts_without_scripts_and_hostile_names_do_nothing() {
    let endpoints = r#"
- {name: "<script>document.title = 'pwned'</script>", get: /api/v1/invoices/, weight: 5}
- {name: "</svg><img src=x onerror='document.title = 1'>", get: /status/404}
- {name: "請求書 \" ' & ]]>", get: /status/503}
slo: {error_rate: 1%, p95: 30s}"#;
    let run = Perfctl::scenario("demo", endpoints)
        .args(["-i", "300", "--html", "report-{u}.html", "--quiet"])
        .expect_status(1)
        .run();
    let page = run.dir.path().join("report-2.html");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.len() < 150_000, "{} bytes", text.len());
    // In the file as it is: no script makes them.
    assert!(text.matches("<path ").count() > 10, "{text}");
    let Some((dom, said)) = opened(&page) else {
        return;
    };
    assert!(dom.contains("<title>FAIL: small, quick</title>"), "{dom}");
    for chart in ["load", "users", "latency", "heatmap", "percentiles"] {
        assert!(
            dom.contains(&format!("id=\"{chart}-t\"")),
            "{chart}:\n{dom}"
        );
    }
    assert!(dom.matches("<path ").count() > 10, "{dom}");
    assert!(!dom.contains("<img"), "{dom}");
    assert!(dom.contains("&lt;script&gt;document.title"), "{dom}");
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let run = Perfctl::scenario("demo", "- {name: root, get: /health}")
        .args(["-i", "20", "--format", "html"])
        .run();
    let page = &run.stdout;
    assert!(page.contains("default-src 'none'"), "{page}");
    for reference in [
        "src=", "href=", "url(", "@import", "<link", " style=", " onload=",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
}
