//! A `curl` command as a request.
//!
//! Here: what its flags mean. Not here: their names (`flags`), how a shell splits a command (`words`), or
//! the scenario of the request (`scenario`).

mod data;
mod flags;
mod form;
mod words;

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::plan::{HttpChoice, Method};
use crate::scenario::{QuickAuth, QuickBody, QuickRequest, with_scheme};
use data::Data;
use flags::Flag;
use form::part;

pub use words::split;

/// The encodings that perfctl decodes.
const ENCODINGS: &str = "gzip, deflate, br, zstd";

/// The request of a `curl` command, in words.
///
/// # Errors
/// Wrong usage if it is no `curl` command, or has a flag that is not understood.
pub fn request(words: &[String]) -> Result<QuickRequest, Error> {
    // A prompt that was copied too.
    let words = words.strip_prefix(&["$".to_owned()]).unwrap_or(words);
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::usage("the curl command is empty"));
    };
    if program != "curl" && !program.ends_with("/curl") && program != "curl.exe" {
        return Err(Error::usage_help(
            "the command is not a curl command",
            "it begins with `curl`, as in `curl -X POST http://127.0.0.1:8000/orders`",
        ));
    }
    let mut command = CurlCommand::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value_of = |flag: &str| {
            let value = arguments.next().map(String::as_str);
            value.ok_or_else(|| Error::usage(format!("curl's `{flag}` needs a value")))
        };
        if let Some(name) = argument.strip_prefix("--") {
            let flag = Flag::of_name(name).ok_or_else(|| unknown(argument))?;
            let value = match flag.takes_value() {
                true => value_of(argument)?,
                false => "",
            };
            command.apply(flag, argument, value)?;
        } else if let Some(letters) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let name = format!("-{letter}");
                let flag = Flag::of_letter(letter).ok_or_else(|| unknown(&name))?;
                if !flag.takes_value() {
                    command.apply(flag, &name, "")?;
                    continue;
                }
                // What follows the letter is its value.
                let value = match &letters[at + letter.len_utf8()..] {
                    "" => value_of(&name)?,
                    rest => rest,
                };
                command.apply(flag, &name, value)?;
                break;
            }
        } else {
            command.url(argument)?;
        }
    }
    command.finish()
}

fn unknown(flag: &str) -> Error {
    Error::usage_help(
        format!("curl's `{flag}` is not understood"),
        "remove it, or write a scenario: `perfctl init --from-curl` makes one of the rest",
    )
}

/// What was read of a command.
#[derive(Default)]
struct CurlCommand {
    method: Option<Method>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    /// Names of headers that curl is told not to send.
    removed: Vec<String>,
    data: Data,
    is_json: bool,
    form: Vec<crate::scenario::QuickPart>,
    data_in_query: bool,
    user: Option<(String, String)>,
    is_digest: bool,
    follows: bool,
    max_redirects: Option<u32>,
    is_insecure: bool,
    is_compressed: bool,
    http_version: HttpChoice,
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
}

impl CurlCommand {
    fn apply(&mut self, flag: Flag, name: &str, value: &str) -> Result<(), Error> {
        match flag {
            Flag::Method => self.method = Some(Method::parse(value).map_err(Error::usage)?),
            Flag::Header => self.header(value)?,
            Flag::Data => self.data.add(name, value)?,
            Flag::DataBinary => self.data.add_binary(name, value)?,
            Flag::DataRaw => self.data.add_text(value),
            Flag::DataUrlencode => self.data.add_encoded(name, value)?,
            Flag::Json => {
                self.data.add_json(name, value)?;
                self.is_json = true;
            }
            Flag::Form => self.form.push(part(name, value)?),
            Flag::FormString => self.form.push(form::text_part(name, value)?),
            Flag::Get => self.data_in_query = true,
            Flag::Head => self.method = Some(Method::Head),
            Flag::User => match value.split_once(':') {
                Some((user, password)) => self.user = Some((user.into(), password.into())),
                None => {
                    return Err(Error::usage_help(
                        format!("curl's `{name}` has no password"),
                        "write it as `user:password`",
                    ));
                }
            },
            Flag::Bearer => self.push_header("authorization", &format!("Bearer {value}")),
            Flag::Digest => self.is_digest = true,
            Flag::Agent => self.push_header("user-agent", value),
            Flag::Referer => self.push_header("referer", value.trim_end_matches(";auto")),
            Flag::Cookie if !value.contains('=') => {
                return Err(Error::usage_help(
                    format!("curl's `{name}` names a file of cookies"),
                    "write the cookies themselves, such as `-b 'session=1'`",
                ));
            }
            Flag::Cookie => self.push_header("cookie", value),
            Flag::Location => self.follows = true,
            Flag::MaxRedirects => {
                let count = value.parse().ok().filter(|count| *count <= 100);
                let bad = || Error::usage(format!("curl's `{name}` takes a number up to 100"));
                self.max_redirects = Some(count.ok_or_else(bad)?);
            }
            Flag::Insecure => self.is_insecure = true,
            Flag::Compressed => self.is_compressed = true,
            Flag::Http1 => self.http_version = HttpChoice::Http1,
            Flag::Http2 => self.http_version = HttpChoice::Http2,
            Flag::MaxTime => self.timeout = seconds(name, value)?,
            Flag::ConnectTimeout => self.connect_timeout = seconds(name, value)?,
            Flag::Url => self.url(value)?,
            Flag::Ignored | Flag::IgnoredValue => {}
        }
        Ok(())
    }

    fn url(&mut self, url: &str) -> Result<(), Error> {
        if matches!(url, "|" | "||" | "&&" | "&" | ";" | ">") {
            return Err(Error::usage_help(
                format!("`{url}` belongs to the shell, not to curl"),
                "give the curl command alone",
            ));
        }
        if self.url.is_some() {
            return Err(Error::usage_help(
                "the curl command has more than one URL",
                "a quick look sends one request; write a scenario for several",
            ));
        }
        self.url = Some(url.to_owned());
        Ok(())
    }

    fn header(&mut self, text: &str) -> Result<(), Error> {
        // The text is not shown: it may be a secret.
        let bad = || Error::usage("a header of the curl command is not written like `name: value`");
        if let Some(name) = text.strip_suffix(';') {
            self.push_header(name, "");
            return Ok(());
        }
        let (name, value) = super::host::header(text).ok_or_else(bad)?;
        match value.as_str() {
            "" => self.removed.push(name.to_ascii_lowercase()),
            value => self.push_header(&name, value),
        }
        Ok(())
    }

    /// Adds a header; one that is there already gets one more value.
    fn push_header(&mut self, name: &str, value: &str) {
        let mut headers = self.headers.iter_mut();
        match headers.find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => {
                let is_cookie = name.eq_ignore_ascii_case("cookie");
                *known += &format!("{}{value}", if is_cookie { "; " } else { ", " });
            }
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
    }

    fn finish(mut self) -> Result<QuickRequest, Error> {
        let url = self.url.take();
        let url = url.ok_or_else(|| Error::usage("the curl command has no URL"))?;
        let mut url = match url.contains("://") {
            true => with_scheme(&url).ok_or_else(|| {
                Error::usage("the URL of the curl command is neither `http://` nor `https://`")
            })?,
            false => format!("http://{url}"),
        };
        // A fragment is never sent.
        url.truncate(url.find('#').unwrap_or(url.len()));
        let user = self.user.take().or_else(|| take_user(&mut url));
        let mut request = QuickRequest {
            headers: std::mem::take(&mut self.headers),
            auth: user.map(|(username, password)| QuickAuth {
                username,
                password,
                is_digest: self.is_digest,
            }),
            max_redirects: match self.follows {
                true => self.max_redirects,
                false => Some(0),
            },
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            http_version: self.http_version,
            is_insecure: self.is_insecure,
            has_templates: false,
            ..QuickRequest::get(url)
        };
        self.connection_headers(&mut request);
        self.body(&mut request)?;
        if self.is_compressed {
            request.default_header("accept-encoding", ENCODINGS);
        }
        let default = match request.body {
            QuickBody::None => Method::Get,
            _ => Method::Post,
        };
        request.method = self.method.unwrap_or(default);
        Ok(request)
    }

    /// Headers that are not sent as they are, since perfctl sets them.
    fn connection_headers(&self, request: &mut QuickRequest) {
        let connection = request.header("connection").unwrap_or_default();
        request.keep_alive = !connection.eq_ignore_ascii_case("close");
        const OWN: [&str; 3] = ["connection", "content-length", "transfer-encoding"];
        request
            .headers
            .retain(|(name, _)| !OWN.contains(&name.to_ascii_lowercase().as_str()));
    }

    fn body(&mut self, request: &mut QuickRequest) -> Result<(), Error> {
        if !self.form.is_empty() {
            if !self.data.is_empty() {
                return Err(Error::usage("the curl command has both `-d` and `-F`"));
            }
            // The boundary is perfctl's.
            request.headers.retain(|(name, value)| {
                !(name.eq_ignore_ascii_case("content-type")
                    && value
                        .to_ascii_lowercase()
                        .starts_with("multipart/form-data"))
            });
            request.body = QuickBody::Multipart(std::mem::take(&mut self.form));
            return Ok(());
        }
        if self.data.is_empty() {
            return Ok(());
        }
        let data = std::mem::take(&mut self.data);
        if self.data_in_query {
            let separator = if request.url.contains('?') { '&' } else { '?' };
            request.url += &format!("{separator}{}", data.into_text()?);
            return Ok(());
        }
        request.body = data.into_body()?;
        let content_type = match self.is_json {
            true => "application/json",
            false => "application/x-www-form-urlencoded",
        };
        if !self.removed.iter().any(|name| name == "content-type") {
            request.default_header("content-type", content_type);
        }
        if self.is_json && !self.removed.iter().any(|name| name == "accept") {
            request.default_header("accept", "application/json");
        }
        Ok(())
    }
}

fn seconds(name: &str, value: &str) -> Result<Option<Duration>, Error> {
    let read = value.parse().ok().map(Duration::try_from_secs_f64);
    match read {
        // curl takes 0 for no limit.
        Some(Ok(Duration::ZERO)) => Ok(None),
        Some(Ok(time)) => Ok(Some(time)),
        _ => Err(Error::usage(format!(
            "curl's `{name}` takes a number of seconds"
        ))),
    }
}

/// Takes user name and password out of a URL.
fn take_user(url: &mut String) -> Option<(String, String)> {
    let start = url.find("://")? + 3;
    let host = url[start..]
        .find(['/', '?'])
        .map_or(url.len(), |at| start + at);
    let at = url[start..host].rfind('@')? + start;
    let user = url[start..at].to_owned();
    url.replace_range(start..=at, "");
    let (name, password) = user.split_once(':').unwrap_or((&user, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(name), decoded(password)))
}

#[cfg(test)]
mod tests;
