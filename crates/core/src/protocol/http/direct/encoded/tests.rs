//! Requests that are encoded are those that are built the general way, by either version.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::plan::fixture::{load, plan};
use crate::plan::{Escape, Header, HttpChoice, KeyPlace, Model, Slot, Template, TemplatePart};
use crate::protocol::Request;
use crate::protocol::http::direct::http2::request::{Http2Request, Http2Template};

const BASE: &str = "http://127.0.0.1:8000/api";

/// Text that differs from request to request.
fn varying(source: &str) -> Template {
    let (slot, escape) = (Slot::Iteration, Escape::None);
    Template::new(source, vec![TemplatePart::Slot { slot, escape }])
}

/// The same below the base.
fn path(source: &str) -> Template {
    let literal = TemplatePart::Literal("/".to_owned());
    let parts = varying(source).parts().to_vec();
    Template::new(source, [vec![literal], parts].concat())
}

fn endpoint(method: Method, url: Template, value: Template, body: Body) -> Endpoint {
    let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
    let header = |name: &str, value| Header {
        name: name.into(),
        value,
    };
    Endpoint {
        variables: Vec::new(),
        method,
        url,
        headers: vec![
            header("x-own", value),
            header("accept", Template::literal("text/plain")),
        ],
        body,
        ..plan.endpoints.remove(0)
    }
}

/// The lines of the head, sorted but for the first, and the body.
fn parts(bytes: &[u8]) -> (Vec<String>, String) {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    lines[1..].sort();
    (lines, body.to_owned())
}

/// The request encoded, and built the general way; `None` where it cannot be encoded.
fn both(endpoint: &Endpoint, rendered: Option<Rendered>) -> Option<[(Vec<String>, String); 2]> {
    both_through(false, endpoint, rendered)
}

/// The same through a proxy that wants credentials, or not.
fn both_through(
    proxy: bool,
    endpoint: &Endpoint,
    rendered: Option<Rendered>,
) -> Option<[(Vec<String>, String); 2]> {
    let prepared = PreparedRequest::new(endpoint, BASE, None).unwrap();
    let trace = TraceContext::new(1, 2, true);
    let origin = Origin::of(&prepared.request.url, HttpChoice::Auto, proxy).unwrap();
    let to_proxy = HeaderValue::from_static("Basic YTpi");
    let sent = proxy.then_some(&to_proxy);
    let encoded = EncodedRequest::new(endpoint, &prepared, BASE, origin, sent, true)?;
    if !encoded.can_encode(rendered.as_ref()) {
        return None;
    }
    let (mut quick, mut slow) = (Vec::new(), Vec::new());
    encoded.write(rendered.as_ref(), Some(&trace), &mut quick);
    let request = Request {
        index: 0,
        endpoint,
        rendered,
        trace: None,
    };
    let mut outgoing = prepared.request(&request).unwrap();
    let value = HeaderValue::from_bytes(&trace.header(0)).unwrap();
    outgoing.headers.insert(Trace::HEADER, value);
    if proxy {
        let name = header::PROXY_AUTHORIZATION;
        outgoing.headers.insert(name, to_proxy.clone());
    }
    write(&outgoing, proxy, &mut slow);
    let template = Http2Template::new(endpoint, &prepared, BASE, sent).unwrap();
    let quick_http2 = template
        .request(request.rendered.as_ref(), Some(&trace))
        .unwrap();
    assert_eq!(
        quick_http2.parts(),
        Http2Request::of(&outgoing).unwrap().parts()
    );
    Some([parts(&quick), parts(&slow)])
}

#[test]
fn a_request_that_never_varies_is_encoded_whole() {
    let text = Template::literal("a b");
    let body = Body::Template(text.clone());
    let url = Template::literal("/x/../y%20z?q='");
    let [quick, slow] = both(&endpoint(Method::Post, url, text, body), None).unwrap();
    assert_eq!(quick, slow);
    let (lines, body) = quick;
    assert_eq!(lines[0], "POST /api/x/../y%20z?q=%27 HTTP/1.1");
    let fields = [
        "accept: text/plain",
        "content-length: 3",
        "host: 127.0.0.1:8000",
    ];
    assert_eq!(lines[1..4], fields);
    assert!(lines[4].starts_with("traceparent: 00-"));
    assert_eq!((lines[6].as_str(), body.as_str()), ("x-own: a b", "a b"));
}

#[test]
fn what_concerns_a_connection_is_not_sent_by_http_2() {
    let header = |name: &str, value: &str| Header {
        name: name.into(),
        value: Template::literal(value),
    };
    let mut endpoint = endpoint(Method::Post, path("/x"), Template::literal("y"), Body::None);
    endpoint.wire.keep_alive = false;
    endpoint.headers.extend([
        header("connection", "close, X-Own"),
        header("keep-alive", "1"),
        header("te", "gzip"),
    ]);
    let prepared = PreparedRequest::new(&endpoint, BASE, None).unwrap();
    let template = Http2Template::new(&endpoint, &prepared, BASE, None).unwrap();
    let rendered = Rendered {
        url: "/x".into(),
        ..Rendered::default()
    };
    let (_, _, headers, _, bytes) = template.request(Some(&rendered), None).unwrap().parts();
    let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["accept", "user-agent", "content-length"]);
    let text = "POST /api/x HTTP/1.1\r\nhost: 127.0.0.1:8000\r\naccept: text/plain\r\n\
                user-agent: perfctl/0.1.0\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(bytes, text.len() as u64);
}

#[test]
fn a_proxy_sees_the_whole_url_and_its_credentials() {
    let (text, body) = (Template::literal("a b"), Body::None);
    for (url, rendered) in [
        (Template::literal("/x?y"), None),
        (path("/{{ n }}"), Some("/x?y".to_owned())),
    ] {
        let endpoint = endpoint(Method::Get, url, text.clone(), body.clone());
        let rendered = rendered.map(|url| Rendered {
            url,
            headers: vec![None, None],
            ..Rendered::default()
        });
        let [quick, slow] = both_through(true, &endpoint, rendered).unwrap();
        assert_eq!(quick, slow);
        let (lines, _) = quick;
        assert_eq!(lines[0], "GET http://127.0.0.1:8000/api/x?y HTTP/1.1");
        assert!(lines.contains(&"proxy-authorization: Basic YTpi".to_owned()));
    }
}

#[test]
fn what_has_no_slot_is_built_the_general_way() {
    let literal = || Template::literal("/");
    let mut gzipped = endpoint(
        Method::Post,
        literal(),
        literal(),
        Body::Template(varying("/b")),
    );
    gzipped.gzip = true;
    let elsewhere = endpoint(Method::Get, varying("{{ url }}"), literal(), Body::None);
    let large = Body::Template(Template::literal("x".repeat(MAX_JOINED + 1)));
    let large = endpoint(Method::Post, literal(), literal(), large);
    for endpoint in [gzipped, elsewhere, large] {
        assert!(both(&endpoint, None).is_none(), "{}", endpoint.url.source());
    }
}

proptest! {
    #[test]
    fn both_ways_send_the_same_request(
        url in "/[a-z0-9/?&=%.\"' {}|^<>\\\\#é:@-]{0,12}",
        value in "[ -~\t\u{7f}é]{0,8}",
        body in "[ -~é]{0,9}",
        token in "[ -~\\t\\u{7f}é]{0,8}",
        in_bearer in any::<bool>(),
    ) {
        let body_of = Body::Template(varying("{{ c }}"));
        let mut endpoint =
            endpoint(Method::Put, path("/{{ a }}"), varying("{{ b }}"), body_of);
        endpoint.auth = Some(Arc::new(match in_bearer {
            true => Auth::Bearer(varying("{{ d }}")),
            false => Auth::ApiKey {
                place: KeyPlace::Header("x-key".into()),
                value: varying("{{ d }}"),
            },
        }));
        let rendered = Rendered {
            subject: None,
            url,
            headers: vec![Some(value), Some(String::new())],
            body: Some(body),
            pieces: Vec::new(),
            auth: vec![token],
        };
        if let Some([quick, slow]) = both(&endpoint, Some(rendered)) {
            prop_assert_eq!(quick, slow);
        }
    }

    #[test]
    fn an_ordinary_path_can_be_encoded(path in "/[a-z0-9/_-]{0,9}(\\?[a-z]=[a-z0-9%+,]{0,5})?") {
        prop_assert!(is_plain(&path), "{}", path);
    }
}
