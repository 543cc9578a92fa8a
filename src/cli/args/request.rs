//! Which requests of a scenario are sent, where to, and by what: the options of every command that
//! sends any.
//!
//! Not here: how many of them, and for how long (`load`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::plan::{ClientChoice, ConnectTo};
use crate::scenario::{Options, parse_connect_to_option};
use crate::units::parse_duration;

/// The requests of a run, and the service they go to.
#[derive(Debug, Clone, Args)]
pub struct RequestArgs {
    /// Base URL of the service, or `demo` for the built-in service
    #[arg(
        short = 'H',
        long,
        env = "PERFCTL_HOST",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub host: Option<String>,

    /// Run only endpoints with one of these tags (comma-separated, repeatable)
    #[arg(
        short = 'T',
        long,
        env = "PERFCTL_TAGS",
        value_name = "TAG",
        value_delimiter = ','
    )]
    pub tags: Vec<String>,

    /// Exclude endpoints with one of these tags (comma-separated, repeatable)
    #[arg(
        short = 'E',
        long,
        env = "PERFCTL_EXCLUDE_TAGS",
        value_name = "TAG",
        value_delimiter = ','
    )]
    pub exclude_tags: Vec<String>,

    /// Set `{{ env.KEY }}` to a value, overriding the environment (repeatable)
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE")]
    pub env: Vec<String>,

    /// Seed of all random choices; the same seed sends the same requests [default: random]
    #[arg(long, env = "PERFCTL_SEED", value_name = "N")]
    pub seed: Option<u64>,

    /// Timeout of a request, overriding the scenario's `defaults`
    #[arg(long, env = "PERFCTL_TIMEOUT", value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,

    /// HTTP client, overriding the scenario's `client`
    #[arg(long, env = "PERFCTL_CLIENT", value_name = "CLIENT")]
    pub client: Option<ClientName>,

    /// Connect to another host and port instead, as in `shop.example.org:443:10.0.0.7:8443`
    /// (repeatable); names in TLS, headers and cookies stay those of the URLs
    #[arg(long, value_name = "HOST:PORT:HOST:PORT", value_parser = parse_connect_to_option)]
    pub connect_to: Vec<ConnectTo>,
}

/// The name of an HTTP client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientName {
    /// HTTP/1.1, HTTP/2 and proxies
    Reqwest,
    /// HTTP/1.1 only, with a fraction of the CPU time and memory
    Direct,
}

impl RequestArgs {
    /// These options for `scenario`. `LOAD_TEST_BASE_URL` and `LOAD_TEST_TIMEOUT` apply only if
    /// neither the option nor its own variable is set.
    ///
    /// # Errors
    /// Wrong usage if `LOAD_TEST_TIMEOUT` is not a duration.
    pub fn options(&self) -> Result<Options, Error> {
        self.options_with(|name| std::env::var_os(name))
    }

    /// The same, with the value of each environment variable by its name.
    pub(super) fn options_with(
        &self,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Options, Error> {
        // CI systems set variables without a value to an empty text.
        let env = |name: &str| match env(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => match value.into_string() {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Error::usage(format!("{name} is not UTF-8 text"))),
            },
        };
        let timeout = match self.timeout {
            None => env("LOAD_TEST_TIMEOUT")?
                .map(|text| parse_duration(&text))
                .transpose()
                .map_err(|why| Error::usage(format!("LOAD_TEST_TIMEOUT: {why}")))?,
            given => given,
        };
        let given = |text: &String| !text.is_empty();
        let tags = |tags: &[String]| tags.iter().filter(|tag| given(tag)).cloned().collect();
        let host = match self.host.clone().filter(given) {
            None => env("LOAD_TEST_BASE_URL")?,
            host => host,
        };
        Ok(Options {
            host,
            tags: tags(&self.tags),
            exclude_tags: tags(&self.exclude_tags),
            env: self
                .env
                .iter()
                .map(|text| parse_pair(text))
                .collect::<Result<BTreeMap<_, _>, _>>()?,
            seed: self.seed,
            timeout,
            client: self.client.map(|client| match client {
                ClientName::Reqwest => ClientChoice::Reqwest,
                ClientName::Direct => ClientChoice::Direct,
            }),
            connect_to: self.connect_to.clone(),
            ..Options::default()
        })
    }
}

fn parse_pair(text: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // The text is not shown: it may be a secret that was given without its name.
        _ => Err(Error::usage("`--env` takes KEY=VALUE")),
    }
}
