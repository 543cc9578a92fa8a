//! The base URL of the service, and the hosts that requests may reach.
//!
//! Not here: how hosts and URLs are parsed (`address`).

use std::collections::BTreeSet;

use super::address::{self, EndpointUrl};
use crate::error::Diagnostic;
use crate::plan::Service;
use crate::scenario::flow::index::Index;
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::options::Options;
use crate::scenario::yaml::decode::list;
use crate::scenario::yaml::findings::Findings;

/// The service under test: that of the options, of the scenario, or of its first request. `None` after a
/// finding.
pub(crate) fn service(
    file: &ScenarioFile,
    index: &Index<'_>,
    options: &Options,
    findings: &mut Findings,
) -> Option<Service> {
    let given = match (&options.host, file.host.get()) {
        (Some(host), _) => Some((host.as_str(), None)),
        (None, Some(host)) => Some((host.value.as_str(), Some(host.at))),
        (None, None) => None,
    };
    let classes = file.users.get().map_or(&[][..], |users| &users.0);
    if given.is_none() && classes.iter().all(|(_, user)| !user.host.is_missing()) {
        let mut hosts = classes.iter().filter_map(|(key, user)| {
            let is_taken = options.takes_class(&key.text);
            user.host.get().filter(|_| is_taken)
        });
        if let Some(host) = hosts.next() {
            // What is wrong with it was reported.
            return address::parse_host(&host.value).ok();
        }
    }
    if let Some((text, at)) = given {
        findings.hide(address::credentials(text));
        return match address::parse_host(text) {
            Ok(service) => Some(service),
            Err(diagnostic) => {
                findings.report(at, diagnostic);
                None
            }
        };
    }
    let mut origin = None;
    for (_, place) in index.requests.iter().filter_map(|r| r.compiled.as_ref()) {
        match place {
            EndpointUrl::Absolute(url) => {
                origin.get_or_insert_with(|| Service::Url(url.origin().ascii_serialization()));
            }
            EndpointUrl::Relative => {
                if file.host.is_missing() {
                    let environments = file.environments.get();
                    let names = environments.map_or(&[][..], |pairs| &pairs.0);
                    let help = match (names, &options.environment) {
                            ([_, ..], None) => format!(
                                "choose one with `--environment`: {}; or pass `--host http://localhost:8000`",
                                list(names.iter().map(|(key, _)| key.text.as_str()))
                            ),
                            _ => "pass `--host http://localhost:8000`, or `--host demo` for the built-in \
                                  service, or set `host` in the scenario"
                                .to_owned(),
                        };
                    let diagnostic = Diagnostic::new("no host is given").help(help);
                    findings.report(None, diagnostic);
                }
                return None;
            }
        }
    }
    origin
}

/// The hosts that redirects may lead to besides those of requests.
pub(crate) fn allowed_hosts(file: &ScenarioFile, findings: &mut Findings) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for text in file
        .allow_redirects_to
        .get()
        .map_or(&[][..], |list| &list.value)
    {
        match address::parse_allowed(text) {
            Ok(allowed) => hosts.extend(allowed),
            Err(diagnostic) => findings.report(Some(text.at), diagnostic),
        }
    }
    hosts
}
