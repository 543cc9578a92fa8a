//! Sending requests through a client, in one session, and checking the responses.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use perfctl::check::judge;
use perfctl::metrics::Outcome;
use perfctl::plan::Plan;
use perfctl::protocol::http::{ConnectOptions, DirectClient, ReqwestClient, TlsConfig};
use perfctl::protocol::{Client, Request, Response, Session};
use perfctl::scenario::{Options, Source, compile};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// The clients that perfctl has: each row holds for all of them.
pub const CLIENTS: [&str; 2] = ["reqwest", "direct"];

/// The result of one request.
#[derive(Debug)]
pub struct Played {
    pub outcome: Outcome,
    pub text: String,
    pub response: Response,
    pub took: Duration,
}

/// How requests are sent.
pub struct Script<'a> {
    /// `http://...`.
    pub base: &'a str,
    /// An endpoint as in a scenario, such as `{get: /, timeout: 1s}`.
    pub endpoint: &'a str,
    /// How many requests, one after the other.
    pub times: usize,
    /// The wait before each but the first.
    pub pause: Duration,
    /// Trusted CAs; those of the machine by default.
    pub tls: Option<TlsConfig>,
}

impl<'a> Script<'a> {
    pub fn new(base: &'a str, endpoint: &'a str, times: usize) -> Self {
        Self {
            base,
            endpoint,
            times,
            pause: Duration::ZERO,
            tls: None,
        }
    }

    /// Plays it with this one of the [`CLIENTS`].
    pub fn play(&self, client: &str) -> Vec<Played> {
        let plan = self.plan();
        let connect = match &self.tls {
            Some(tls) => ConnectOptions::with_tls(&plan, tls.clone()),
            None => ConnectOptions::new(&plan, self.base),
        };
        let (base, connect) = (self.base, connect.unwrap());
        match client {
            "direct" => self.play_with(&DirectClient::new(&plan, base, connect).unwrap(), &plan),
            _ => self.play_with(&ReqwestClient::new(&plan, base, connect).unwrap(), &plan),
        }
    }

    fn play_with(&self, client: &impl Client, plan: &Plan) -> Vec<Played> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut session = client.session();
            let endpoint = &plan.endpoints[0];
            let mut played = Vec::new();
            for number in 0..self.times {
                if number > 0 && !self.pause.is_zero() {
                    tokio::time::sleep(self.pause).await;
                }
                let started = Instant::now();
                let request = Request {
                    index: 0,
                    endpoint,
                    rendered: None,
                    trace: None,
                };
                let mut response = Response::default();
                session.execute(&request, &mut response).await;
                let took = started.elapsed();
                let mut rng = ChaCha12Rng::seed_from_u64(plan.seed);
                let result = judge(
                    endpoint,
                    &response,
                    took,
                    &plan.secrets,
                    |_, _| true,
                    &mut rng,
                );
                played.push(Played {
                    outcome: result.outcome,
                    text: result.texts.map_or_else(String::new, |texts| texts.text),
                    response,
                    took,
                });
            }
            played
        })
    }

    fn plan(&self) -> Plan {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scenario.yaml");
        let mut yaml = format!("host: {}\n", self.base);
        writeln!(yaml, "endpoints: [{}]", self.endpoint).unwrap();
        std::fs::write(&path, yaml).unwrap();
        match compile(&Source::File(path), "smoke", &Options::default()) {
            Ok(plan) => plan,
            Err(error) => panic!("{}: {error}", self.endpoint),
        }
    }
}
