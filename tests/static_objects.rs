//! What no detector has a class for, on staged streets through a real encoder and decoder: goods that are left become one incident;
//! shadows, rain, night, a swaying pole, passers-by and what stood there from the beginning become none.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/footage.rs"]
mod footage;

use curbwatch::camera::{ClassTable, Engine, EngineRule};
use curbwatch::detect::Detection;
use curbwatch::geometry::{BBox, Polygon};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::{Memory, Phase, Terms, Transition};
use curbwatch::scene::{Attended, Watch};
use curbwatch::stage::{Appearance, Footage, FrameSize, Night, Scene, Shadow, Truth, Weather, render};
use curbwatch::track::StartConfidence;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const STATIC: u16 = 1;
/// Frames a second of the footage; every one is looked at.
const FPS: u32 = 2;
const DWELL: Duration = Duration::from_secs(40);

static FOOTAGE: LazyLock<Footage> = LazyLock::new(|| {
    let path = curbwatch::install::footage("vtest.avi").expect("`make setup` installs the footage");
    Footage::load(&path).expect("the footage is whole")
});

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

/// An engine that watches the carriageway and the fire lane for whatever is put down there, `attended` or not.
fn engine(truth: &Truth, needs_attendant: bool) -> Engine {
    let zones = truth.zones.iter().map(|zone| (name(&zone.id), Polygon::try_new(&zone.polygon).unwrap()));
    let watch = Watch {
        zones: zones.collect(),
        except: Vec::new(),
        classes: [STATIC].into(),
        person_classes: [0].into(),
        hanging_classes: [].into(),
        min_area: 0.0,
        is_composite: needs_attendant,
        attended: if needs_attendant { Attended::Required } else { Attended::Any },
        near: None,
        min_count: 1,
    };
    let secs = Duration::from_secs;
    let terms = Terms { dwell: DWELL, gap: secs(8), clear: secs(10), ..Terms::default() };
    let names = ["person", "static"].map(str::to_owned).to_vec();
    let classes = Arc::new(ClassTable { names, association: vec![0, 1], start_confidence: StartConfidence::same(0.3) });
    let rule = EngineRule { id: name("goods"), watch, terms };
    Engine::new(&classes, vec![rule], Memory::default(), IdSource::from_seed(1)).0
}

/// Stages a scene, decodes it, and watches it without any detector: nobody tells the engine who is a person.
fn watch(what: &str, scene: Scene) -> (Vec<(f64, Transition)>, Truth) {
    watch_with(what, scene, false, |_, _| None)
}

/// The same with a detector that sees one person, or nobody.
fn watch_with(
    what: &str,
    scene: Scene,
    needs_attendant: bool,
    person: impl Fn(&Truth, f64) -> Option<BBox>,
) -> (Vec<(f64, Transition)>, Truth) {
    let size = FrameSize::try_new(640, 360).unwrap();
    let scene = scene.with_format(size, FPS);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{}.mp4", what.replace(' ', "-")));
    let truth = render(&scene, &FOOTAGE, &file).unwrap();
    let mut engine = engine(&truth, needs_attendant);
    let numbers: Vec<usize> = (0..scene.frame_count() as usize).collect();
    let mut told = Vec::new();
    for (number, sample) in footage::samples(&file, "I420", &numbers).iter().enumerate() {
        let secs = number as f64 / f64::from(FPS);
        let frame = footage::frame(sample, secs);
        engine.see(&frame);
        let person = person(&truth, secs).map(|bbox| Detection { class: 0, confidence: 0.8, bbox });
        told.extend(engine.analyse(frame.stamp(), person.as_slice()).into_iter().map(|transition| (secs, transition)));
    }
    (told, truth)
}

fn street(minutes: u64) -> Scene {
    Scene::quiet(Duration::from_mins(minutes))
}

#[test]
fn goods_that_are_left_are_one_incident_by_day_rain_and_in_a_passing_shadow() {
    let (from, to) = (Duration::from_secs(40), Duration::from_secs(150));
    let shadow = Shadow { from: Duration::from_secs(20), to: Duration::from_secs(170) };
    for (what, weather) in [
        ("day", Weather::default()),
        ("rain", Weather { rain: 1.0, ..Weather::default() }),
        ("a swaying pole", Weather { shake: 1.5, ..Weather::default() }),
        ("a passing shadow", Weather { shadow: Some(shadow), ..Weather::default() }),
    ] {
        let (told, truth) = watch(&format!("goods by {what}"), Scene { weather, ..street(3).with_goods(from, to) });
        let phases: Vec<_> = told.iter().map(|(secs, transition)| (*secs, transition.phase)).collect();
        let [(opened_at, Phase::Opened), (closed_at, Phase::Closed)] = phases[..] else {
            panic!("{what}: {phases:?}");
        };
        let late = opened_at - (from + DWELL).as_secs_f64();
        assert!((-3.0..=6.0).contains(&late), "{what}: opened {late} s after the dwell");
        let late = closed_at - to.as_secs_f64();
        assert!((10.0..=30.0).contains(&late), "{what}: closed after {late} s");
        let place = told[0].1.incident.bbox;
        assert!(place.iou(&truth.things[0].bbox) > 0.4, "{what}: {place:?} for {:?}", truth.things[0].bbox);
        assert_eq!(told[0].1.incident.objects[0].class, "static");
    }
}

#[test]
fn a_street_on_which_nothing_is_left_has_no_incident() {
    let shadow = Shadow { from: Duration::from_secs(20), to: Duration::from_secs(175) };
    let night = |infrared_at: Option<u64>| {
        let (from, dusk) = (Duration::from_secs(40), Duration::from_mins(1));
        Some(Night { from, dusk, infrared_at: infrared_at.map(Duration::from_secs) })
    };
    for (what, weather) in [
        ("day", Weather::default()),
        ("a slow shadow", Weather { shadow: Some(shadow), ..Weather::default() }),
        ("rain", Weather { rain: 1.0, ..Weather::default() }),
        ("nightfall", Weather { night: night(None), ..Weather::default() }),
        ("infrared", Weather { night: night(Some(110)), ..Weather::default() }),
        ("a swaying pole", Weather { shake: 2.0, ..Weather::default() }),
    ] {
        let (told, _) = watch(what, Scene { weather, ..street(3) });
        assert!(told.is_empty(), "{what}: {told:?}");
    }
}

#[test]
fn what_stood_there_from_the_beginning_and_leaves_is_no_incident() {
    let leaves = Duration::from_mins(1);
    let van = Appearance::between(Duration::ZERO, leaves);
    for (what, scene) in [
        ("van leaves", Scene { van: Some(van), fire_lane: true, ..street(3) }),
        ("goods leave", street(3).with_goods(Duration::ZERO, leaves)),
    ] {
        let (told, _) = watch(what, scene);
        assert!(told.is_empty(), "{what}: {told:?}");
    }
}

#[test]
fn a_stall_that_no_detector_knows_is_one_incident_if_someone_attends_it() {
    let (from, to) = (30.0, 120.0);
    let stall = || street(3).with_stall(Duration::from_secs_f64(from), Duration::from_secs_f64(to));
    // Seen two times of three, as by night.
    let attendant = |truth: &Truth, secs: f64| {
        let is_seen = (from..to).contains(&secs) && !((secs * f64::from(FPS)) as u64).is_multiple_of(3);
        is_seen.then(|| truth.things[0].objects[1].bbox)
    };
    let (told, truth) = watch_with("attended stall", stall(), true, attendant);
    let phases: Vec<_> = told.iter().map(|(secs, transition)| (*secs, transition.phase)).collect();
    assert!(matches!(phases[..], [(_, Phase::Opened), (_, Phase::Closed)]), "{phases:?}");
    let (found, person) = (told[0].1.incident.bbox, truth.things[0].objects[1].bbox);
    assert!(found.iou(&truth.things[0].bbox) > 0.3, "{found:?}");
    assert!(found.intersection(&person) < 0.7 * person.area(), "the attendant is no part of it: {found:?}");
    let (told, _) = watch_with("stall alone", stall(), true, |_, _| None);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn goods_stay_one_incident_through_nightfall() {
    let night = Night { from: Duration::from_secs(110), dusk: Duration::from_mins(1), infrared_at: None };
    let weather = Weather { night: Some(night), ..Weather::default() };
    let goods = street(5).with_goods(Duration::from_secs(30), Duration::from_secs(260));
    let (told, _) = watch("goods by nightfall", Scene { weather, ..goods });
    let phases: Vec<_> = told.iter().map(|(secs, transition)| (*secs, transition.phase)).collect();
    assert!(matches!(phases[..], [(_, Phase::Opened), (at, Phase::Closed)] if at > 265.0), "{phases:?}");
}
