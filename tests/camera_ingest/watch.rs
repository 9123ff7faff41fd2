//! Watches a camera as the agent does and records what it says.

use curbwatch::clock::{ClockQuality, Clocks, SystemClocks};
use curbwatch::config::{RtspConfig, RtspTransport, SecretSource};
use curbwatch::frame::{Frame, FrameLayout, FrameStamp};
use curbwatch::ids::Name;
use curbwatch::ingest::{
    BackoffSettings, CameraSource, CameraState, ConnectLimiter, Decoders, Decoding, Ingest, IngestSettings,
    IngestStats, Sink,
};
use curbwatch::mask::PrivacyMasks;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a test waits for anything.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Everything a camera said, in order.
#[derive(Debug, Default, Clone)]
pub struct Record {
    pub states: Vec<CameraState>,
    pub frames: Vec<(FrameStamp, FrameLayout)>,
    /// Age of each frame by this host's clock when it was passed on; exact where the server tells its time.
    pub ages: Vec<jiff::SignedDuration>,
    /// Frames of held units, decoded late.
    pub replayed: usize,
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
        let mut record = self.record.lock().expect("unpoisoned");
        record.ages.push(SystemClocks::new().wall().duration_since(frame.stamp().wall));
        record.frames.push((*frame.stamp(), *frame.layout()));
        drop(record);
        self.changed.notify_all();
    }
    fn replayed_frame(&self, frame: Frame) {
        self.record.lock().expect("unpoisoned").replayed += 1;
        self.frame(frame);
    }
    fn state(&self, state: CameraState) {
        self.record.lock().expect("unpoisoned").states.push(state);
        self.changed.notify_all();
    }
}

/// A camera being watched.
pub struct Watch {
    recorder: Arc<Recorder>,
    ingest: Option<Ingest>,
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
        hold_limit: Duration::from_millis(1_500),
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
        Self::start_with(Decoders::software(), rtsp, fps)
    }

    pub fn start_with(decoders: Arc<Decoders>, rtsp: RtspConfig, fps: f64) -> Self {
        let source = CameraSource {
            id: Name::try_new("test").expect("a name"),
            rtsp,
            decoders,
            masks: PrivacyMasks::default(),
            fps,
        };
        Self::start_behind(ConnectLimiter::new(4), source)
    }

    pub fn start_behind(limiter: Arc<ConnectLimiter>, source: CameraSource) -> Self {
        let recorder = Arc::<Recorder>::default();
        let clocks = Arc::new(SystemClocks::new());
        let ingest =
            Ingest::start(source, settings(), recorder.clone(), clocks, limiter).expect("GStreamer and threads start");
        Self { recorder, ingest: Some(ingest) }
    }

    /// Waits until the record is as wanted, and returns it. What is wanted may also depend on the counters, which tell nobody that they
    /// changed: so it is looked at again every now and then.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        let clocks = SystemClocks::new();
        let begin = clocks.mono();
        let mut record = self.recorder.record.lock().expect("unpoisoned");
        while !wanted(&record) {
            if clocks.mono().since(begin) > LIMIT {
                let seen = format!("{:#?}", (&record.states, record.frames.len(), record.frames.last()));
                drop(record);
                panic!("no {what} within {LIMIT:?}; seen: {seen}");
            }
            record = self.recorder.changed.wait_timeout(record, Duration::from_millis(50)).expect("unpoisoned").0;
        }
        record.clone()
    }

    pub fn set_decoding(&self, decoding: Decoding) {
        self.ingest().set_decoding(decoding);
    }

    pub fn stats(&self) -> IngestStats {
        self.ingest().stats()
    }

    /// Stops within the limit and returns all that was said.
    pub fn stop(mut self) -> Record {
        self.end();
        self.recorder.record.lock().expect("unpoisoned").clone()
    }

    fn ingest(&self) -> &Ingest {
        self.ingest.as_ref().expect("taken only by the end")
    }

    fn end(&mut self) {
        if let Some(ingest) = self.ingest.take() {
            ingest.stop(Duration::from_secs(5)).expect("the camera's thread stops in time");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}
