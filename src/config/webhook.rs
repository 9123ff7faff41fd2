//! A platform that takes events as flat JSON by HTTP.

use super::document::{Document, join, quoted};
use super::meaning::{check_secret, text};
use super::report::{Draft, Report, suggestion};
use super::{SecretSource, TlsConfig};
use crate::contract::event_fields;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a field is called there, and what of an event it has, where the configuration does not say otherwise.
const FIELDS: [(&str, &str); 25] = [
    ("eventId", "id"),
    ("eventType", "type"),
    ("eventTime", "time"),
    ("sequence", "sequence"),
    ("incidentId", "data.incident_id"),
    ("revision", "data.revision"),
    ("phase", "data.phase"),
    ("closedReason", "data.closed_reason"),
    ("caseCode", "data.matter.code"),
    ("caseName", "data.matter.name"),
    ("caseStandard", "data.matter.standard"),
    ("severity", "data.severity"),
    ("cameraId", "data.camera.id"),
    ("cameraName", "data.camera.name"),
    ("deviceId", "data.camera.gb28181_id"),
    ("address", "data.place.address"),
    ("gridId", "data.place.grid_id"),
    ("divisionCode", "data.place.division_code"),
    ("longitude", "data.place.point.lon"),
    ("latitude", "data.place.point.lat"),
    ("coordinateSystem", "data.place.point.crs"),
    ("firstSeen", "data.timing.first_seen"),
    ("lastSeen", "data.timing.last_seen"),
    ("closedAt", "data.timing.closed_at"),
    ("pictureSha256", "data.evidence.0.sha256"),
];

/// A platform that takes events as flat JSON by HTTP POST, besides the hub and with the same guarantees.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Address to which each event is posted. Redirects are not followed.
    #[schemars(
        regex(pattern = r"^https?://[^\s/?#@]+([/?][^\s#]*)?$"),
        extend("x-allowed" = "http(s)://host[:port]/path, without user and password")
    )]
    pub url: String,
    /// Encryption, where the address begins with `https`.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// A header by which the platform knows the agent.
    #[serde(default)]
    pub authentication: Option<HeaderConfig>,
    /// What each field of the message is called, and the path of the value of our event that it has, as in `caseCode: data.matter.code`.
    /// Given fields replace the built-in ones. What an event does not have is left out of the message.
    #[serde(default = "default_fields")]
    pub fields: BTreeMap<String, String>,
    /// Fields that always have the same text.
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// The field in which the event's redacted picture goes, as base64; no picture goes if absent.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub picture_field: Option<String>,
    /// Seconds that a request may take.
    #[serde(default = "default_timeout_secs")]
    #[schemars(range(min = 1, max = 120))]
    pub timeout_secs: u16,
}

/// A header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderConfig {
    /// Its name.
    #[serde(default = "default_header")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), extend("x-allowed" = "the name of a header"))]
    pub header: String,
    /// Where its whole value is read from, at every request; as in `Bearer …`.
    pub value: SecretSource,
}

fn default_fields() -> BTreeMap<String, String> {
    FIELDS.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect()
}
fn default_header() -> String {
    "Authorization".to_owned()
}
fn default_timeout_secs() -> u16 {
    10
}

/// Reports what the keys of a webhook mean together.
pub(super) fn check(document: &Document, webhook: &str, report: &mut Report) {
    let Some(url) = text(document, webhook, "url") else { return };
    let is_encrypted = url.starts_with("https:");
    let authentication = join(webhook, "authentication");
    if is_encrypted && document.get(&join(webhook, "tls")).is_none() {
        let draft = Draft::at_value(join(webhook, "url"), "is encrypted, and tls does not say whom to trust");
        report.error(draft.allowed("tls beside it; for public authorities {ca: /etc/ssl/certs/ca-certificates.crt}"));
    }
    if !is_encrypted && document.get(&authentication).is_some() {
        report.warning(Draft::at_key(authentication.clone(), "goes in the clear, since the address is not encrypted"));
    }
    check_secret(document, &join(&authentication, "value"), report);
    check_fields(document, webhook, report);
}

fn check_fields(document: &Document, webhook: &str, report: &mut Report) {
    let section = |key: &str| document.get(&join(webhook, key)).and_then(Value::as_object);
    let (fields, constants) = (section("fields"), section("constants"));
    let known = event_fields();
    for (name, path) in fields.into_iter().flatten() {
        let Some(path) = path.as_str() else { continue };
        if !known.contains(&first_elements(path)) {
            let pointer = join(&join(webhook, "fields"), name);
            let draft = Draft::at_value(pointer, format!("is {}, which no event has", quoted(path)));
            let help = suggestion(path, known.iter().map(String::as_str));
            report.error(draft.allowed("the path of a single value, as in data.matter.code").help(help));
        }
    }
    let is_field = |name: &str| match fields {
        Some(fields) => fields.contains_key(name),
        None => FIELDS.iter().any(|(field, _)| *field == name),
    };
    for name in constants.into_iter().flat_map(|constants| constants.keys()).filter(|name| is_field(name)) {
        let draft = Draft::at_key(join(&join(webhook, "constants"), name), "is the name of a field too");
        report.error(draft.allowed("a name that is not in use"));
    }
    if let Some(name) = text(document, webhook, "picture_field")
        && (is_field(name) || constants.is_some_and(|constants| constants.contains_key(name)))
    {
        let draft = Draft::at_value(join(webhook, "picture_field"), format!("is {}, a field too", quoted(name)));
        report.error(draft.allowed("a name that is not in use"));
    }
}

/// A path in which every element of a list is the first: all of a list have the same form.
fn first_elements(path: &str) -> String {
    let is_number = |level: &str| !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit());
    path.split('.').map(|level| if is_number(level) { "0" } else { level }).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_field_is_of_an_event() {
        let (fields, known) = (default_fields(), event_fields());
        assert_eq!(fields.len(), FIELDS.len(), "a name is given twice");
        for path in fields.values() {
            assert!(known.contains(path), "{path}");
        }
    }

    #[test]
    fn any_element_of_a_list_may_be_named() {
        assert_eq!(first_elements("data.objects.12.class"), "data.objects.0.class");
        assert_eq!(first_elements("data.camera.gb28181_id"), "data.camera.gb28181_id");
    }
}
