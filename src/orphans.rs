//! Open incidents whose rule or camera is no longer in the configuration: closed at start, with that reason.
//!
//! Nothing would ever see their things again. The event is made from the incident's last one, which names what the configuration no longer
//! does. A camera that was set aside for its mistakes is still meant to be there: its incidents stay open.

use crate::config::{Config, SetAside};
use crate::contract::{self, CLOUDEVENTS_JSON, IncidentEvent, Topics};
use crate::ids::{IdSource, Name};
use crate::incident::{ClosedReason, Incident};
use crate::store::{Change, Message, OpenIncident, Store, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Closes the orphans of a store, and returns camera and rule of each: nothing is open of it any more.
pub fn close(
    store: &mut Store,
    config: &Config,
    set_aside: &[SetAside],
    time_zone: &TimeZone,
    now: Timestamp,
) -> Result<Vec<(Name, Name)>, StoreError> {
    let topics = Topics::new(&config.hub.prefix, &config.agent.site, &config.agent.id);
    let mut ids = IdSource::from_os();
    let mut closed = Vec::new();
    for (camera, OpenIncident { incident, kind }) in store.open_everywhere()? {
        let Some(reason) = reason(config, set_aside, &camera, &incident, kind) else { continue };
        let last: Option<IncidentEvent> =
            store.last_event(incident.id)?.and_then(|payload| serde_json::from_slice(&payload).ok());
        let Some(last) = last else {
            tracing::error!(%camera, incident = %incident.id, "the last event of an incident without a rule is not known; it stays open");
            continue;
        };
        let rule = incident.rule.clone();
        let revision = incident.revision + 1;
        let incident = Incident { revision, closed_at: Some(now), closed_reason: Some(reason), ..incident };
        let id = ids.next(now);
        let topic = topics.event(&camera, kind);
        let change = Change { camera: &camera, kind, incident: &incident, evidence: &[], now };
        store.record(&change, |sequence| Message {
            topic: topic.clone(),
            content_type: CLOUDEVENTS_JSON,
            payload: contract::to_json(&contract::closing_event(id, sequence, &last, &incident, time_zone)),
        })?;
        tracing::info!(%camera, %rule, incident = %incident.id, ?reason, "an incident is closed");
        closed.push((camera, rule));
    }
    Ok(closed)
}

/// Why nothing would see an incident's thing again; none if something would.
fn reason(
    config: &Config,
    set_aside: &[SetAside],
    camera: &Name,
    incident: &Incident,
    kind: crate::config::RuleKind,
) -> Option<ClosedReason> {
    let Some(configured) = config.cameras.iter().find(|configured| configured.id == *camera) else {
        // One whose id could not be read may be this one.
        let is_meant = set_aside.iter().any(|aside| aside.id.as_deref().is_none_or(|id| id == camera.as_str()));
        return (!is_meant).then_some(ClosedReason::CameraRemoved);
    };
    let applies = configured
        .rules
        .iter()
        .any(|rule| rule.id == incident.rule && rule.kind == kind && rule.zones.contains(&incident.zone));
    (!applies).then_some(ClosedReason::RuleRemoved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuleKind;
    use crate::contract::tests::{event, transition};
    use crate::contract::{IncidentEvent, to_json};
    use crate::incident::Phase;
    use crate::store::{Body, Destination, RowId};

    fn now() -> Timestamp {
        "2026-11-22T07:29:41Z".parse().unwrap()
    }

    /// A configuration with that camera, with these rules.
    fn config(camera: &str, rules: &str) -> Config {
        let text = format!(
            r#"{{"agent": {{"site": "yuhang", "id": "yuhang-03"}}, "hub": {{"host": "broker"}}, "cameras": [{{
                "id": "{camera}", "streams": {{"detect": {{"url": "rtsp://192.0.2.7/main"}}}}, "rules": [{rules}],
                "zones": [{{"id": "carriageway", "polygon": [[0.1, 0.4], [0.9, 0.4], [0.9, 0.9]]}}]}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// What is sent to the hub for the one open incident of a store.
    fn sent(config: &Config, set_aside: &[SetAside]) -> Vec<IncidentEvent> {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("agent.db"), now()).unwrap();
        let opened = transition(Phase::Opened).incident;
        let camera = Name::try_new("wenyi-road-east").unwrap();
        let change =
            Change { camera: &camera, kind: RuleKind::StreetVending, incident: &opened, evidence: &[], now: now() };
        let message = |sequence| Message {
            topic: "event".to_owned(),
            content_type: CLOUDEVENTS_JSON,
            payload: to_json(&event(Phase::Opened, sequence)),
        };
        store.record(&change, message).unwrap();
        let opening = store.last_row().unwrap();
        close(&mut store, config, set_aside, &TimeZone::UTC, now()).unwrap();
        assert_eq!(store.memory(&camera, now()).unwrap().open.is_empty(), store.last_row().unwrap() > opening);
        let rows = store.pending(Destination::Hub, RowId::ZERO, 9).unwrap().into_iter().filter(|row| row.row > opening);
        let read = |body| match body {
            Body::Payload(payload) => serde_json::from_slice(&payload).unwrap(),
            Body::File(path) => panic!("{}", path.display()),
        };
        rows.map(|row| read(row.body)).collect()
    }

    const RULE: &str = r#"{"id": "vending-carriageway", "kind": "street_vending", "zones": ["carriageway"]}"#;

    #[test]
    fn an_incident_whose_rule_or_camera_has_gone_is_closed_with_that_reason() {
        let other_rule = RULE.replace("vending-carriageway", "other");
        let other_kind = RULE.replace("street_vending", "vehicle_parking");
        for (config, reason) in [
            (config("wenyi-road-east", &other_rule), ClosedReason::RuleRemoved),
            (config("wenyi-road-east", &other_kind), ClosedReason::RuleRemoved),
            (config("elsewhere", RULE), ClosedReason::CameraRemoved),
        ] {
            let [closed] = &sent(&config, &[])[..] else { panic!("{reason:?}") };
            let data = &closed.data;
            assert_eq!((data.phase, data.closed_reason, data.revision), (Phase::Closed, Some(reason), 1));
            assert_eq!((closed.sequence.0, data.evidence.len()), (2, 0));
            assert!(data.timing.closed_at.is_some() && data.camera.id.as_str() == "wenyi-road-east");
        }
    }

    #[test]
    fn what_is_still_meant_to_be_watched_stays_open() {
        assert_eq!(sent(&config("wenyi-road-east", RULE), &[]), []);
        for id in [Some("wenyi-road-east".to_owned()), None] {
            let aside = SetAside { index: 1, id, mistakes: vec![] };
            assert_eq!(sent(&config("elsewhere", RULE), &[aside]), [], "its camera was set aside for its mistakes");
        }
    }
}
