//! The staged suite: short scenes with known truth through the engine, scored.
//!
//! In: [`scenes`], a table of situations, each staged twice, with a seed of the half on which defaults are tuned and one of the half that is
//! reported. Out: what was told of each, against what its script put into the street. A scene's frames go into the same analysis as a
//! camera's (gate, letterbox, detector, tracker, scene, static objects, incidents; through [`Replay`]), as they are composed: nothing
//! is encoded in between. Only for measuring: no part of a production build.

mod dice;
mod negatives;
mod positives;
mod staged;

pub use staged::{Half, SuiteScene};

use crate::camera::CameraView;
use crate::clock::Clocks;
use crate::config::{self, LoadError};
use crate::contract::IncidentEvent;
use crate::evaluate::truth::Truth;
use crate::evaluate::{Report, evaluate};
use crate::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use crate::install;
use crate::replay::{AnnotatedVideo, Audience, Replay, ReplayError, Summary};
use crate::stage::{Composer, Footage, StageError};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Frames per second that are composed, and analysed while something goes on.
pub const FPS: u32 = 2;
/// Frames analysed per second while nothing does: as many as a camera has key frames.
const IDLE_FPS: f64 = 0.5;

/// Every scene of a half, in the order of the table.
#[must_use]
pub fn scenes(half: Half) -> Vec<SuiteScene> {
    staged(half, half.seed())
}

/// Every scene once more, with a seed that is of neither half: to see whether what was changed for one scene holds for others like it.
/// They count to the half that is tuned.
#[must_use]
pub fn scenes_of_seed(seed: u64) -> Vec<SuiteScene> {
    staged(Half::Tune, seed)
}

fn staged(half: Half, seed: u64) -> Vec<SuiteScene> {
    let situations = positives::SITUATIONS.iter().chain(negatives::SITUATIONS);
    situations.map(|situation| situation.staged(half, seed)).collect()
}

/// Why a scene was not played.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// It cannot be composed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The configuration that watches it is wrong.
    #[error("failed to configure the scene {scene}")]
    Config {
        /// The scene.
        scene: &'static str,
        /// Why.
        source: LoadError,
    },
    /// It cannot be looked at.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// What came of a scene.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was there.
    pub truth: Truth,
    /// What was there and what was told, scored.
    pub report: Report,
    /// Every event.
    pub events: Vec<IncidentEvent>,
    /// What was looked at.
    pub summary: Summary,
}

/// Plays a scene before an audience; what was analysed is written as a video if one is given.
pub fn play(
    scene: &SuiteScene,
    footage: &Footage,
    video: Option<AnnotatedVideo>,
    audience: &mut dyn Audience,
    clocks: &Arc<dyn Clocks>,
) -> Result<Outcome, SuiteError> {
    let mut composer = Composer::try_new(&scene.street, footage)?;
    let truth = scene.truth(&composer.truth());
    let text = configuration(scene, &truth).to_string();
    let path = PathBuf::from(format!("{}.yaml", scene.name));
    let loaded = config::load_bytes(&path, text.as_bytes(), &classes_of)
        .map_err(|source| SuiteError::Config { scene: scene.name, source })?;
    let mut replay = Replay::try_new(loaded, 0, scene.script.clone(), video, Arc::clone(clocks))?;
    let mut listener = Listener { events: Vec::new(), audience };
    for index in 0..scene.street.frame_count() {
        let take = |stamp| frame(&mut composer, scene, &path, index, stamp);
        let media = Duration::from_secs_f64(index as f64 / f64::from(scene.street.fps));
        replay.show(media, take, &mut listener)?;
    }
    let (summary, events) = (replay.finish()?, listener.events);
    Ok(Outcome { report: evaluate(&truth, &events, scene.script.start), truth, events, summary })
}

/// Keeps the events, and passes everything on.
struct Listener<'a> {
    events: Vec<IncidentEvent>,
    audience: &'a mut dyn Audience,
}

impl Audience for Listener<'_> {
    fn event(&mut self, event: &IncidentEvent) -> std::io::Result<()> {
        self.events.push(event.clone());
        self.audience.event(event)
    }

    fn looked(&mut self, at: &FrameStamp, state: &dyn Fn() -> CameraView) -> std::io::Result<()> {
        self.audience.looked(at, state)
    }
}

fn frame(
    composer: &mut Composer,
    scene: &SuiteScene,
    path: &Path,
    index: u64,
    stamp: FrameStamp,
) -> Result<Frame, ReplayError> {
    let mut luma = vec![0; composer.frame_bytes()];
    composer.compose(index, &mut luma);
    let size = scene.street.size;
    let (width, pixels) = (size.width() as usize, size.width() as usize * size.height() as usize);
    let red = luma.split_off(pixels * 5 / 4);
    let blue = luma.split_off(pixels);
    let layout = FrameLayout {
        width: size.width(),
        height: size.height(),
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt601,
        range: ColorRange::Limited,
        strides: [width, width / 2, width / 2],
    };
    let failed = |source| ReplayError::Frame { path: path.to_path_buf(), source };
    Frame::try_from_planes(layout, stamp, [luma, blue, red]).map_err(failed)
}

/// What a site would write to watch the scene.
fn configuration(scene: &SuiteScene, truth: &Truth) -> Value {
    json!({
        "agent": {"site": "suite", "id": "box", "time_zone": "UTC"},
        "hub": {"host": "127.0.0.1"},
        "cameras": [{
            "id": "street",
            "streams": {"detect": {"url": "rtsp://127.0.0.1/street"}},
            "analysis": {"idle": IDLE_FPS, "active": FPS, "region": scene.region},
            "zones": truth.zones,
            "rules": scene.rules
        }]
    })
}

fn classes_of(manifest: &str) -> Result<Vec<String>, String> {
    install::manifest(manifest).map(|manifest| manifest.classes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_suite_has_every_situation_once_per_half_with_a_seed_of_its_own() {
        let (tune, report) = (scenes(Half::Tune), scenes(Half::Report));
        assert!(tune.len() + report.len() >= 40);
        let names = |scenes: &[SuiteScene]| scenes.iter().map(|scene| scene.name).collect::<BTreeSet<_>>();
        assert_eq!(names(&tune).len(), tune.len());
        assert_eq!(names(&tune), names(&report));
        let seeds: BTreeSet<u64> = tune.iter().chain(&report).map(|scene| scene.seed).collect();
        assert_eq!(seeds.len(), tune.len() + report.len());
        for (one, other) in tune.iter().zip(&report) {
            assert_ne!(one.street, other.street, "{}: the seed changes more than its number", one.name);
        }
    }

    #[test]
    fn the_hard_situations_are_there() {
        let names: BTreeSet<&str> = scenes(Half::Report).iter().map(|scene| scene.name).collect();
        let hard = [
            "pedestrians-rest",
            "bus-stop",
            "delivery",
            "shadows",
            "rain",
            "headlights",
            "leaves",
            "umbrella-carried-by",
            "street-sweeper",
            "stall-in-permitted-hours",
            "stall-a-hand-beside-the-zone",
            "stall-occluded-half",
            "stall-at-dusk",
            "stall-in-infrared",
            "stall-in-haze",
            "stall-of-12-percent",
            "stall-of-2-percent",
            "stall-comes-during-camera-loss",
            "stall-over-restart",
        ];
        assert_eq!(hard.iter().find(|name| !names.contains(*name)), None);
    }
}
