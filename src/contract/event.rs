//! From a transition to the event that tells the hub of it. Pure: ids, sequence and times are arguments.

use super::event_types::{
    CameraRef, Channel, ClipState, Dedup, Evidence, FrameRef, IncidentData, IncidentEvent, MapPoint, ModelRef,
    ObjectSeen, Place, Quality, RuleRef, Timing, Trace, Verification, ZoneRef,
};
use super::matter::matter;
use super::scalars::{Sequence, WallTime};
use super::{JSON, schema_id};
use crate::config::{CameraConfig, Disclosure, PlaceConfig, RuleConfig};
use crate::ids::Name;
use crate::incident::{Incident, IncidentObject, Phase, Transition};
use jiff::tz::TimeZone;
use uuid::Uuid;

/// Which detector is in use.
pub type ModelIdentity = ModelRef;

/// Size of the frames of a camera.
pub type FrameSize = FrameRef;

/// Everything beside the transition that an event tells.
#[derive(Debug, Clone, Copy)]
pub struct EventParts<'a> {
    /// The agent.
    pub agent: &'a Name,
    /// Zone in which times are written.
    pub time_zone: &'a TimeZone,
    /// The camera that saw it.
    pub camera: &'a CameraConfig,
    /// The rule that found it.
    pub rule: &'a RuleConfig,
    /// Size of the frame in which the boxes are.
    pub frame: FrameSize,
    /// Pictures of this change.
    pub evidence: &'a [Evidence],
    /// The detector.
    pub model: &'a ModelIdentity,
    /// Digest of the configuration, lower-case hexadecimal.
    pub config_sha256: &'a str,
}

/// Assembles the event of a transition, as far as transition, camera and rule go; the [stages](crate::quality) complete it.
///
/// `id` is the event's own and stays the same at every delivery; `sequence` comes from the store, in the transaction
/// that writes the event.
#[must_use]
pub fn incident_event(id: Uuid, sequence: u64, transition: &Transition, parts: &EventParts<'_>) -> IncidentEvent {
    let incident = &transition.incident;
    IncidentEvent {
        specversion: "1.0".to_owned(),
        id,
        event_type: transition.phase.into(),
        source: format!("urn:curbwatch:{}", parts.agent),
        subject: format!("camera/{}", parts.camera.id),
        time: WallTime::new(transition.at.wall, parts.time_zone),
        datacontenttype: JSON.to_owned(),
        dataschema: schema_id("incident"),
        sequence: Sequence(sequence),
        partitionkey: incident.id,
        data: IncidentData {
            incident_id: incident.id,
            revision: incident.revision,
            phase: transition.phase,
            closed_reason: incident.closed_reason,
            recheck: transition.recheck,
            replayed: false,
            matter: matter(parts.rule.kind).clone(),
            channel: Channel::VideoAi,
            verification: Verification::Unverified,
            severity: incident.severity,
            disclosure: Disclosure::Full,
            camera: camera_ref(parts.camera),
            place: place(&parts.camera.place),
            zone: zone_ref(&incident.zone, parts.camera),
            rule: rule_ref(parts.rule),
            timing: timing(transition, parts.time_zone),
            objects: incident.objects.iter().map(object_seen).collect(),
            frame: parts.frame,
            evidence: parts.evidence.to_vec(),
            clip: None,
            model: parts.model.clone(),
            dedup: Dedup { suppressed: incident.suppressed, continues: incident.continues, related: Vec::new() },
            quality: Quality { flags: Vec::new(), completed: Vec::new() },
            trace: Trace {
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                config_sha256: parts.config_sha256.to_owned(),
                prev_audit_hash: None,
                prev_audit_sequence: None,
            },
        },
    }
}

/// The event that closes an incident of which nothing is left but its last event: its rule or camera is no longer configured.
///
/// `id` and `sequence` as for [`incident_event`]; `closed` is the incident after the change.
#[must_use]
pub fn closing_event(
    id: Uuid,
    sequence: u64,
    last: &IncidentEvent,
    closed: &Incident,
    time_zone: &TimeZone,
) -> IncidentEvent {
    let written = |instant| WallTime::new(instant, time_zone);
    let mut event = last.clone();
    (event.id, event.sequence, event.event_type) = (id, Sequence(sequence), Phase::Closed.into());
    event.time = closed.closed_at.map_or(event.time, written);
    let data = &mut event.data;
    (data.phase, data.revision, data.replayed) = (Phase::Closed, closed.revision, false);
    (data.closed_reason, data.recheck) = (closed.closed_reason, None);
    data.evidence.clear();
    data.clip = (data.clip == Some(ClipState::Awaited)).then_some(ClipState::Absent);
    data.timing.last_seen = written(closed.last_seen);
    data.timing.closed_at = closed.closed_at.map(written);
    data.timing.dwell_secs = tenths(closed.dwell_secs);
    data.dedup.suppressed = closed.suppressed;
    event
}

/// The same event with `data.replayed` set: it waited on disk for the connection. Nothing else is read, so that events
/// written by an earlier version pass too.
pub fn mark_replayed(payload: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut event: serde_json::Value = serde_json::from_slice(payload)?;
    if let Some(replayed) = event.pointer_mut("/data/replayed") {
        *replayed = true.into();
    }
    serde_json::to_vec(&event)
}

fn camera_ref(camera: &CameraConfig) -> CameraRef {
    CameraRef { id: camera.id.clone(), name: camera.name.clone(), gb28181_id: camera.gb28181_id.clone() }
}

/// The camera's own place; none if it says nothing.
fn place(of_camera: &PlaceConfig) -> Option<Place> {
    let place = Place {
        address: of_camera.address.clone(),
        grid_id: of_camera.grid_id.clone(),
        division_code: of_camera.division_code.clone(),
        point: of_camera.point.map(|p| MapPoint { lon: p.lon, lat: p.lat, crs: p.crs, accuracy_m: p.accuracy_m }),
    };
    (place != Place::default()).then_some(place)
}

fn zone_ref(id: &Name, camera: &CameraConfig) -> ZoneRef {
    let name = camera.zones.iter().find(|zone| zone.id == *id).and_then(|zone| zone.name.clone());
    ZoneRef { id: id.clone(), name }
}

fn rule_ref(rule: &RuleConfig) -> RuleRef {
    RuleRef { id: rule.id.clone(), dwell_secs: rule.dwell().as_secs_f64() }
}

fn timing(transition: &Transition, time_zone: &TimeZone) -> Timing {
    let incident = &transition.incident;
    let written = |instant| WallTime::new(instant, time_zone);
    let offset_ms = |offset: jiff::SignedDuration| i64::try_from(offset.as_millis()).ok();
    Timing {
        first_seen: written(incident.first_seen),
        confirmed_at: written(incident.confirmed_at),
        last_seen: written(incident.last_seen),
        closed_at: incident.closed_at.map(written),
        dwell_secs: tenths(incident.dwell_secs),
        clock_quality: transition.at.clock_quality,
        clock_offset_ms: transition.at.clock_offset.and_then(offset_ms),
    }
}

fn object_seen(object: &IncidentObject) -> ObjectSeen {
    ObjectSeen {
        class: object.class.clone(),
        confidence: (object.confidence * 1000.0).round() / 1000.0,
        bbox: object.bbox,
        stationary_secs: tenths(object.stationary_secs),
    }
}

/// Rounded to a tenth: a frame interval is no better.
fn tenths(secs: f64) -> f64 {
    (secs * 10.0).round() / 10.0
}
