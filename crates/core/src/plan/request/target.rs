//! Request targets: the path and query of a request, as they are sent.
//!
//! Here: which texts can be sent, and how. Not here: hosts (`scenario`), or joining a target to the URL
//! of the service (`protocol`).

use std::fmt::Write as _;

/// Appends text that an author wrote into a path or query: as it is, except that characters which no
/// request line can hold are percent-encoded, and a backslash too, which many programs take for a slash.
pub fn push_written(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' | '"' | '<' | '>' => push_encoded(c, out),
            c if c.is_ascii_graphic() => out.push(c),
            c => push_encoded(c, out),
        }
    }
}

/// Appends a value that is filled into a path or query: everything but letters, digits and `-._~` is
/// percent-encoded, so that it stays one path segment or one value of the query.
pub fn push_filled(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '-' | '.' | '_' | '~' => out.push(c),
            c if c.is_ascii_alphanumeric() => out.push(c),
            c => push_encoded(c, out),
        }
    }
}

fn push_encoded(c: char, out: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // Writing to a string cannot fail.
        let _ = write!(out, "%{byte:02X}");
    }
}

/// Whether a target, which may be filled in with `| raw`, can be sent as it is.
///
/// # Errors
/// What cannot be sent, for people. Does not quote the target.
pub fn check_target(target: &str) -> Result<(), String> {
    let fits = |c: &char| c.is_ascii_graphic() && !matches!(c, '#' | '\\');
    let what = match target.chars().find(|c| !fits(c)) {
        None => return Ok(()),
        Some('\n' | '\r') => "a line break",
        Some(' ') => "a space",
        Some('#') => "`#`, which starts a fragment",
        Some('\\') => "a backslash",
        Some(c) if c.is_control() => "a control character",
        Some(_) => "a character that is not ASCII",
    };
    Err(format!(
        "the URL contains {what} and cannot be sent as it is: remove `| raw`, or use `| urlencode`"
    ))
}

/// Whether the path of a target has a segment `.` or `..`, which libraries for URLs resolve.
pub fn has_dot_segments(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    // Most paths are done with here.
    if !(path.contains("/.") || path.contains("/%2")) {
        return false;
    }
    path.split('/').any(|segment| {
        segment.len() <= 6
            && matches!(
                segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
                "." | ".."
            )
    })
}

/// A target that can be sent, with the few further characters encoded that libraries for URLs encode, so
/// that dot segments make no other difference.
pub fn encoded_target(target: &str) -> String {
    let mut encoded = String::with_capacity(target.len());
    let mut in_query = false;
    for c in target.chars() {
        in_query |= c == '?';
        match (c, in_query) {
            ('"' | '<' | '>', _) | ('`' | '{' | '}', false) | ('\'', true) => {
                push_encoded(c, &mut encoded);
            }
            _ => encoded.push(c),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dot_segments_are_found_however_they_are_written() {
        for path in [
            "/.", "/..", "/a/../b", "/%2e%2E/", "/.%2e", "/a/%2e?x", "/../",
        ] {
            assert!(has_dot_segments(path), "{path}");
        }
        for path in [
            "/",
            "/...",
            "/.a",
            "/a.",
            "/a?/../",
            "/%2e%2e%2e",
            "/%2fa",
            "/.well-known",
        ] {
            assert!(!has_dot_segments(path), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        for (target, what) in [
            ("/a\nb", "a line break"),
            ("/a b", "a space"),
            ("/C#", "a fragment"),
            ("/a\\b", "a backslash"),
            ("/\u{7f}", "a control character"),
            ("/é", "not ASCII"),
        ] {
            assert!(check_target(target).unwrap_err().contains(what), "{target}");
        }
        assert_eq!(check_target("/a?b={c}|%zz"), Ok(()));
    }

    proptest! {
        #[test]
        fn a_filled_value_is_one_segment_and_one_value(value in any::<String>()) {
            let mut filled = String::new();
            push_filled(&value, &mut filled);
            let url = url::Url::parse(&format!("http://h/a/x{filled}/b?q={filled}&r=1")).unwrap();
            prop_assert_eq!(url.path_segments().unwrap().count(), 3);
            let pairs: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(pairs.len(), 2);
            prop_assert_eq!(&pairs[0].1, &value);
        }

        #[test]
        fn written_text_can_be_sent_but_for_a_fragment(text in "[^#]*") {
            let mut written = "/".to_owned();
            push_written(&text, &mut written);
            prop_assert_eq!(check_target(&written), Ok(()));
        }

        #[test]
        fn targets_are_encoded_as_libraries_for_urls_do(target in "/[!-~]{0,20}") {
            if check_target(&target).is_ok() && !has_dot_segments(&target) {
                let url = url::Url::parse(&format!("http://h{target}")).unwrap();
                let sent = &url[url::Position::BeforePath..url::Position::AfterQuery];
                prop_assert_eq!(encoded_target(&target), sent);
            }
        }
    }
}
