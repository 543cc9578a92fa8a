//! Vectors that the gate must reproduce, computed once by another implementation.

use serde_json::Value;

/// All of them.
pub(super) fn vectors() -> Value {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

pub(super) fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

/// Equal to nine digits, absolute for small values.
#[track_caller]
pub(super) fn assert_close(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    let allowed = 1e-9 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= allowed, "{found} {expected}");
}
