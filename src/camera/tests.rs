use super::*;
use crate::geometry::{BBox, Polygon};
use crate::incident::Phase;
use crate::scene::Attended;
use std::time::Duration;

const PERSON: u16 = 0;
const CAR: u16 = 1;
const TRUCK: u16 = 2;

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

fn at(secs: f64) -> FrameStamp {
    FrameStamp::at_secs(secs, 0)
}

fn seen(class: u16, cx: f32) -> Detection {
    Detection { class, confidence: 0.8, bbox: BBox::try_from_center(cx, 0.5, 0.1, 0.1).unwrap() }
}

/// A rule for vehicles on the right half of the picture, reported after `dwell_secs`.
fn rule(id: &str, dwell_secs: u64) -> EngineRule {
    let right = Polygon::try_new(&[[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]).unwrap();
    EngineRule {
        id: name(id),
        watch: Watch {
            zones: vec![(name("right"), right)],
            except: vec![],
            classes: [CAR, TRUCK].into(),
            person_classes: [PERSON].into(),
            hanging_classes: [].into(),
            min_area: 0.0,
            is_composite: false,
            attended: Attended::Any,
            near: None,
            min_count: 1,
        },
        terms: Terms {
            dwell: Duration::from_secs(dwell_secs),
            gap: Duration::from_secs(5),
            clear: Duration::from_secs(8),
            ..Terms::default()
        },
    }
}

fn classes() -> Arc<ClassTable> {
    Arc::new(ClassTable {
        names: ["person", "car", "truck"].map(str::to_owned).to_vec(),
        association: vec![PERSON, CAR, CAR],
        start_confidence: StartConfidence::same(0.3),
    })
}

fn engine(rules: Vec<EngineRule>, open: Vec<Incident>) -> (Engine, Vec<Incident>) {
    Engine::new(&classes(), rules, Memory { open, ..Memory::default() }, IdSource::from_seed(1))
}

/// Plays seconds `from..to`, two frames each; returns second, rule and phase of what happened.
fn play(engine: &mut Engine, from: u32, to: u32, scene: impl Fn(f64) -> Vec<Detection>) -> Vec<(f64, String, Phase)> {
    let mut found = Vec::new();
    for step in 2 * from..2 * to {
        let secs = f64::from(step) / 2.0;
        let transitions = engine.analyse(&at(secs), &scene(secs));
        found.extend(transitions.into_iter().map(|t| (secs, t.incident.rule.to_string(), t.phase)));
    }
    found
}

#[test]
fn each_rule_reports_the_same_van_after_its_own_dwell() {
    let (mut engine, _) = engine(vec![rule("parking", 30), rule("fire-lane", 10)], vec![]);
    let found = play(&mut engine, 0, 60, |secs| if secs < 40.0 { vec![seen(TRUCK, 0.7)] } else { vec![] });
    let order: Vec<_> = found.iter().map(|(_, rule, phase)| (rule.as_str(), *phase)).collect();
    assert_eq!(
        order,
        [
            ("fire-lane", Phase::Opened),
            ("parking", Phase::Opened),
            ("parking", Phase::Closed),
            ("fire-lane", Phase::Closed)
        ]
    );
    assert!((found[0].0 - 10.0).abs() <= 1.0 && (found[1].0 - 30.0).abs() <= 1.0, "{found:?}");
}

#[test]
fn what_stands_outside_the_zone_or_is_a_person_is_not_reported() {
    let (mut engine, _) = engine(vec![rule("parking", 10)], vec![]);
    assert_eq!(play(&mut engine, 0, 60, |_| vec![seen(CAR, 0.3), seen(PERSON, 0.8)]), []);
    assert!(engine.active()[&name("parking")].is_empty());
}

#[test]
fn a_frame_from_the_past_changes_nothing() {
    let (mut engine, _) = engine(vec![rule("parking", 10)], vec![]);
    play(&mut engine, 0, 20, |_| vec![seen(CAR, 0.7)]);
    let before = engine.active();
    assert_eq!(engine.analyse(&at(3.0), &[]), []);
    assert_eq!(engine.active(), before);
}

#[test]
fn an_open_incident_goes_on_after_a_restart_and_one_without_its_rule_is_given_back() {
    let (mut before, _) = engine(vec![rule("parking", 10)], vec![]);
    let mut opened = Vec::new();
    for step in 0..40 {
        opened.extend(before.analyse(&at(f64::from(step) / 2.0), &[seen(CAR, 0.7)]));
    }
    let incident = opened.remove(0).incident;
    let mut of_another_rule = incident.clone();
    of_another_rule.rule = name("gone");
    let (mut after, orphans) = engine(vec![rule("parking", 10)], vec![incident.clone(), of_another_rule.clone()]);
    assert_eq!(orphans, [of_another_rule]);
    assert_eq!(after.active()[&name("parking")], [incident.id]);
    assert_eq!(play(&mut after, 0, 30, |_| vec![seen(CAR, 0.7)]), [], "no second incident");
}

#[test]
fn what_is_too_faint_too_small_or_excepted_is_counted_by_the_stage_that_stops_it() {
    let (mut small, mut excepted) = (rule("small", 10), rule("excepted", 10));
    small.watch.min_area = 0.02;
    excepted.watch.except = vec![excepted.watch.zones[0].1.clone()];
    let (mut engine, _) = engine(vec![rule("any", 10), small, excepted], vec![]);
    let faint = Detection { confidence: 0.1, ..seen(CAR, 0.9) };
    play(&mut engine, 0, 10, |_| vec![seen(CAR, 0.7), faint]);
    let tallies = engine.take_tallies();
    let filtering = tallies.of(QualityStage::Filtering);
    assert!(filtering.passed >= 10, "{filtering:?}");
    assert_eq!(filtering.stopped, filtering.passed + 20, "the small one where it stands, the faint one in each frame");
    assert_eq!(tallies.of(QualityStage::RuleCheck).stopped, filtering.passed, "the one where an exception is made");
    assert_eq!(engine.take_tallies(), Tallies::default(), "counted once");
}

#[test]
fn a_rule_that_is_as_it_was_keeps_its_dwell_and_one_that_changed_begins_anew() {
    let (mut engine, _) = engine(vec![rule("same", 20), rule("changed", 20)], vec![]);
    let scene = |_| vec![seen(CAR, 0.7)];
    assert_eq!(play(&mut engine, 0, 15, scene), []);
    let classes = classes();
    engine.adopt(&classes, vec![rule("changed", 10), rule("same", 20)], &Memory::default());
    let found = play(&mut engine, 15, 40, scene);
    let opened: Vec<_> = found.iter().map(|(_, rule, phase)| (rule.as_str(), *phase)).collect();
    assert_eq!(opened, [("same", Phase::Opened), ("changed", Phase::Opened)]);
    assert!((found[0].0 - 20.0).abs() <= 1.0, "its dwell went on: {found:?}");
    assert!((22.0..=26.0).contains(&found[1].0), "its dwell began anew: {found:?}");
    let open: Vec<Incident> = engine.rules.iter().filter_map(|(_, course)| course.find(course.active()[0])).collect();
    let memory = Memory { open, ..Memory::default() };
    engine.adopt(&classes, vec![rule("changed", 12), rule("same", 20)], &memory);
    assert_eq!(play(&mut engine, 40, 80, scene), [], "what is open stays one");
}
