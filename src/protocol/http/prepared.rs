//! Requests made ready once: what an endpoint always sends is built when the run starts, and a
//! request without templates is cloned, not rebuilt.

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

use crate::plan::{Body, Endpoint};
use crate::protocol::Request;

const USER_AGENT: &str = concat!("perfctl/", env!("CARGO_PKG_VERSION"));

/// An endpoint's request, as far as it is always the same.
pub(super) struct Prepared {
    request: reqwest::Request,
    header_names: Vec<HeaderName>,
}

impl Prepared {
    /// Builds it; parts with templates are left for [`Self::request`].
    ///
    /// # Errors
    /// What is wrong with a fixed part.
    pub(super) fn new(endpoint: &Endpoint, base: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("endpoint `{}`: {what}", endpoint.name);
        let method = endpoint
            .method
            .as_str()
            .parse()
            .map_err(|_| wrong("its method is unknown".into()))?;
        let url = match endpoint.url.as_constant() {
            Some(url) => resolve(base, url).map_err(wrong)?,
            // Only the base is known yet; it stands in until the first rendering.
            None => resolve(base, "/").map_err(wrong)?,
        };
        let mut request = reqwest::Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let mut header_names = Vec::new();
        for header in &endpoint.headers {
            let name: HeaderName = header
                .name
                .parse()
                .map_err(|_| wrong(format!("`{}` is no header name", header.name)))?;
            if let Some(value) = header.value.as_constant() {
                headers.insert(name.clone(), header_value(&name, value).map_err(wrong)?);
            }
            header_names.push(name);
        }
        match &endpoint.body {
            Body::None => {}
            Body::File { content, .. } => *request.body_mut() = Some(content.clone().into()),
            Body::Template(template) => {
                if let Some(text) = template.as_constant() {
                    let content = bytes::Bytes::copy_from_slice(text.as_bytes());
                    *request.body_mut() = Some(content.into());
                }
            }
        }
        Ok(Self {
            request,
            header_names,
        })
    }

    /// The request to send.
    ///
    /// # Errors
    /// What is wrong with a rendered part.
    pub(super) fn request(
        &self,
        request: &Request<'_>,
        base: &str,
    ) -> Result<reqwest::Request, String> {
        let mut out = self
            .request
            .try_clone()
            .ok_or("its body cannot be sent twice")?;
        let Some(rendered) = &request.rendered else {
            return Ok(out);
        };
        let endpoint = request.endpoint;
        if endpoint.url.as_constant().is_none() {
            *out.url_mut() = resolve(base, &rendered.url)?;
        }
        for ((header, name), value) in endpoint
            .headers
            .iter()
            .zip(&self.header_names)
            .zip(&rendered.headers)
        {
            if header.value.as_constant().is_none() {
                out.headers_mut()
                    .insert(name.clone(), header_value(name, value)?);
            }
        }
        if let Some(body) = &rendered.body {
            *out.body_mut() = Some(body.clone().into());
        }
        Ok(out)
    }
}

/// An absolute URL as it is, a path below `base`.
fn resolve(base: &str, url: &str) -> Result<Url, String> {
    let absolute = if url.starts_with("http://") || url.starts_with("https://") {
        url.to_owned()
    } else {
        let slash = if url.starts_with('/') { "" } else { "/" };
        format!("{base}{slash}{url}")
    };
    Url::parse(&absolute).map_err(|error| format!("`{absolute}` is no URL: {error}"))
}

/// The error does not show the value, which may be a secret.
fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(value)
        .map_err(|_| format!("the value of header `{name}` has a character no header may have"))
}

/// The header lines of a head as HTTP/1.1 text: `name: value` and a line end each.
pub(super) fn head_bytes(headers: &HeaderMap) -> u64 {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().len() + value.len() + ": \r\n".len()) as u64)
        .sum()
}
