//! Requests as user classes send them whose host, headers or authentication differ from the defaults.
//!
//! Here: which request becomes which. Not here: what a request is made of (`request`).

use super::index::{Declaration, Index, RequestEntry};
use crate::error::Diagnostic;
use crate::plan::Service;
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::keys::user::UserFile;
use crate::scenario::options::Options;
use crate::scenario::request::RequestDefaults;
use crate::scenario::service::address;
use crate::scenario::yaml::decode::Located;
use crate::scenario::yaml::findings::Findings;

/// The URL of a class's own host, which `--host` replaces; what is wrong with it is reported.
pub(crate) fn host(
    user: &Located<UserFile>,
    options: &Options,
    findings: &mut Findings,
) -> Option<String> {
    let host = user.host.get().filter(|_| options.host.is_none())?;
    findings.hide(address::credentials(&host.value));
    let diagnostic = match address::parse_host(&host.value) {
        Ok(Service::Url(url)) => return Some(url),
        Ok(Service::Demo) => {
            Diagnostic::new("a user class cannot have the built-in service as its host")
                .help("write `host: demo` at the top of the scenario, or pass `--host demo`")
        }
        Err(diagnostic) => diagnostic,
    };
    findings.report(Some(host.at), diagnostic);
    None
}

impl<'a> Index<'a> {
    /// Adds the requests of the classes that send them in their own way. To be called when all
    /// requests are compiled.
    pub(crate) fn add_variants(
        &mut self,
        file: &ScenarioFile,
        common: &RequestDefaults<'_>,
        options: &Options,
        findings: &mut Findings,
    ) {
        let count = self.requests.len();
        for (key, user) in file.users.get().map_or(&[][..], |users| &users.0) {
            let is_plain =
                user.host.is_missing() && user.headers.is_missing() && user.auth.is_missing();
            if is_plain || !options.takes_class(&key.text) {
                continue;
            }
            let host = host(user, options, findings);
            if let Some(host) = &host {
                self.hosts.insert(key.text.clone(), host.clone());
            }
            let common = common.of_class(user, host, findings);
            if findings.len() > 0 {
                continue;
            }
            let first = self.requests.len();
            self.variants.insert(key.text.clone(), first);
            for position in 0..count {
                let file = self.requests[position].file;
                let compiled = common.endpoint(file, findings);
                self.requests.push(RequestEntry {
                    file,
                    compiled,
                    uses: common.take_uses(),
                    declaration: match self.requests[position].declaration {
                        Declaration::Scripted => Declaration::Scripted,
                        _ => Declaration::Inline,
                    },
                });
            }
        }
    }
}
