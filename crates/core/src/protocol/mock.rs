//! A scripted protocol, for tests and dry runs: no sockets, responds after a scripted delay.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::{Client, Phases, Request, Response, Session};

/// Responds to each request by a script, and records the requests.
#[derive(Clone)]
pub struct MockClient {
    script: Rc<dyn Fn(usize) -> MockResponse>,
    seen: Rc<RefCell<Vec<String>>>,
}

/// How the script responds to one request.
#[derive(Debug, Clone, Copy)]
pub struct MockResponse {
    /// How long it takes.
    pub delay: Duration,
    /// The status of the response.
    pub status: u16,
}

impl MockClient {
    /// Asks `script` with the number of the request, from 0 in the order of their start.
    pub fn new(script: impl Fn(usize) -> MockResponse + 'static) -> Self {
        Self {
            script: Rc::new(script),
            seen: Rc::default(),
        }
    }

    /// `endpoint name` or `endpoint name url` of each request, in the order of their start.
    pub fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }
}

/// A session of a [`MockClient`].
pub struct MockSession(MockClient);

impl Client for MockClient {
    type Session = MockSession;

    fn session(&self) -> MockSession {
        MockSession(self.clone())
    }

    fn companion(&self, _: &MockSession) -> MockSession {
        self.session()
    }
}

impl Session for MockSession {
    async fn prepare(&mut self, _: &Request<'_>) -> Option<Duration> {
        None
    }

    async fn execute(&mut self, request: &Request<'_>, response: &mut Response) {
        let number = self.0.seen.borrow().len();
        let url = request
            .rendered
            .as_ref()
            .map_or_else(String::new, |r| format!(" {}", r.url));
        let line = format!("{}{url}", request.endpoint.name);
        self.0.seen.borrow_mut().push(line);
        let scripted = (self.0.script)(number);
        tokio::time::sleep(scripted.delay).await;
        response.status = Some(scripted.status);
        response.phases = Phases {
            ttfb: Some(scripted.delay),
            ..Phases::default()
        };
    }
}
