//! Watches a camera as the agent does and records what it says.

use curbwatch::clock::{ClockQuality, SystemClocks};
use curbwatch::config::{RtspConfig, RtspTransport, SecretSource};
use curbwatch::frame::{Frame, FrameLayout, FrameStamp};
use curbwatch::ids::Name;
use curbwatch::ingest::{
    BackoffSettings, CameraSource, CameraState, ConnectLimiter, Ingest, IngestSettings, IngestStats, Sink,
};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a test waits for anything.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Everything a camera said, in order.
#[derive(Debug, Default, Clone)]
pub struct Record {
    pub states: Vec<CameraState>,
    pub frames: Vec<(FrameStamp, FrameLayout)>,
}

impl Record {
    pub fn names(&self) -> Vec<&'static str> {
        self.states.iter().map(CameraState::as_str).collect()
    }

    pub fn frames_with(&self, quality: ClockQuality) -> usize {
        self.frames.iter().filter(|(stamp, _)| stamp.clock_quality == quality).count()
    }

    /// Media time rises strictly, and segments never fall.
    pub fn assert_ordered(&self) {
        for pair in self.frames.windows(2) {
            let (before, after) = (&pair[0].0, &pair[1].0);
            assert!(after.media > before.media, "media time fell: {before:?} then {after:?}");
            assert!(after.segment >= before.segment, "the segment fell: {before:?} then {after:?}");
        }
    }
}

#[derive(Default)]
struct Recorder {
    record: Mutex<Record>,
    changed: Condvar,
}

impl Sink for Recorder {
    fn frame(&self, frame: Frame) {
        self.record.lock().expect("unpoisoned").frames.push((*frame.stamp(), *frame.layout()));
        self.changed.notify_all();
    }
    fn state(&self, state: CameraState) {
        self.record.lock().expect("unpoisoned").states.push(state);
        self.changed.notify_all();
    }
}

/// A camera being watched.
pub struct Watch {
    recorder: Arc<Recorder>,
    ingest: Ingest,
}

/// Quick enough for a test, and otherwise as in production.
pub fn settings() -> IngestSettings {
    let backoff = BackoffSettings {
        first: Duration::from_millis(200),
        cap: Duration::from_millis(800),
        unauthorised: Duration::from_millis(400),
    };
    IngestSettings {
        answer_limit: Duration::from_secs(2),
        first_picture_limit: Duration::from_secs(8),
        stall_limit: Duration::from_secs(2),
        backoff,
        seed: 1,
        ..IngestSettings::default()
    }
}

/// A stream without login.
pub fn open(url: String, transport: RtspTransport) -> RtspConfig {
    RtspConfig { url, transport, username: None, password: None }
}

/// A stream with login; the password lies in a file, as in production.
pub fn with_login(url: String, user: &str, password_file: &std::path::Path) -> RtspConfig {
    let password = Some(SecretSource::File(password_file.to_owned()));
    RtspConfig { username: Some(user.to_owned()), password, ..open(url, RtspTransport::Tcp) }
}

impl Watch {
    pub fn start(rtsp: RtspConfig, fps: f64) -> Self {
        let recorder = Arc::<Recorder>::default();
        let source = CameraSource { id: Name::try_new("test").expect("a name"), rtsp, fps };
        let clocks = Arc::new(SystemClocks::new());
        let ingest = Ingest::start(source, settings(), recorder.clone(), clocks, ConnectLimiter::new(4))
            .expect("GStreamer and threads start");
        Self { recorder, ingest }
    }

    /// Waits until the record is as wanted, and returns it.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        let record = self.recorder.record.lock().expect("unpoisoned");
        let outcome = self.recorder.changed.wait_timeout_while(record, LIMIT, |record| !wanted(record));
        let (record, timed_out) = outcome.expect("unpoisoned");
        let seen = (&record.states, record.frames.len(), record.frames.last());
        assert!(!timed_out.timed_out(), "no {what} within {LIMIT:?}; seen: {seen:#?}");
        record.clone()
    }

    pub fn stats(&self) -> IngestStats {
        self.ingest.stats()
    }

    /// Stops within the limit and returns all that was said.
    pub fn stop(self) -> Record {
        self.ingest.stop(Duration::from_secs(5)).expect("the camera's thread stops in time");
        self.recorder.record.lock().expect("unpoisoned").clone()
    }
}
