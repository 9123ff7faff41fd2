//! The effective configuration as YAML: every value, with where it comes from; secrets masked.

use super::document::{Document, is_secret, join};
use super::load::{ClassesOf, LoadError, load_strictly};
use super::{Config, RuleKind};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The configuration that would run, as YAML that can be loaded again: included cameras in their place, defaults filled in, and behind each value
/// the file and line, or the default, from which it is.
pub fn show(path: &Path, classes_of: &ClassesOf) -> Result<String, LoadError> {
    let (document, config) = load_strictly(path, classes_of)?;
    let mut effective = serde_json::to_value(&config).expect("a configuration has text for keys");
    if let Value::Object(root) = &mut effective {
        // Its cameras are there.
        root.remove("include");
    }
    let mut page = Page { document: &document, text: String::new() };
    fill_in(&mut effective, &config);
    page.section(&effective, "", 0);
    Ok(page.text)
}

/// Gives every rule the defaults of its kind, and every camera what its place has of the shared one.
fn fill_in(effective: &mut Value, config: &Config) {
    let shared = effective["place"].clone();
    for (camera, parsed) in effective["cameras"].as_array_mut().into_iter().flatten().zip(&config.cameras) {
        for (key, value) in shared.as_object().into_iter().flatten() {
            if camera["place"][key].is_null() {
                camera["place"][key] = value.clone();
            }
        }
        for (rule, parsed) in camera["rules"].as_array_mut().into_iter().flatten().zip(&parsed.rules) {
            for (key, value) in kind_defaults(parsed.kind) {
                if rule[&key].is_null() {
                    rule[&key] = value;
                }
            }
        }
    }
}

/// Defaults of a rule that its kind sets. Not its classes: named, the model would have to have all of them.
fn kind_defaults(kind: RuleKind) -> Map<String, Value> {
    let defaults = kind.defaults();
    let values = serde_json::json!({
        "attended": defaults.attended,
        "dwell_secs": defaults.dwell_secs,
        "stays_within_secs": defaults.stays_within_secs,
        "clear_secs": defaults.clear_secs,
        "severity": defaults.severity,
    });
    match values {
        Value::Object(values) => values,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// The text while it is written.
struct Page<'d> {
    document: &'d Document,
    text: String,
}

impl Page<'_> {
    /// Writes the keys of a section; the first of an element of a list goes behind its dash.
    fn section(&mut self, section: &Value, pointer: &str, depth: usize) {
        let mut is_behind_dash = self.text.ends_with("- ");
        for (key, value) in section.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let indent = if std::mem::take(&mut is_behind_dash) { String::new() } else { "  ".repeat(depth) };
            let child = join(pointer, key);
            let _ = write!(self.text, "{indent}{}:", plain(key));
            self.value(value, &child, depth + 1);
        }
    }

    fn value(&mut self, value: &Value, pointer: &str, depth: usize) {
        match value {
            Value::Object(section) if section.values().any(|value| !value.is_null()) => {
                self.text.push('\n');
                self.section(value, pointer, depth);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                self.text.push('\n');
                for (index, item) in items.iter().enumerate() {
                    let _ = write!(self.text, "{}- ", "  ".repeat(depth));
                    self.section(item, &format!("{pointer}/{index}"), depth + 1);
                }
            }
            Value::Object(_) => self.scalar("{}", pointer),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                // As it was written: a single-precision 0.1 is not printed as 0.10000000149.
                let written = self.document.get(pointer).filter(|written| !written.is_null());
                let shown = masked(pointer, written.unwrap_or(value)).to_string();
                self.scalar(&shown, pointer);
            }
        }
    }

    fn scalar(&mut self, shown: &str, pointer: &str) {
        let _ = writeln!(self.text, " {shown}  # {}", self.origin(pointer));
    }

    /// Where a value comes from.
    fn origin(&self, pointer: &str) -> String {
        if let Some(origin) = self.given(pointer) {
            return origin;
        }
        let Some((of_camera, key)) = pointer.strip_prefix("/cameras/").and_then(|rest| rest.split_once('/')) else {
            return "default".to_owned();
        };
        if let Some(origin) = self.given(&format!("/{key}")).filter(|_| key.starts_with("place/")) {
            return origin;
        }
        let rule = key.strip_prefix("rules/").and_then(|rest| rest.split_once('/'));
        if let Some((rule, key)) = rule
            && let Some(kind) = self.document.get(&format!("/cameras/{of_camera}/rules/{rule}/kind"))
            && let Ok(kind) = serde_json::from_value::<RuleKind>(kind.clone())
            && kind_defaults(kind).get(key).is_some_and(|value| !value.is_null())
        {
            return format!("default of {}", kind.as_str());
        }
        "default".to_owned()
    }

    fn given(&self, pointer: &str) -> Option<String> {
        self.document.has(pointer).then(|| {
            let (file, position) = (self.document.file_of(pointer).1, self.document.key_position(pointer));
            format!("{}:{}", file.display(), position.line)
        })
    }
}

/// A key as YAML takes it; one that could be anything else than a text stands in quotes.
fn plain(key: &str) -> String {
    let is_plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !matches!(
            key.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if is_plain { key.to_owned() } else { Value::from(key).to_string() }
}

/// A value, unless it may be a secret: then its mask.
fn masked(pointer: &str, value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    let mut segments = pointer.rsplit('/');
    let key = segments.next().unwrap_or_default();
    match key {
        // Where a secret is read from, is none.
        "file" => value.clone(),
        // Nor is the name of a variable, unless it is the secret itself by mistake.
        "env" if text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') => value.clone(),
        "env" => MASK.into(),
        _ if is_secret(pointer) && !text.contains("://") => MASK.into(),
        _ => without_query(text).into(),
    }
}

/// A text; if it is an address, without its user and the values of its query, which may be a token.
fn without_query(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let address = address.rsplit_once('@').map_or(address.to_owned(), |(_, host)| format!("{MASK}@{host}"));
    let query = query.map(|_| format!("?{MASK}")).unwrap_or_default();
    format!("{scheme}://{address}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_be_a_secret_is_masked_and_nothing_else() {
        let shown = |pointer: &str, text: &str| masked(pointer, &text.into()).to_string();
        assert_eq!(shown("/hub/password/file", "/run/secrets/hub"), "\"/run/secrets/hub\"");
        assert_eq!(shown("/hub/password/env", "HUB_PASSWORD"), "\"HUB_PASSWORD\"");
        assert_eq!(shown("/hub/password/env", "hunter2"), "\"***\"");
        assert_eq!(shown("/hub/webhook/constants/app_secret", "hunter2"), "\"***\"");
        assert_eq!(shown("/hub/webhook/url", "https://c/x?token=hunter2"), "\"https://c/x?***\"");
        assert_eq!(shown("/evidence/storage/url", "https://s/b?sig=hunter2"), "\"https://s/b?***\"");
        assert_eq!(shown("/cameras/0/streams/detect/url", "rtsp://c/main"), "\"rtsp://c/main\"");
        assert_eq!(shown("/hub/username", "yuhang"), "\"yuhang\"");
    }

    #[test]
    fn keys_that_yaml_would_take_for_something_else_stand_in_quotes() {
        assert_eq!(
            [plain("site"), plain("on"), plain("7"), plain("caseCode")],
            ["site", "\"on\"", "\"7\"", "caseCode"]
        );
    }
}
