//! Which path means what. The description of the interface has the same paths; a test holds them together.

use axum::http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Problem;

/// Where the paths of runs begin.
pub const BASE: &str = "/api/v1/performance/load-test";

/// The description of the interface.
pub const OPENAPI: &str = include_str!("openapi.json");

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The page.
    Page,
    /// Its script.
    Script,
    /// Its style.
    Style,
    /// Starts a run.
    Start,
    /// Says what a run would do.
    Validate,
    /// The run that goes on, and those that wait.
    Active,
    /// The runs there are.
    List,
    /// The description of the interface.
    OpenApi,
    /// The scenarios and profiles.
    Scenarios,
    /// A run and its numbers.
    Show,
    /// Its report in a format.
    Report,
    /// Ends a run.
    Cancel,
    /// What its load is.
    Load,
    /// Changes its load.
    ChangeLoad,
    /// Its seconds.
    Series,
    /// Its seconds as they come.
    Events,
    /// One of its files.
    File,
    /// How the service is.
    Health,
    /// The numbers of its endpoints.
    Metrics,
    /// The report of the newest run.
    NewestReport,
    /// Which targets are met.
    Compliance,
    /// What is wrong.
    Alerts,
    /// What to do about it.
    Recommendations,
    /// One of Locust's.
    Locust(LocustCall),
}

/// What is asked for in the words of Locust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocustCall {
    /// Starts the scenario, or changes its users.
    Swarm,
    /// Ends it.
    Stop,
    /// Forgets the numbers, which perfctl never does.
    Reset,
    /// The numbers so far.
    Requests,
    /// The same as a file.
    RequestsCsv,
    /// Its failures.
    FailuresCsv,
    /// Its seconds.
    HistoryCsv,
    /// Exceptions of Python.
    Exceptions,
    /// The same as a file.
    ExceptionsCsv,
    /// The shares of classes and tasks.
    Tasks,
    /// What the run has said.
    Logs,
}

impl Operation {
    /// The type that bodies have.
    pub(super) fn body_type(self) -> &'static str {
        match self {
            Self::Locust(_) => "application/x-www-form-urlencoded",
            _ => "application/json",
        }
    }

    /// Whether it has nothing that the token protects.
    pub(super) fn is_public(self) -> bool {
        matches!(self, Self::Page | Self::Script | Self::Style)
    }
}

/// A method and a path, with open parts such as `{id}`.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// What they mean.
    pub operation: Operation,
}

const fn get(path: &'static str, operation: Operation) -> Route {
    Route {
        method: "GET",
        path,
        operation,
    }
}

const fn post(path: &'static str, operation: Operation) -> Route {
    Route {
        method: "POST",
        path,
        operation,
    }
}

/// All of them. The first one that fits counts.
pub const ROUTES: &[Route] = &[
    get("/", Operation::Page),
    get("/serve.js", Operation::Script),
    get("/serve.css", Operation::Style),
    get("/api/v1/performance/dashboard", Operation::Page),
    get("/api/v1/performance/health", Operation::Health),
    get("/api/v1/performance/metrics", Operation::Metrics),
    get("/api/v1/performance/report", Operation::NewestReport),
    get("/api/v1/performance/prd-compliance", Operation::Compliance),
    get("/api/v1/performance/alerts", Operation::Alerts),
    get(
        "/api/v1/performance/optimization/recommendations",
        Operation::Recommendations,
    ),
    get("/api/v1/performance/load-test/", Operation::List),
    post("/api/v1/performance/load-test/start", Operation::Start),
    post(
        "/api/v1/performance/load-test/validate",
        Operation::Validate,
    ),
    get("/api/v1/performance/load-test/active", Operation::Active),
    get(
        "/api/v1/performance/load-test/scenarios",
        Operation::Scenarios,
    ),
    get(
        "/api/v1/performance/load-test/openapi.json",
        Operation::OpenApi,
    ),
    get("/api/v1/performance/load-test/{id}", Operation::Show),
    get(
        "/api/v1/performance/load-test/{id}/report",
        Operation::Report,
    ),
    post(
        "/api/v1/performance/load-test/{id}/cancel",
        Operation::Cancel,
    ),
    get("/api/v1/performance/load-test/{id}/load", Operation::Load),
    Route {
        method: "PATCH",
        path: "/api/v1/performance/load-test/{id}/load",
        operation: Operation::ChangeLoad,
    },
    get(
        "/api/v1/performance/load-test/{id}/series",
        Operation::Series,
    ),
    get(
        "/api/v1/performance/load-test/{id}/events",
        Operation::Events,
    ),
    get(
        "/api/v1/performance/load-test/{id}/files/{name}",
        Operation::File,
    ),
];

/// Locust's. They are there only if the operator wants them, and described by Locust alone.
pub const LOCUST_ROUTES: &[Route] = &[
    post("/swarm", Operation::Locust(LocustCall::Swarm)),
    post("/stop", Operation::Locust(LocustCall::Stop)),
    // As in earlier versions. What keeps other pages from it is the header with the token.
    get("/stop", Operation::Locust(LocustCall::Stop)),
    post("/stats/reset", Operation::Locust(LocustCall::Reset)),
    get("/stats/reset", Operation::Locust(LocustCall::Reset)),
    get("/stats/requests", Operation::Locust(LocustCall::Requests)),
    get(
        "/stats/requests/csv",
        Operation::Locust(LocustCall::RequestsCsv),
    ),
    get(
        "/stats/failures/csv",
        Operation::Locust(LocustCall::FailuresCsv),
    ),
    get(
        "/stats/requests_full_history/csv",
        Operation::Locust(LocustCall::HistoryCsv),
    ),
    get("/exceptions", Operation::Locust(LocustCall::Exceptions)),
    get(
        "/exceptions/csv",
        Operation::Locust(LocustCall::ExceptionsCsv),
    ),
    get("/tasks", Operation::Locust(LocustCall::Tasks)),
    get("/logs", Operation::Locust(LocustCall::Logs)),
];

/// The route, with those of Locust or without, and the open parts of its path.
pub(super) fn find(
    method: &Method,
    path: &str,
    with_locust: bool,
) -> Result<(&'static Route, Vec<String>), Problem> {
    let mut known = Vec::new();
    let mut meaning = None;
    let locust = LOCUST_ROUTES.iter().filter(|_| with_locust);
    for route in ROUTES.iter().chain(locust) {
        let is_other = meaning.is_some_and(|meaning| meaning != route.path);
        let Some(parts) = parts(route.path, path).filter(|_| !is_other) else {
            continue;
        };
        if route.method == method.as_str() {
            return Ok((route, parts));
        }
        known.push(route.method);
        // `{id}` stands for any name but those that have a meaning.
        if !route.path.contains('{') {
            meaning = Some(route.path);
        }
    }
    if known.is_empty() {
        return Err(Problem::no_path());
    }
    let why = format!("only {} is allowed here", known.join(" or "));
    Err(Problem {
        allow: Some(known.join(", ").into()),
        ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, why)
    })
}

fn parts(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(parts),
            (Some(pattern), Some(segment)) if pattern.starts_with('{') => {
                let part = percent_decode_str(segment).decode_utf8().ok()?;
                parts.push(Some(part.into_owned()).filter(|part| !part.is_empty())?);
            }
            (Some(pattern), Some(segment)) if pattern == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_their_parts() {
        let found = |path: &str| {
            let found = find(&Method::GET, path, false);
            found.map(|(route, parts)| (route.operation, parts.join("|")))
        };
        let base = BASE;
        assert_eq!(found("/").unwrap().0, Operation::Page);
        assert_eq!(
            found(&format!("{base}/active")).unwrap().0,
            Operation::Active
        );
        let (operation, parts) = found(&format!("{base}/a%2Fb/files/x%20y")).unwrap();
        assert_eq!((operation, parts.as_str()), (Operation::File, "a/b|x y"));
        for bad in ["", "/a", &format!("{base}/a/b/c"), &format!("{base}/%ff")] {
            assert_eq!(found(bad).unwrap_err().status, 404, "{bad}");
        }
        let refused = find(&Method::DELETE, &format!("{base}/a"), false).unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.allow),
            (405, Some("GET".into()))
        );
        let refused = find(&Method::POST, &format!("{base}/a/load"), true).unwrap_err();
        assert_eq!(refused.allow.as_deref(), Some("GET, PATCH"));
        // A name with a meaning is no run.
        assert_eq!(
            find(&Method::GET, &format!("{base}/start"), false)
                .unwrap_err()
                .status,
            405
        );
    }
}
