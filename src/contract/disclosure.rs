//! What of an incident leaves the box, by the site's level of disclosure: an allow-list. A field that stands in none of its lists never
//! leaves, so that a new one is withheld until somebody has decided about it.

use super::{EvidenceView, IncidentEvent};
use crate::config::Disclosure;
use serde_json::Value;

/// Fields that leave at every level: what happened under which ids, when, and what made the event.
const ALWAYS: &[&str] = &[
    "data.camera.id",
    "data.channel",
    "data.closed_reason",
    "data.dedup.continues",
    "data.dedup.related.0",
    "data.dedup.suppressed",
    "data.disclosure",
    "data.frame.height",
    "data.frame.width",
    "data.incident_id",
    "data.matter.code",
    "data.matter.kind",
    "data.matter.legacy.0.code",
    "data.matter.legacy.0.standard",
    "data.matter.name",
    "data.matter.standard",
    "data.model.name",
    "data.model.provider",
    "data.model.sha256",
    "data.phase",
    "data.quality.completed.0",
    "data.quality.flags.0",
    "data.recheck.outcome",
    "data.recheck.reason",
    "data.replayed",
    "data.revision",
    "data.rule.dwell_secs",
    "data.rule.id",
    "data.severity",
    "data.timing.clock_offset_ms",
    "data.timing.clock_quality",
    "data.timing.closed_at",
    "data.timing.confirmed_at",
    "data.timing.dwell_secs",
    "data.timing.first_seen",
    "data.timing.last_seen",
    "data.trace.agent_version",
    "data.trace.config_sha256",
    "data.trace.prev_audit_hash",
    "data.trace.prev_audit_sequence",
    "data.verification",
    "data.zone.id",
    "datacontenttype",
    "dataschema",
    "id",
    "partitionkey",
    "sequence",
    "source",
    "specversion",
    "subject",
    "time",
    "type",
];
/// Fields that leave from `limited` on: the official ids of device and place, the things, and their picture.
const FROM_LIMITED: &[&str] = &[
    "data.camera.gb28181_id",
    "data.evidence.0.captured_at",
    "data.evidence.0.delivery.ref",
    "data.evidence.0.delivery.via",
    "data.evidence.0.expires_at",
    "data.evidence.0.height",
    "data.evidence.0.id",
    "data.evidence.0.media_type",
    "data.evidence.0.redaction.applied",
    "data.evidence.0.redaction.classes.0",
    "data.evidence.0.redaction.version",
    "data.evidence.0.role",
    "data.evidence.0.sha256",
    "data.evidence.0.shown.0",
    "data.evidence.0.size_bytes",
    "data.evidence.0.strip_height",
    "data.evidence.0.view",
    "data.evidence.0.width",
    "data.objects.0.bbox.0",
    "data.objects.0.class",
    "data.objects.0.confidence",
    "data.objects.0.stationary_secs",
    "data.place.division_code",
    "data.place.grid_id",
];
/// Fields that leave at `full` alone: where it is, for people, and where on the map; and what is said of clips.
const AT_FULL: &[&str] = &[
    "data.camera.name",
    "data.clip",
    "data.evidence.0.duration_secs",
    "data.evidence.0.frame_count",
    "data.place.address",
    "data.place.point.accuracy_m",
    "data.place.point.crs",
    "data.place.point.lat",
    "data.place.point.lon",
    "data.zone.name",
];

impl Disclosure {
    /// Whether a field leaves, by its path as in [`event_fields`](super::event_fields).
    fn allows(self, field: &str) -> bool {
        let lists: &[&[&str]] = match self {
            Self::None => &[ALWAYS],
            Self::Limited => &[ALWAYS, FROM_LIMITED],
            Self::Full => &[ALWAYS, FROM_LIMITED, AT_FULL],
        };
        lists.iter().any(|list| list.contains(&field))
    }

    /// Whether a picture of this kind leaves.
    #[must_use]
    pub fn allows_picture(self, view: EvidenceView) -> bool {
        match (self, view) {
            (Self::None, _) | (Self::Limited, EvidenceView::Overview) => false,
            (Self::Limited, EvidenceView::Crop) | (Self::Full, _) => true,
        }
    }

    /// Whether names for people leave, of cameras, zones and streets.
    #[must_use]
    pub fn allows_names(self) -> bool {
        self.allows("data.camera.name")
    }

    /// Whether the official ids of devices leave.
    #[must_use]
    pub fn allows_official_ids(self) -> bool {
        self.allows("data.camera.gb28181_id")
    }

    /// The event with what leaves at this level; pictures that stay are not named. An error is a field that no event can be without and no
    /// list has.
    pub fn of_event(self, event: &IncidentEvent) -> Result<IncidentEvent, serde_json::Error> {
        let mut event = event.clone();
        event.data.disclosure = self;
        event.data.evidence.retain(|evidence| self.allows_picture(evidence.view));
        let mut value = serde_json::to_value(&event)?;
        self.withhold(&mut value, "");
        serde_json::from_value(value)
    }

    /// Removes what does not leave; false if nothing is left. A list of sections stays, without those of which nothing is left.
    fn withhold(self, value: &mut Value, path: &str) -> bool {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, child| {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.withhold(child, &path)
                });
                !fields.is_empty()
            }
            Value::Array(elements) => {
                let are_sections = elements.iter().all(Value::is_object);
                elements.retain_mut(|element| self.withhold(element, &format!("{path}.0")));
                are_sections || !elements.is_empty()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => self.allows(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::event;
    use crate::contract::{event_fields, first_mistake};
    use crate::incident::Phase;

    #[test]
    fn every_field_of_the_schema_is_in_one_list_and_the_lists_have_no_other() {
        let mut listed: Vec<&str> = [ALWAYS, FROM_LIMITED, AT_FULL].concat();
        listed.sort_unstable();
        assert_eq!(event_fields(), listed, "decide of each new field at which level it leaves");
    }

    fn disclosed(level: Disclosure, phase: Phase) -> Value {
        let mut event = event(phase, 1);
        let crop = crate::contract::Evidence { view: EvidenceView::Crop, ..event.data.evidence[0].clone() };
        event.data.evidence.push(crop);
        serde_json::to_value(level.of_event(&event).unwrap()).unwrap()
    }

    #[test]
    fn at_every_level_an_event_is_as_its_schema_says() {
        for level in [Disclosure::None, Disclosure::Limited, Disclosure::Full] {
            for phase in [Phase::Opened, Phase::Rechecked, Phase::Closed, Phase::Withdrawn] {
                assert_eq!(first_mistake("incident", &disclosed(level, phase)), None, "{level:?} {phase:?}");
            }
        }
    }

    #[test]
    fn each_level_lets_out_what_its_list_says_and_no_more() {
        let full = disclosed(Disclosure::Full, Phase::Opened);
        assert_eq!(full["data"]["disclosure"], "full");
        assert_eq!(full["data"]["evidence"].as_array().unwrap().len(), 2);
        assert!(full["data"]["place"]["address"].is_string());

        let limited = disclosed(Disclosure::Limited, Phase::Opened);
        let [picture] = &limited["data"]["evidence"].as_array().unwrap()[..] else { panic!("one picture") };
        assert_eq!(picture["view"], "crop");
        assert!(limited["data"]["camera"]["gb28181_id"].is_string() && limited["data"]["camera"]["name"].is_null());
        assert!(limited["data"]["place"].is_null() && limited["data"]["zone"]["name"].is_null());
        assert_eq!(limited["data"]["objects"], full["data"]["objects"]);

        let none = disclosed(Disclosure::None, Phase::Opened);
        assert_eq!((&none["data"]["evidence"], &none["data"]["objects"]), (&Value::from([0; 0]), &Value::from([0; 0])));
        assert!(none["data"]["place"].is_null() && none["data"]["camera"]["gb28181_id"].is_null());
        assert_eq!(none["data"]["incident_id"], full["data"]["incident_id"]);
    }

    #[test]
    fn what_no_list_has_leaves_at_no_level() {
        let mut value = serde_json::json!({"id": "x", "new": 1, "data": {"phase": "opened", "new": {"deep": [1, 2]}}});
        assert!(Disclosure::Full.withhold(&mut value, ""));
        assert_eq!(value, serde_json::json!({"id": "x", "data": {"phase": "opened"}}));
    }
}
