//! The first pass: the shape of the document, against the JSON Schema. Unknown and missing keys, types, ranges, names.

use super::document::{Document, join};
use super::report::{Draft, Report, suggestion};
use super::schema::SchemaTree;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use std::collections::BTreeSet;

/// Reports every place where the document has not the shape of a configuration.
pub(super) fn check(document: &Document, schema: &SchemaTree, report: &mut Report) {
    for repeated in &document.repeated {
        let draft = Draft::at_key(repeated.pointer.clone(), "is given twice").positioned(repeated.again);
        report.error(draft.allowed("each key once").related_key(repeated.pointer.clone(), "first given"));
    }
    let validator = jsonschema::validator_for(schema.root()).expect("the schema is generated from our own types");
    let mut wrong_values = BTreeSet::new();
    for error in validator.iter_errors(&document.value) {
        let pointer = error.instance_path().as_str();
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            for key in unexpected {
                report.error(unknown_key(schema, pointer, key));
            }
        } else if let ValidationErrorKind::Required { property: Value::String(key) } = error.kind() {
            let child = join(pointer, key);
            let allowed = schema.allowed(schema.at(&child));
            report.error(Draft::at_value(child, "is missing").allowed(allowed));
        } else if wrong_values.insert(pointer.to_owned()) {
            report.error(wrong_value(document, schema, pointer));
        }
    }
}

fn unknown_key(schema: &SchemaTree, section: &str, key: &str) -> Draft {
    let draft = Draft::at_key(join(section, key), "is not known here");
    let node = schema.resolve(schema.at(section));
    if node["patternProperties"].is_object() {
        return draft.allowed("names of 1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter or digit");
    }
    let keys = schema.keys(node);
    let help = suggestion(key, keys.iter().copied());
    draft.allowed(keys.join(", ")).help(help)
}

fn wrong_value(document: &Document, schema: &SchemaTree, pointer: &str) -> Draft {
    let node = schema.at(pointer);
    let target = schema.resolve(node);
    let value = document.get(pointer);
    let help = match value {
        Some(Value::Number(_)) if target["type"] == "string" => Some("put it in quotes".to_owned()),
        Some(Value::Null) if !pointer.is_empty() => Some("give it a value or leave the key out".to_owned()),
        Some(Value::String(given)) => {
            let names = target["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            suggestion(given, names)
        }
        _ => None,
    };
    let seen = document.seen(pointer);
    let problem = if pointer.is_empty() { format!("the file is {seen}") } else { format!("is {seen}") };
    Draft::at_value(pointer, problem).allowed(schema.allowed(node)).help(help)
}
