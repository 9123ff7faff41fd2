//! What people see of a camera while they look at the console: how its rules stand, and a redacted picture of the moment.
//!
//! Nothing is done for nobody: who asks is served for [`WANTED_FOR`], by the runner that has the camera's next frame. What is shown is put down as a
//! whole and taken as a whole, so that nobody who looks holds a lock for longer than it takes to copy a pointer.

use super::{Analysis, Attention, Post, Record, Station};
use crate::camera::CameraView;
use crate::clock::Mono;
use crate::detect::Detector;
use crate::evidence::SensitiveObject;
use crate::frame::{Frame, FrameStamp};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long somebody who asked is served: longer than an idle camera's key frames are apart.
const WANTED_FOR: Duration = Duration::from_secs(15);

/// How the rules of a camera stood after a frame, and what was there.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The frame.
    pub at: FrameStamp,
    /// How the rules stood.
    pub view: CameraView,
}

/// A frame of which a picture is shown, with everybody in it looked for.
#[derive(Debug)]
pub struct Tile {
    /// Index of the camera.
    pub camera: usize,
    /// The frame.
    pub frame: Arc<Frame>,
    /// People and vehicles of this frame and of the last second.
    pub sensitive: Vec<SensitiveObject>,
    _turn: TileTurn,
}

/// What the console wants and gets of one camera.
#[derive(Debug, Default)]
pub(super) struct Live {
    scene: Mutex<Option<Arc<Scene>>>,
    /// Until when it is wanted, in milliseconds of the monotonic clock.
    scene_until: AtomicU64,
    tile_until: AtomicU64,
    is_active: AtomicBool,
}

/// One picture is made at a time, over all cameras; held until it is made or given up.
#[derive(Debug)]
struct TileTurn(Arc<AtomicBool>);

impl TileTurn {
    fn take(is_taken: &Arc<AtomicBool>) -> Option<Self> {
        let had_it = is_taken.swap(true, Ordering::AcqRel);
        (!had_it).then(|| Self(Arc::clone(is_taken)))
    }
}

impl Drop for TileTurn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Live {
    /// Forgets what was seen: the camera begins anew.
    pub(super) fn clear(&self) {
        *self.scene.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn set_attention(&self, attention: Attention) {
        self.is_active.store(attention == Attention::Active, Ordering::Relaxed);
    }

    fn latest(&self) -> Option<Arc<Scene>> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn millis(at: Mono) -> u64 {
    u64::try_from(at.0.as_millis()).unwrap_or(u64::MAX)
}

impl Analysis {
    /// How the rules of a camera stood after its last frame, for somebody who looks; none before the first frame since somebody began to.
    #[must_use]
    pub fn scene(&self, camera: usize) -> Option<Arc<Scene>> {
        let (live, now) = (&self.post_of(camera)?.live, self.clocks.mono());
        live.scene_until.store(millis(now) + millis(Mono(WANTED_FOR)), Ordering::Relaxed);
        live.latest().filter(|scene| now.since(scene.at.mono) <= WANTED_FOR)
    }

    /// How closely a camera is watched.
    #[must_use]
    pub fn attention(&self, camera: usize) -> Attention {
        let is_active = self.post_of(camera).is_some_and(|post| post.live.is_active.load(Ordering::Relaxed));
        if is_active { Attention::Active } else { Attention::Idle }
    }

    /// Has a picture of the camera's next frame shown; it comes as [`Record::Tile`].
    pub fn want_tile(&self, camera: usize) {
        let Some(post) = self.post_of(camera) else { return };
        let until = millis(self.clocks.mono()) + millis(Mono(WANTED_FOR));
        post.live.tile_until.store(until, Ordering::Relaxed);
    }

    /// Leaves to who looks how the rules stand after a frame.
    pub(super) fn show_scene(&self, post: &Post, at: &FrameStamp, station: &Station) {
        if post.live.scene_until.load(Ordering::Relaxed) <= millis(self.clocks.mono()) {
            return;
        }
        let scene = Arc::new(Scene { at: *at, view: station.view() });
        *post.live.scene.lock().unwrap_or_else(PoisonError::into_inner) = Some(scene);
    }

    /// The picture that is wanted of a camera, of this frame.
    pub(super) fn take_tile(
        &self,
        camera: usize,
        post: &Post,
        frame: &Arc<Frame>,
        detector: &mut Detector,
        station: &Station,
    ) -> Option<Record> {
        if post.live.tile_until.load(Ordering::Relaxed) <= millis(self.clocks.mono()) {
            return None;
        }
        let turn = TileTurn::take(&self.is_making_tile)?;
        post.live.tile_until.store(0, Ordering::Relaxed);
        let look = || Self::sensitive_in(station, camera, frame, detector);
        // A panic costs the picture, not the camera's engine; whoever looks asks again.
        let Ok(sensitive) = catch_unwind(AssertUnwindSafe(look)) else {
            tracing::error!(camera, "taking a picture for the console panicked");
            return None;
        };
        Some(Record::Tile(Box::new(Tile { camera, frame: Arc::clone(frame), sensitive, _turn: turn })))
    }
}
