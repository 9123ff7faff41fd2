//! A made-up change of an incident.

use curbwatch::clock::{ClockQuality, MediaTime, Mono};
use curbwatch::frame::FrameStamp;
use curbwatch::geometry::BBox;
use curbwatch::ids::Name;
use curbwatch::incident::{Incident, IncidentObject, Phase, Severity, Told, Transition};
use std::time::Duration;
use uuid::Uuid;

/// A change of the incident `id`, a lorry in a fire lane, at the time `wall`.
pub fn transition(id: Uuid, phase: Phase, wall: jiff::Timestamp) -> Transition {
    let name = |text: &str| Name::try_new(text).unwrap();
    let bbox = BBox::try_new(0.1, 0.2, 0.3, 0.4).unwrap();
    Transition {
        phase,
        at: FrameStamp {
            media: MediaTime(Duration::from_mins(1)),
            mono: Mono(Duration::from_mins(1)),
            wall,
            clock_quality: ClockQuality::Arrival,
            clock_offset: None,
            segment: 0,
        },
        incident: Incident {
            id,
            rule: name("fire"),
            zone: name("lane"),
            revision: 0,
            first_seen: wall,
            confirmed_at: wall,
            last_seen: wall,
            closed_at: (phase == Phase::Closed).then_some(wall),
            closed_reason: None,
            severity: Severity::High,
            dwell_secs: 45.0,
            bbox,
            objects: vec![IncidentObject { class: "truck".into(), confidence: 0.7, bbox, stationary_secs: 45.0 }],
            suppressed: 0,
            continues: None,
            told: Told { classes: vec!["truck".into()], extent: bbox.area() },
        },
        recheck: None,
    }
}
