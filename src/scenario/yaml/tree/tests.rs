//! From text to a tree, and what is wrong with the text.

use super::*;
use std::time::{Duration, Instant};

fn errors(text: &str) -> String {
    let mut findings = Findings::default();
    let file = findings.add_file("a.yaml", text.to_owned());
    let _ = parse(file, &mut findings);
    findings
        .into_result(())
        .map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn nodes_keep_their_place_and_their_text() {
    let mut findings = Findings::default();
    let text = "a: 0x1F\nbé: [1.10, 'x y', \"2\", no, ~, TRUE]\n";
    let file = findings.add_file("a.yaml", text.to_owned());
    let root = parse(file, &mut findings).unwrap();
    assert_eq!(findings.len(), 0);
    let a = root.get("a").unwrap();
    assert!(matches!(&a.kind, NodeKind::Scalar { text, json } if text == "0x1F" && json == 31));
    assert_eq!((a.at.line, a.at.column, a.at.length), (1, 4, 4));
    let NodeKind::List(items) = &root.get("bé").unwrap().kind else {
        panic!("a list");
    };
    let texts: Vec<(&str, usize)> = items
        .iter()
        .map(|item| match &item.kind {
            NodeKind::Scalar { text, .. } => (text.as_str(), item.at.column),
            _ => ("", item.at.column),
        })
        .collect();
    assert_eq!(
        texts,
        [
            ("1.10", 6),
            ("x y", 12),
            ("2", 19),
            ("no", 24),
            ("", 28),
            ("TRUE", 31)
        ]
    );
    assert_eq!(items[3].describe(), "text", "`no` is no boolean");
}

#[test]
fn all_duplicate_keys_are_reported_with_their_place() {
    let text = errors("a: 1\nb: {x: 1, x: 2}\na: 2\n");
    assert!(
        text.contains("a.yaml:2:11") && text.contains("a.yaml:3:1"),
        "{text}"
    );
    let text = errors("h: {1: a, 0x1: b}\n");
    assert!(text.contains("duplicate key"), "{text}");
}

#[test]
fn bombs_are_refused_at_once_with_a_line() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..10 {
        let parts = vec![format!("*a{}", i - 1); 9].join(", ");
        laughs += &format!("a{i}: &a{i} [{parts}]\n");
    }
    let mut ladder = String::from("a0: &a0 [x]\n");
    for i in 1..900 {
        let (open, close) = ("[".repeat(20), "]".repeat(20));
        ladder += &format!("a{i}: &a{i} {open}*a{}{close}\n", i - 1);
    }
    let mut block = String::new();
    for depth in 0..300 {
        block += &format!("{}a:\n", " ".repeat(depth));
    }
    for bomb in [
        laughs,
        ladder,
        block,
        "[".repeat(500_000),
        "a: &a [*a]\n".into(),
        "{a: ".repeat(200_000),
        "- x\n".repeat(200_000),
    ] {
        let start = Instant::now();
        let text = errors(&bomb);
        assert!(text.contains("a.yaml:"), "{text}");
        assert!(text.len() < 2_000, "{} bytes of error text", text.len());
        // A bomb that went off would take minutes, or all memory; how many milliseconds it
        // takes to refuse one depends on the machine.
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?} for {text}",
            start.elapsed()
        );
    }
}

#[test]
fn keys_are_merged_and_those_that_are_written_count() {
    let mut findings = Findings::default();
    let text = "x-a: &a {k: 1, l: 0x2}\nx-b: &b {l: 3, m: 4}\n\
                c:\n  k: 5\n  <<: *a\nd: {<<: [*a, *b], n: {<<: *b, m: 6}}\nx-c: ~\n";
    let file = findings.add_file("a.yaml", text.to_owned());
    let root = parse(file, &mut findings).unwrap();
    assert_eq!(findings.len(), 0);
    let expected = serde_json::json!({
        "c": {"k": 5, "l": 2},
        "d": {"n": {"m": 6, "l": 3}, "k": 1, "l": 2, "m": 4},
    });
    assert_eq!(root.to_json(), expected);
    // What is wrong with a merged value is shown where it is written.
    let l = root.get("c").unwrap().get("l").unwrap();
    assert!(matches!(&l.kind, NodeKind::Scalar { text, .. } if text == "0x2"));
    assert_eq!((l.at.line, l.at.column), (1, 19));
    let errors = errors("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}\n");
    assert!(errors.contains("duplicate key `y`"), "{errors}");
}

#[test]
fn merged_scalars_second_documents_and_tags_are_refused() {
    for (text, part) in [
        ("a: &a 1\nb:\n  <<: *a\n", "`<<` merges a mapping"),
        ("b:\n  <<: *c\n", "invalid YAML"),
        ("a: 1\n---\nb: 1\n", "more than one YAML document"),
        ("a: !include x\n", "needs quotes"),
        ("a: [1\nb: 2\n", "never closed"),
        ("a:\n\tb: 1\n", "a tab indents"),
    ] {
        let errors = errors(text);
        assert!(
            errors.contains(part) && errors.contains("a.yaml:"),
            "{text:?}: {errors}"
        );
    }
}

#[test]
fn slips_are_shown_where_they_are_with_what_to_write() {
    for (text, place, part) in [
        ("a:\n\tb: 1\n", "2:1", "use spaces"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1", "use spaces"),
        ("a: {{ x }}\n", "1:4", "write `\"{{ x }}\"`"),
        ("a:\n  - {{ x }}/b # c\n", "2:5", "write `\"{{ x }}/b\"`"),
        (
            "a: {b: /c/{{ x }}, d: e}\n",
            "1:8",
            "write `\"/c/{{ x }}\"`",
        ),
        ("a: [\"{{ y }}\", {{ x }}]\n", "1:16", "write `\"{{ x }}\"`"),
        (
            "a: {{ x | default(\"b\") }}\n",
            "1:4",
            "write `'{{ x | default(\"b\") }}'`",
        ),
        ("a: @b\n", "1:4", "write `\"@b\"`"),
        ("a: {b: *, c: d}\n", "1:8", "write `\"*\"`"),
        ("a: !b c\n", "1:4", "write `\"!b c\"`"),
        ("a:\n  - b: 1\n  -c: 2\n", "3:3", "write `- c: 2`"),
        ("a:1\nb: 2\n", "1:1", "write `a: 1`"),
        ("a:\n  - b: 1\n    c:2\n", "3:5", "write `c: 2`"),
        ("a: b: c\n", "1:4", "write `\"b: c\"`"),
        ("a: \"b\nc: d\n", "1:4", "close it"),
        ("a: [b, c\nd: e\n", "1:4", "close it"),
        ("a: {\n  b: c\n  d: e\n}\n", "3:3", "comma"),
        ("a b\nc:\n  d: e\n", "1:1", "write `a: b`"),
        ("a:\n  - {b: 1\n  - c: 2\n", "2:5", "close it"),
        ("a:\n  - b: 1\n  c: 2\n", "3:3", "start it with `- `"),
        ("a: 1\n  b: 2\n", "2:3", "start it in column 1"),
    ] {
        let mut findings = Findings::default();
        let file = findings.add_file("a.yaml", text.to_owned());
        assert!(parse(file, &mut findings).is_none(), "{text:?}");
        let shown = findings.into_result(()).unwrap_err().to_string();
        assert!(
            shown.contains(&format!("a.yaml:{place}\n")) && shown.contains(part),
            "{text:?}: {shown}"
        );
        assert_eq!(shown.matches("error:").count(), 1, "{shown}");
    }
}
