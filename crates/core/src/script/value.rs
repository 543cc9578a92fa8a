//! JSON values as values of JavaScript, and back.

use rquickjs::{Ctx, Exception, Result, Value};
use serde_json::Number;

/// The largest number up to which all whole numbers are exact in JavaScript.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// The same value for a script. Numbers become those of JavaScript.
pub(super) fn to_script<'js>(ctx: &Ctx<'js>, value: &serde_json::Value) -> Result<Value<'js>> {
    use rquickjs::IntoJs;
    match value {
        serde_json::Value::Null => Ok(Value::new_null(ctx.clone())),
        serde_json::Value::Bool(value) => Ok(Value::new_bool(ctx.clone(), *value)),
        serde_json::Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            Ok(Value::new_number(ctx.clone(), number))
        }
        serde_json::Value::String(text) => text.as_str().into_js(ctx),
        value => ctx.json_parse(value.to_string()),
    }
}

/// The value that a script gives, as JSON; `None` for `undefined`.
///
/// # Errors
/// An exception: it is not JSON.
pub(super) fn from_script<'js>(
    ctx: &Ctx<'js>,
    value: Value<'js>,
) -> Result<Option<serde_json::Value>> {
    if value.is_undefined() {
        return Ok(None);
    }
    if value.is_null() {
        return Ok(Some(serde_json::Value::Null));
    }
    if let Some(value) = value.as_bool() {
        return Ok(Some(value.into()));
    }
    if let Some(number) = value.as_number() {
        return match json_number(number) {
            Some(number) => Ok(Some(number.into())),
            None => Err(Exception::throw_type(
                ctx,
                &format!("{number} is not a number of JSON"),
            )),
        };
    }
    if let Some(text) = value.as_string() {
        return Ok(Some(text.to_string()?.into()));
    }
    let kind = value.type_name();
    let not_json =
        |what: &str| Exception::throw_type(ctx, &format!("a {what} is not a value of JSON"));
    if value.is_function() || value.is_symbol() || value.is_promise() {
        return Err(not_json(kind));
    }
    let Some(text) = ctx.json_stringify(value)? else {
        return Err(not_json(kind));
    };
    let parsed = serde_json::from_str(&text.to_string()?);
    parsed
        .map(Some)
        .map_err(|error| Exception::throw_type(ctx, &error.to_string()))
}

/// A whole number without a decimal point, where it is exact.
fn json_number(number: f64) -> Option<Number> {
    match number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        true => Some((number as i64).into()),
        false => Number::from_f64(number),
    }
}
