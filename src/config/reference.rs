//! `docs/configuration.md`: every key with its default, unit and range, from the schema.

use super::classes::BUILT_IN;
use super::schema::SchemaTree;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const PREFACE: &str = "# Configuration reference

Generated from the types in `src/config/mod.rs`; do not edit. `make generated` writes it anew, together with
`edge-config/curbwatch.schema.json`; the tests compare both.

One YAML file configures an agent. `curbwatch check FILE` prints every mistake with its line and column and exits with 78 if
there is one. `edge-config/` has examples; with their first line, an editor that knows YAML schemas completes and checks keys.

At `curbwatch run`, a camera with mistakes is set aside and the others run; a mistake outside the cameras stops the agent.
A key without a default and without *required* may be left out. No key may be left empty. Digits that are not a number, such
as those of a device id, stand in quotes. Secrets are never written into the file, only where to read them.
";

/// The reference of every key, as Markdown.
#[must_use]
pub fn reference() -> String {
    let tree = SchemaTree::of_config();
    let text = format!("{PREFACE}\n{}\n", built_in_groups());
    let mut pages = Pages { tree: &tree, text, path_by_reference: BTreeMap::new() };
    pages.write_section(tree.root(), "");
    pages.text
}

fn built_in_groups() -> String {
    let groups = BUILT_IN.iter().map(|(name, classes)| format!("- `{name}`: {}", classes.join(", ")));
    let groups: Vec<String> = groups.collect();
    format!(
        "Built-in groups of classes, which `classes` adds to or replaces. A rule sees those classes that the model has.\n\n{}",
        groups.join("\n")
    )
}

/// The reference while it is written.
struct Pages<'t> {
    tree: &'t SchemaTree,
    text: String,
    /// Sections that have a table; what occurs again refers to it.
    path_by_reference: BTreeMap<String, String>,
}

impl Pages<'_> {
    /// Writes one section's table, then the sections below it.
    fn write_section(&mut self, section: &Value, path: &str) {
        let node = self.tree.resolve(section);
        let title = if path.is_empty() { "The file".to_owned() } else { format!("`{path}`") };
        let description = node["description"].as_str().unwrap_or_default();
        let head =
            format!("\n## {title}\n\n{description}\n\n| key | allowed | default | meaning |\n|---|---|---|---|\n");
        self.text += &head;
        let properties = || node["properties"].as_object().into_iter().flatten();
        let required: Vec<&str> = node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut below = Vec::new();
        for (key, property) in properties() {
            let default = if required.contains(&key.as_str()) { "*required*".to_owned() } else { default_of(property) };
            let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let allowed = format!("{}{}", self.allowed(property, &child, &mut below), unit_of(key));
            let row =
                format!("| `{key}` | {} | {default} | {} |\n", cell(&allowed), cell(&meaning(self.tree, property)));
            self.text += &row;
        }
        for (section, path) in below {
            self.write_section(&section, &path);
        }
    }

    /// What is allowed, in the words of the messages. A section that has no table yet is added to `below`.
    fn allowed(&mut self, property: &Value, path: &str, below: &mut Vec<(Value, String)>) -> String {
        let target = self.tree.resolve(property);
        let is_section = |node: &Value| self.tree.resolve(node)["properties"].is_object();
        let (section, path, words) = if is_section(target) {
            (property, path.to_owned(), "a section")
        } else if is_section(&target["items"]) {
            (&target["items"], format!("{path}[]"), "a list of sections")
        } else if is_section(&target["additionalProperties"]) {
            (&target["additionalProperties"], format!("{path}.*"), "sections by name")
        } else if let Some(value) = target["patternProperties"].as_object().and_then(|values| values.values().next()) {
            let is_list = self.tree.resolve(value)["items"].is_object();
            let one = || format!("by name: {}", self.tree.allowed(value));
            return if is_list { "a section of lists of classes".to_owned() } else { one() };
        } else {
            return self.tree.allowed(property);
        };
        let reference = section["$ref"].as_str().unwrap_or_default().to_owned();
        if let Some(written) = self.path_by_reference.get(&reference) {
            return format!("{words}, as `{written}`");
        }
        let words = format!("{words}: `{path}` below");
        self.path_by_reference.insert(reference, path.clone());
        below.push((section.clone(), path));
        words
    }
}

/// A default as people write it; sections have defaults of their own keys.
fn default_of(property: &Value) -> String {
    match &property["default"] {
        Value::Null | Value::Object(_) | Value::Array(_) => String::new(),
        Value::Number(number) => format!("`{}`", number.as_f64().unwrap_or_default()),
        Value::String(text) => format!("`{text}`"),
        Value::Bool(value) => format!("`{value}`"),
    }
}

/// The unit, which the key's last word names.
fn unit_of(key: &str) -> &'static str {
    match key.rsplit('_').next().unwrap_or_default() {
        "secs" => ", in seconds",
        "days" => ", in days",
        "m" => ", in metres",
        "fps" => ", per second",
        _ => "",
    }
}

/// The key's description, and what each of its words means.
fn meaning(tree: &SchemaTree, property: &Value) -> String {
    let target = tree.resolve(property);
    let description = property["description"].as_str().or(target["description"].as_str()).unwrap_or_default();
    let mut text = description.to_owned();
    let list = |name: &str| target[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    for (word, description) in list("enum").zip(list("enumDescriptions")) {
        let _ = write!(text, "<br>`{word}`: {description}");
    }
    text
}

/// Text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    /// Compares a generated file with the committed one; `UPDATE_GENERATED=1` writes it instead.
    fn assert_committed(path: &str, generated: &str) {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&file, generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == generated, "{path} is stale: make generated");
    }

    #[test]
    fn the_committed_schema_is_the_generated_one() {
        let text = serde_json::to_string_pretty(&crate::config::schema()).unwrap() + "\n";
        assert_committed("edge-config/curbwatch.schema.json", &text);
    }

    #[test]
    fn the_committed_reference_is_the_generated_one() {
        assert_committed("docs/configuration.md", &super::reference());
    }
}
