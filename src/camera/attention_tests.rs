use super::*;
use crate::geometry::{BBox, Polygon};
use crate::incident::Phase;
use crate::scene::Attended;
use std::time::Duration;

const CAR: u16 = 0;
const PERSON: u16 = 1;

/// An engine with one rule: no car in the right half for more than 20 s.
fn engine() -> Engine {
    engine_with(false)
}

fn engine_with(needs_attendant: bool) -> Engine {
    let right = Polygon::try_new(&[[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]).unwrap();
    let watch = Watch {
        zones: vec![(Name::try_new("lane").unwrap(), right)],
        except: vec![],
        classes: [CAR].into(),
        person_classes: [PERSON].into(),
        hanging_classes: [].into(),
        min_area: 0.0,
        is_composite: false,
        attended: if needs_attendant { Attended::Required } else { Attended::Any },
        near: None,
        min_count: 1,
    };
    let secs = Duration::from_secs;
    let terms = Terms { dwell: secs(20), gap: secs(8), clear: secs(10), ..Terms::default() };
    let rule = EngineRule { id: Name::try_new("rule").unwrap(), watch, terms };
    let classes = Arc::new(ClassTable {
        names: ["car", "person"].map(str::to_owned).to_vec(),
        association: vec![CAR, PERSON],
        start_confidence: StartConfidence::same(0.3),
    });
    Engine::new(&classes, vec![rule], Memory::default(), IdSource::from_seed(1)).0
}

fn car(x: f32) -> Detection {
    Detection { class: CAR, confidence: 0.8, bbox: BBox::try_from_center(x, 0.5, 0.1, 0.1).unwrap() }
}

fn person(x: f32) -> Detection {
    Detection { class: PERSON, confidence: 0.8, bbox: BBox::try_from_center(x, 0.5, 0.04, 0.12).unwrap() }
}

/// Plays frames a quarter of a second apart and returns what happened when.
fn play(engine: &mut Engine, from: f64, to: f64, seen: impl Fn(f64) -> Vec<Detection>) -> Vec<(f64, Phase)> {
    let frames = (0..).map(|frame| from + f64::from(frame) / 4.0).take_while(|secs| *secs < to);
    frames
        .flat_map(|secs| {
            engine.analyse(&FrameStamp::at_secs(secs, 0), &seen(secs)).into_iter().map(move |t| (secs, t.phase))
        })
        .collect()
}

#[test]
fn attention_is_asked_for_until_an_incident_stands_and_while_it_may_end() {
    let mut engine = engine();
    let mut asks_after = |to: f64, seen: &dyn Fn(f64) -> Vec<Detection>| {
        let from = engine.last.map_or(0.0, |last| last.media.0.as_secs_f64() + 0.25);
        play(&mut engine, from, to, seen);
        engine.wants_attention()
    };
    assert!(!asks_after(1.0, &|_| vec![]), "nothing is there");
    assert!(!asks_after(2.0, &|t| vec![car(0.1 + 0.05 * t as f32)]), "a car drives outside the zone");
    assert!(asks_after(3.0, &|_| vec![car(0.8)]), "a car is in the zone");
    assert!(asks_after(20.0, &|_| vec![car(0.8)]), "it stands, and will be reported");
    assert!(!asks_after(30.0, &|_| vec![car(0.8)]), "it was reported, and stands there");
    assert!(asks_after(31.0, &|_| vec![]), "it is missed");
    assert!(!asks_after(33.0, &|_| vec![car(0.8)]), "it is there");
    assert!(asks_after(42.5, &|_| vec![]), "it is about to be reported gone");
    assert!(!asks_after(60.0, &|_| vec![]), "it is gone");
}

#[test]
fn a_pause_counts_as_neither_presence_nor_absence() {
    let mut engine = engine();
    assert_eq!(play(&mut engine, 0.0, 15.0, |_| vec![car(0.8)]), []);
    engine.pause(CannotSee::Dark);
    let opened = play(&mut engine, 115.0, 130.0, |_| vec![car(0.8)]);
    assert!(matches!(opened[..], [(at, Phase::Opened)] if (119.5..=120.5).contains(&at)), "{opened:?}");
    engine.pause(CannotSee::Dark);
    let closed = play(&mut engine, 1_000.0, 1_020.0, |_| vec![]);
    assert!(matches!(closed[..], [(at, Phase::Closed)] if at >= 1_009.5), "{closed:?}");
}

#[test]
fn a_surprise_is_what_comes_or_goes_and_not_who_passes_or_what_stands() {
    let mut engine = engine();
    play(&mut engine, 0.0, 1.0, |_| vec![]);
    let faint = |confidence| Detection { confidence, ..car(0.8) };
    assert!(!engine.is_surprised_by(&[person(0.8)]));
    assert!(!engine.is_surprised_by(&[car(0.2), faint(0.08)]), "outside the zone, or next to nothing");
    assert!(engine.is_surprised_by(&[car(0.46)]), "at the edge of the zone");
    assert!(engine.is_surprised_by(&[faint(0.12)]));
    play(&mut engine, 1.0, 30.0, |_| vec![car(0.8)]);
    assert!(!engine.is_surprised_by(&[car(0.81), person(0.7)]), "it is known to stand there");
    assert!(!engine.is_surprised_by(&[faint(0.12)]), "it is still there");
    assert!(engine.is_surprised_by(&[car(0.8), car(0.6)]), "a second one");
    assert!(engine.is_surprised_by(&[]), "it is gone");
    play(&mut engine, 30.0, 60.0, |_| vec![]);
    assert!(!engine.is_surprised_by(&[]), "it was known to be gone");
}

#[test]
fn whoever_comes_to_what_stands_unattended_is_watched_closely() {
    let mut engine = engine_with(true);
    assert_eq!(play(&mut engine, 0.0, 40.0, |_| vec![car(0.8)]), []);
    assert!(!engine.wants_attention(), "it has stood for the dwell, and nobody is by it");
    assert!(engine.is_surprised_by(&[car(0.8), person(0.75)]));
    assert!(!engine.is_surprised_by(&[car(0.8), person(0.2)]), "far from the zone");
    play(&mut engine, 40.0, 41.5, |_| vec![car(0.8), person(0.75)]);
    assert!(engine.wants_attention(), "someone stays by it");
    play(&mut engine, 41.5, 46.0, |_| vec![car(0.8)]);
    assert!(!engine.wants_attention(), "they have gone");
    let opened = play(&mut engine, 46.0, 70.0, |_| vec![car(0.8), person(0.75)]);
    assert!(matches!(opened[..], [(_, Phase::Opened)]), "{opened:?}");
}
