//! What a fault is held to: the camera's state and reason, and how soon its frames flow again.

use crate::clips::Clips;
use crate::watch::{Record, Watch};
use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::config::RtspConfig;
use curbwatch::ingest::CameraState;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Within what time frames must flow again after the camera's return.
pub const RECOVERY_SECS: f64 = 10.0;
/// Frames after which they flow.
const FLOWING: usize = 5;

/// What became of a fault.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The state that the fault led to.
    pub state: &'static str,
    /// Its reason; none while online.
    pub reason: Option<&'static str>,
    /// From the camera's return to its first frame.
    pub recovery_secs: f64,
}

/// One faulty camera, watched as the agent does.
pub struct Stand {
    pub clips: Arc<Clips>,
    folder: PathBuf,
    watch: Option<Watch>,
    /// States before the fault.
    states_before: usize,
    /// Calls that do not return in time, at most.
    late_calls: u64,
    outcome: Outcome,
}

impl Stand {
    /// `folder` is the stand's own.
    pub fn new(clips: &Arc<Clips>, folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            clips: Arc::clone(clips),
            folder,
            watch: None,
            states_before: 0,
            late_calls: 0,
            outcome: Outcome::default(),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to watch the camera.
    pub fn watch(&mut self, rtsp: RtspConfig) -> &Watch {
        self.watch.insert(Watch::start(rtsp, 30.0))
    }

    pub fn watched(&self) -> &Watch {
        self.watch.as_ref().expect("the camera is watched")
    }

    /// The fault makes a call to GStreamer return late: it is left behind, and ends by itself.
    pub fn may_leave_a_call_behind(&mut self) {
        self.late_calls = 1;
    }

    /// Waits until frames flow, then marks the beginning of the fault.
    pub fn works(&mut self) {
        let record = self.frames_come(FLOWING);
        self.states_before = record.states.len();
    }

    /// The fault's first effect is one of these: state and reason.
    pub fn fails_with(&mut self, expected: &[(&str, &str)]) {
        let failed = |record: &Record| failure(&record.states, self.states_before).is_some();
        let record = self.watched().wait_for(&format!("{expected:?}"), failed);
        let (state, reason) = failure(&record.states, self.states_before).expect("just seen");
        assert!(expected.contains(&(state, reason)), "{state}, {reason}; expected {expected:?}");
        (self.outcome.state, self.outcome.reason) = (state, Some(reason));
    }

    /// So many frames come while the fault lasts, and the camera never leaves the state `online`.
    pub fn stays_online_for(&mut self, frames: usize) {
        let record = self.frames_come(frames);
        assert_eq!(failure(&record.states, self.states_before), None, "it had to stay online");
        (self.outcome.state, self.outcome.reason) = ("online", None);
    }

    /// Like [`Self::stays_online_for`], but the camera may also fail as said: which of them comes is chance.
    pub fn stays_online_or_fails_with(&mut self, frames: usize, allowed: &[(&str, &str)]) {
        let (enough, before) = (self.frame_count() + frames, self.states_before);
        let decided = |record: &Record| record.frames.len() >= enough || failure(&record.states, before).is_some();
        let record = self.watched().wait_for("frames or a failure", decided);
        (self.outcome.state, self.outcome.reason) = ("online", None);
        if let Some((state, reason)) = failure(&record.states, before) {
            assert!(allowed.contains(&(state, reason)), "{state}, {reason}; allowed: {allowed:?}");
            (self.outcome.state, self.outcome.reason) = (state, Some(reason));
        }
    }

    /// Waits until a picture was found to be damaged: libav conceals what it cannot read, and marks nothing.
    pub fn finds_damage(&self) {
        let watched = self.watched();
        watched.wait_for("a damaged picture", |_| watched.stats().frames_corrupt > 0);
    }

    /// Mends the camera, and waits until its frames flow again.
    pub fn returns<T>(&mut self, mend: impl FnOnce(&Self) -> T) -> T {
        let before = self.frame_count();
        let returned = SystemClocks::new().wall();
        let mended = mend(self);
        let flowing = |record: &Record| {
            record.frames.len() >= before + FLOWING && matches!(record.states.last(), Some(CameraState::Online(_)))
        };
        let record = self.watched().wait_for("frames again", flowing);
        self.outcome.recovery_secs = seen_at(&record, before).duration_since(returned).as_secs_f64().max(0.0);
        mended
    }

    /// Stops the camera and says what was seen.
    pub fn finish(mut self) -> Outcome {
        let watch = self.watch.take().expect("the camera is watched");
        let late = watch.stats().calls_left_behind;
        assert!(late <= self.late_calls, "{late} calls to GStreamer did not return in time");
        let record = watch.stop();
        // Held units that are decoded after all lead up to the frame before them.
        if record.replayed == 0 {
            record.assert_ordered();
        }
        let seconds = self.outcome.recovery_secs;
        assert!(seconds <= RECOVERY_SECS, "frames flow again only after {seconds:.1} s");
        self.outcome
    }

    /// So many frames, from now on.
    pub fn frames_come(&self, frames: usize) -> Record {
        let enough = self.frame_count() + frames;
        self.watched().wait_for("frames", |record| record.frames.len() >= enough)
    }

    fn frame_count(&self) -> usize {
        self.watched().wait_for("anything", |_| true).frames.len()
    }
}

/// When a frame was passed on.
pub fn seen_at(record: &Record, index: usize) -> jiff::Timestamp {
    record.frames[index].0.wall + record.ages[index]
}

/// The first state with a reason, from the one with index `from` on.
fn failure(states: &[CameraState], from: usize) -> Option<(&'static str, &'static str)> {
    states[from..].iter().find_map(|state| Some((state.as_str(), state.reason()?.code())))
}
