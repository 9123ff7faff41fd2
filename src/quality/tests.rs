//! Events on their way through the four stages.

use super::*;
use crate::clock::ClockQuality;
use crate::config::PlaceConfig;
use crate::contract::tests::{event, name, transition};
use crate::incident::Phase;
use crate::picture::PictureState;
use serde_json::json;

/// Two cameras at one grid cell; the box has a place of its own.
fn config() -> Arc<Config> {
    let rule = json!({"id": "vending-carriageway", "kind": "street_vending", "zones": ["carriageway"]});
    let camera = |id: &str| {
        json!({
            "id": id, "place": {"grid_id": "330110001003005"}, "streams": {"detect": {"url": "rtsp://192.0.2.7/main"}},
            "zones": [{"id": "carriageway", "polygon": [[0.1, 0.4], [0.9, 0.4], [0.9, 0.9]]}], "rules": [rule]
        })
    };
    let config = json!({
        "agent": {"site": "yuhang", "id": "yuhang-03"}, "hub": {"host": "192.0.2.1"},
        "place": {"address": "余杭区", "point": {"lon": 119.98, "lat": 30.27, "crs": "CGCS2000"}},
        "model": {"providers": ["cpu"]},
        "cameras": [camera("wenyi-road-east"), camera("wenyi-road-west")],
    });
    Arc::new(serde_json::from_value(config).unwrap())
}

fn fine() -> Circumstances {
    let reservations = Reservations { picture: PictureState::Ok, evidence: EvidenceState::AsWanted };
    Circumstances { bbox: transition(Phase::Opened).incident.bbox, reservations }
}

/// An event of a camera that says nothing of its place.
fn bare() -> IncidentEvent {
    let mut event = event(Phase::Opened, 0);
    event.data.place = None;
    event
}

#[test]
fn what_is_missing_is_completed_and_named_and_what_is_there_stays() {
    let (counts, mut event) = (Arc::<Counts>::default(), bare());
    let mut stages = Stages::new(config(), Arc::clone(&counts));
    stages.pass(&mut event, &fine()).unwrap();
    let place = event.data.place.as_ref().unwrap();
    assert_eq!((place.address.as_deref(), place.point.unwrap().lat), (Some("余杭区"), 30.27));
    assert_eq!(event.data.quality.completed, ["matter.code", "place.address", "place.point"]);

    let mut own = bare();
    let given = PlaceConfig { grid_id: Some("330110001003005".into()), ..PlaceConfig::default() };
    own.data.place = Some(crate::contract::Place { address: Some("文一路 12 号".into()), ..Default::default() });
    assert!(completion::complete(&mut own.data, &given));
    let place = own.data.place.unwrap();
    assert_eq!(place.address.as_deref(), Some("文一路 12 号"));
    assert_eq!(place.division_code.as_deref(), Some("330110"), "the cell lies in it");
    assert_eq!(own.data.quality.completed, ["matter.code", "place.grid_id", "place.division_code"]);
    assert_eq!(counts.total().of(QualityStage::Completion), Tally { changed: 1, ..Tally::default() });
}

#[test]
fn nothing_is_invented_where_nothing_is_configured() {
    let (mut data, mut matter_without_code) = (bare().data, bare().data);
    let nothing = PlaceConfig::default();
    completion::complete(&mut data, &nothing);
    assert_eq!((&data.place, &data.quality.completed[..]), (&None, &["matter.code".to_owned()][..]));
    matter_without_code.matter = crate::contract::matter(crate::config::RuleKind::SmokeFire).clone();
    completion::complete(&mut matter_without_code, &nothing);
    assert_eq!(matter_without_code.quality.completed, [] as [String; 0]);
}

#[test]
fn an_incident_names_what_the_other_camera_sees_at_the_same_place_while_it_is_open() {
    let (counts, mut event) = (Arc::<Counts>::default(), bare());
    let mut stages = Stages::new(config(), Arc::clone(&counts));
    let other = Incident { id: Uuid::from_u128(7), ..transition(Phase::Opened).incident };
    stages.note_open(&name("wenyi-road-west"), &other);
    stages.pass(&mut event, &fine()).unwrap();
    assert_eq!(event.data.dedup.related, [other.id]);
    stages.note_closed(other.id);
    stages.pass(&mut event, &fine()).unwrap();
    assert_eq!(event.data.dedup.related, [] as [Uuid; 0]);
    assert_eq!(counts.total().of(QualityStage::Relation), Tally { passed: 1, changed: 1, stopped: 0 });
}

#[test]
fn reservations_are_flags_and_an_event_without_any_has_none() {
    let (counts, mut event) = (Arc::<Counts>::default(), bare());
    let mut stages = Stages::new(config(), Arc::clone(&counts));
    stages.pass(&mut event, &fine()).unwrap();
    assert_eq!(event.data.quality.flags, [] as [String; 0]);

    let mut event = bare();
    event.data.timing.clock_quality = ClockQuality::Unsynchronised;
    event.data.timing.clock_offset_ms = Some(-2_001);
    event.data.model.provider = "openvino".into();
    let reservations = Reservations { picture: PictureState::Blurred, evidence: EvidenceState::StandIn };
    stages.pass(&mut event, &Circumstances { reservations, ..fine() }).unwrap();
    let flags =
        ["clock_unsynchronised", "clock_offset", "picture_blurred", "provider_fallback", "evidence_from_detect_stream"];
    assert_eq!(event.data.quality.flags, flags);
    assert_eq!(counts.total().of(QualityStage::Quality), Tally { passed: 1, changed: 1, stopped: 0 });
}

#[test]
fn an_event_with_a_defect_is_stopped_and_counted() {
    let (counts, mut event) = (Arc::<Counts>::default(), bare());
    let mut stages = Stages::new(config(), Arc::clone(&counts));
    event.data.timing.dwell_secs = f64::INFINITY;
    assert!(stages.pass(&mut event, &fine()).is_err());
    let total = counts.total();
    assert_eq!(total.of(QualityStage::ErrorCheck), Tally { stopped: 1, ..Tally::default() });
    assert_eq!(total.of(QualityStage::Quality), Tally::default(), "it went no further");
}
