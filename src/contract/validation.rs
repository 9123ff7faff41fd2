//! What the published schemas say of a message, formats included.

use super::schemas;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static VALIDATORS: LazyLock<BTreeMap<&'static str, jsonschema::Validator>> = LazyLock::new(|| {
    let validator = |schema: &Value| {
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(schema).expect("the schemas are generated from our own types")
    };
    schemas().iter().map(|(message, schema)| (*message, validator(schema))).collect()
});

/// The first mistake in a message of that name, with its place; none if the schema allows it.
///
/// # Panics
/// If there is no such message.
#[must_use]
pub fn first_mistake(message: &str, value: &Value) -> Option<String> {
    let mistake = VALIDATORS[message].iter_errors(value).next()?;
    Some(format!("{mistake} at {}", mistake.instance_path()))
}
