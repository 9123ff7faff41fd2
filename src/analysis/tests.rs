//! The hub's orders on their way to the engine and back to the recorder.

use super::prepare::LoadedModel;
use super::*;
use crate::clock::ManualClocks;
use crate::detect::{Arrangement, Detection, Provider, ProviderInUse};
use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::incident::{CannotSee, ClosedReason, Phase, RecheckOutcome};
use crate::picture::test_pictures::{HEIGHT, Luma, WIDTH, frame};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// How closely the camera was asked to be watched, in order.
#[derive(Default)]
struct Site(Mutex<Vec<Attention>>);

impl Surroundings for Site {
    fn memory(&self, _: usize) -> Memory {
        Memory::default()
    }
    fn ids(&self, _: usize) -> IdSource {
        IdSource::from_seed(1)
    }
    fn frames_corrupt(&self, _: usize) -> u64 {
        0
    }
    fn attention(&self, _: usize, attention: Attention) {
        self.0.lock().unwrap().push(attention);
    }
    fn picture(&self, _: usize, _: PictureNews) {}
}

struct Street {
    analysis: Analysis,
    site: Arc<Site>,
    clocks: Arc<ManualClocks>,
    records: Receiver<Record>,
}

/// A camera at which a car has stood for ten seconds, which is too long; and that incident.
fn street() -> (Street, Uuid) {
    let text = r#"{"agent": {"site": "s", "id": "a"}, "hub": {"host": "h"}, "cameras": [{"id": "c", "streams": {"detect": {"url": "rtsp://h/1"}},
        "zones": [{"id": "z", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
        "rules": [{"id": "parking", "kind": "vehicle_parking", "zones": ["z"], "dwell_secs": 5}]}]}"#;
    let manifest = crate::install::manifest("yolov4-tiny-416").unwrap();
    let provider = ProviderInUse { provider: Provider::Cpu, refused: vec![], nodes: BTreeMap::new() };
    let arrangement = Arrangement { runners: 1, threads: 1 };
    let model = LoadedModel { manifest, provider, arrangement, detectors: vec![], spare: None };
    let prepared = Prepared::resolve(&serde_json::from_str(text).unwrap(), model).unwrap();
    let (sender, records) = sync_channel(64);
    let site = Arc::new(Site::default());
    let clocks = Arc::new(ManualClocks::new(FrameStamp::at_secs(0.0, 0).wall));
    let around: Arc<dyn Surroundings> = Arc::clone(&site) as _;
    let latencies = Arc::new(Latencies::default());
    let analysis =
        Analysis::new(prepared, Arc::new(Mailboxes::new(1)), around, sender, latencies, Arc::clone(&clocks) as _);
    let street = Street { analysis, site, clocks, records };
    let car = Detection { class: 2, confidence: 0.9, bbox: BBox::try_new(0.4, 0.4, 0.6, 0.6).unwrap() };
    let mut opened = None;
    for step in 0..20u32 {
        street.clocks.advance(Duration::from_millis(500));
        let frame = frame(Luma::street(1).pixels, WIDTH, HEIGHT).stamped(FrameStamp::at_secs(f64::from(step) / 2.0, 0));
        let post = street.analysis.post(0);
        let mut station = post.station();
        *station.detections_mut() = vec![car];
        let transitions = station.judge(frame.stamp());
        let sight = Sight { frame: Arc::new(frame), sensitive: Vec::new(), still: Still::NotWanted };
        for record in Analysis::records_of(0, &post, transitions, Some(&sight), &mut station) {
            let Record::Change(finding) = record else { continue };
            assert!(finding.frame.is_some());
            opened = Some(finding.transition.incident.id);
        }
    }
    (street, opened.expect("it stands there too long"))
}

#[test]
fn a_dismissal_is_remembered_and_then_told_without_a_frame() {
    let (street, incident) = street();
    assert_eq!(street.analysis.camera_of(incident), Some(0));
    let until = street.clocks.wall() + Duration::from_hours(1);
    street.analysis.order(0, &Order::Dismiss { incident, until }).unwrap();
    let told: Vec<Record> = street.records.try_iter().collect();
    let [Record::Memo(0, Memo::Dismissed(dismissal)), Record::Change(finding)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((dismissal.incident.id, dismissal.until), (incident, until));
    assert_eq!(finding.transition.incident.closed_reason, Some(ClosedReason::Dismissed));
    assert!(finding.frame.is_none() && finding.active.is_empty());
    let unknown = Order::Dismiss { incident: Uuid::from_u128(1), until };
    assert_eq!(street.analysis.order(0, &unknown), Err(OrderError::UnknownIncident));
}

#[test]
fn a_request_to_look_again_wakes_the_camera_and_is_answered_also_when_it_is_away() {
    let (street, incident) = street();
    street.site.0.lock().unwrap().clear();
    let before = street.analysis.post(0).station().attention();
    street.analysis.order(0, &Order::Recheck { incident, look_for: Duration::from_secs(10) }).unwrap();
    assert_eq!(street.analysis.post(0).station().attention(), Attention::Active);
    assert_eq!(street.site.0.lock().unwrap().last(), (before == Attention::Idle).then_some(&Attention::Active));
    street.analysis.answer_overdue();
    assert!(street.records.try_recv().is_err(), "its time is not over");
    street.clocks.advance(Duration::from_mins(1));
    street.analysis.answer_overdue();
    let Ok(Record::Change(finding)) = street.records.try_recv() else { panic!("no answer") };
    let recheck = finding.transition.recheck.unwrap();
    assert_eq!((finding.transition.phase, recheck.outcome), (Phase::Rechecked, RecheckOutcome::CannotSee));
    assert_eq!(recheck.reason, Some(CannotSee::NoPicture));
    assert_eq!(finding.active, [incident], "it is open still");
}
