use super::*;
use crate::contract::WallTime;
use crate::contract::tests::event;
use truth::ThingObject;

/// The events of `contract::tests` are those of a stall first seen at second 0 of this recording and confirmed after 183.42 s.
const START: &str = "2026-11-21T07:26:37.700Z";

fn thing(id: &str, from_secs: f64, to_secs: f64, left: f32) -> Thing {
    let bbox = BBox::try_new(left, 0.5, left + 0.15, 0.7).unwrap();
    Thing {
        id: id.into(),
        kind: RuleKind::StreetVending,
        what: "a stall".into(),
        bbox,
        objects: vec![ThingObject { classes: vec!["umbrella".into()], bbox }],
        from_secs,
        to_secs,
        is_reportable: true,
    }
}

fn score_of(things: Vec<Thing>, events: &[IncidentEvent]) -> Report {
    let truth = Truth {
        schema: 1,
        staged: true,
        width: 1920,
        height: 1080,
        fps: 25,
        duration_secs: 1000.0,
        seed: 1,
        things,
        zones: Vec::new(),
    };
    evaluate(&truth, events, START.parse().unwrap())
}

/// An opened and a closed event of an incident of its own.
fn incident(number: u128) -> Vec<IncidentEvent> {
    let mut events = vec![event(Phase::Opened, 1), event(Phase::Closed, 2)];
    for event in &mut events {
        event.data.incident_id = Uuid::from_u128(number);
    }
    events
}

#[test]
fn a_thing_is_found_once_and_its_delays_are_told() {
    let report = score_of(vec![thing("stall", 1.0, 700.0, 0.4)], &incident(1));
    let score = report.total();
    assert_eq!((score.reportable, score.found, score.false_alarms, score.duplicates), (1, 1, 0, 0));
    assert_eq!((score.recall(), score.precision()), (Some(1.0), Some(1.0)));
    assert!((score.confirmation_delays[0] - 2.42).abs() < 0.01, "{:?}", score.confirmation_delays);
    assert!((score.closing_delays[0] - 102.3).abs() < 0.01, "{:?}", score.closing_delays);
    assert_eq!(report.mistakes, []);
}

#[test]
fn a_second_incident_of_a_thing_is_a_duplicate_and_no_false_alarm() {
    let report = score_of(vec![thing("stall", 1.0, 700.0, 0.4)], &[incident(1), incident(2)].concat());
    let score = report.total();
    assert_eq!((score.found, score.false_alarms, score.duplicates), (1, 0, 1));
    assert_eq!(
        (report.mistakes[0].what, report.mistakes[0].incident),
        (MistakeKind::Duplicate, Some(Uuid::from_u128(2)))
    );
}

#[test]
fn elsewhere_or_at_another_time_it_is_a_false_alarm_and_a_miss() {
    for other in [thing("elsewhere", 1.0, 700.0, 0.8), thing("later", 300.0, 700.0, 0.4)] {
        let report = score_of(vec![other], &incident(1));
        let what: Vec<_> = report.mistakes.iter().map(|mistake| mistake.what).collect();
        assert_eq!(what, [MistakeKind::FalseAlarm, MistakeKind::Missed]);
        assert_eq!((report.total().recall(), report.total().precision()), (Some(0.0), Some(0.0)));
    }
}

#[test]
fn a_report_of_what_is_permitted_is_a_false_alarm_that_names_it() {
    let permitted = Thing { is_reportable: false, ..thing("permitted", 1.0, 700.0, 0.4) };
    let report = score_of(vec![permitted], &incident(1));
    assert_eq!(report.mistakes[0].thing.as_deref(), Some("permitted"));
    assert_eq!((report.total().recall(), report.total().precision()), (None, Some(0.0)));
}

#[test]
fn what_still_stands_at_the_end_has_no_closing_delay() {
    let mut events = incident(1);
    events[1].data.timing.closed_at = Some(WallTime::new(START.parse().unwrap(), &jiff::tz::TimeZone::UTC));
    let report = score_of(vec![thing("stall", 1.0, 1000.0, 0.4)], &events);
    assert_eq!(report.total().closing_delays, [] as [f64; 0]);
}

#[test]
fn reports_of_several_recordings_add_up() {
    let mut sum = score_of(vec![thing("a", 1.0, 700.0, 0.4)], &incident(1));
    sum.add(score_of(vec![thing("b", 1.0, 700.0, 0.4)], &[]));
    assert_eq!((sum.total().recall(), sum.total().precision()), (Some(0.5), Some(1.0)));
    assert_eq!(sum.mistakes.len(), 1);
    assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[1.0, 2.0]), median(&[])), (Some(2.0), Some(1.5), None));
}
