//! How much of a camera's stream is decoded and passed on, set from any thread while it is watched.

use super::gate::Decoding;
use super::stats::Counters;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How closely a camera is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// What is decoded.
    pub decoding: Decoding,
    /// Frames passed on per second of media time, at most.
    pub fps: f64,
}

/// The pace asked for; shared by all connections of a camera.
#[derive(Debug)]
pub(super) struct PaceSwitch {
    key_frames_only: AtomicBool,
    fps_bits: AtomicU64,
}

impl PaceSwitch {
    /// Everything is decoded, and at most `fps` frames per second are passed on.
    pub(super) fn new(fps: f64) -> Self {
        Self { key_frames_only: AtomicBool::new(false), fps_bits: AtomicU64::new(fps.to_bits()) }
    }

    pub(super) fn set_decoding(&self, decoding: Decoding) {
        self.key_frames_only.store(decoding == Decoding::KeyFrames, Ordering::Relaxed);
    }

    pub(super) fn decoding(&self) -> Decoding {
        if self.key_frames_only.load(Ordering::Relaxed) { Decoding::KeyFrames } else { Decoding::All }
    }

    fn set_fps(&self, fps: f64) {
        self.fps_bits.store(fps.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn fps(&self) -> f64 {
        f64::from_bits(self.fps_bits.load(Ordering::Relaxed))
    }
}

/// A hold on a camera that is being watched, for those who judge its frames. Outlives the camera without harm.
#[derive(Debug, Clone)]
pub struct CameraControl {
    pub(super) pace: Arc<PaceSwitch>,
    pub(super) counters: Arc<Mutex<Counters>>,
}

impl CameraControl {
    /// Sets the pace from now on, over reconnects. A change to key frames takes effect at the next key frame; a change to
    /// everything at the next unit, beginning with the units held.
    pub fn set_pace(&self, pace: Pace) {
        self.pace.set_fps(pace.fps);
        self.pace.set_decoding(pace.decoding);
    }

    /// Pictures that the decoder has marked as damaged so far.
    ///
    /// # Panics
    /// If the camera's thread panicked while counting, which it does not.
    #[must_use]
    pub fn frames_corrupt(&self) -> u64 {
        self.counters.lock().expect("no holder of this lock panics").totals.frames_corrupt
    }
}
