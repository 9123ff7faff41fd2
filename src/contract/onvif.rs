//! An incident as a property event of ONVIF over MQTT.
//!
//! ONVIF Core Specification (text of 2025, in force since 22.06), chapter "Event Broker": "Topic Structure", "JSON Event Payload" and
//! "Property events". A property exists while something is open under a rule; its topic is retained, and cleared by zero bytes.

use super::event_types::IncidentEvent;
use super::matter::Matter;
use crate::config::RuleKind;
use crate::ids::Name;
use crate::incident::Severity;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// Topic of the property of a rule: `{prefix}/onvif-ej/RuleEngine/curbwatch:{kind}/&{camera}/{rule}`. The rules of a camera are ONVIF's rule
/// engine; the kind is in a namespace of our own, and the values of `Source` follow the ampersand.
#[must_use]
pub fn onvif_topic(prefix: &str, camera: &Name, rule: &Name, kind: RuleKind) -> String {
    format!("{prefix}/onvif-ej/RuleEngine/curbwatch:{}/&{camera}/{rule}", kind.as_str())
}

/// The property while the incident of this event is open.
#[must_use]
pub fn onvif_property(event: &IncidentEvent) -> Vec<u8> {
    let data = &event.data;
    let Matter { code, standard, .. } = &data.matter;
    super::to_json(&Property {
        utc_time: event.time.instant(),
        source: Source { video_source: &data.camera.id, rule: &data.rule.id },
        data: Data {
            state: true,
            since: data.timing.confirmed_at.instant(),
            incident: data.incident_id,
            severity: data.severity,
            zone: &data.zone.id,
            matter_code: code.as_deref(),
            matter_standard: standard.as_deref(),
        },
    })
}

/// Names as in ONVIF: the items are flat, and each value is a single one.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Property<'a> {
    utc_time: Timestamp,
    source: Source<'a>,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Source<'a> {
    video_source: &'a Name,
    rule: &'a Name,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data<'a> {
    state: bool,
    since: Timestamp,
    incident: Uuid,
    severity: Severity,
    zone: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    matter_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matter_standard: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::event;
    use crate::incident::Phase;

    #[test]
    fn a_property_has_the_form_of_the_specification() {
        let name = |text: &str| Name::try_new(text).unwrap();
        let topic = onvif_topic("city/box-3", &name("east"), &name("vending"), RuleKind::StreetVending);
        assert_eq!(topic, "city/box-3/onvif-ej/RuleEngine/curbwatch:street_vending/&east/vending");
        let property: serde_json::Value = serde_json::from_slice(&onvif_property(&event(Phase::Opened, 1))).unwrap();
        let keys: Vec<&str> = property.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["UtcTime", "Source", "Data"], "in this order, and without PropertyOperation");
        assert_eq!(property["UtcTime"], "2026-11-21T07:29:41.12Z");
        assert_eq!(property["Source"]["VideoSource"], "wenyi-road-east");
        assert_eq!((&property["Data"]["State"], &property["Data"]["MatterCode"]), (&true.into(), &"09006".into()));
        for (name, value) in property["Source"].as_object().unwrap().iter().chain(property["Data"].as_object().unwrap())
        {
            assert!(!value.is_object() && !value.is_array() && !value.is_null(), "{name}: {value}");
        }
    }
}
