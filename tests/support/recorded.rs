//! A server that notes what it was asked, and answers by a rule.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    /// A header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// What it is answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 0 is 200.
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// The server; it serves until the program ends.
pub struct Recorded {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recorded {
    /// Answers what `answer` says to the request and its number, from 0.
    pub fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (noted, answer) = (seen.clone(), Arc::new(answer));
        let handle = move |request: Request| {
            let (noted, answer) = (noted.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap_or(Bytes::new());
                let asked = Seen {
                    path: head.uri.to_string(),
                    headers: head.headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                let number = {
                    let mut noted = noted.lock().unwrap();
                    noted.push(asked.clone());
                    noted.len() - 1
                };
                let answer = answer(&asked, number);
                let mut headers = HeaderMap::new();
                for (name, value) in answer.headers {
                    let value = HeaderValue::from_str(&value).unwrap();
                    headers.append(HeaderName::from_static(name), value);
                }
                let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
                (status, headers, answer.body)
            }
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new().fallback(handle);
                axum::serve(listener, router).await.unwrap();
            });
        });
        let url = format!("http://{}", receiver.recv().unwrap());
        Self { url, seen }
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What arrived so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Path and query of what arrived so far, in order.
    pub fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }
}
