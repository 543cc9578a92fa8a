//! Who may ask: the names of the server, the pages that requests may come from, and the token.
//!
//! Each rule has its threat in `docs/serve.md` and its test in `tests/it/program/serve/threats.rs`.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};

use crate::serve::answer::Problem;
use crate::serve::options::{ServeOptions, Token};

/// The rules that hold for each request.
pub(crate) struct Guard {
    listen: SocketAddr,
    host_names: Vec<String>,
    token: Token,
}

impl Guard {
    /// Of a server that listens there.
    pub fn new(listen: SocketAddr, options: &ServeOptions) -> Self {
        let names = options.host_names.iter();
        Self {
            listen,
            host_names: names.map(|name| name.to_ascii_lowercase()).collect(),
            token: options.token.clone(),
        }
    }

    /// Against DNS rebinding: a page of another name, which resolves to this machine, gets nothing. Returns the
    /// name with its port.
    pub fn check_host(&self, head: &Parts) -> Result<String, Problem> {
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            _ => "",
        };
        let in_uri = head.uri.authority();
        let is_known = host.parse().is_ok_and(|host| self.knows(&host))
            && in_uri.is_none_or(|authority| self.knows(authority));
        match is_known {
            true => Ok(host.to_owned()),
            false => Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this server does not have the name in `Host`",
            )
            .help("`--allow-host NAME` adds a name, such as that of a proxy")),
        }
    }

    fn knows(&self, authority: &Authority) -> bool {
        let host = authority.host().trim_matches(['[', ']']);
        let host = host.to_ascii_lowercase();
        // Behind a proxy, the port is that of the proxy.
        if self.host_names.contains(&host) {
            return true;
        }
        if authority.port_u16().unwrap_or(80) != self.listen.port() {
            return false;
        }
        let own = self.listen.ip();
        match host.parse::<IpAddr>() {
            // An address cannot be rebound.
            Ok(address) => {
                address == own || own.is_unspecified() || own.is_loopback() && address.is_loopback()
            }
            Err(_) => host == "localhost" && (own.is_loopback() || own.is_unspecified()),
        }
    }

    /// Against requests that other pages make: browsers say where a request comes from.
    pub fn check_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), Problem> {
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or("?").to_owned();
        let is_own = |origin: &str| {
            let rest = ["http://", "https://"]
                .iter()
                .find_map(|scheme| origin.strip_prefix(scheme));
            rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
        };
        let mut origins = headers.get_all(header::ORIGIN).iter().map(text);
        let mut sites = headers.get_all("sec-fetch-site").iter().map(text);
        let is_fine = origins.all(|origin| is_own(&origin))
            && sites.all(|site| site == "same-origin" || site == "none");
        match is_fine {
            true => Ok(()),
            false => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "requests of other pages are refused",
            )),
        }
    }

    /// Against everybody else.
    pub fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers.get(header::AUTHORIZATION);
        let given = given
            .and_then(|given| given.to_str().ok())
            .unwrap_or_default();
        let token = given
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match token.is_some_and(|(_, token)| self.token.is(token.trim())) {
            true => Ok(()),
            false => Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong")
                .help("send `authorization: Bearer TOKEN`; `perfctl serve` prints the token when it starts")),
        }
    }
}
