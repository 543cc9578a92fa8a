//! The paths of the service.

use axum::http::Method;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Home,
    Health,
    ListInvoices,
    CreateInvoice,
    Invoice,
    Upload,
    Token,
    Login,
    Account,
    Processing,
    CreateJob,
    Job,
    Metrics,
    Redirect,
    Status,
    Bytes,
    Delay,
    NotFound,
    WrongMethod,
}

/// Method, path and purpose of each route, for people.
pub const PATHS: [(&str, &str, &str); 16] = [
    ("GET", "/health", "always 200"),
    ("GET", "/api/v1/invoices/?limit=20", "a list, up to 100"),
    ("POST", "/api/v1/invoices/", "a JSON object; 201"),
    (
        "GET",
        "/api/v1/invoices/{id}",
        "1 to 1000, and those created",
    ),
    (
        "POST",
        "/api/v1/invoices/upload",
        "any body up to 100 MB; 201",
    ),
    ("POST", "/api/v1/auth/dev-token", "an access token"),
    (
        "POST",
        "/api/v1/auth/login",
        "username, and `secret-USERNAME` as password; a token, or 401",
    ),
    (
        "GET",
        "/api/v1/account",
        "with the token of a login; or 401",
    ),
    ("POST", "/api/v1/processing/", "takes 200 ms"),
    ("POST", "/api/v1/jobs/", "202 and an id"),
    ("GET", "/api/v1/jobs/{id}", "done after 300 ms"),
    ("GET", "/metrics", "Prometheus text"),
    (
        "GET",
        "/redirect/{n}",
        "n hops to /health; `loop` never ends",
    ),
    ("GET", "/status/{code}", "any of 200 to 599"),
    ("GET", "/bytes/{n}", "a body of n bytes, up to 1 GB"),
    ("GET", "/delay/{ms}", "responds later, up to 10 minutes"),
];

impl Route {
    /// All of them, in the order of declaration.
    pub(super) const ALL: [Self; 19] = [
        Self::Home,
        Self::Health,
        Self::ListInvoices,
        Self::CreateInvoice,
        Self::Invoice,
        Self::Upload,
        Self::Token,
        Self::Login,
        Self::Account,
        Self::Processing,
        Self::CreateJob,
        Self::Job,
        Self::Metrics,
        Self::Redirect,
        Self::Status,
        Self::Bytes,
        Self::Delay,
        Self::NotFound,
        Self::WrongMethod,
    ];

    /// The path, as a label: never what the client sent, which has no bounds.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Health => "/health",
            Self::ListInvoices => "/api/v1/invoices/",
            Self::CreateInvoice => "/api/v1/invoices/ (create)",
            Self::Invoice => "/api/v1/invoices/{id}",
            Self::Upload => "/api/v1/invoices/upload",
            Self::Token => "/api/v1/auth/dev-token",
            Self::Login => "/api/v1/auth/login",
            Self::Account => "/api/v1/account",
            Self::Processing => "/api/v1/processing/",
            Self::CreateJob => "/api/v1/jobs/",
            Self::Job => "/api/v1/jobs/{id}",
            Self::Metrics => "/metrics",
            Self::Redirect => "/redirect/{n}",
            Self::Status => "/status/{code}",
            Self::Bytes => "/bytes/{n}",
            Self::Delay => "/delay/{ms}",
            Self::NotFound => "(not found)",
            Self::WrongMethod => "(wrong method)",
        }
    }

    /// Whether it belongs to the API, whose responses carry `Server-Timing`.
    pub(super) fn is_api(self) -> bool {
        self.path().starts_with("/api/")
    }
}

/// What a method and path ask for, and the path's last segment. HEAD is taken as GET; a slash at
/// the end makes no difference.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> (Route, &'a str) {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (folder, last) = path.rsplit_once('/').unwrap_or(("", path));
    let (get, post) = match (folder, last) {
        ("", "") => (Some(Route::Home), None),
        ("", "health") => (Some(Route::Health), None),
        ("", "metrics") => (Some(Route::Metrics), None),
        ("/api/v1", "invoices") => (Some(Route::ListInvoices), Some(Route::CreateInvoice)),
        ("/api/v1/invoices", "upload") => (None, Some(Route::Upload)),
        ("/api/v1/invoices", _) => (Some(Route::Invoice), None),
        ("/api/v1/auth", "dev-token") => (None, Some(Route::Token)),
        ("/api/v1/auth", "login") => (None, Some(Route::Login)),
        ("/api/v1", "account") => (Some(Route::Account), None),
        ("/api/v1", "processing") => (None, Some(Route::Processing)),
        ("/api/v1", "jobs") => (None, Some(Route::CreateJob)),
        ("/api/v1/jobs", _) => (Some(Route::Job), None),
        ("/redirect", _) => (Some(Route::Redirect), None),
        ("/status", _) => (Some(Route::Status), None),
        ("/bytes", _) => (Some(Route::Bytes), None),
        ("/delay", _) => (Some(Route::Delay), None),
        _ => (None, None),
    };
    let route = match *method {
        Method::GET | Method::HEAD => get,
        Method::POST => post,
        _ => None,
    };
    let missing = match get.or(post) {
        Some(_) => Route::WrongMethod,
        None => Route::NotFound,
    };
    (route.unwrap_or(missing), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_routes() {
        let cases = [
            (Method::GET, "/", Route::Home),
            (Method::GET, "/health", Route::Health),
            (Method::HEAD, "/health/", Route::Health),
            (Method::GET, "/api/v1/invoices", Route::ListInvoices),
            (Method::POST, "/api/v1/invoices/", Route::CreateInvoice),
            (Method::GET, "/api/v1/invoices/7", Route::Invoice),
            (Method::POST, "/api/v1/invoices/upload", Route::Upload),
            (Method::POST, "/api/v1/auth/dev-token", Route::Token),
            (Method::GET, "/api/v1/auth/dev-token", Route::WrongMethod),
            (Method::POST, "/api/v1/auth/login", Route::Login),
            (Method::GET, "/api/v1/account/", Route::Account),
            (Method::DELETE, "/health", Route::WrongMethod),
            (Method::GET, "/api/v1/jobs/1-2", Route::Job),
            (Method::GET, "/status/418", Route::Status),
            (Method::GET, "/nothing", Route::NotFound),
            (Method::GET, "/status/1/2", Route::NotFound),
            (Method::GET, "*", Route::NotFound),
        ];
        for (method, path, route) in cases {
            assert_eq!(find(&method, path).0, route, "{method} {path}");
        }
    }

    #[test]
    fn every_listed_path_exists_and_every_route_is_in_all() {
        for (method, path, _) in PATHS {
            let path = path.split('?').next().unwrap();
            let (route, _) = find(&method.parse().unwrap(), path);
            assert_ne!(route, Route::NotFound, "{path}");
            assert_ne!(route, Route::WrongMethod, "{path}");
        }
        for (i, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, i);
        }
    }
}
