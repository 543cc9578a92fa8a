//! Mappings and sets of words, each defined once: the type, its decoder, and its JSON Schema.
//!
//! Here: the macros `mapping!` and `words!`. Not here: which mappings there are (`keys`).

use serde_json::{Value, json};

use super::decode::{Decode, Field};

/// Defines a mapping: the struct, its decoder, and its schema, whose descriptions are the doc
/// comments. A key is one line: `key: Type`, or `key(required): Type`; `field["key"]: Type` is a
/// key that no field can be named like. `NAME or KEY { ... }` may be written as the value of that
/// key alone.
macro_rules! mapping {
    (
        $(#[doc = $doc:literal])*
        $name:ident $(or $short:ident)? {
            $( $(#[doc = $help:literal])* $key:ident $([$text:literal])? $(($required:ident))? : $type:ty, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $name {
            $( $(#[doc = $help])* pub $key: $crate::scenario::yaml::decode::Field<$type>, )*
            /// What was said of unknown keys.
            pub hints: Vec<String>,
        }

        impl $crate::scenario::yaml::decode::Decode for $name {
            fn decode(
                node: &$crate::scenario::yaml::tree::Node,
                findings: &mut $crate::scenario::yaml::findings::Findings,
            ) -> Option<Self> {
                use $crate::scenario::yaml::{decode, mapping};
                $(
                    if !matches!(node.kind, $crate::scenario::yaml::tree::NodeKind::Map(_)) {
                        let value = decode::Located::decode(node, findings)?;
                        return Some(Self {
                            $short: decode::Field::Given(value, node.at),
                            ..Self::default()
                        });
                    }
                )?
                let mut this = Self::default();
                let before = findings.len();
                let allowed = [$( mapping::key_text!($key $($text)?) ),*];
                for (key, value) in decode::entries(node, &allowed, findings)? {
                    match key.text.as_str() {
                        $( mapping::key_text!($key $($text)?) => {
                            this.$key.fill(key, value, findings);
                        } )*
                        _ => decode::unknown_key(key, &allowed, &mut this.hints, findings),
                    }
                }
                for [key, required] in Self::required() {
                    // What was already said to belong there is not missing as well.
                    if node.get(key).is_none() && !findings.is_hinted(before, key) {
                        decode::missing_key(node, key, required, findings);
                    }
                }
                Some(this)
            }

            fn schema() -> serde_json::Value {
                use $crate::scenario::yaml::mapping;
                let mut properties = serde_json::Map::new();
                $( properties.insert(
                    mapping::key_text!($key $($text)?).into(),
                    mapping::describe(
                        <$type as $crate::scenario::yaml::decode::Decode>::schema(),
                        concat!($($help),*),
                    ),
                ); )*
                let schema = mapping::object(properties, &Self::required());
                $( let schema = mapping::or_short(|this: &Self| &this.$short, schema); )?
                schema
            }
        }

        impl $name {
            /// The required keys, each with its marker.
            fn required() -> Vec<[&'static str; 2]> {
                let all: &[(&str, &[&str])] = &[
                    $( (
                        $crate::scenario::yaml::mapping::key_text!($key $($text)?),
                        &[$( stringify!($required) )?],
                    ), )*
                ];
                let marked = all.iter().filter_map(|(key, marker)| Some([*key, *marker.first()?]));
                marked.collect()
            }
        }
    };
}
pub(crate) use mapping;

/// The key that a field of a mapping is written as.
macro_rules! key_text {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $text:literal) => {
        $text
    };
}
pub(crate) use key_text;

/// Makes an existing type one that is written as one of several words: its decoder and its schema.
macro_rules! words {
    ($name:ident { $( $word:literal => $value:expr, )* }) => {
        impl $crate::scenario::yaml::decode::Decode for $name {
            fn decode(
                node: &$crate::scenario::yaml::tree::Node,
                findings: &mut $crate::scenario::yaml::findings::Findings,
            ) -> Option<Self> {
                let words = [$( ($word, $value) ),*];
                $crate::scenario::yaml::decode::word(&words, node, findings)
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({"enum": [$( $word ),*]})
            }
        }
    };
}
pub(crate) use words;

/// A schema with the text of its doc comment.
pub(crate) fn describe(mut schema: Value, help: &str) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert("description".into(), help.trim().into());
    }
    schema
}

/// The schema of a mapping with these keys and no others; `required` are key and marker.
pub(crate) fn object(properties: serde_json::Map<String, Value>, required: &[[&str; 2]]) -> Value {
    let required: Vec<&str> = required.iter().map(|[key, _]| *key).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema of a mapping that may be written as the value of one of its fields.
pub(crate) fn or_short<M, T: Decode>(_: fn(&M) -> &Field<T>, mapping: Value) -> Value {
    json!({"anyOf": [T::schema(), mapping]})
}
