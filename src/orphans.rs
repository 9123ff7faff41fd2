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
    for (camera, OpenIncident { incident, kind }, last) in store.open_everywhere()? {
        let Some(reason) = reason(config, set_aside, &camera, &incident, kind) else { continue };
        let last: Option<IncidentEvent> = last.and_then(|payload| serde_json::from_slice(&payload).ok());
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
