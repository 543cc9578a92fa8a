//! Paths into JSON bodies, by RFC 9535, and finding their values without keeping the rest of the body.
//!
//! Not here: what is made of the values (`check`).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A path into a JSON body. Serialized and shown in its normal form.
#[derive(Debug, Clone)]
pub struct JsonPath {
    path: serde_json_path::JsonPath,
    /// Its segments, if none needs more than one look at the body.
    segments: Option<Vec<Segment>>,
}

/// What is taken of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// The member of an object with this name.
    Name(String),
    /// The element of a list at this position, from 0.
    Index(usize),
    /// Every element of a list.
    Elements,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, serde_json_path::ParseError> {
        Ok(Self {
            path: serde_json_path::JsonPath::parse(text)?,
            segments: segments(text),
        })
    }

    /// The values it finds, in order.
    pub fn query<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.path.query(value).all()
    }

    /// The values it finds in a JSON text, of which nothing else is kept. `None` if that takes more than a
    /// look, or the text is no JSON: the caller then parses it as a whole, which also says what is wrong with it.
    pub fn find(&self, json: &[u8]) -> Option<Vec<Value>> {
        let segments = self.segments.as_ref()?;
        let text = std::str::from_utf8(json).ok()?;
        if may_have_surrogates(json) {
            return None;
        }
        let mut found = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let walk = Walk {
            segments,
            found: &mut found,
        };
        walk.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(found)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether a text may have half of a UTF-16 pair, written as `\ud83d`. Where a value is skipped nobody looks
/// whether the other half follows.
fn may_have_surrogates(json: &[u8]) -> bool {
    let mut escapes = memchr::memmem::find_iter(json, b"\\u");
    escapes.any(|at| {
        json.get(at + 2)
            .is_none_or(|digit| matches!(digit, b'd' | b'D'))
    })
}

/// The segments of a valid path that has nothing but names, positions and `[*]`.
fn segments(path: &str) -> Option<Vec<Segment>> {
    let mut rest = path.strip_prefix('$')?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        let segment;
        (segment, rest) = if let Some(inner) = rest.strip_prefix('[') {
            let quote = inner
                .chars()
                .next()
                .filter(|first| matches!(first, '\'' | '"'));
            match quote {
                Some(quote) => {
                    let (name, rest) = inner[1..].split_once(quote)?;
                    let is_plain = !name.contains('\\');
                    let name = is_plain.then(|| Segment::Name(name.to_owned()))?;
                    (name, rest.strip_prefix(']')?)
                }
                None => {
                    let (inner, rest) = inner.split_once(']')?;
                    let segment = match inner {
                        "*" => Segment::Elements,
                        index if index.bytes().all(|byte| byte.is_ascii_digit()) => {
                            Segment::Index(index.parse().ok()?)
                        }
                        _ => return None,
                    };
                    (segment, rest)
                }
            }
        } else {
            let inner = rest.strip_prefix('.')?;
            let end = inner.find(['.', '[', ' ', '\t', '\r', '\n']);
            let (name, rest) = inner.split_at(end.unwrap_or(inner.len()));
            let is_name = !name.is_empty() && name != "*";
            (is_name.then(|| Segment::Name(name.to_owned()))?, rest)
        };
        segments.push(segment);
    }
    Some(segments)
}

/// Collects what the segments find in the next value.
struct Walk<'a> {
    segments: &'a [Segment],
    found: &'a mut Vec<Value>,
}

impl Walk<'_> {
    fn further<'b>(&'b mut self) -> Walk<'b> {
        Walk {
            segments: &self.segments[1..],
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.segments {
            [] => {
                self.found
                    .push(serde::Deserialize::deserialize(deserializer)?);
                Ok(())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let name = match &self.segments[0] {
            Segment::Name(name) => Some(name),
            Segment::Index(_) => None,
            // The members of an object, each name once: seldom meant, and more than a look.
            Segment::Elements => return Err(A::Error::custom("an object")),
        };
        let before = self.found.len();
        while let Some(is_wanted) = members.next_key_seed(IsName(name.map(String::as_str)))? {
            if is_wanted {
                // Of several members of one name the last counts.
                self.found.truncate(before);
                members.next_value_seed(self.further())?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        for position in 0.. {
            let is_wanted = match &self.segments[0] {
                Segment::Index(index) => *index == position,
                Segment::Elements => true,
                Segment::Name(_) => false,
            };
            let next = match is_wanted {
                true => elements.next_element_seed(self.further())?,
                false => elements.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Whether a name is this one.
struct IsName<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for IsName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsName<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(path: &JsonPath, json: &[u8]) -> Option<Vec<Value>> {
        let value: Value = serde_json::from_slice(json).ok()?;
        Some(path.query(&value).into_iter().cloned().collect())
    }

    fn path(text: &str) -> JsonPath {
        JsonPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn paths_of_names_and_positions_need_one_look() {
        for plain in [
            "$",
            "$.a",
            "$.a.b_1",
            "$['a b'][0]",
            "$[\"x\"]",
            "$[*].id",
            "$.é[12].x",
        ] {
            assert!(path(plain).segments.is_some(), "{plain}");
        }
        for other in [
            "$..a",
            "$.*",
            "$[-1]",
            "$[1:2]",
            "$[0,1]",
            "$[?@.a]",
            "$['a\\n']",
            "$ .a",
            "$[ 0 ]",
            "$['a','b']",
            "$.a..b",
            "$[?length(@.a) > 1]",
        ] {
            assert_eq!(path(other).segments, None, "{other}");
        }
    }

    #[test]
    fn one_look_finds_what_the_whole_body_has() {
        let body = r#"{"a": {"x": 1}, "items": [{"id": 7}, {"id": 12345678901234567890.10, "a": null}, 3, "s", true, null, []],
            "é": "\u00e9\n", "a": {"b": [[1], [2, 3]], "b": {"c": "last"}}, "n": -0.0e7}"#;
        for text in [
            "$",
            "$.a",
            "$.a.x",
            "$.a.b",
            "$.a.b.c",
            "$.items[0].id",
            "$.items[1].id",
            "$.items[9]",
            "$.items[*].id",
            "$.items[*]",
            "$['é']",
            "$.n",
            "$.none",
            "$.items.id",
            "$[0]",
            "$.n.x",
            "$.items[2].id",
            "$.items[3][0]",
        ] {
            let path = path(text);
            let found = path.find(body.as_bytes()).expect(text);
            assert_eq!(Some(found), whole(&path, body.as_bytes()), "{text}");
        }
        assert_eq!(path("$[*]").find(b"{}"), None, "members of an object");
    }

    #[test]
    fn what_is_no_json_is_found_wherever_the_fault_lies() {
        for body in [
            &b""[..],
            b"{",
            b"{\"a\": 1",
            b"{\"a\": 1}}",
            b"{\"a\": 1} x",
            b"{\"a\": 1, \"b\": [1,]}",
            b"{\"a\": 1, \"b\": 01}",
            b"{\"a\": 1, \"b\": \"\\q\"}",
            b"{\"a\": 1, \"b\": \"\xff\"}",
            b"{\"a\": 1, \"b\": \"\n\"}",
            b"{\"a\": 1, \"b\": nul}",
            b"{\"b\": \"\\ud83d\", \"a\": 1}",
            b"{\"b\": \"\\uD83dx\", \"a\": 1}",
            b"{\"a\": 1, b: 2}",
            b"[1, 2",
            b"{\"a\" 1}",
        ] {
            assert_eq!(
                path("$.a").find(body),
                None,
                "{}",
                String::from_utf8_lossy(body)
            );
            assert!(
                whole(&path("$.a"), body).is_none(),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn a_hostile_body_is_only_refused() {
        for open in ["[", "{\"a\":"] {
            let body = open.repeat(100_000);
            assert_eq!(path("$.a").find(body.as_bytes()), None);
            assert_eq!(path("$[0]").find(body.as_bytes()), None);
        }
        let steps = path(&format!("${}", ".a".repeat(1_000)));
        let body = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
        assert_eq!(
            steps.find(body.as_bytes()),
            None,
            "deeper than the parser goes"
        );
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(Value::from),
            "[a-c\"\\\\\u{e9}\u{1f600}\n]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c]", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn one_look_is_the_same_as_reading_it_all(
            value in json(),
            steps in prop::collection::vec(
                prop_oneof!["\\.[a-c]", "\\[[0-3]\\]", Just("[*]".to_owned()), "\\['[a-c]'\\]"], 0..5),
            cut in any::<prop::sample::Index>(),
            is_cut in prop::bool::weighted(0.2),
        ) {
            let path = path(&format!("${}", steps.concat()));
            prop_assert!(path.segments.is_some());
            let mut text = value.to_string().into_bytes();
            if is_cut {
                text.truncate(cut.index(text.len()));
            }
            if let Some(found) = path.find(&text) {
                prop_assert_eq!(Some(found), whole(&path, &text));
            } else if !is_cut {
                // Only members of an object, and halves of pairs, which are not in here.
                prop_assert!(steps.contains(&"[*]".to_owned()));
            }
        }
    }
}
