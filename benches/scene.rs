//! CPU time of looking for static objects in a 1080p frame: sampling, both backgrounds, and the review of the regions once a second.
//!
//! A staged busy street in which goods are left; the whole picture is a zone, which is the most that can be watched. Prints the median of
//! the rounds and adds `static_objects_per_frame` to `target/bench.json`: `{value, unit, floor, ratio}`, where the floor is the bar.

use curbwatch::clock::{ClockQuality, MediaTime, Mono};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::geometry::Polygon;
use curbwatch::install;
use curbwatch::scene::Statics;
use curbwatch::stage::{Composer, Footage, FrameSize, Scene};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Most that a frame may cost, in CPU-ms.
const BAR: f64 = 1.5;
const ROUNDS: usize = 7;
/// Frames of the street, shown again and again at this pace for so many frames a round.
const FRAMES: u64 = 24;
const STEP: Duration = Duration::from_millis(250);
const SHOWN: usize = 240;

fn main() {
    let footage = Footage::load(&install::footage("vtest.avi").expect("make setup")).expect("the footage is whole");
    let frames = street(&footage);
    let whole = Polygon::try_new(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).expect("a rectangle");
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| per_frame(&frames, &whole)).collect();
    rounds.sort_by(f64::total_cmp);
    let value = rounds[ROUNDS / 2];
    println!("static objects: {value:.2} CPU-ms per 1080p frame, bar {BAR} (rounds {rounds:.2?})");
    let file = std::env::current_exe().ok().and_then(|exe| Some(exe.ancestors().nth(3)?.join("bench.json")));
    let file = file.expect("the bench lies in target/release/deps");
    let known = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut report: Map<String, Value> = known.unwrap_or_default();
    let figure = json!({"value": value, "unit": "cpu_ms_per_frame", "floor": BAR, "ratio": value / BAR});
    report.insert("static_objects_per_frame".to_owned(), figure);
    std::fs::write(&file, serde_json::to_vec_pretty(&report).expect("plain JSON")).expect("target/ is writable");
}

fn per_frame(frames: &[Frame], zone: &Polygon) -> f64 {
    let mut statics = Statics::new(vec![zone.clone()]);
    let began = thread_cpu_ms();
    for frame in frames.iter().cycle().take(SHOWN) {
        statics.see(frame);
        std::hint::black_box(statics.advance(Some(STEP), std::iter::empty()));
    }
    (thread_cpu_ms() - began) / SHOWN as f64
}

fn street(footage: &Footage) -> Vec<Frame> {
    let (width, height) = (1920_u32, 1080_u32);
    let size = FrameSize::try_new(width, height).expect("a size that can be staged");
    let scene = Scene::quiet(Duration::from_mins(1)).with_goods(Duration::from_secs(3), Duration::from_secs(50));
    let mut composer = Composer::try_new(&scene.with_format(size, 4), footage).expect("a scene");
    let (columns, rows) = (width as usize, height as usize);
    let layout = FrameLayout {
        width,
        height,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [columns, columns / 2, columns / 2],
    };
    let stamp = FrameStamp {
        media: MediaTime(Duration::ZERO),
        mono: Mono(Duration::ZERO),
        wall: jiff::Timestamp::UNIX_EPOCH,
        clock_quality: ClockQuality::Arrival,
        clock_offset: None,
        segment: 0,
    };
    let frame = |index: u64| {
        let mut bytes = vec![0; composer.frame_bytes()];
        composer.compose(index, &mut bytes);
        let chroma = bytes.split_off(columns * rows);
        let (blue, red) = chroma.split_at(columns * rows / 4);
        Frame::try_from_planes(layout, stamp, [bytes, blue.to_vec(), red.to_vec()]).expect("whole planes")
    };
    (0..FRAMES).map(frame).collect()
}

fn thread_cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
