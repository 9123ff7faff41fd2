//! Picture health and the change gate on the staged street: no false alarm by night, at the infrared switch and in rain;
//! every true trouble told.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/footage.rs"]
#[expect(dead_code, reason = "this binary needs stamps only")]
mod footage;

use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, PixelFormat};
use curbwatch::geometry::Polygon;
use curbwatch::picture::{Gate, Health, Limits, LumaSample, PictureState};
use curbwatch::stage::{Composer, Footage, FrameSize, Night, Scene, Weather};
use std::sync::LazyLock;
use std::time::Duration;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
/// Frames a second that are judged.
const FPS: u32 = 2;

static FOOTAGE: LazyLock<Footage> = LazyLock::new(|| {
    let path = curbwatch::install::footage("vtest.avi").expect("`make setup` installs the footage");
    Footage::load(&path).expect("the footage is whole")
});

/// A street by this weather, frame by frame.
struct Street {
    composer: Composer<'static>,
    pixels: Vec<u8>,
    sample: LumaSample,
}

impl Street {
    fn new(scene: Scene) -> Self {
        let size = FrameSize::try_new(WIDTH as u32, HEIGHT as u32).unwrap();
        let composer = Composer::try_new(&scene.with_format(size, FPS), &FOOTAGE).unwrap();
        Self { pixels: vec![0; composer.frame_bytes()], composer, sample: LumaSample::new() }
    }

    fn in_weather(weather: Weather) -> Self {
        Self::new(Scene { weather, ..Scene::quiet(Duration::from_mins(5)) })
    }

    /// The sample of a frame, after `spoil` has had its luma.
    fn at(&mut self, index: u32, spoil: impl Fn(&mut [u8])) -> &LumaSample {
        self.composer.compose(u64::from(index), &mut self.pixels);
        let (luma, chroma) = self.pixels.split_at(WIDTH * HEIGHT);
        let (blue, red) = chroma.split_at(WIDTH * HEIGHT / 4);
        let mut luma = luma.to_vec();
        spoil(&mut luma);
        let layout = FrameLayout {
            width: WIDTH as u32,
            height: HEIGHT as u32,
            format: PixelFormat::I420,
            matrix: ColorMatrix::Bt601,
            range: ColorRange::Limited,
            strides: [WIDTH, WIDTH / 2, WIDTH / 2],
        };
        let stamp = footage::stamp(secs(index));
        let frame = Frame::try_from_planes(layout, stamp, [luma, blue.to_vec(), red.to_vec()]).unwrap();
        self.sample.take(&frame);
        &self.sample
    }
}

fn secs(index: u32) -> f64 {
    f64::from(index) / f64::from(FPS)
}

/// The states told over `length` seconds, of which those from 60 to 120 are spoilt.
fn states(weather: Weather, length: u32, spoil: impl Fn(&mut [u8])) -> Vec<PictureState> {
    let mut street = Street::in_weather(weather);
    let mut health = Health::new(Limits::default());
    let mut told = Vec::new();
    for index in 0..length * FPS {
        let is_spoilt = (60 * FPS..120 * FPS).contains(&index);
        let sample = street.at(index, |luma| {
            if is_spoilt {
                spoil(luma);
            }
        });
        told.extend(health.observe(&footage::stamp(secs(index)), sample, 0).map(|change| change.state));
    }
    told
}

fn night(infrared_at: Option<u64>) -> Weather {
    let night = Night {
        from: Duration::from_mins(1),
        dusk: Duration::from_secs(40),
        infrared_at: infrared_at.map(Duration::from_secs),
    };
    Weather { night: Some(night), ..Weather::default() }
}

#[test]
fn a_day_a_night_an_infrared_switch_and_rain_raise_nothing() {
    for (what, weather) in [
        ("day", Weather::default()),
        ("night", night(None)),
        ("infrared", night(Some(110))),
        ("rain", Weather { rain: 1.0, ..Weather::default() }),
        ("rain by night", Weather { rain: 0.7, ..night(None) }),
        ("a swaying pole", Weather { shake: 2.0, ..Weather::default() }),
    ] {
        assert_eq!(states(weather, 160, |_| ()), [], "{what}");
    }
}

#[test]
fn every_trouble_is_told_and_ends() {
    use PictureState::{Blurred, Bright, Covered, Moved, Ok};
    let day = Weather::default();
    assert_eq!(states(day, 150, |luma| luma.fill(17)), [Covered, Ok], "a black bag");
    assert_eq!(states(day, 150, |luma| luma.iter_mut().for_each(|l| *l = 80 + *l / 32)), [Covered, Ok], "a cloth");
    assert_eq!(
        states(day, 150, |luma| luma.iter_mut().for_each(|l| *l = l.saturating_add(200).min(235))),
        [Bright, Ok]
    );
    assert_eq!(states(day, 150, |luma| shift(luma, 40, 0)), [Moved, Ok], "turned by a sixteenth");
    assert_eq!(states(day, 150, <[u8]>::reverse), [Moved, Ok], "another view");
    assert_eq!(states(day, 150, |luma| blur(luma, 5)), [Blurred, Ok]);
}

/// Turns the camera; edges are repeated.
fn shift(luma: &mut [u8], across: usize, down: usize) {
    let before = luma.to_vec();
    for (index, target) in luma.iter_mut().enumerate() {
        let (row, column) = (index / WIDTH, index % WIDTH);
        *target = before[row.saturating_sub(down) * WIDTH + column.saturating_sub(across)];
    }
}

/// Mean over a square of `2 * radius + 1` pixels, by lines and by columns.
fn blur(luma: &mut [u8], radius: usize) {
    for (length, step) in [(WIDTH, 1), (HEIGHT, WIDTH)] {
        let before = luma.to_vec();
        for (index, target) in luma.iter_mut().enumerate() {
            let position = index / step % length;
            let (from, to) = (position.saturating_sub(radius), (position + radius).min(length - 1));
            let base = index - position * step;
            let sum: usize = (from..=to).map(|at| usize::from(before[base + at * step])).sum();
            *target = (sum / (to - from + 1)) as u8;
        }
    }
}

#[test]
fn an_empty_street_is_hardly_inferred_and_a_stall_is_noticed_at_once() {
    let opens = 60;
    let scene = Scene { pedestrians: false, ..Scene::quiet(Duration::from_mins(2)) };
    let mut street = Street::new(scene.with_stall(Duration::from_secs(opens), Duration::from_secs(110)));
    let zones: Vec<Polygon> =
        street.composer.truth().zones.iter().map(|zone| Polygon::try_new(&zone.polygon).unwrap()).collect();
    let mut gate = Gate::new(&zones, Duration::from_secs(10));
    let opens = opens as u32 * FPS;
    for index in 0..opens {
        let sample = street.at(index, |_| ());
        gate.admit(&footage::stamp(secs(index)), sample, false);
    }
    let counts = gate.counts();
    assert!(counts.unchanged >= u64::from(opens) * 8 / 10, "{counts:?}");
    let noticed = (opens..opens + 3 * FPS).find(|&index| {
        let sample = street.at(index, |_| ());
        gate.admit(&footage::stamp(secs(index)), sample, false) && gate.counts().changed > counts.changed
    });
    assert!(noticed.is_some_and(|index| index <= opens + FPS), "noticed at {noticed:?}, opened at {opens}");
}
