//! A camera that is watched as the driver does it, on synthetic pictures and with a detector that sees what is there.

use super::*;
use crate::camera::{ClassTable, EngineRule};
use crate::detect::Detection;
use crate::geometry::{BBox, Polygon};
use crate::ids::IdSource;
use crate::incident::{Memory, Phase, Terms};
use crate::picture::test_pictures::{HEIGHT, Luma, WIDTH, frame, stamp, tinted};
use crate::scene::{Attended, Watch};
use crate::track::{ByLight, StartConfidence};

const VAN: u16 = 0;
const PERSON: u16 = 1;
/// Seconds from one key frame to the next, and between the frames of an active camera.
const GOP_SECS: f64 = 2.0;
const STEP_SECS: f64 = 0.25;

/// What the camera sees at a second: the picture, and what a detector finds in it.
type Scene<'a> = &'a dyn Fn(f64) -> (Luma, Vec<Detection>);

struct Street {
    station: Station,
    /// Cb and Cr of its pictures.
    tint: [u8; 2],
    /// The next frame's time.
    next_secs: f64,
    told: Vec<(f64, Phase)>,
    first_seen: Vec<f64>,
    news: Vec<PictureState>,
    inferred: u32,
    /// Times at which the camera became active.
    woke: Vec<f64>,
}

fn lane() -> Polygon {
    Polygon::try_new(&[[0.3, 0.4], [1.0, 0.4], [1.0, 1.0], [0.3, 1.0]]).unwrap()
}

impl Street {
    fn new() -> Self {
        Self::starting_from(StartConfidence::same(0.3))
    }

    fn starting_from(start_confidence: StartConfidence) -> Self {
        let watch = Watch {
            zones: vec![(Name::try_new("lane").unwrap(), lane())],
            except: vec![],
            classes: [VAN].into(),
            person_classes: [PERSON].into(),
            hanging_classes: [].into(),
            min_area: 0.0,
            is_composite: false,
            attended: Attended::Any,
            near: None,
            min_count: 1,
        };
        let secs = Duration::from_secs;
        let terms = Terms { dwell: secs(20), gap: secs(8), clear: secs(10), ..Terms::default() };
        let rule = EngineRule { id: Name::try_new("lane-blocked").unwrap(), watch, terms };
        let names = ["van", "person"].map(str::to_owned).to_vec();
        let classes = Arc::new(ClassTable { names, association: vec![VAN, PERSON], start_confidence });
        let engine = Engine::new(&classes, vec![rule], Memory::default(), IdSource::from_seed(1)).0;
        let view = View { zones: vec![lane()], idles_at_key_frames: true, max_idle: secs(10) };
        Self {
            station: Station::new(engine, &view, Arc::default()),
            tint: [128, 128],
            next_secs: 0.0,
            told: Vec::new(),
            first_seen: Vec::new(),
            news: Vec::new(),
            inferred: 0,
            woke: Vec::new(),
        }
    }

    /// Plays the scene up to a second: key frames while idle, more while active, and what was held when something changed.
    fn play(&mut self, until_secs: f64, scene: Scene) {
        while self.next_secs < until_secs {
            let secs = self.next_secs;
            let wakes = self.see(secs, scene);
            if wakes {
                self.woke.push(secs);
            }
            self.next_secs = match (wakes, self.station.attention()) {
                (true, _) => secs - GOP_SECS,
                (false, Attention::Active) => secs + STEP_SECS,
                (false, Attention::Idle) => (secs / GOP_SECS).floor() * GOP_SECS + GOP_SECS,
            };
        }
    }

    /// Whether the frame wakes the camera.
    fn see(&mut self, secs: f64, scene: Scene) -> bool {
        let (luma, seen) = scene(secs);
        let pixels = luma.noisy(2.0, (secs * 4.0) as u64).pixels;
        let at = stamp(secs);
        let picture = tinted(pixels, WIDTH, HEIGHT, self.tint).stamped(at);
        let (look, news) = self.station.look(&picture, 0);
        self.news.extend(news.map(|news| news.state));
        if matches!(look, Look::Infer | Look::Glance) {
            self.inferred += 1;
            *self.station.detections_mut() = seen;
        }
        let wakes = look == Look::Glance && self.station.wakes(&at);
        if !wakes && matches!(look, Look::Infer | Look::Glance | Look::Unchanged) {
            for transition in self.station.judge(&at) {
                self.told.push((secs, transition.phase));
                let first_seen = transition.incident.first_seen.duration_since(stamp(0.0).wall);
                self.first_seen.push(first_seen.as_secs_f64());
            }
        }
        wakes
    }
}

fn van() -> Detection {
    Detection { class: VAN, confidence: 0.8, bbox: BBox::try_new(0.5, 0.5, 0.7, 0.75).unwrap() }
}

/// The street, with the van in its lane or without.
fn street(has_van: bool) -> (Luma, Vec<Detection>) {
    let mut luma = Luma::street(3);
    if !has_van {
        return (luma, vec![]);
    }
    luma.fill(320, 180, 128, 90, 225);
    luma.fill(335, 190, 40, 30, 60);
    (luma, vec![van()])
}

/// The street with someone who walks along the lane, a place per second.
fn with_walker(street: (Luma, Vec<Detection>), secs: f64) -> (Luma, Vec<Detection>) {
    let (mut luma, mut seen) = street;
    let x = 200.0 + 20.0 * (secs % 20.0);
    luma.fill(x as usize, 290, 20, 50, 235);
    let at = |x: f64| (x / WIDTH as f64) as f32;
    seen.push(Detection {
        class: PERSON,
        confidence: 0.9,
        bbox: BBox::try_new(at(x), 0.8, at(x + 20.0), 0.94).unwrap(),
    });
    (luma, seen)
}

fn near(found: f64, expected: f64, within: f64) -> bool {
    (found - expected).abs() <= within
}

#[test]
fn an_unchanged_empty_street_reports_nothing_and_costs_next_to_nothing() {
    let mut watched = Street::new();
    watched.play(120.0, &|_| street(false));
    assert_eq!((&watched.told[..], &watched.woke[..]), (&[][..], &[][..]));
    assert!((12..=14).contains(&watched.inferred), "inferred {} times in 120 s", watched.inferred);
    assert_eq!(watched.news, [PictureState::Ok], "told once");
}

#[test]
fn a_van_that_parks_in_a_gated_scene_opens_and_closes_at_the_right_time() {
    let mut watched = Street::new();
    // It comes between two key frames.
    watched.play(40.0, &|secs| street(secs >= 30.5));
    assert_eq!(watched.woke, [32.0], "noticed at the first key frame that shows it");
    watched.play(60.0, &|_| street(true));
    assert!(matches!(watched.told[..], [(at, Phase::Opened)] if near(at, 50.5, 0.5)), "{:?}", watched.told);
    assert!(near(watched.first_seen[0], 30.5, 0.3), "seen from its arrival on: {:?}", watched.first_seen);
    let inferred = watched.inferred;
    watched.play(240.0, &|_| street(true));
    assert_eq!(watched.told.len(), 1, "it stands there");
    assert!((17..=20).contains(&(watched.inferred - inferred)), "{} in 180 s", watched.inferred - inferred);
    watched.play(270.0, &|secs| street(secs < 241.0));
    assert!(matches!(watched.told[1..], [(at, Phase::Closed)] if near(at, 251.0, 0.6)), "{:?}", watched.told);
    assert_eq!(watched.station.attention(), Attention::Idle);
}

#[test]
fn passers_by_do_not_wake_a_camera() {
    let mut watched = Street::new();
    let walked = |secs: f64, has_van: bool| match secs {
        20.0..40.0 | 90.0..110.0 => with_walker(street(has_van), secs),
        _ => street(has_van),
    };
    watched.play(60.0, &|secs| walked(secs, false));
    assert_eq!(watched.woke, [0.0; 0]);
    assert!((12..=20).contains(&watched.inferred), "the key frames that show someone: {}", watched.inferred);
    // Nor where an incident stands.
    watched.play(90.0, &|secs| walked(secs, true));
    assert!(matches!(watched.told[..], [(at, Phase::Opened)] if near(at, 80.0, 2.5)), "{:?}", watched.told);
    let woke = watched.woke.clone();
    watched.play(120.0, &|secs| walked(secs, true));
    assert_eq!((watched.woke, watched.told.len()), (woke, 1));
}

#[test]
fn a_van_among_passers_by_is_seen_from_its_arrival_on() {
    let mut watched = Street::new();
    watched.play(60.0, &|secs| with_walker(street(secs >= 30.5), secs));
    assert_eq!(watched.woke, [32.0]);
    assert!(matches!(watched.told[..], [(at, Phase::Opened)] if near(at, 50.5, 0.5)), "{:?}", watched.told);
    assert!(near(watched.first_seen[0], 30.5, 0.3), "{:?}", watched.first_seen);
}

#[test]
fn a_van_that_is_missed_or_faint_when_it_comes_is_looked_for_again() {
    let mut watched = Street::new();
    let faint = Detection { confidence: 0.12, ..van() };
    watched.play(60.0, &|secs| match secs {
        30.5..33.9 => (street(true).0, vec![]),
        33.9..34.2 => (street(true).0, vec![faint]),
        _ => street(secs >= 30.5),
    });
    assert_eq!(watched.woke, [34.0]);
    assert!(matches!(watched.told[..], [(at, Phase::Opened)] if near(at, 54.2, 0.6)), "{:?}", watched.told);
}

#[test]
fn a_doubtful_van_counts_by_day_and_not_by_night() {
    let general = ByLight { day: 0.3, night: 0.6 };
    for (tint, is_night) in [([110, 150], false), ([128, 128], true)] {
        let mut watched = Street::starting_from(StartConfidence::new(general, BTreeMap::new()));
        watched.tint = tint;
        let doubtful = |secs: f64| (street(secs >= 30.5).0, vec![Detection { confidence: 0.45, ..van() }]);
        watched.play(70.0, &|secs| if secs >= 30.5 { doubtful(secs) } else { street(false) });
        assert_eq!(watched.told.is_empty(), is_night, "{:?}", watched.told);
        // What is sure counts by night too.
        watched.play(140.0, &|_| street(true));
        assert_eq!(watched.told.len(), 1, "{:?}", watched.told);
    }
}

#[test]
fn what_the_gate_missed_is_found_by_the_regular_look() {
    // A van like the road at night: the picture does not change.
    let mut watched = Street::new();
    watched.play(70.0, &|secs| (Luma::street(3), if secs >= 30.5 { vec![van()] } else { vec![] }));
    assert!(matches!(watched.told[..], [(at, Phase::Opened)] if (50.5..=61.0).contains(&at)), "{:?}", watched.told);
}

#[test]
fn while_the_camera_looks_elsewhere_its_rules_rest() {
    let mut watched = Street::new();
    watched.play(80.0, &|secs| street(secs >= 40.0));
    assert_eq!(watched.told.len(), 1);
    // Nothing is in the lane that the zone is now drawn over.
    let view = |secs: f64| match secs {
        80.0..160.0 => (street(true).0.moved(90, 0), vec![]),
        _ => street(secs < 200.0),
    };
    watched.play(160.0, &view);
    assert_eq!(watched.told.len(), 1, "what is not seen is not gone");
    assert_eq!(watched.news, [PictureState::Ok, PictureState::Moved]);
    watched.play(200.0, &view);
    assert_eq!(watched.told.len(), 1);
    assert_eq!(watched.news, [PictureState::Ok, PictureState::Moved, PictureState::Ok]);
    watched.play(230.0, &view);
    assert!(matches!(watched.told[1..], [(at, Phase::Closed)] if near(at, 210.0, 0.5)), "{:?}", watched.told);
}

#[test]
fn a_frame_that_could_not_be_inferred_is_made_up_for_by_the_next() {
    let mut station = Street::new().station;
    assert_eq!(station_look(&mut station, 0.0), Look::Glance);
    station.fail();
    assert_eq!(station_look(&mut station, 2.0), Look::Glance, "though nothing has changed");
    station.judge(&stamp(2.0));
    assert_eq!(station_look(&mut station, 4.0), Look::Unchanged);
}

#[test]
fn whom_the_last_second_or_the_frame_before_showed_is_hidden_and_nobody_from_longer_ago() {
    let walker = || with_walker(street(false), 3.0).1;
    let hidden = |interval: f64| -> Vec<usize> {
        let mut station = Street::new().station;
        station.sensitive = Arc::new([(PERSON, SensitiveKind::Person)].into());
        let hidden_at = |index: u32| {
            *station.detections_mut() = if index == 0 { walker() } else { Vec::new() };
            station.judge(&stamp(f64::from(index) * interval));
            station.sensitive().len()
        };
        (0..5).map(hidden_at).collect()
    };
    assert_eq!(hidden(0.4), [1, 1, 1, 0, 0]);
    assert_eq!(hidden(5.0), [1, 1, 0, 0, 0]);
}

fn station_look(station: &mut Station, secs: f64) -> Look {
    let picture = frame(Luma::street(3).noisy(2.0, secs as u64).pixels, WIDTH, HEIGHT).stamped(stamp(secs));
    station.look(&picture, 0).0
}
