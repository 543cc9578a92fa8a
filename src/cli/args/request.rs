//! The request of a quick look: options beside a URL, or a `curl` command in place of both.
//!
//! Not here: what `curl` commands mean (`curl`), or the load of a quick look (`load`).

use clap::Args;

use super::content::Content;
use super::curl;
use super::host::parse_header;
use crate::error::Error;
use crate::plan::Method;
use crate::scenario::{QuickAuth, QuickBody, QuickRequest, Source};
use crate::units::parse_duration;

/// The request of a quick look.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Request, with a URL instead of a scenario")]
pub struct RequestArgs {
    /// HTTP method [default: GET; POST with a body]
    #[arg(short = 'X', long, short_alias = 'm', value_name = "METHOD", value_parser = Method::parse)]
    method: Option<Method>,

    /// Body: text, a file, or `@-` for standard input; sent as a form unless a `content-type` is given
    #[arg(short, long, value_name = "TEXT|@FILE", conflicts_with = "json")]
    data: Option<String>,

    /// JSON body: text, a file, or `@-` for standard input. Without a value, as in Locust: print its
    /// statistics as JSON, like `--format locust`
    #[arg(long, value_name = "TEXT|@FILE", num_args = 0..=1)]
    json: Option<Option<String>>,

    /// Header such as `accept: text/html` (repeatable); `-H` takes headers too
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,

    /// User name and password (basic authentication)
    #[arg(short, long, value_name = "USER:PASSWORD")]
    auth: Option<String>,

    /// Do not verify certificates
    #[arg(short = 'k', long)]
    insecure: bool,

    /// Number of requests in total, instead of a duration
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "iterations")]
    requests: Option<u64>,

    /// `curl` command to take the request from
    #[arg(last = true, value_name = "CURL COMMAND")]
    curl: Vec<String>,
}

impl RequestArgs {
    /// How many requests to send, if that is given.
    pub fn requests(&self) -> Option<u64> {
        self.requests
    }

    /// Whether `--json` stands alone, as Locust has it: its statistics are to be printed.
    pub fn wants_locust_json(&self) -> bool {
        self.json == Some(None)
    }

    /// Whether there is a `curl` command in place of a scenario.
    pub fn is_curl(&self) -> bool {
        !self.curl.is_empty()
    }

    /// The request of the `curl` command.
    ///
    /// # Errors
    /// Wrong usage if it is not understood, or there are options that belong into it.
    pub fn curl(&self) -> Result<Source, Error> {
        if let Some(option) = self.request_option() {
            return Err(Error::usage_help(
                format!("`{option}` cannot be used with a curl command"),
                "write it into the command, as curl spells it",
            ));
        }
        let request = curl::request(&self.curl)?;
        Ok(Source::Request(Box::new(request)))
    }

    /// Adds the options to the request for a URL.
    ///
    /// # Errors
    /// Wrong usage if a file cannot be used, or a value is not understood.
    pub fn complete(&self, request: &mut QuickRequest) -> Result<(), Error> {
        request.headers.extend(self.headers.iter().cloned());
        request.is_insecure = self.insecure;
        request.auth = self.auth.as_deref().map(credentials).transpose()?;
        if let Some(text) = &self.data {
            self.check_data(text)?;
            request.body = body(Content::of("--data", text)?);
            request.default_header("content-type", "application/x-www-form-urlencoded");
        }
        if let Some(Some(text)) = &self.json {
            refuse_scenario(text)?;
            request.body = body(Content::of("--json", text)?);
            request.default_header("content-type", "application/json");
            request.default_header("accept", "application/json");
        }
        let has_body = request.body != QuickBody::None;
        let default = if has_body { Method::Post } else { Method::Get };
        request.method = self.method.unwrap_or(default);
        Ok(())
    }

    /// Checks that no option is given that only a URL can have.
    ///
    /// # Errors
    /// Wrong usage, with what to do instead.
    pub fn refuse(&self) -> Result<(), Error> {
        if let Some(Some(text)) = &self.json {
            refuse_scenario(text)?;
        }
        let (option, instead) = match self.request_option() {
            Some("--insecure") => ("--insecure", "set `tls: {insecure: true}` in the scenario"),
            Some(option) => (option, "write the request into the scenario's `endpoints`"),
            None if self.requests.is_some() => (
                "--requests",
                "use `--iterations`, which counts runs of endpoints and flows",
            ),
            None => return Ok(()),
        };
        Err(Error::usage_help(
            format!("`{option}` belongs to a URL, and a scenario is given"),
            instead,
        ))
    }

    /// An option that describes the request, if one is given.
    fn request_option(&self) -> Option<&'static str> {
        let given = [
            (self.method.is_some(), "--method"),
            (self.data.is_some(), "--data"),
            (matches!(self.json, Some(Some(_))), "--json"),
            (!self.headers.is_empty(), "--header"),
            (self.auth.is_some(), "--auth"),
            (self.insecure, "--insecure"),
        ];
        let mut given = given.into_iter();
        given.find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }

    /// Refuses `-d 30s`: a duration, for wrk and k6.
    fn check_data(&self, text: &str) -> Result<(), Error> {
        let is_duration = text.ends_with(['s', 'm', 'h']) && parse_duration(text).is_ok();
        match is_duration && self.method.is_none() {
            true => Err(Error::usage_help(
                format!("`-d {text}` would send the text `{text}` to the service"),
                format!("for the duration, use `-t {text}`; for this body, add `-X POST`"),
            )),
            false => Ok(()),
        }
    }
}

fn body(content: Content) -> QuickBody {
    match content {
        Content::Text(text) => QuickBody::Text(text),
        Content::File(path) => QuickBody::File(path),
    }
}

fn credentials(text: &str) -> Result<QuickAuth, Error> {
    let (username, password) = text
        .split_once(':')
        .ok_or_else(|| Error::usage("`--auth` takes USER:PASSWORD"))?;
    Ok(QuickAuth {
        username: username.to_owned(),
        password: password.to_owned(),
        is_digest: false,
    })
}

/// Refuses the body if it is the scenario or the URL, which stands behind `--json`.
fn refuse_scenario(text: &str) -> Result<(), Error> {
    let is_file = text.ends_with(".yaml") || text.ends_with(".yml");
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    match is_file || is_url {
        true => Err(Error::usage_help(
            format!("`--json {text}` takes `{text}` for the JSON body of a quick look"),
            format!("to print Locust's statistics as JSON, write `{text} --json`"),
        )),
        false => Ok(()),
    }
}
