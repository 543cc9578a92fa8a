//! Which services a run may be sent to.
//!
//! A scenario names its service, and whoever wrote it is trusted with that. Whoever asks for a run may name another one
//! only if the operator has allowed it. Addresses by which machines of a cloud learn their secrets are refused in both,
//! also behind a name. A template that fills in a host only during the run is not seen here, and perfctl allows none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

use axum::http::StatusCode;
use url::Url;

use crate::plan::{Auth, Plan, Service};
use crate::serve::answer::Problem;
use crate::serve::options::AllowedTarget;

/// Where clouds say secrets besides the link-local addresses: AWS over IPv6, Alibaba Cloud, Oracle Cloud.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Checks the service that a request names.
pub(crate) fn check_named(host: &str, allowed: &[AllowedTarget]) -> Result<(), Problem> {
    if host == "demo" {
        return Ok(());
    }
    let url = Url::parse(host).ok();
    match url.is_some_and(|url| allowed.iter().any(|target| target.takes(&url))) {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "runs may not be sent to this host",
        )
        .help("leave out `host` for that of the scenario; `perfctl serve --allow-target HOST` allows another one")),
    }
}

/// Checks the addresses of every host that a plan names. Resolves names, which may take a while.
pub(crate) fn check_addresses(plan: &Plan) -> Result<(), Problem> {
    check_resolved(plan, |host, port| {
        // What cannot be resolved is not reached either.
        let addresses = (host, port).to_socket_addrs().into_iter().flatten();
        addresses.map(|address| address.ip()).collect()
    })
}

fn check_resolved(plan: &Plan, resolve: impl Fn(&str, u16) -> Vec<IpAddr>) -> Result<(), Problem> {
    let service = match &plan.service {
        Service::Url(url) => Some(url.as_str()),
        Service::Demo => None,
    };
    let proxy = plan.transport.proxy.iter().map(|proxy| proxy.url.as_str());
    let pages = plan.observe.iter().flat_map(|observe| &observe.pages);
    let webhooks = plan.hooks.iter().flat_map(|hooks| hooks.secrets());
    let auths = plan.endpoints.iter().filter_map(|one| one.auth.as_deref());
    let tokens = auths.filter_map(Auth::token_url);
    let urls = service.into_iter().chain(proxy).chain(webhooks);
    let urls = urls.chain(pages.map(String::as_str)).chain(tokens);
    // Pages may be paths of the service.
    let mut hosts: Vec<(String, u16)> = urls
        .filter_map(|url| {
            let url = Url::parse(url).ok()?;
            Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
        })
        .collect();
    for allowed in &plan.allowed_hosts {
        if let Some((host, port)) = allowed.rsplit_once(':') {
            hosts.push((host.to_owned(), port.parse().unwrap_or(80)));
        }
    }
    let elsewhere = plan.transport.connect_to.iter();
    hosts.extend(elsewhere.map(|one| (one.to_host.clone(), one.to_port)));
    for (host, port) in hosts {
        let name = host.trim_matches(['[', ']']);
        if resolve(name, port).into_iter().any(is_refused) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("`{name}` is or leads to a link-local address, where clouds keep secrets"),
            ));
        }
    }
    Ok(())
}

/// Whether an address is one of those that only the machine itself should talk to.
fn is_refused(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_link_local || METADATA.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        ConnectTo, Hook, HookTarget, Hooks, Model, OAuth2, Observe, Proxy, Template, fixture,
    };
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_name_that_leads_to_a_metadata_address_is_refused_wherever_a_plan_has_it() {
        let resolve = |host: &str, _| match host {
            "evil.example" => vec![[10, 0, 0, 1].into(), [169, 254, 169, 254].into()],
            _ => vec![[10, 0, 0, 1].into()],
        };
        let good = fixture::plan(fixture::load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
        let check = |plan: &Plan| check_resolved(plan, resolve).is_ok();
        assert!(check(&good));
        let at = |url: &str| Plan {
            service: Service::Url(url.into()),
            ..good.clone()
        };
        assert!(check(&at("https://good.example")));
        assert!(!check(&at("https://evil.example:8443/api")));
        let redirected = Plan {
            allowed_hosts: ["evil.example:443".to_owned()].into(),
            ..good.clone()
        };
        assert!(!check(&redirected));
        let mut elsewhere = good.clone();
        elsewhere.transport.connect_to.push(ConnectTo {
            host: "good.example".into(),
            port: 80,
            to_host: "evil.example".into(),
            to_port: 80,
        });
        assert!(!check(&elsewhere));
        let mut proxied = good.clone();
        proxied.transport.proxy = Some(Proxy {
            url: "http://evil.example:3128".into(),
            credentials: None,
            no_proxy: Vec::new(),
        });
        assert!(!check(&proxied));
        let mut observed = good.clone();
        observed.observe = Some(Box::new(Observe {
            every: Duration::from_secs(5),
            pages: vec!["/metrics".into(), "http://evil.example/latest".into()],
            metrics: Vec::new(),
            host: None,
        }));
        assert!(!check(&observed));
        let mut told = good.clone();
        told.hooks = Some(Box::new(Hooks {
            on_verdict: Some(Hook {
                to: HookTarget::Webhook("https://evil.example/hook".into()),
                timeout: Duration::from_secs(1),
            }),
            ..Hooks::default()
        }));
        assert!(!check(&told));
        let with_token_of = |url: &str| {
            let constant = |text: &str| Template::literal(text);
            let auth = Auth::OAuth2(OAuth2 {
                token_url: url.into(),
                client_id: constant("a"),
                client_secret: constant("b"),
                scope: None,
                params: Vec::new(),
                in_body: false,
                per_user: false,
            });
            let mut plan = good.clone();
            plan.endpoints[0].auth = Some(Arc::new(auth));
            plan
        };
        assert!(check(&with_token_of("https://good.example/token")));
        assert!(!check(&with_token_of("http://evil.example/token")));
    }

    #[test]
    fn metadata_addresses_are_refused_in_every_notation() {
        for bad in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
        ] {
            assert!(is_refused(bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1", "::1", "10.0.0.1", "100.100.100.201"] {
            assert!(!is_refused(good.parse().unwrap()), "{good}");
        }
    }
}
