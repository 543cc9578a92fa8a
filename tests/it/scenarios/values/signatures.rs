//! Headers and credentials that sign the request they are part of.

use sha2::{Digest, Sha256};

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen};
use crate::support::scenario::outcomes;

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a server receives of three requests of an endpoint with these keys, whose headers sum up its parts.
fn seen(endpoint: &str, defaults: &str) -> Vec<Seen> {
    let server = Recording::ok();
    let keys = format!(
        "- {{{endpoint}, name: signed}}\ndefaults: {{headers: {{X-Sum: '{{{{ request.body | sha256 }}}}', X-Line: \
         '{{{{ request.method }}}} {{{{ request.path }}}}?{{{{ request.query }}}}', X-Url: '{{{{ request.url }}}}'}}\
         {defaults}}}"
    );
    let completed = Perfctl::scenario(&format!("{}/api", server.url()), &keys)
        .file("scenarios/binary.dat", [0_u8, 255, 254, 10])
        .args(["-u", "1", "-i", "3"])
        .run();
    assert_eq!(
        outcomes(&completed.result()),
        "ok 3",
        "{}",
        completed.stdout
    );
    let seen = server.seen();
    for one in &seen {
        let url = format!("{}{}", server.url(), one.path());
        assert_eq!(one.header("x-url"), Some(&*url));
        let target = one.path();
        let target = match target.contains('?') {
            true => target.to_owned(),
            false => format!("{target}?"),
        };
        let method = one.line.split(' ').next().unwrap_or_default();
        let line = format!("{method} {target}");
        assert_eq!(one.header("x-line"), Some(&*line));
    }
    seen
}

fn what_is_signed_is_what_is_sent() {
    for endpoint in [
        "post: '/a/{{ uuid }}?q={{ \"a b/c\" }}', json: {id: '{{ uuid }}', n: '{{ iteration }}'}",
        "post: /a?b=1, form: {id: '{{ uuid }}', text: 'a b'}",
        "put: /fixed, body: always the same",
        "get: '/nothing/{{ iteration }}'",
        "post: '/file/{{ iteration }}', body_file: binary.dat",
        "post: /parts, multipart: {id: '{{ uuid }}', file: {file: binary.dat}}",
        "post: \"{{ '/link?n=' ~ iteration }}\", body: '{{ uuid }}'",
    ] {
        let seen = seen(endpoint, "");
        for one in &seen {
            assert_eq!(one.header("x-sum"), Some(&*sha256(&one.body)), "{endpoint}");
        }
    }
}

fn a_compressed_body_is_signed_before_it_is_compressed() {
    for one in seen(
        "post: /z, body: '{{ \"x\" ~ iteration }}', compress: gzip",
        "",
    ) {
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&one.body[..]);
        std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
        assert_eq!(one.header("x-sum"), Some(&*sha256(&plain)));
    }
}

fn headers_that_sign_see_the_others() {
    let headers = "{X-Signed: \"{{ request.headers['x-time'] }} {{ request.headers.kind }} {{ request.headers['x-none'] | \
                   default('-') }} {{ request.headers | length }}\", X-Time: '{{ uuid }}', Kind: fixed, X-None: '{{ none | \
                   default(none) }}'}";
    for one in seen(&format!("post: /h, body: x, headers: {headers}"), "") {
        let time = one.header("x-time").unwrap();
        assert_eq!(time.len(), 36);
        assert_eq!(one.header("x-signed"), Some(&*format!("{time} fixed - 2")));
    }
}

fn credentials_can_be_a_signature() {
    let auth = ", auth: {api_key: {header: X-Signature, value: \"sha1={{ request.body | hmac_sha1('key') }}\"}}";
    let seen = seen(
        "post: /hook, body: The quick brown fox jumps over the lazy dog",
        auth,
    );
    let expected = "sha1=de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9";
    assert_eq!(seen[2].header("x-signature"), Some(expected));
}

for_each_client! {
    what_is_signed_is_what_is_sent
    a_compressed_body_is_signed_before_it_is_compressed
    headers_that_sign_see_the_others
    credentials_can_be_a_signature
}
