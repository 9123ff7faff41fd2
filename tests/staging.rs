//! A staged street shows exactly what its truth says, is the same every time, and says that it is staged.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use curbwatch::config::RuleKind;
use curbwatch::geometry::{BBox, Point, Polygon};
use curbwatch::stage::{
    Appearance, Codec, Composer, Figure, Footage, FootageError, FrameSize, Prop, Scene, StageError, Truth, Waypoint,
    Weather, render, truth_path,
};
use gstreamer::prelude::*;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

const SIZE: (u32, u32) = (320, 240);

fn footage() -> &'static Footage {
    static FOOTAGE: OnceLock<Footage> = OnceLock::new();
    FOOTAGE.get_or_init(|| {
        let installed = curbwatch::install::footage("vtest.avi").expect("`make setup` installs the footage");
        Footage::load(&installed).unwrap()
    })
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Ten seconds, small and slow, with a stall from 2 to 5 s and a van from 4 to 7 s.
fn scene() -> Scene {
    Scene::quiet(secs(10.0))
        .with_stall(secs(2.0), secs(5.0))
        .with_van(secs(4.0), secs(7.0))
        .with_format(FrameSize::try_new(SIZE.0, SIZE.1).unwrap(), 10)
}

/// Nobody and nothing moves but the actors.
fn still(scene: &Scene) -> Scene {
    Scene { pedestrians: false, weather: Weather::none(), ..scene.clone() }
}

fn frame(scene: &Scene, index: u64) -> Vec<u8> {
    let mut composer = Composer::try_new(scene, footage()).unwrap();
    let mut frame = vec![0; composer.frame_bytes()];
    composer.compose(index, &mut frame);
    frame
}

fn truth(scene: &Scene) -> Truth {
    Composer::try_new(scene, footage()).unwrap().truth()
}

/// Share of the luma samples inside the box that differ by more than 8 steps.
fn changed(a: &[u8], b: &[u8], inside: &BBox) -> f64 {
    let (width, height) = (SIZE.0 as f32, SIZE.1 as f32);
    let (mut all, mut different) = (0, 0);
    for y in (inside.top() * height) as usize..(inside.bottom() * height) as usize {
        for x in (inside.left() * width) as usize..(inside.right() * width) as usize {
            let at = y * SIZE.0 as usize + x;
            all += 1;
            different += usize::from(a[at].abs_diff(b[at]) > 8);
        }
    }
    different as f64 / f64::from(all)
}

#[test]
fn the_same_scene_gives_the_same_frames_and_another_seed_gives_others() {
    let hash = |scene: &Scene| {
        let mut composer = Composer::try_new(scene, footage()).unwrap();
        let mut frame = vec![0; composer.frame_bytes()];
        let mut hash = Sha256::new();
        for index in [0, 1, 25, 45, 99] {
            composer.compose(index, &mut frame);
            hash.update(&frame);
        }
        hash.finalize()
    };
    assert_eq!(hash(&scene()), hash(&scene()));
    assert_ne!(hash(&scene()), hash(&scene().with_seed(2)));
    // Frames do not depend on those composed before them.
    let mut composer = Composer::try_new(&scene(), footage()).unwrap();
    let mut late = vec![0; composer.frame_bytes()];
    composer.compose(3, &mut late);
    composer.compose(45, &mut late);
    assert_eq!(late, frame(&scene(), 45));
}

#[test]
fn things_are_drawn_where_and_exactly_when_the_truth_says() {
    let scene = still(&scene());
    let nothing = Scene { stall: None, van: None, ..scene.clone() };
    let things = truth(&scene).things;
    let stall = things.iter().find(|thing| thing.kind == RuleKind::StreetVending).unwrap();
    assert_eq!((stall.from_secs, stall.to_secs), (2.0, 5.0));
    for object in &stall.objects {
        for (index, there) in [(0, false), (19, false), (20, true), (35, true), (49, true), (50, false), (99, false)] {
            let share = changed(&frame(&scene, index), &frame(&nothing, index), &object.bbox);
            assert_eq!(share > 0.05, there, "{:?} in frame {index}: {share} of its samples differ", object.classes);
        }
    }
}

#[test]
fn the_van_drives_up_and_stands_still_exactly_while_the_truth_says() {
    let scene = still(&Scene { stall: None, ..scene() });
    let nothing = Scene { van: None, ..scene.clone() };
    let van = &truth(&scene).things[0];
    assert_eq!((van.kind, van.from_secs, van.to_secs), (RuleKind::FireLaneBlocked, 4.0, 7.0));
    let [empty, standing] = [frame(&nothing, 0), frame(&scene, 55)];
    assert!(changed(&standing, &empty, &van.bbox) > 0.3);
    for (index, stands) in [(32, false), (40, true), (69, true), (78, false)] {
        assert_eq!(frame(&scene, index) == standing, stands, "frame {index}");
    }
    // A second and a half before and after, nothing of it is left.
    for index in [0, 24, 86, 99] {
        assert_eq!(frame(&scene, index), empty, "frame {index}");
    }
}

#[test]
fn what_the_truth_encloses_is_what_was_drawn() {
    let scene = still(&Scene { stall: None, ..scene() });
    let nothing = Scene { van: None, ..scene.clone() };
    let drawn = {
        let (with, without) = (frame(&scene, 55), frame(&nothing, 55));
        let places = (0..(SIZE.0 * SIZE.1) as usize).filter(|&at| with[at].abs_diff(without[at]) > 24);
        let ends = places.fold([1.0_f32, 1.0, 0.0, 0.0], |[l, t, r, b], at| {
            let (x, y) = ((at % SIZE.0 as usize) as f32 / SIZE.0 as f32, (at / SIZE.0 as usize) as f32 / SIZE.1 as f32);
            [l.min(x), t.min(y), r.max(x), b.max(y)]
        });
        BBox::try_from(ends).unwrap()
    };
    let stated = truth(&scene).things[0].bbox;
    assert!(stated.iou(&drawn) > 0.8, "the truth says {stated:?}, drawn was {drawn:?}");
}

#[test]
fn things_stand_in_their_zones() {
    let truth = truth(&scene());
    let zone = |id: &str| {
        let zone = truth.zones.iter().find(|zone| zone.id == id).unwrap();
        Polygon::try_new(&zone.polygon).unwrap()
    };
    for thing in &truth.things {
        let id = if thing.kind == RuleKind::FireLaneBlocked { "fire-lane" } else { "carriageway" };
        for object in &thing.objects {
            let anchor = object.bbox.bottom_center();
            assert!(zone(id).contains(anchor), "{:?} stands at {anchor:?}, outside {id}", object.classes);
        }
    }
}

#[test]
fn a_thing_stands_where_it_is_told_to() {
    let at = Point { x: 0.4, y: 0.5 };
    let mut moved = scene();
    moved.van = Some(Appearance { at: Some(at), ..Appearance::between(secs(1.0), secs(2.0)) });
    let bbox = truth(&moved).things.iter().find(|thing| thing.id == "van").unwrap().bbox;
    let anchor = bbox.bottom_center();
    assert!((anchor.x - at.x).abs() < 0.02 && (anchor.y - at.y).abs() < 0.02, "it stands at {anchor:?}");
}

#[test]
fn props_are_drawn_where_and_while_their_way_says() {
    let nothing = still(&Scene { stall: None, van: None, ..scene() });
    let empty = frame(&nothing, 0);
    let things = [
        (Figure::Crates, Some(RuleKind::PiledGoods)),
        (Figure::Bags, Some(RuleKind::ExposedWaste)),
        (Figure::Rubble, Some(RuleKind::AccumulatedDebris)),
        (Figure::RoadWorks, Some(RuleKind::RoadWorksOccupation)),
        (Figure::Laundry, Some(RuleKind::StreetDrying)),
        (Figure::Grill, Some(RuleKind::OpenAirBarbecue)),
        (Figure::Bicycle, Some(RuleKind::BicycleParking)),
        (Figure::Person, None),
        (Figure::UmbrellaCarrier, None),
        (Figure::Bus, None),
        (Figure::Lorry, None),
        (Figure::Sweeper, None),
    ];
    for (figure, kind) in things {
        let place = |x: f32| Point { x, y: 0.6 };
        let stands = nothing.clone().with(Prop::standing(figure, secs(2.0), secs(5.0), place(0.5)));
        let told = truth(&stands).things;
        assert_eq!(told.first().map(|thing| thing.kind), kind, "{figure:?}");
        // What is no thing is looked for around its foot.
        let around = BBox::try_new(0.45, 0.45, 0.55, 0.6).unwrap();
        let bbox = told.first().map_or(around, |thing| thing.bbox);
        for (index, there) in [(19, false), (25, true), (45, true), (50, false)] {
            assert_eq!(changed(&frame(&stands, index), &empty, &bbox) > 0.15, there, "{figure:?} in frame {index}");
        }
        let way = [(2.0, 0.2), (4.0, 0.8)].map(|(at, x)| Waypoint { at: secs(at), place: place(x) }).to_vec();
        let passes = nothing.clone().with(Prop { figure, way });
        let middle = changed(&frame(&passes, 30), &empty, &around);
        assert!(middle > 0.15, "{figure:?} passes the middle half-way: {middle}");
    }
}

#[test]
fn haze_takes_contrast_leaves_fly_and_headlights_shine() {
    let clear = still(&Scene { stall: None, van: None, ..scene() });
    let everywhere = BBox::try_new(0.0, 0.0, 1.0, 1.0).unwrap();
    let seen = |weather: Weather, index| frame(&Scene { weather, ..clear.clone() }, index);
    // A row without the label, which is burnt in after the weather.
    let spread = |frame: Vec<u8>| {
        let row = &frame[(100 * SIZE.0) as usize..][..SIZE.0 as usize];
        row.iter().max().unwrap() - row.iter().min().unwrap()
    };
    assert!(2 * spread(seen(Weather { haze: 0.6, ..Weather::none() }, 0)) < spread(frame(&clear, 0)));
    let leaves = Weather { leaves: 1.0, ..Weather::none() };
    assert!(changed(&seen(leaves, 0), &frame(&clear, 0), &everywhere) > 0.001);
    assert_ne!(seen(leaves, 0), seen(leaves, 10));
    let lit = Weather { headlights: true, ..Weather::none() };
    assert!(changed(&seen(lit, 15), &frame(&clear, 15), &everywhere) > 0.01, "a car passes");
    assert_eq!(seen(lit, 50), frame(&clear, 50), "none does");
}

#[test]
fn pedestrians_walk() {
    let walking = Scene { weather: Weather::none(), ..Scene::quiet(secs(10.0)) };
    let walking = walking.with_format(FrameSize::try_new(SIZE.0, SIZE.1).unwrap(), 10);
    let everywhere = BBox::try_new(0.0, 0.0, 1.0, 1.0).unwrap();
    let alone = still(&walking);
    assert!(changed(&frame(&walking, 0), &frame(&alone, 0), &everywhere) > 0.01);
    assert!(changed(&frame(&walking, 0), &frame(&walking, 30), &everywhere) > 0.01);
    assert_eq!(frame(&alone, 0), frame(&alone, 30));
}

#[test]
fn every_frame_says_staged() {
    for scene in [scene(), still(&scene())] {
        let mut composer = Composer::try_new(&scene, footage()).unwrap();
        let (columns, rows) = composer.label_extent();
        let mut frame = vec![0; composer.frame_bytes()];
        let mut labels = Vec::new();
        for index in [0, 50, 99] {
            composer.compose(index, &mut frame);
            let label: Vec<u8> =
                rows.clone().flat_map(|y| frame[y * SIZE.0 as usize..][columns.clone()].to_vec()).collect();
            let ink = label.iter().filter(|&&sample| sample > 200).count() as f64 / label.len() as f64;
            assert!((0.15..0.5).contains(&ink), "{ink} of the label is ink");
            labels.push(label);
        }
        assert!(labels.windows(2).all(|pair| pair[0] == pair[1]), "neither light nor noise touches the label");
    }
}

#[test]
fn a_rendered_file_holds_the_scene_and_says_staged() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, coding) in [(Codec::H264, "video/x-h264"), (Codec::H265, "video/x-h265")] {
        let out = folder.path().join("street.mp4");
        let scene = Scene { duration: secs(2.0), gop: 5, codec, ..still(&scene()) };
        let truth = render(&scene, footage(), &out).unwrap();
        assert!(truth.staged);
        let found = discover(&out);
        assert_eq!((found.frames, found.key_frames, found.coding.as_str()), (20, 4, coding));
        assert!(found.title.contains("STAGED"), "the title is {:?}", found.title);
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["street.mp4"], "nothing else is left behind");
    }
}

/// What a demultiplexer finds in a file.
struct Found {
    frames: usize,
    key_frames: usize,
    coding: String,
    title: String,
}

fn discover(file: &Path) -> Found {
    let pipeline = gstreamer::parse::launch("filesrc name=file ! qtdemux ! appsink name=units sync=false").unwrap();
    let pipeline = pipeline.downcast::<gstreamer::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", file);
    let sink = pipeline.by_name("units").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let mut found = Found { frames: 0, key_frames: 0, coding: String::new(), title: String::new() };
    while let Some(sample) = sink.try_pull_sample(gstreamer::ClockTime::from_seconds(10)) {
        found.frames += 1;
        let delta = sample.buffer().unwrap().flags().contains(gstreamer::BufferFlags::DELTA_UNIT);
        found.key_frames += usize::from(!delta);
        found.coding = sample.caps().unwrap().structure(0).unwrap().name().to_string();
    }
    let bus = pipeline.bus().unwrap();
    while let Some(message) = bus.pop_filtered(&[gstreamer::MessageType::Tag]) {
        if let gstreamer::MessageView::Tag(tag) = message.view()
            && let Some(title) = tag.tags().get::<gstreamer::tags::Title>()
        {
            title.get().clone_into(&mut found.title);
        }
    }
    pipeline.set_state(gstreamer::State::Null).unwrap();
    found
}

#[test]
fn the_truth_survives_its_file() {
    let written = truth(&scene());
    let text = serde_json::to_string(&written).unwrap();
    assert!(text.contains("\"staged\":true") && text.contains("\"street_vending\""));
    assert_eq!(serde_json::from_str::<Truth>(&text).unwrap(), written);
    assert_eq!(truth_path(Path::new("a/street.mp4")), Path::new("a/street.mp4.truth.json"));
}

#[test]
fn scenes_that_cannot_be_staged_are_refused_with_their_field() {
    let refused = |scene: Scene| match Composer::try_new(&scene, footage()).map(|_| ()) {
        Err(StageError::Scene { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Scene { fps: 0, ..scene() }), "frame rate");
    assert_eq!(refused(Scene { duration: Duration::ZERO, ..scene() }), "duration");
    assert_eq!(refused(scene().with_stall(secs(3.0), secs(3.0))), "stall");
    assert_eq!(refused(Scene { weather: Weather { light: f32::NAN, ..Weather::none() }, ..scene() }), "light");
    assert!(matches!(FrameSize::try_new(1000, 100), Err(StageError::Size { .. })));
    assert!(matches!(Footage::load(Path::new("/nowhere/vtest.avi")), Err(FootageError::Absent(_))));
    let unwritable = render(&still(&scene()), footage(), Path::new("/nowhere/street.mp4"));
    assert!(matches!(unwritable, Err(StageError::Write { .. })), "{unwritable:?}");
}
