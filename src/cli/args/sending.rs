//! Which requests of a scenario are sent, where to, and by what: the options of every command that
//! sends any.
//!
//! Not here: how many of them, and for how long (`load`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::host::HostOrHeader;
use super::tags::TagArgs;
use crate::error::Error;
use crate::plan::{ClientChoice, ConnectTo};
use crate::scenario::{Options, Source, parse_connect_to_option};
use crate::units::{parse_duration, parse_time_limit};

/// The requests of a run, and the service they go to.
#[derive(Debug, Clone, Args)]
pub struct SendingArgs {
    /// Base URL of the service, or `demo` for the built-in service; with a URL instead of a scenario,
    /// `-H` takes headers (`-H 'accept: text/html'`)
    #[arg(
        short = 'H',
        long = "host",
        env = "PERFCTL_HOST",
        hide_env_values = true,
        value_name = "URL"
    )]
    hosts: Vec<String>,

    /// Environment of the scenario, such as `staging`
    #[arg(long, env = "PERFCTL_ENVIRONMENT", value_name = "NAME")]
    pub environment: Option<String>,

    #[command(flatten)]
    pub tags: TagArgs,

    /// Run only these user classes, such as `--user-classes web,mobile` [default: all]
    #[arg(
        long,
        env = "PERFCTL_USER_CLASSES",
        value_name = "CLASS",
        value_delimiter = ','
    )]
    pub user_classes: Vec<String>,

    /// Set `{{ env.KEY }}` to a value, overriding the environment (repeatable)
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE")]
    pub env: Vec<String>,

    /// Set a variable of the scenario to another value (repeatable)
    #[arg(short = 'v', long = "var", value_name = "NAME=VALUE")]
    pub var: Vec<String>,

    /// Seed of all random choices; the same seed sends the same requests [default: random]
    #[arg(long, env = "PERFCTL_SEED", value_name = "N")]
    pub seed: Option<u64>,

    /// Timeout of a request, such as `500ms` or `5s`, overriding the scenario's `defaults`
    #[arg(long, env = "PERFCTL_TIMEOUT", value_name = "TIME", value_parser = parse_time_limit)]
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
    /// A proven library
    Reqwest,
    /// The users' own connections, with a fraction of the CPU time and memory
    Direct,
}

impl SendingArgs {
    /// The options for a scenario file. `LOAD_TEST_BASE_URL` and `LOAD_TEST_TIMEOUT` apply only if
    /// neither the option nor its own variable is set.
    ///
    /// # Errors
    /// Wrong usage if `LOAD_TEST_TIMEOUT` is not a duration, or `-H` is a header.
    pub fn options(&self) -> Result<Options, Error> {
        self.refuse_headers(
            "in a scenario, write it under `headers`, of `defaults` or an endpoint",
        )?;
        self.options_with(|name| std::env::var_os(name))
    }

    /// The options for a quick look, which may have headers.
    ///
    /// # Errors
    /// Wrong usage if `LOAD_TEST_TIMEOUT` is not a duration.
    pub fn options_of_request(&self) -> Result<Options, Error> {
        if !self.tags.tags().is_empty() || !self.tags.exclude_tags().is_empty() {
            return Err(Error::usage_help(
                "a quick look has no tags to select by",
                "remove `--tags`; for a media type, use `-H 'content-type: ...'`",
            ));
        }
        let of_environment = std::env::var("PERFCTL_ENVIRONMENT").ok();
        if self.environment.is_some() && self.environment != of_environment {
            return Err(Error::usage(
                "`--environment` is for scenarios, and a quick look has none",
            ));
        }
        Ok(Options {
            environment: None,
            ..self.options_with(|name| std::env::var_os(name))?
        })
    }

    /// The options for a scenario file, or for a request, which gets the headers that are given.
    ///
    /// # Errors
    /// Wrong usage, as of the other two, or if a host is given for a request.
    pub fn options_of(&self, source: &mut Source) -> Result<Options, Error> {
        let Source::Request(request) = source else {
            return self.options();
        };
        self.refuse_host()?;
        request.headers = self.headers();
        Ok(Options {
            // That of the environment is for scenarios.
            host: None,
            ..self.options_of_request()?
        })
    }

    /// The headers given as `-H 'name: value'`.
    pub fn headers(&self) -> Vec<(String, String)> {
        let headers = self.hosts.iter().map(|text| HostOrHeader::of(text));
        headers
            .filter_map(|given| match given {
                HostOrHeader::Header(name, value) => Some((name, value)),
                HostOrHeader::Host(_) => None,
            })
            .collect()
    }

    /// Checks that `-H` is no header.
    ///
    /// # Errors
    /// Wrong usage, with what to do `instead`.
    pub fn refuse_headers(&self, instead: &str) -> Result<(), Error> {
        match self.headers().first() {
            Some((name, _)) => Err(Error::usage_help(
                format!("the header `{name}` can be given only with a URL"),
                instead,
            )),
            None => Ok(()),
        }
    }

    /// Checks that no host is given on the command line.
    ///
    /// # Errors
    /// Wrong usage if one is.
    pub fn refuse_host(&self) -> Result<(), Error> {
        let of_environment = std::env::var("PERFCTL_HOST").ok();
        match self.host() {
            // The text is not shown: it may hold a password.
            Some(host) if of_environment.as_ref() != Some(&host) => Err(Error::usage_help(
                "`--host` cannot be used with a URL, which has a host",
                "remove one of them; a header is written like `-H 'name: value'`",
            )),
            _ => Ok(()),
        }
    }

    /// The host, if one is given; the last one counts.
    fn host(&self) -> Option<String> {
        let hosts = self.hosts.iter().rev();
        let mut hosts = hosts.filter_map(|text| match HostOrHeader::of(text) {
            HostOrHeader::Host(host) if !host.is_empty() => Some(host),
            _ => None,
        });
        hosts.next()
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
        let host = match self.host() {
            None => env("LOAD_TEST_BASE_URL")?,
            host => host,
        };
        Ok(Options {
            environment: self.environment.clone(),
            host,
            tags: self.tags.tags(),
            exclude_tags: self.tags.exclude_tags(),
            env: pairs(&self.env, "`--env` takes KEY=VALUE")?,
            variables: pairs(&self.var, "`--var` takes NAME=VALUE")?,
            user_classes: (self.user_classes.iter())
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
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

/// Names with their values, in the form `NAME=VALUE`.
///
/// # Errors
/// Wrong usage, with what the option `takes`, for any other form.
pub(crate) fn pairs(given: &[String], takes: &str) -> Result<BTreeMap<String, String>, Error> {
    let pairs = given.iter().map(|text| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // The text is not shown: it may be a secret that was given without its name.
        _ => Err(Error::usage(takes)),
    });
    pairs.collect()
}
