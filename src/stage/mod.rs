//! The staged street: footage with known truth, composed from real footage.
//!
//! In: a [`Scene`] and the [`Footage`] it is composed from. Out: an MP4 file of any length in constant memory, and its
//! [`Truth`]. The same scene gives the same frames, sample by sample; two encoders may differ.
//!
//! The street is the static background of the footage; its real pedestrians keep walking through. [Actors](actors) are laid
//! over it in the order in which they stand, farthest first; then come [light, noise and shake](weather), and a label that says
//! STAGED, in every frame. Only for demonstrations, tests and benchmarks: must never be an input of a production site.

use crate::geometry::Point;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub mod actors;
mod canvas;
mod compose;
mod encode;
mod footage;
mod label;
mod pedestrians;
mod weather;

pub use crate::evaluate::truth::{Thing, ThingObject, Truth, TruthZone};
pub use actors::prop::{Figure, Prop, Waypoint};
pub use compose::Composer;
pub use footage::{Footage, FootageError};
pub use weather::{Night, Shadow, Weather};

/// Width and height of the output in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSize {
    width: u32,
    height: u32,
}

impl FrameSize {
    /// Takes what encoders, detectors and the street can stand: 160x120 to 1920x1080, a width that 8 and a height that 2
    /// divides, a shape between 5:4 and 16:9 (a little more for rounding).
    pub fn try_new(width: u32, height: u32) -> Result<Self, StageError> {
        let shape = f64::from(width) / f64::from(height.max(1));
        let sized = (160..=1920).contains(&width) && (120..=1080).contains(&height);
        let divided = width.is_multiple_of(8) && height.is_multiple_of(2);
        if sized && divided && (1.2..=1.8).contains(&shape) {
            Ok(Self { width, height })
        } else {
            Err(StageError::Size { width, height })
        }
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(self) -> u32 {
        self.height
    }
}

/// How the video is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Codec {
    /// H.264 (ISO/IEC 14496-10).
    #[default]
    H264,
    /// H.265 (ISO/IEC 23008-2).
    H265,
}

/// When and where something is in the street.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance {
    /// Since the beginning of the video.
    pub from: Duration,
    /// Since the beginning of the video; it is gone from here on.
    pub to: Duration,
    /// The place on the ground on which it stands, 0..1 in the frame; the scene's own place if absent. What stands farther
    /// away is drawn smaller.
    pub at: Option<Point>,
}

impl Appearance {
    /// At the scene's own place.
    #[must_use]
    pub fn between(from: Duration, to: Duration) -> Self {
        Self { from, to, at: None }
    }
}

/// What of the footage the camera shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// How much larger than needed to fill the picture, 1..=3.
    pub zoom: f32,
    /// Share of the surplus height that is cut above the picture, 0..=1; the rest is cut below.
    pub cut_above: f32,
}

impl Default for Lens {
    /// The whole width. The parked vehicles and the far road are near the upper edge of the footage, lawn is all there is at the lower
    /// one.
    fn default() -> Self {
        Self { zoom: 1.0, cut_above: 0.2 }
    }
}

/// What is composed. Public fields: every combination is a scene, [`Composer::try_new`] refuses the impossible ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Output size.
    pub size: FrameSize,
    /// Frames per second, 1..=60. Pedestrians move at the footage's own 10.
    pub fps: u32,
    /// Frames from one key frame to the next, 1..=600.
    pub gop: u32,
    /// How the video is coded.
    pub codec: Codec,
    /// Bits per second; from size and frame rate if absent.
    pub bitrate_bps: Option<u32>,
    /// Length of the video, at most a day.
    pub duration: Duration,
    /// Seeds noise, light and shake.
    pub seed: u64,
    /// A stall with a parasol, goods and someone who attends it.
    pub stall: Option<Appearance>,
    /// A van. It drives up in the second and a half before it stands, and away in as long after.
    pub van: Option<Appearance>,
    /// Crates and rubbish bags that someone leaves.
    pub goods: Option<Appearance>,
    /// Whether a fire lane is marked on the road.
    pub fire_lane: bool,
    /// Whatever else is in the street.
    pub props: Vec<Prop>,
    /// Whether the footage's pedestrians walk through.
    pub pedestrians: bool,
    /// Where in the footage its pedestrians begin to walk.
    pub pedestrians_from: Duration,
    /// What of the footage is shown.
    pub lens: Lens,
    /// Light, noise and shake.
    pub weather: Weather,
}

impl Scene {
    /// A street with pedestrians and nothing to report: 1280x720, 25 fps, H.264, a key frame every 2 s.
    #[must_use]
    pub fn quiet(duration: Duration) -> Self {
        Self {
            size: FrameSize { width: 1280, height: 720 },
            fps: 25,
            gop: 50,
            codec: Codec::H264,
            bitrate_bps: None,
            duration,
            seed: 1,
            stall: None,
            van: None,
            goods: None,
            fire_lane: false,
            props: Vec::new(),
            pedestrians: true,
            pedestrians_from: Duration::ZERO,
            lens: Lens::default(),
            weather: Weather::default(),
        }
    }

    /// A stall opens and leaves.
    #[must_use]
    pub fn with_stall(self, from: Duration, to: Duration) -> Self {
        Self { stall: Some(Appearance::between(from, to)), ..self }
    }

    /// A fire lane is marked, and a van stands in it.
    #[must_use]
    pub fn with_van(self, from: Duration, to: Duration) -> Self {
        Self { van: Some(Appearance::between(from, to)), fire_lane: true, ..self }
    }

    /// Goods are left and taken away.
    #[must_use]
    pub fn with_goods(self, from: Duration, to: Duration) -> Self {
        Self { goods: Some(Appearance::between(from, to)), ..self }
    }

    /// Something more in the street.
    #[must_use]
    pub fn with(mut self, prop: Prop) -> Self {
        self.props.push(prop);
        self
    }

    /// Where a place of the street, in pixels of the footage, lies in the frame: 0..1, or beside it.
    #[must_use]
    pub fn place(&self, street: Point) -> Point {
        let output = canvas::View::covering(self.size, self.lens).to_output(street);
        Point { x: output.x / self.size.width as f32, y: output.y / self.size.height as f32 }
    }

    /// Another size and frame rate; the key frames stay 2 s apart.
    #[must_use]
    pub fn with_format(self, size: FrameSize, fps: u32) -> Self {
        Self { size, fps, gop: 2 * fps, ..self }
    }

    /// Another codec.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    /// Other noise, light and shake.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Frames in the video.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        (self.duration.as_secs_f64() * f64::from(self.fps)).round() as u64
    }
}

/// Why a scene was not staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A size that cannot be staged.
    #[error(
        "the size {width}x{height} cannot be staged: 160x120 to 1920x1080, a width that 8 and a height that 2 divides, between 5:4 and 16:9"
    )]
    Size {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// A field of the scene outside its limits.
    #[error("the scene's {field} is {found}; {allowed}")]
    Scene {
        /// Name of the field.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Nobody in the footage where the attendant is taken from.
    #[error("the footage holds nobody to attend the stall; the street is composed from vtest.avi")]
    NoAttendant,
    /// The encoder is missing or refuses its settings.
    #[error("the encoder cannot be built: {0}")]
    Encoder(String),
    /// The file cannot be written.
    #[error("{path} cannot be written: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or the encoder says.
        reason: String,
    },
}

/// Composes and encodes a scene into `out`, which appears only once it is complete; returns its truth.
///
/// Composing runs on the calling thread, encoding on one of GStreamer's; between them wait at most three frames.
pub fn render(scene: &Scene, footage: &Footage, out: &Path) -> Result<Truth, StageError> {
    let mut composer = Composer::try_new(scene, footage)?;
    let mut encoder = encode::Encoder::start(scene, out)?;
    for index in 0..scene.frame_count() {
        let mut frame = vec![0; composer.frame_bytes()];
        composer.compose(index, &mut frame);
        encoder.push(index, frame)?;
    }
    encoder.finish()?;
    Ok(composer.truth())
}

/// Where the truth of a video lies: `street.mp4` → `street.mp4.truth.json`.
#[must_use]
pub fn truth_path(video: &Path) -> PathBuf {
    let mut name = video.as_os_str().to_owned();
    name.push(".truth.json");
    PathBuf::from(name)
}
