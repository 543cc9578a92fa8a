//! What requests share, where they wait, and what an operation gets of a request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;

use super::access::guard::Guard;
use super::answer::Problem;
use super::options::ServeOptions;
use super::routes::Operation;
use super::runs::live::Live;
use super::runs::numbers::Cache;
use super::supervisor::Supervisor;

/// Everything that requests share.
pub(super) struct Server {
    pub options: ServeOptions,
    pub guard: Guard,
    pub supervisor: Supervisor,
    pub live: Live,
    pub cache: Cache,
}

/// What of a request an operation needs.
pub(super) struct Call {
    pub operation: Operation,
    /// The parts of the path that the route leaves open.
    pub parts: Vec<String>,
    /// The pairs behind the `?`.
    pub query: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub last_event: Option<u64>,
    pub peer: SocketAddr,
}

impl Call {
    /// An open part of the path; empty if there is none.
    pub fn part(&self, position: usize) -> &str {
        self.parts.get(position).map_or("", String::as_str)
    }

    /// The first value of this name behind the `?`.
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same as a number, up to what JavaScript counts to.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number = self.query(name).map(|text| {
            let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_digits);
            number.filter(|number| *number < 1 << 53)
        });
        match number {
            Some(None) => {
                let problem = format!("`{name}` must be a whole number from 0 to 9007199254740991");
                Err(Problem::unprocessable(problem))
            }
            number => Ok(number.flatten()),
        }
    }
}

/// Does what may take a while on another thread, since all requests share one.
pub(super) async fn off_thread<T: Send + 'static>(
    server: &Arc<Server>,
    work: impl FnOnce(&Arc<Server>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let server = server.clone();
    let done = tokio::task::spawn_blocking(move || work(&server)).await;
    done.map_err(|_| {
        let text = "this request made the server panic; this is a bug in perfctl, please report it";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    })?
}
