//! The functions of the scenario's script: `js.sign(body)`.
//!
//! Here: calls from expressions. Not here: the engine that carries them out (`script`).

use std::sync::Arc;

use minijinja::value::Object;
use minijinja::{Error, State, Value};

use super::loan::{draw, wrong};
use crate::script::{Argument, Script};

/// The value of `js` in expressions.
#[derive(Debug)]
pub(super) struct Functions(pub(super) Arc<Script>);

impl Object for Functions {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        if arguments.last().is_some_and(Value::is_kwargs) {
            let why = format!("`js.{name}` takes values alone, without names");
            return Err(wrong(why));
        }
        let arguments: Result<Vec<Argument>, Error> = arguments.iter().map(argument).collect();
        let arguments = arguments?;
        let called = draw(|loan| self.0.call(name, &arguments, &mut loan.rng))?;
        let value = called.map_err(|error| wrong(error.to_string()))?;
        Ok(super::convert(&value))
    }
}

/// The value of `response` in expressions, which only functions of scripts can use.
#[derive(Debug)]
pub(super) struct LentResponse;

impl Object for LentResponse {}

fn argument(value: &Value) -> Result<Argument, Error> {
    if value.downcast_object_ref::<LentResponse>().is_some() {
        return Ok(Argument::Response);
    }
    let json = serde_json::to_value(value).map_err(|error| wrong(error.to_string()))?;
    Ok(Argument::Json(json))
}
