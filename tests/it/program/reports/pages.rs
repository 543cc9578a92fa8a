//! The report as a page, in a browser.

use std::process::{Command, Output};

use crate::support::recording::{Recording, answer};
use crate::support::{Perfctl, skip};

/// Runs Chromium with these arguments; `None` where there is none.
fn chromium(arguments: &[&str]) -> Option<Output> {
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
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--enable-logging=stderr"])
        .args(arguments)
        .output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            skip(&format!("pages are opened in `chromium`: {error}"));
            None
        }
    }
}

/// What Chromium makes of a page, and what it says about it.
pub(super) fn opened(url: &str) -> Option<(String, String)> {
    let output = chromium(&["--virtual-time-budget=4000", "--dump-dom", url])?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&output.stdout), text(&output.stderr)))
}

/// The lines of a browser's log that come from the page.
fn complaints(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect()
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
    let url = format!("file://{}", page.display());
    let Some((dom, log)) = opened(&url) else {
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
    assert_eq!(complaints(&log), Vec::<&str>::new());
    // All on paper.
    let pdf = run.dir.path().join("report.pdf");
    let print = format!("--print-to-pdf={}", pdf.display());
    chromium(&[&print, &url]).unwrap();
    let pdf = std::fs::read(pdf).unwrap();
    assert!(pdf.starts_with(b"%PDF") && pdf.len() > 20_000);
}

/// The policy of Jenkins for files that builds have made.
const JENKINS: &str =
    "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self'";

/// Opens pages in frames as wide as a phone, and says what it sees of them.
const FRAMES: &str = r#"<!DOCTYPE html><body><script>
const paths = ["/plain", "/jenkins/plain", "/jenkins/index.html"];
const frames = paths.map((path) => {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: path, width: 390, height: 844 });
  document.body.append(frame);
  return new Promise((resolve) => { frame.onload = () => resolve(frame.contentDocument); });
});
Promise.all(frames).then((pages) => {
  const seen = pages.map((page, i) => {
    const style = (of) => page.defaultView.getComputedStyle(of);
    const line = page.querySelector("figure svg[role=img] svg path[stroke]");
    const beyond = [...page.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > page.documentElement.clientWidth)
      .map((one) => one.outerHTML.slice(0, 120));
    return {
      path: paths[i],
      scrolls: page.documentElement.scrollWidth > page.documentElement.clientWidth,
      beyond: beyond.slice(0, 5),
      font: style(page.body).fontSize,
      line: style(line).stroke,
      paths: page.querySelectorAll("figure path").length,
      chart: Math.round(line.closest("figure").getBoundingClientRect().width),
    };
  });
  document.body.replaceChildren("seen:" + JSON.stringify(seen) + ":end");
});
</script></body>"#;

#[test]
fn a_page_fits_a_phone_and_can_be_read_under_the_policy_of_jenkins() {
    let long = "x".repeat(300);
    let endpoints = format!(
        "- {{name: {long}, get: '/status/404?{long}'}}\n- {{name: health, get: /health}}\nslo: {{error_rate: 1%, p95: 30s}}"
    );
    let run = Perfctl::scenario("demo", &endpoints)
        .args(["-i", "100", "--html", "plain.html", "--html-dir", "page"])
        .args(["--quiet"])
        .expect_status(1)
        .run();
    let folder = run.dir.path().to_owned();
    let server = Recording::start(move |seen, _| {
        let (file, of) = match seen.path() {
            "/" => return answer("200 OK", "content-type: text/html\r\n", FRAMES),
            "/plain" | "/jenkins/plain" => ("plain.html", "html"),
            "/jenkins/index.html" => ("page/index.html", "html"),
            "/jenkins/style.css" => ("page/style.css", "css"),
            _ => return answer("404 Not Found", "", ""),
        };
        let policy = match seen.path().starts_with("/jenkins") {
            true => format!("content-security-policy: {JENKINS}\r\n"),
            false => String::new(),
        };
        let headers = format!("content-type: text/{of}; charset=utf-8\r\n{policy}");
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        answer("200 OK", &headers, &text)
    });
    let Some((dom, log)) = opened(&server.url()) else {
        return;
    };
    let seen = dom
        .split_once("seen:")
        .and_then(|(_, rest)| rest.split_once(":end"));
    let Some((seen, _)) = seen else {
        panic!("nothing seen:\n{dom}\n{log}");
    };
    let seen: Vec<serde_json::Value> = serde_json::from_str(seen).unwrap();
    let [plain, forbidden, beside] = &seen[..] else {
        panic!("{seen:?}");
    };
    for page in [plain, beside] {
        assert_eq!(page["scrolls"], false, "{page:#}");
        assert_eq!(page["font"], "15px", "{page}");
    }
    // Neither style nor script, and yet charts as wide as the page, whose lines have their colors.
    assert_eq!(forbidden["font"], "16px", "{forbidden}");
    for page in [plain, forbidden, beside] {
        assert!(page["line"].as_str().unwrap().starts_with("rgb"), "{page}");
        assert!(page["chart"].as_u64().unwrap() > 250, "{page}");
        assert!(page["paths"].as_u64().unwrap() > 10, "{page}");
    }
    let complaints: Vec<&str> = complaints(&log)
        .into_iter()
        .filter(|line| !line.contains("/jenkins/plain"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let mut paths = server.paths();
    paths.retain(|path| path != "/favicon.ico");
    paths.sort();
    assert_eq!(
        paths,
        [
            "/",
            "/jenkins/index.html",
            "/jenkins/plain",
            "/jenkins/style.css",
            "/plain"
        ]
    );
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
