//! Values that may be sent to the service and must not be shown to anybody else.
//!
//! A plan keeps templates as they were written, so that it can be stored. But a service may repeat a
//! secret in its response, and the text of a failure quotes a part of it. There the known values are
//! hidden, as they are and in the encodings they are commonly sent in.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::plan::Escape;

/// What is shown in their place.
const HIDDEN: &str = "***";

/// Secret values, in all encodings that are searched for.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Longest first, so that a shorter form does not cut a longer one in two.
    forms: Vec<String>,
}

impl Secrets {
    /// Shorter values are not secrets, and hiding them would make texts unreadable; characters.
    pub const SHORTEST: usize = 4;

    /// These values, except those below four characters.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = BTreeSet::new();
        for value in values {
            if value.chars().count() < Self::SHORTEST {
                continue;
            }
            all.insert(value.to_owned());
            for escape in [Escape::Json, Escape::Form, Escape::Url] {
                let mut escaped = String::new();
                escape.push(value, &mut escaped);
                // A form writes a space as `+`, a URL as `%20`.
                all.insert(escaped.replace('+', "%20"));
                all.insert(escaped);
            }
            all.extend(in_url(value));
            all.extend((0..3).flat_map(|offset| encoded(value, offset)));
        }
        let mut forms: Vec<String> = all.into_iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self { forms }
    }

    /// These and more values.
    pub fn with<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::new(values);
        all.forms.extend(self.forms.iter().cloned());
        all.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        all
    }

    /// `text` with all of them hidden.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for form in &self.forms {
            if shown.contains(form) {
                shown = Cow::Owned(shown.replace(form, HIDDEN));
            }
        }
        shown
    }

    /// The first `most` characters of `text` with all of them hidden, even one that would be cut in two
    /// there.
    pub fn hide_beginning(&self, text: &str, most: usize) -> String {
        let longest = self.forms.first().map_or(0, String::len);
        let enough: String = text.chars().take(most + longest).collect();
        self.hide(&enough).into_owned()
    }
}

/// How a value looks in the path or the query of a URL: some characters are encoded, others are not.
fn in_url(value: &str) -> impl Iterator<Item = String> {
    let mut url = url::Url::parse("http://localhost/").ok();
    let mut forms = Vec::new();
    if let Some(url) = &mut url {
        url.set_path(value);
        forms.push(url.path().trim_start_matches('/').to_owned());
        url.set_query(Some(value));
        forms.extend(url.query().map(str::to_owned));
    }
    // A path of dots becomes empty, and an empty form would match everywhere.
    forms
        .into_iter()
        .filter(|form| form.chars().count() >= Secrets::SHORTEST)
}

/// The part of the base64 of a value that is always the same if the value starts `offset` bytes into a
/// group of three: its first and last characters may also encode its neighbors.
fn encoded(value: &str, offset: usize) -> Vec<String> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value.as_bytes());
    let (from, to) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
    [
        STANDARD_NO_PAD.encode(&bytes),
        URL_SAFE_NO_PAD.encode(&bytes),
    ]
    .iter()
    .filter_map(|text| text.get(from..to))
    .map(str::to_owned)
    .collect()
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_hidden_in_each_encoding() {
        let secrets = Secrets::new(["c4n/ry +\"x\"", "no"]);
        for (text, shown) in [
            ("key=c4n/ry +\"x\"!", "key=***!"),
            ("{\"k\":\"c4n/ry +\\\"x\\\"\"}", "{\"k\":\"***\"}"),
            ("?k=c4n%2Fry+%2B%22x%22&", "?k=***&"),
            ("?k=c4n%2Fry%20%2B%22x%22&", "?k=***&"),
            ("/c4n/ry%20+%22x%22/", "/***/"),
            ("/?c4n/ry%20+%22x%22", "/?***"),
            ("no secret", "no secret"),
        ] {
            assert_eq!(secrets.hide(text), shown);
        }
    }

    #[test]
    fn a_secret_that_would_be_cut_in_two_is_hidden() {
        let secrets = Secrets::new(["canary-canary"]);
        assert_eq!(
            secrets.hide_beginning("ab canary-canary cd", 6),
            "ab *** cd"
        );
    }

    proptest! {
        #[test]
        fn a_secret_is_hidden_in_base64(
            before in prop::collection::vec(any::<u8>(), 0..5),
            secret in "[a-z0-9]{8,20}",
            after in prop::collection::vec(any::<u8>(), 0..5),
        ) {
            let bytes = [&before, secret.as_bytes(), &after].concat();
            let text = STANDARD_NO_PAD.encode(bytes);
            let secrets = Secrets::new([secret.as_str()]);
            prop_assert!(secrets.hide(&text).contains(HIDDEN), "{text}");
        }
    }
}
