//! The scenario of a quick look, as the text of a scenario file: it is compiled like any other, and
//! `perfctl init --from-curl` writes it.
//!
//! Not here: what a quick look consists of (`request`).

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::request::{QuickBody, QuickContent, QuickPart, QuickRequest};
use crate::plan::HttpChoice;
use crate::units::{format_duration, parse_duration, trim_float};

/// JSON up to this length stays on one line; characters.
const SHORT: usize = 60;

/// Words that YAML, or programs that read YAML, take for something else than text.
const RESERVED: [&str; 11] = [
    "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf",
];

impl QuickRequest {
    /// The scenario with this name, as YAML.
    pub fn to_yaml(&self, name: &str) -> String {
        let (origin, target) = split(&self.url);
        let mut lines = vec![
            format!("name: {}", scalar(name)),
            format!("host: {}", scalar(origin)),
        ];
        if self.is_insecure {
            lines.push("tls: {insecure: true}".into());
        }
        lines.push("endpoints:".into());
        lines.push(format!("  - name: {}", scalar(&self.endpoint_name())));
        let method = self.method.as_str().to_ascii_lowercase();
        lines.push(format!("    {method}: {}", self.value(&target)));
        if !self.headers.is_empty() {
            lines.push("    headers:".into());
            let headers = self.headers.iter();
            lines.extend(
                headers.map(|(key, value)| format!("      {}: {}", scalar(key), self.value(value))),
            );
        }
        if let Some(auth) = &self.auth {
            let kind = if auth.is_digest { "digest" } else { "basic" };
            lines.push(format!("    auth:\n      {kind}:"));
            lines.push(format!("        username: {}", self.value(&auth.username)));
            lines.push(format!("        password: {}", self.value(&auth.password)));
        }
        self.push_body(&mut lines);
        self.push_limits(&mut lines);
        lines.join("\n") + "\n"
    }

    /// Method and path. The query is left out: it may be long, and hold secrets.
    pub fn endpoint_name(&self) -> String {
        let (_, target) = split(&self.url);
        let path = target.split('?').next().unwrap_or_default();
        // A name is no template; the braces of one are left single.
        let path = path.replace("{{ ", "{").replace(" }}", "}");
        let path = path.replace("{{", "{").replace("}}", "}");
        format!("{} {path}", self.method.as_str())
    }

    fn push_body(&self, lines: &mut Vec<String>) {
        match &self.body {
            QuickBody::None => {}
            QuickBody::Text(text) => lines.push(format!("    body: {}", self.value(text))),
            QuickBody::Json(value) => lines.push(self.json_block(value)),
            QuickBody::File(path) => lines.push(format!("    body_file: {}", file(path))),
            QuickBody::Multipart(parts) => {
                lines.push("    multipart:".into());
                let mut names: Vec<&str> = Vec::new();
                for part in parts {
                    if names.contains(&part.name.as_str()) {
                        continue;
                    }
                    names.push(&part.name);
                    let same = parts.iter().filter(|other| other.name == part.name);
                    let written: Vec<String> = same.map(|part| self.part(part)).collect();
                    let key = self.value(&part.name);
                    lines.push(match written.as_slice() {
                        [one] => format!("      {key}: {one}"),
                        many => format!("      {key}: [{}]", many.join(", ")),
                    });
                }
            }
        }
    }

    fn part(&self, part: &QuickPart) -> String {
        let mut keys = vec![match &part.content {
            QuickContent::Text(text) => format!("text: {}", quoted(&self.escaped(text))),
            QuickContent::File(path) => format!("file: {}", file(path)),
        }];
        let named = [
            ("filename", &part.filename),
            ("content_type", &part.content_type),
        ];
        for (key, text) in named {
            if let Some(text) = text {
                keys.push(format!("{key}: {}", quoted(&self.escaped(text))));
            }
        }
        format!("{{{}}}", keys.join(", "))
    }

    /// `json:` with a line for each key, where it is long.
    fn json_block(&self, value: &Value) -> String {
        let value = self.escaped_json(value);
        let line = inline(&value);
        match &value {
            Value::Object(map) if line.chars().count() > SHORT => {
                let entries = map.iter();
                let lines = entries
                    .map(|(key, value)| format!("\n      {}: {}", scalar(key), inline(value)));
                format!("    json:{}", lines.collect::<String>())
            }
            Value::String(text) => format!("    json: {}", scalar(text)),
            _ => format!("    json: {line}"),
        }
    }

    fn push_limits(&self, lines: &mut Vec<String>) {
        if let Some(timeout) = self.timeout {
            lines.push(format!("    timeout: {}", duration(timeout)));
        }
        // Connecting is part of the request, so it cannot take longer.
        let connect_timeout = self
            .connect_timeout
            .map(|connect| self.timeout.map_or(connect, |timeout| connect.min(timeout)));
        if let Some(timeout) = connect_timeout {
            lines.push(format!("    connect_timeout: {}", duration(timeout)));
        }
        if let Some(count) = self.max_redirects {
            lines.push(format!("    max_redirects: {count}"));
        }
        match self.http_version {
            HttpChoice::Auto => {}
            HttpChoice::Http1 => lines.push("    http_version: 1.1".into()),
            HttpChoice::Http2 => lines.push("    http_version: 2".into()),
        }
        if !self.keep_alive {
            lines.push("    keep_alive: false".into());
        }
    }

    fn value(&self, text: &str) -> String {
        scalar(&self.escaped(text))
    }

    /// `text` as a scenario has it: braces that are no template are written as one.
    fn escaped(&self, text: &str) -> String {
        match self.has_templates {
            true => text.to_owned(),
            false => text.replace("{{", "{{ '{{' }}"),
        }
    }

    fn escaped_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.escaped(text).into(),
            Value::Array(values) => values
                .iter()
                .map(|value| self.escaped_json(value))
                .collect(),
            Value::Object(map) => {
                let entries = map.iter();
                let entries =
                    entries.map(|(key, value)| (self.escaped(key), self.escaped_json(value)));
                Value::Object(entries.collect())
            }
            value => value.clone(),
        }
    }
}

/// Scheme and host of a URL, and what is requested of it, which begins with a slash.
fn split(url: &str) -> (&str, String) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| host + at);
    let (origin, target) = url.split_at(end);
    match target.starts_with('/') {
        true => (origin, target.to_owned()),
        false => (origin, format!("/{target}")),
    }
}

/// The path of a file below the folder of the scenario, which for a quick look is the root.
fn file(path: &Path) -> String {
    quoted(path.display().to_string().trim_start_matches('/'))
}

/// A duration, without rounding it.
fn duration(duration: Duration) -> String {
    let text = format_duration(duration);
    match parse_duration(&text) {
        Ok(same) if same == duration => text,
        _ => format!("{}ms", trim_float(duration.as_secs_f64() * 1e3, 6)),
    }
}

/// A text as YAML, without quotes where that is safe.
fn scalar(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || " -_./:?&=;+@".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(is_safe)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    match is_plain {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A text in double quotes, which mean the same in JSON and YAML.
fn quoted(text: &str) -> String {
    inline(&Value::from(text))
}

/// JSON on one line, which is YAML too.
fn inline(value: &Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        match c {
            // YAML wants these escaped. They only stand in texts.
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => line += &format!("\\u{:04x}", u32::from(c)),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::plan::{Body, Method, Plan};
    use crate::scenario::source::Source;
    use crate::scenario::{Options, compile};

    fn compiled(request: QuickRequest) -> Plan {
        let text = request.to_yaml("quick");
        let source = Source::Request(Box::new(request));
        let profile = source.default_profile();
        compile(&source, profile, &Options::default()).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    fn body(plan: &Plan) -> &str {
        match &plan.endpoints[0].body {
            Body::Template(template) => template.as_constant().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_text_reads_like_a_scenario_written_by_hand() {
        let mut request = QuickRequest::get("https://shop.example:8443/orders?key=s3cret".into());
        request.method = Method::Post;
        request.headers = vec![("accept".into(), "*/*".into())];
        request.body = QuickBody::Json(json!({
            "sku": "A-1", "quantity": 2, "note": "a long note, so that it is not on one line",
            "lines": [{"id": 1}],
        }));
        request.timeout = Some(Duration::from_secs(2));
        request.connect_timeout = Some(Duration::from_secs(5));
        request.is_insecure = true;
        let expected = r#"name: post orders
host: https://shop.example:8443
tls: {insecure: true}
endpoints:
  - name: POST /orders
    post: /orders?key=s3cret
    headers:
      accept: "*/*"
    json:
      sku: "A-1"
      quantity: 2
      note: "a long note, so that it is not on one line"
      lines: [{"id":1}]
    timeout: 2s
    connect_timeout: 2s
"#;
        assert_eq!(request.to_yaml("post orders"), expected);
        compiled(request);
    }

    #[test]
    fn a_url_is_split_and_the_name_is_the_path() {
        for (url, origin, target, name) in [
            ("http://h", "http://h", "/", "GET /"),
            ("http://h?a=1", "http://h", "/?a=1", "GET /"),
            (
                "http://[::1]:80/a/b?c=/d",
                "http://[::1]:80",
                "/a/b?c=/d",
                "GET /a/b",
            ),
            (
                "http://h/users/{{ random_int(1, 9) }}?q={{ uuid }}",
                "http://h",
                "/users/{{ random_int(1, 9) }}?q={{ uuid }}",
                "GET /users/{random_int(1, 9)}",
            ),
        ] {
            assert_eq!(split(url), (origin, target.to_owned()), "{url}");
            let plan = compiled(QuickRequest::get(url.to_owned()));
            assert_eq!(plan.endpoints[0].name, name, "{url}");
        }
    }

    #[test]
    fn braces_are_templates_only_where_they_are_meant_to_be() {
        let mut request = QuickRequest::get("http://h/a{{ uuid }}".into());
        request.body = QuickBody::Text("{{ uuid }}".into());
        request.method = Method::Post;
        let template = compiled(request.clone());
        assert!(template.endpoints[0].url.as_constant().is_none());
        request.has_templates = false;
        let literal = compiled(request.clone());
        assert_eq!(body(&literal), "{{ uuid }}");
        request.body = QuickBody::Json(json!({"{{ a }}": "{{", "b": ["{{ uuid }}"]}));
        let literal = compiled(request);
        assert_eq!(body(&literal), r#"{"{{ a }}":"{{","b":["{{ uuid }}"]}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_arrives_as_it_was_given(
            text in prop_oneof!["\\PC{0,40}", "(?s).{0,40}", "[:#{}' \"\\\\,\\[\\]&*!|>%@`~-]{0,12}"],
            value in "[!-~]([ -~]{0,20}[!-~])?",
        ) {
            let mut request = QuickRequest::get("http://h/".into());
            request.method = Method::Post;
            request.has_templates = false;
            request.headers = vec![("x-a".into(), value.clone())];
            request.body = QuickBody::Text(text.clone());
            let plan = compiled(request.clone());
            let header = plan.endpoints[0].headers[0].value.as_constant();
            prop_assert_eq!(header, Some(value.as_str()));
            prop_assert_eq!(body(&plan), text.as_str());
            let json = json!({"key": text, text.as_str(): [value, 1.5, null, {"a": true}]});
            request.body = QuickBody::Json(json.clone());
            let sent: Value = serde_json::from_str(body(&compiled(request))).unwrap();
            prop_assert_eq!(sent, json);
        }
    }
}
