//! From an `auth` key to the authentication of a request.

use std::sync::Arc;

use super::header;
use crate::error::Diagnostic;
use crate::plan::{Auth, Credentials, Escape, KeyPlace, OAuth2, Template};
use crate::scenario::keys::auth::{
    ApiKeyFile, AuthChoice, AuthFile, CredentialsFile, CredentialsIn, OAuth2File, TokenPer,
};
use crate::scenario::names::Names;
use crate::scenario::service::address;
use crate::scenario::yaml::decode::{Field, Located};
use crate::scenario::yaml::findings::{Findings, Span};

/// What an `auth` key says.
#[derive(Debug, Clone)]
pub(crate) enum AuthSetting {
    /// The key is missing.
    Unset,
    /// No authentication.
    None,
    /// This authentication, and the place of the key.
    By(Arc<Auth>, Span),
}

/// What `field` says; what cannot be understood is reported.
pub(crate) fn setting(
    field: &Field<AuthChoice>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> AuthSetting {
    match field.get().map(|choice| (&choice.value, choice.at)) {
        None => AuthSetting::Unset,
        Some((AuthChoice::None, _)) => AuthSetting::None,
        Some((AuthChoice::By(file), at)) => {
            let mut compiler = AuthCompiler { names, findings };
            match compiler.auth(file, at) {
                Some(auth) => AuthSetting::By(Arc::new(auth), field.key().unwrap_or(at)),
                None => AuthSetting::None,
            }
        }
    }
}

struct AuthCompiler<'a, 'n> {
    names: &'a Names<'n>,
    findings: &'a mut Findings,
}

impl AuthCompiler<'_, '_> {
    fn auth(&mut self, file: &AuthFile, at: Span) -> Option<Auth> {
        let keys = [
            (!file.basic.is_missing(), file.basic.key()),
            (!file.bearer.is_missing(), file.bearer.key()),
            (!file.api_key.is_missing(), file.api_key.key()),
            (!file.oauth2.is_missing(), file.oauth2.key()),
            (!file.digest.is_missing(), file.digest.key()),
        ];
        let given: Vec<_> = keys.into_iter().filter(|(is_given, _)| *is_given).collect();
        match given.as_slice() {
            [_] => {}
            [] => {
                let diagnostic = Diagnostic::new("`auth` is empty")
                    .help("add one of `basic`, `bearer`, `api_key`, `oauth2`, `digest`, or write `auth: none`");
                self.findings.report(Some(at), diagnostic);
                return None;
            }
            [_, (_, second), ..] => {
                let diagnostic =
                    Diagnostic::new("more than one authentication method").help("keep one of them");
                self.findings.report(second.or(Some(at)), diagnostic);
                return None;
            }
        }
        if let Some(one) = file.basic.get() {
            let credentials = self.credentials(one)?;
            let name = credentials.username.as_constant();
            if name.is_some_and(|name| name.contains(':')) {
                let diagnostic = Diagnostic::new("the user name for `basic` cannot contain `:`")
                    .help("the first `:` separates name and password");
                self.findings.report(one.username.key(), diagnostic);
            }
            return Some(Auth::Basic(credentials));
        }
        if let Some(one) = file.digest.get() {
            return Some(Auth::Digest(self.credentials(one)?));
        }
        if let Some(token) = file.bearer.get() {
            let names = self.names;
            let template = names.with_request(|| self.secret(token));
            let template = self.header_text("authorization", template, token.at);
            return Some(Auth::Bearer(template));
        }
        if let Some(one) = file.api_key.get() {
            return self.api_key(one);
        }
        self.oauth2(file.oauth2.get()?)
    }

    fn credentials(&mut self, file: &Located<CredentialsFile>) -> Option<Credentials> {
        let username = self.template(file.username.get()?);
        let password = self.secret(file.password.get()?);
        Some(Credentials { username, password })
    }

    fn api_key(&mut self, file: &Located<ApiKeyFile>) -> Option<Auth> {
        let value = file.value.value.get()?;
        let names = self.names;
        let template = match file.header.is_missing() {
            true => self.secret(value),
            false => names.with_request(|| self.secret(value)),
        };
        let place = match (file.header.get(), file.query.get()) {
            (Some(header), None) => {
                let name = header.value.to_ascii_lowercase();
                if let Err(diagnostic) = header::check_name(&name, &[]) {
                    self.findings.report(Some(header.at), diagnostic);
                    return None;
                }
                KeyPlace::Header(name)
            }
            (None, Some(query)) => KeyPlace::Query(query.value.clone()),
            (None, None) | (Some(_), Some(_)) => {
                // A bad value was reported in its place.
                if file.header.is_missing() == file.query.is_missing() {
                    let diagnostic =
                        Diagnostic::new("an API key is sent either in a header or in the query")
                            .help("use either `header: X-Api-Key` or `query: api_key`");
                    self.findings.report(Some(file.at), diagnostic);
                }
                return None;
            }
        };
        let value = match &place {
            KeyPlace::Header(name) => self.header_text(&name.clone(), template, value.at),
            KeyPlace::Query(_) => template,
        };
        Some(Auth::ApiKey { place, value })
    }

    fn oauth2(&mut self, file: &Located<OAuth2File>) -> Option<Auth> {
        let token_url = file.token_url.get().and_then(|url| self.token_url(url));
        let client_id = file.client_id.get().map(|text| self.template(text));
        let client_secret = file.client_secret.get().map(|text| self.secret(text));
        let scope = file.scope.get().map(|text| self.template(text));
        let pairs = file.params.get().map_or(&[][..], |pairs| &pairs.0);
        let params = pairs
            .iter()
            .map(|(key, text)| (key.text.clone(), self.template(text)));
        let params = params.collect();
        Some(Auth::OAuth2(OAuth2 {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope,
            params,
            in_body: file.credentials_in.copied() == Some(CredentialsIn::Body),
            per_user: file.token_per.copied() == Some(TokenPer::User),
        }))
    }

    fn token_url(&mut self, text: &Located<String>) -> Option<String> {
        self.findings.hide(address::credentials(&text.value));
        let template = self.template(text);
        let Some(url) = template.as_constant() else {
            let diagnostic = Diagnostic::new("the token URL must be known before the run")
                .help("use no templates other than `env.NAME` and constant variables");
            self.findings.report(Some(text.at), diagnostic);
            return None;
        };
        if url.is_empty() {
            // What is wrong with its template was reported.
            return None;
        }
        match address::parse_url(url) {
            Ok(url) => Some(url.into()),
            Err(_) => {
                let diagnostic =
                    Diagnostic::new("the token URL is not a URL, or it contains credentials")
                        .help("write it like `https://login.example.org/oauth/token`");
                self.findings.report(Some(text.at), diagnostic);
                None
            }
        }
    }

    fn template(&mut self, text: &Located<String>) -> Template {
        self.names.template(text, Escape::None, self.findings)
    }

    /// A template that is masked where the source is shown, if it is written out.
    fn secret(&mut self, text: &Located<String>) -> Template {
        self.findings.hide_literal(text);
        self.template(text)
    }

    /// Reports what no header can hold.
    fn header_text(&mut self, name: &str, template: Template, at: Span) -> Template {
        if !template.parts().iter().all(header::is_text) {
            header::report_value(name, at, self.findings);
        }
        template
    }
}
