//! One look at a body: following a path while serde_json reads, and skipping everything else.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::segment::{Condition, Segment};

/// Collects what a path finds in the next value, and looks for the value of a condition in it.
pub(super) struct Walk<'a, 'de> {
    /// What is left of the path; `None` where it does not lead here.
    segments: Option<&'a [Segment]>,
    found: &'a mut Vec<Value>,
    /// Likewise of the path of the condition.
    condition: Option<&'a [Segment]>,
    seen: &'a mut Option<&'de RawValue>,
}

/// Collects what `segments` find in a body.
///
/// # Errors
/// When it is no JSON, or a look does not suffice.
pub(super) fn walk<'de>(
    segments: &[Segment],
    found: &mut Vec<Value>,
    json: &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
) -> serde_json::Result<()> {
    let walk = Walk {
        segments: Some(segments),
        found,
        condition: None,
        seen: &mut None,
    };
    walk.deserialize(json)
}

impl<'de> Walk<'_, 'de> {
    /// For a value inside this one, with what is left of the paths there.
    fn further<'b>(
        &'b mut self,
        segments: Option<&'b [Segment]>,
        condition: Option<&'b [Segment]>,
    ) -> Walk<'b, 'de> {
        Walk {
            segments,
            found: self.found,
            condition,
            seen: self.seen,
        }
    }

    fn in_text<E: Error>(self, text: &'de RawValue) -> Result<(), E> {
        let mut json = serde_json::Deserializer::from_str(text.get());
        self.deserialize(&mut json).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, json: D) -> Result<(), D::Error> {
        match (self.segments, self.condition) {
            (None, None) => IgnoredAny::deserialize(json).map(drop),
            (Some([]), None) => {
                self.found.push(Value::deserialize(json)?);
                Ok(())
            }
            (None, Some([])) => {
                *self.seen = Some(<&RawValue>::deserialize(json)?);
                Ok(())
            }
            (Some([]), condition @ Some(_)) | (Some(_), condition @ Some([])) => {
                let text = <&RawValue>::deserialize(json)?;
                self.further(None, condition).in_text(text)?;
                self.further(self.segments, None).in_text(text)
            }
            _ => json.deserialize_any(self),
        }
    }
}

/// What is left of a path in the member of this name.
fn in_member<'a>(segments: Option<&'a [Segment]>, member: &str) -> Option<&'a [Segment]> {
    match segments? {
        [Segment::Name(name), further @ ..] if name == member => Some(further),
        _ => None,
    }
}

/// What is left of a path in the element at this position.
fn in_element(segments: Option<&[Segment]>, position: usize) -> Option<&[Segment]> {
    match segments? {
        [Segment::Index(index), further @ ..] if *index == position => Some(further),
        [Segment::Elements, further @ ..] => Some(further),
        _ => None,
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let (segments, condition) = (self.segments, self.condition);
        if let Some([Segment::Elements | Segment::Filter(_), ..]) = segments {
            // The members of an object, each name once: seldom meant, and more than a look.
            return Err(A::Error::custom("an object"));
        }
        let before = self.found.len();
        while let Some((segments, condition)) = members.next_key_seed(Member {
            segments,
            condition,
        })? {
            // Of several members of one name the last counts.
            if segments.is_some() {
                self.found.truncate(before);
            }
            if condition.is_some() {
                *self.seen = None;
            }
            members.next_value_seed(self.further(segments, condition))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        if let Some([Segment::Filter(condition), further @ ..]) = self.segments {
            if self.condition.is_some() {
                return Err(A::Error::custom("two conditions of one list"));
            }
            while (elements.next_element_seed(Candidate {
                condition,
                segments: further,
                found: self.found,
            }))?
            .is_some()
            {}
            return Ok(());
        }
        for position in 0.. {
            let segments = in_element(self.segments, position);
            let condition = in_element(self.condition, position);
            let next = elements.next_element_seed(self.further(segments, condition))?;
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

/// An element of a list that a filter may let through.
struct Candidate<'a> {
    condition: &'a Condition,
    /// What is left of the path in it.
    segments: &'a [Segment],
    found: &'a mut Vec<Value>,
}

impl<'de> DeserializeSeed<'de> for Candidate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let before = self.found.len();
        let mut seen = None;
        let mut walk = Walk {
            segments: Some(self.segments),
            found: self.found,
            condition: Some(&self.condition.path),
            seen: &mut seen,
        };
        if self.segments.is_empty() {
            // It is kept only if the condition is true of it.
            let text = <&RawValue>::deserialize(json)?;
            walk.further(None, Some(&self.condition.path))
                .in_text(text)?;
            if self.condition.holds(seen) {
                let value = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
                self.found.push(value);
            }
            return Ok(());
        }
        walk.deserialize(json)?;
        if !self.condition.holds(seen) {
            self.found.truncate(before);
        }
        Ok(())
    }
}

/// What is left of two paths in the member whose name comes next.
struct Member<'a> {
    segments: Option<&'a [Segment]>,
    condition: Option<&'a [Segment]>,
}

impl<'a, 'de> DeserializeSeed<'de> for Member<'a> {
    type Value = (Option<&'a [Segment]>, Option<&'a [Segment]>);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Member<'a> {
    type Value = (Option<&'a [Segment]>, Option<&'a [Segment]>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok((
            in_member(self.segments, name),
            in_member(self.condition, name),
        ))
    }
}
