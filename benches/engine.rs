//! CPU time of one camera's engine per frame: tracking, zones, and the course of its rules.
//!
//! A busy street: twelve standing things, six walkers and four rules, one with windows. Bar: 50 µs per frame and camera. Prints the median of rounds and
//! adds to `target/bench.json`.

#[path = "common/measure.rs"]
mod measure;

use curbwatch::camera::{ClassTable, Engine, EngineRule};
use curbwatch::clock::{ClockQuality, MediaTime, Mono};
use curbwatch::detect::Detection;
use curbwatch::frame::FrameStamp;
use curbwatch::geometry::{BBox, Polygon};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::{Memory, Severity, Terms};
use curbwatch::scene::{Attended, Watch};
use curbwatch::schedule::{Calendar, Schedule, Window};
use curbwatch::track::StartConfidence;
use jiff::tz::TimeZone;
use measure::{Bar, Figure, cpu_ms, median, print_table, report};
use std::sync::Arc;
use std::time::Duration;

const PERSON: u16 = 0;
const CAR: u16 = 1;
const UMBRELLA: u16 = 2;
const ROUNDS: usize = 9;
const FRAMES: u32 = 4_000;
/// Frames until everything that stands has been reported.
const WARM_UP: u32 = 400;
const BAR_US: f64 = 50.0;

fn main() {
    let rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    let value = median(&rounds);
    let figure = Figure {
        name: "engine_per_frame".to_owned(),
        unit: "cpu_us_per_frame",
        value,
        floor: BAR_US,
        ratio: value / BAR_US,
        bar: Bar::AtMost(1.0),
    };
    print_table(std::slice::from_ref(&figure));
    report(&[figure]);
}

/// CPU time of a frame in microseconds.
fn round() -> f64 {
    let mut engine = engine();
    let mut open = 0;
    (0..WARM_UP).for_each(|frame| open += engine.analyse(&stamp(frame), &street(frame)).len());
    assert!(open >= 12, "the standing things are reported: {open}");
    let frames: Vec<_> = (WARM_UP..WARM_UP + FRAMES).map(|frame| (stamp(frame), street(frame))).collect();
    let began = cpu_ms();
    let told: usize =
        frames.iter().map(|(stamp, seen)| engine.analyse(stamp, seen).len() + engine.take_memos().len()).sum();
    std::hint::black_box(told);
    (cpu_ms() - began) * 1e3 / f64::from(FRAMES)
}

/// Four frames a second.
fn stamp(frame: u32) -> FrameStamp {
    let time = Duration::from_millis(u64::from(frame) * 250);
    FrameStamp {
        media: MediaTime(time),
        mono: Mono(time),
        wall: jiff::Timestamp::from_second(1_800_000_000).expect("a literal time") + time,
        clock_quality: ClockQuality::Arrival,
        clock_offset: None,
        segment: 0,
    }
}

fn street(frame: u32) -> Vec<Detection> {
    let seen = |class, cx: f32, cy: f32, height| Detection {
        class,
        confidence: 0.8,
        bbox: BBox::try_from_center(cx, cy, 0.06, height).expect("in the frame"),
    };
    // A detector's noise of a few thousandths.
    let noise = |thing: u32| ((frame * 7 + thing * 13) % 11) as f32 * 0.0004;
    let standing = (0..12u32).map(|thing| {
        let class = if thing.is_multiple_of(2) { CAR } else { UMBRELLA };
        seen(class, 0.05 + 0.08 * thing as f32 + noise(thing), 0.6, 0.1)
    });
    let walking = (0..6u32).map(|thing| {
        let x = (frame as f32 * 0.004 + thing as f32 * 0.16) % 1.0;
        seen(PERSON, x, 0.75, 0.2)
    });
    standing.chain(walking).collect()
}

fn engine() -> Engine {
    let classes = ClassTable {
        names: ["person", "car", "umbrella", "static"].map(str::to_owned).to_vec(),
        association: vec![0, 1, 2, 3],
        start_confidence: StartConfidence::same(0.3),
    };
    let rules = vec![
        rule("vending", UMBRELLA, Attended::Any, Schedule::default()),
        rule("attended", UMBRELLA, Attended::Required, Schedule::default()),
        rule("parking", CAR, Attended::Any, Schedule::default()),
        rule("by-night", CAR, Attended::Any, windows()),
    ];
    Engine::new(&Arc::new(classes), rules, Memory::default(), IdSource::from_seed(1)).0
}

fn windows() -> Schedule {
    let time_zone = TimeZone::get("Asia/Shanghai").expect("a zone of the bundled database");
    let hours = |text: &str| Window { hours: Some(text.parse().expect("literal hours")), ..Window::default() };
    let permitted = vec![hours("02:00-03:00"), hours("23:00-01:00")];
    Schedule::new(Arc::new(Calendar { time_zone, holidays: vec![] }), permitted, vec![])
}

fn rule(id: &str, class: u16, attended: Attended, schedule: Schedule) -> EngineRule {
    let name = |text: &str| Name::try_new(text).expect("a literal name");
    let zone = |left: f32| {
        Polygon::try_new(&[[left, 0.3], [left + 0.5, 0.3], [left + 0.5, 1.0], [left, 1.0]]).expect("a rectangle")
    };
    let secs = Duration::from_secs;
    EngineRule {
        id: name(id),
        watch: Watch {
            zones: vec![(name("left"), zone(0.0)), (name("right"), zone(0.5))],
            except: vec![],
            classes: [class].into(),
            person_classes: [PERSON].into(),
            hanging_classes: [].into(),
            min_area: 0.001,
            is_composite: class == UMBRELLA,
            attended,
            near: None,
            min_count: 1,
        },
        terms: Terms {
            dwell: secs(30),
            gap: secs(8),
            clear: secs(10),
            merge: secs(600),
            schedule,
            escalate: vec![(secs(120), Severity::High)],
            ..Terms::default()
        },
    }
}
