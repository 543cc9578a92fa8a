//! `shared` in expressions: the counters and lists that all users share.
//!
//! Here: its functions. Not here: what they do (`shared`), or the check of their names (`scenario`).

use std::sync::Arc;

use minijinja::value::{Object, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::convert::convert;
use super::loan::{draw, wrong};
use crate::plan::value::shared::SharedValues;

/// The value of `shared` in expressions.
#[derive(Debug)]
pub(super) struct SharedObject(pub(super) Arc<SharedValues>);

impl Object for SharedObject {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        let shared = &self.0;
        let name = arguments.first().and_then(Value::as_str);
        let position = name.and_then(|name| shared.position(name));
        let position = position.ok_or_else(|| wrong("there is no such shared value"))?;
        let no_such = || wrong(format!("this shared value has no `{method}`"));
        if method == "push" {
            let (_, item) = from_args::<(&str, Value)>(arguments)?;
            let item = serde_json::to_value(&item).map_err(|error| wrong(error.to_string()))?;
            let length = shared.push(position, item).ok_or_else(no_such)?;
            return Ok(Value::from(length));
        }
        from_args::<(&str,)>(arguments)?;
        let found = match method {
            "next" => shared.next(position).map(Value::from),
            "value" => shared.last(position).map(Value::from),
            "length" => shared.length(position).map(Value::from),
            "pop" => shared.pop(position).map(|item| convert(&item)),
            "pick" => draw(|loan| shared.pick(position, &mut loan.rng))?.map(|item| convert(&item)),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        found.ok_or_else(no_such)
    }
}
