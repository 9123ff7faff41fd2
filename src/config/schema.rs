//! The JSON Schema of the configuration (2020-12), generated from the types, and what it allows, in words.

use super::Config;
use serde_json::{Map, Value};

/// JSON Schema of the configuration file, as committed in `edge-config/curbwatch.schema.json`.
///
/// An optional key is one that may be left out; null is nowhere allowed, so that a key whose value was forgotten is a mistake.
#[must_use]
pub fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Config>().to_value();
    simplify(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), "Curbwatch configuration".into());
    }
    schema
}

/// Rewrites what schemars derives from Rust types into what a person wrote: optional instead of nullable, one `enum` instead
/// of alternatives of constants, one paragraph instead of wrapped lines.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(node) => {
            drop_null(node);
            join_constants(node);
            // As a keyword; a key may have this name too.
            if node.get("format").is_some_and(Value::is_string) {
                node.remove("format");
            }
            node.get_mut("default").into_iter().for_each(drop_nulls_within);
            if let Some(Value::String(text)) = node.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            node.values_mut().for_each(simplify);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Leaves out what a default leaves out.
fn drop_nulls_within(default: &mut Value) {
    if let Value::Object(keys) = default {
        keys.retain(|_, value| !value.is_null());
        keys.values_mut().for_each(drop_nulls_within);
    }
}

fn drop_null(node: &mut Map<String, Value>) {
    if node.get("default").is_some_and(Value::is_null) {
        node.remove("default");
    }
    if let Some(Value::Array(types)) = node.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            node.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(alternatives)) = node.get_mut("anyOf") {
        alternatives.retain(|alternative| alternative["type"] != "null");
        if let [Value::Object(only)] = &alternatives[..] {
            let only = only.clone();
            node.remove("anyOf");
            node.extend(only);
        }
    }
}

fn join_constants(node: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = node.get("oneOf") else { return };
    let names: Option<Vec<Value>> = alternatives.iter().map(|alternative| alternative.get("const").cloned()).collect();
    let Some(names) = names else { return };
    let descriptions =
        alternatives.iter().map(|a| a["description"].as_str().unwrap_or_default().replace('\n', " ").into());
    let descriptions: Vec<Value> = descriptions.collect();
    node.remove("oneOf");
    node.insert("type".to_owned(), "string".into());
    node.insert("enum".to_owned(), Value::Array(names));
    node.insert("enumDescriptions".to_owned(), Value::Array(descriptions));
}

/// The schema with its `$ref`s followed.
#[derive(Debug)]
pub(super) struct SchemaTree(Value);

impl SchemaTree {
    /// The configuration's schema.
    pub fn of_config() -> Self {
        Self(schema())
    }

    /// The whole schema.
    pub fn root(&self) -> &Value {
        &self.0
    }

    /// The definition that a node refers to, or the node itself.
    pub fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        let target = node["$ref"].as_str().and_then(|reference| self.0.pointer(reference.trim_start_matches('#')));
        target.unwrap_or(node)
    }

    /// The node that applies to the instance at a JSON pointer; null if there is none.
    pub fn at(&self, pointer: &str) -> &Value {
        let mut node = &self.0;
        for segment in pointer.split('/').skip(1) {
            let parent = self.resolve(node);
            let pattern = parent["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
            let candidates = [&parent["properties"][segment], &parent["items"], pattern.unwrap_or(&Value::Null)];
            let found = candidates.into_iter().find(|candidate| candidate.is_object());
            node = found.unwrap_or(&parent["additionalProperties"]);
        }
        node
    }

    /// Names of the keys that a section may have.
    pub fn keys<'a>(&'a self, section: &'a Value) -> Vec<&'a str> {
        let properties = self.resolve(section)["properties"].as_object();
        properties.map(|properties| properties.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// What a node allows, in words that fit after "allowed:".
    pub fn allowed(&self, node: &Value) -> String {
        let target = self.resolve(node);
        if let Some(words) = node["x-allowed"].as_str().or(target["x-allowed"].as_str()) {
            return words.to_owned();
        }
        if let Some(names) = target["enum"].as_array() {
            return format!("one of {}", names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
        }
        match target["type"].as_str().unwrap_or_default() {
            "string" => match (target["pattern"].as_str(), target["description"].as_str()) {
                (Some(_), Some(words)) if node["$ref"].is_string() => words.to_owned(),
                (Some(pattern), _) => format!("text that matches {pattern}"),
                (None, _) if target["minLength"].is_u64() => "text, not empty".to_owned(),
                (None, _) => "text".to_owned(),
            },
            "boolean" => "true or false".to_owned(),
            "integer" => format!("a whole number{}", range(target, "minimum", "maximum")),
            "number" => format!("a number{}", range(target, "minimum", "maximum")),
            "array" => {
                let length = match (target["minItems"].as_u64(), target["maxItems"].as_u64()) {
                    (Some(min), Some(max)) if min == max => format!(" of {min}"),
                    (Some(min), _) => format!(" of at least {min}"),
                    (None, _) => String::new(),
                };
                format!("a list{length}, each {}", self.allowed(&target["items"]))
            }
            _ => {
                let keys = self.keys(target);
                if keys.is_empty() { "a section".to_owned() } else { format!("a section with {}", keys.join(", ")) }
            }
        }
    }
}

fn range(node: &Value, min: &str, max: &str) -> String {
    match (plain(&node[min]), plain(&node[max])) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" of at least {min}"),
        (None, Some(max)) => format!(" of at most {max}"),
        (None, None) => String::new(),
    }
}

/// A number as people write it: `1` instead of `1.0`.
fn plain(number: &Value) -> Option<String> {
    number.as_f64().map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pointer: &str) -> String {
        let tree = SchemaTree::of_config();
        tree.allowed(tree.at(pointer))
    }

    #[test]
    fn what_is_allowed_is_said_in_words() {
        assert_eq!(allowed("/cameras/0/rules/1/dwell_secs"), "a number from 1 to 86400");
        assert_eq!(allowed("/hub/port"), "a whole number from 1 to 65535");
        assert_eq!(allowed("/cameras/3/streams/detect/transport"), "one of tcp, udp");
        assert_eq!(allowed("/cameras/3/enabled"), "true or false");
        assert!(allowed("/agent/site").starts_with("1 to 64 of a-z"));
        assert!(allowed("/cameras/0").starts_with("a section with id, name"));
        assert!(allowed("/cameras/0/zones/0/polygon").contains("3 corners"));
    }

    #[test]
    fn null_is_nowhere_allowed() {
        fn walk(node: &Value, path: &str) {
            match node {
                Value::Object(map) => map.iter().for_each(|(key, child)| walk(child, &format!("{path}/{key}"))),
                Value::Array(items) => items.iter().for_each(|child| walk(child, path)),
                Value::String(text) => assert_ne!(text, "null", "{path}"),
                Value::Null | Value::Bool(_) | Value::Number(_) => assert!(!node.is_null(), "{path}"),
            }
        }
        walk(&schema(), "");
    }
}
