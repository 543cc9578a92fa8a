//! Requests as h2 takes them: what an endpoint always sends is prepared once, as far as that can be; any
//! other is built from its parts.
//!
//! Both give the same request. Not here: HTTP/1.1, whose requests are bytes (`encoded`).

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use ::http::{Method, Request, Uri};
use bytes::Bytes;
use url::Url;

use crate::metrics::Outcome;
use crate::plan::{Auth, Endpoint, Trace, TraceContext};
use crate::protocol::http::direct::encoded::{base_path, is_joined, secret, varying_header};
use crate::protocol::http::request::header::size_of_request_head;
use crate::protocol::http::request::outgoing::{Outgoing, announces_empty, authority};
use crate::protocol::http::request::prepared::PreparedRequest;
use crate::protocol::{Failure, Rendered};

/// What concerns a connection by HTTP/1.1, and must not be sent by HTTP/2 (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A request that is ready to be sent, but for a body that is streamed.
pub(crate) struct Http2Request {
    pub(super) head: Request<()>,
    pub(super) body: Bytes,
    /// Its size as HTTP/1.1 text, with its body.
    pub(super) bytes: u64,
}

impl Http2Request {
    fn new(
        method: Method,
        place: RequestTarget,
        target: PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self, Failure> {
        let (target_length, authority_length) =
            (target.as_str().len(), place.authority.as_str().len());
        let size = size_of_request_head(method.as_str(), target_length, authority_length, &headers);
        let mut uri = Parts::default();
        uri.scheme = Some(place.scheme);
        uri.authority = Some(place.authority);
        uri.path_and_query = Some(target);
        let mut head = Request::new(());
        *head.method_mut() = method;
        *head.uri_mut() = Uri::from_parts(uri).map_err(|error| cannot_send(&error.to_string()))?;
        *head.headers_mut() = headers;
        Ok(Self {
            head,
            bytes: size + body.len() as u64,
            body,
        })
    }

    /// Of any request, with its body where that is held in memory and small.
    ///
    /// # Errors
    /// When its URL cannot be sent.
    pub(crate) fn of(outgoing: &Outgoing) -> Result<Self, Failure> {
        let mut headers = outgoing.headers.clone();
        without_connection(&mut headers);
        if let Some(length) = outgoing.length() {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let body = outgoing.body.clone().filter(|_| is_joined(outgoing));
        let target = PathAndQuery::try_from(outgoing.target());
        Self::new(
            outgoing.method.clone(),
            RequestTarget::of(&outgoing.url).ok_or_else(|| cannot_send("the URL has no host"))?,
            target.map_err(|error| cannot_send(&error.to_string()))?,
            headers,
            body.unwrap_or_default(),
        )
    }

    /// All of it, to be compared.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> (Method, String, HeaderMap, Bytes, u64) {
        let (head, body) = (&self.head, self.body.clone());
        let (method, uri) = (head.method().clone(), head.uri().to_string());
        (method, uri, head.headers().clone(), body, self.bytes)
    }
}

/// Where a request goes.
#[derive(Clone)]
struct RequestTarget {
    scheme: Scheme,
    authority: Authority,
}

impl RequestTarget {
    fn of(url: &Url) -> Option<Self> {
        Some(Self {
            scheme: match url.scheme() {
                "https" => Scheme::HTTPS,
                _ => Scheme::HTTP,
            },
            authority: Authority::try_from(authority(url)).ok()?,
        })
    }
}

/// An endpoint's request, as far as it is always the same.
pub(crate) struct Http2Template {
    method: Method,
    place: RequestTarget,
    target: Target,
    headers: HeaderMap,
    /// The headers that vary: names, and positions among the endpoint's.
    varying: Vec<(HeaderName, usize)>,
    /// The header with credentials that vary, and what comes before them.
    secret: Option<(HeaderName, &'static str)>,
    /// `None` where it varies.
    body: Option<Bytes>,
}

/// Path and query.
enum Target {
    Fixed(PathAndQuery),
    /// Below this path.
    Below(String),
}

impl Http2Template {
    /// Of `prepared`, which is what the endpoint always sends below `base`, and which can be encoded.
    /// `to_proxy` are credentials for a proxy. `None` where its requests must be built one by one.
    pub(crate) fn new(
        endpoint: &Endpoint,
        prepared: &PreparedRequest,
        base: &str,
        to_proxy: Option<&HeaderValue>,
    ) -> Option<Self> {
        let fixed = &prepared.request;
        let target = match endpoint.url.as_constant() {
            Some(_) => Target::Fixed(PathAndQuery::try_from(fixed.target()).ok()?),
            None => Target::Below(base_path(base, endpoint)?),
        };
        let mut headers = fixed.headers.clone();
        let mut varying = Vec::new();
        for (position, header) in endpoint.headers.iter().enumerate() {
            if header.value.as_constant().is_some() {
                continue;
            }
            let name: HeaderName = header.name.parse().ok()?;
            // One that says what else not to send.
            if name == header::CONNECTION {
                return None;
            }
            headers.remove(&name);
            if !OF_CONNECTIONS.contains(&name) {
                varying.push((name, position));
            }
        }
        if let Some(value) = to_proxy
            && !varying
                .iter()
                .any(|(name, _)| *name == header::PROXY_AUTHORIZATION)
        {
            let own = headers.entry(header::PROXY_AUTHORIZATION);
            own.or_insert_with(|| value.clone());
        }
        without_connection(&mut headers);
        let body = match endpoint.body.varies() {
            true => None,
            false => Some(fixed.body.clone().unwrap_or_default()),
        };
        if let Some(length) = fixed.length().filter(|_| body.is_some()) {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let secret = match varying_header(endpoint)? {
            None => None,
            Some(auth @ Auth::Bearer(_)) => Some((auth.header_name()?.parse().ok()?, "Bearer ")),
            Some(auth) => Some((auth.header_name()?.parse().ok()?, "")),
        };
        Some(Self {
            method: fixed.method.clone(),
            place: RequestTarget::of(&fixed.url)?,
            target,
            headers,
            varying,
            secret,
            body,
        })
    }

    /// The request for what was rendered, which can be encoded.
    ///
    /// # Errors
    /// When what was rendered cannot be sent.
    pub(crate) fn request(
        &self,
        rendered: Option<&Rendered>,
        trace: Option<&TraceContext>,
    ) -> Result<Http2Request, Failure> {
        let target = match (&self.target, rendered) {
            (Target::Fixed(target), _) => Ok(target.clone()),
            (Target::Below(base), Some(rendered)) if base.is_empty() => {
                PathAndQuery::try_from(rendered.url.as_str())
            }
            (Target::Below(base), rendered) => {
                let url = rendered.map_or("", |rendered| rendered.url.as_str());
                PathAndQuery::try_from(format!("{base}{url}"))
            }
        };
        let target = target.map_err(|error| cannot_send(&error.to_string()))?;
        let mut headers = self.headers.clone();
        let not_allowed = |_| cannot_send("a header has a character that is not allowed");
        let value = |text: &str| HeaderValue::from_str(text).map_err(not_allowed);
        if let Some(rendered) = rendered {
            for (name, position) in &self.varying {
                if let Some(Some(text)) = rendered.headers.get(*position) {
                    headers.insert(name.clone(), value(text)?);
                }
            }
            if let (Some((name, scheme)), Some(secret)) = (&self.secret, secret(rendered)) {
                headers.insert(name.clone(), value(&format!("{scheme}{secret}"))?);
            }
        }
        if let Some(trace) = trace {
            let value = HeaderValue::from_bytes(&trace.header(0)).map_err(not_allowed)?;
            headers.insert(Trace::HEADER, value);
        }
        let body = match (&self.body, rendered) {
            (Some(body), _) => body.clone(),
            (None, rendered) => {
                let text = rendered.and_then(|rendered| rendered.body.as_deref());
                let text = text.unwrap_or_default();
                if !text.is_empty() || announces_empty(&self.method) {
                    headers.insert(header::CONTENT_LENGTH, text.len().into());
                }
                Bytes::copy_from_slice(text.as_bytes())
            }
        };
        Http2Request::new(
            self.method.clone(),
            self.place.clone(),
            target,
            headers,
            body,
        )
    }
}

/// Removes what concerns a connection by HTTP/1.1.
fn without_connection(headers: &mut HeaderMap) {
    let named = headers.get(header::CONNECTION).cloned();
    for name in &OF_CONNECTIONS {
        headers.remove(name);
    }
    if headers
        .get(header::TE)
        .is_some_and(|value| value != "trailers")
    {
        headers.remove(header::TE);
    }
    let named = named.as_ref().and_then(|value| value.to_str().ok());
    for name in named.unwrap_or_default().split(',') {
        headers.remove(name.trim());
    }
}

fn cannot_send(why: &str) -> Failure {
    Failure::new(
        Outcome::InvalidRequest,
        format!("cannot be sent by HTTP/2: {why}"),
    )
}
