//! A bare loop of reqwest: `bare-reqwest URL USERS REQUESTS`.
//!
//! The least that a load generator does by reqwest: users with a client each, requests for URLs with a variable in them,
//! a time limit, a look at the status, the body read to its end, and the time it took. Not here: anything that
//! perfctl adds to it, and anything that measures, which `bench/run` does from the outside.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use tokio::task::LocalSet;

/// The paths of `bench/scenario.yaml`.
const PATHS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, users, requests] = &arguments[..] else {
        panic!("bare-reqwest URL USERS REQUESTS")
    };
    let users: usize = users.parse().expect("a number of users");
    let left = Rc::new(Cell::new(requests.parse().expect("a number of requests")));
    let tasks = LocalSet::new();
    for user in 0..users {
        tasks.spawn_local(run(user, base.clone(), left.clone()));
    }
    tasks.await;
}

/// Sends requests as long as some are `left`.
async fn run(user: usize, base: String, left: Rc<Cell<usize>>) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        // Otherwise it clones each request for the case.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .referer(false)
        .build()
        .expect("a client");
    let mut longest = Duration::ZERO;
    while let Some(rest) = left.get().checked_sub(1) {
        left.set(rest);
        let url = format!("{base}/{}?user={user}", PATHS[rest % PATHS.len()]);
        let started = Instant::now();
        let request = client.get(url).timeout(Duration::from_secs(30));
        let mut response = request.send().await.expect("a response");
        assert_eq!(response.status().as_u16(), 200);
        while let Some(piece) = response.chunk().await.expect("a body") {
            std::hint::black_box(piece.len());
        }
        longest = longest.max(started.elapsed());
    }
    std::hint::black_box(longest);
}
