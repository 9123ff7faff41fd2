//! The single values of an event, by their paths.

use super::schemas;
use serde_json::Value;

/// Deepest nesting that is followed; an event has five levels.
const MAX_DEPTH: usize = 16;

/// Paths of all single values of an event, as in `data.matter.code`; the elements of a list are named by the first, as in
/// `data.objects.0.class`.
#[must_use]
pub fn event_fields() -> Vec<String> {
    let schema = &schemas()["incident"];
    let mut fields = Vec::new();
    collect(schema, schema, "", MAX_DEPTH, &mut fields);
    fields.sort_unstable();
    fields.dedup();
    fields
}

fn collect(root: &Value, node: &Value, path: &str, depth: usize, fields: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let named = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(reference) = node["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return collect(root, target, path, depth, fields);
    }
    let alternatives = ["anyOf", "allOf"].into_iter().filter_map(|key| node[key].as_array()).flatten();
    for alternative in alternatives {
        collect(root, alternative, path, depth, fields);
    }
    if let Some(properties) = node["properties"].as_object() {
        properties.iter().for_each(|(name, child)| collect(root, child, &named(name), depth, fields));
    } else if node["items"].is_object() {
        collect(root, &node["items"], &named("0"), depth, fields);
    } else if node["anyOf"].is_null() && node["allOf"].is_null() && node["type"] != "null" {
        fields.push(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_value_has_a_path_and_no_section_has() {
        let fields = event_fields();
        for path in ["id", "data.matter.code", "data.place.point.lon", "data.evidence.0.sha256", "data.dedup.continues"]
        {
            assert!(fields.iter().any(|field| field == path), "{path} of {fields:#?}");
        }
        for section in ["", "data", "data.matter", "data.objects", "data.objects.0"] {
            assert!(!fields.iter().any(|field| field == section), "{section}");
        }
    }
}
