//! Runner threads: mailbox → change gate → detector → engine → recorder.
//!
//! One runner per core, each with a session of its own; a camera is with one runner at a time. What a frame changed goes to
//! the [recorder](crate::recorder) together with the frame. When the recorder cannot keep up (a full disk), runners wait and
//! frames are dropped in the mailbox: facts never are. A panic stays with its camera, whose engine begins anew with
//! what is open.
//!
//! Every frame is sampled first. The sample says how the picture is (while nothing can be seen in it, the rules rest) and whether
//! anything changed: what did not is not inferred, and the engine takes what it saw last for what is there. A camera is *idle* until
//! something that a rule is about comes into a zone or goes from it; then it is *active* until the incident stands or is over, and a
//! little longer. Passers-by do not wake it: the key frame that shows them is inferred, and judged as it is. A key frame that wakes the
//! camera is not judged: it asks for the held frames, which begin before it and come to it again.

mod live;
mod past;
mod post;
mod prepare;
mod region;
mod replan;
mod rolling;
mod snapshot;
mod station;
mod still;

pub use live::{Scene, Tile};
pub use past::Rehearsal;
pub use post::Post;
pub(crate) use prepare::sensitive_classes;
pub use prepare::{Plan, PrepareError, Prepared};
pub use region::parts;
pub use rolling::PeopleFinder;
pub use snapshot::{Snapshot, SnapshotError};
pub use station::PictureNews;
pub use still::Still;

use crate::camera::CameraView;
use crate::clips::ClipNews;
use crate::clock::Clocks;
use crate::config::{Config, Region};
use crate::detect::{DetectError, Detections, Detector};
use crate::evidence::{SensitiveKind, SensitiveObject};
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::health::{Latencies, Stage};
use crate::ids::{IdSource, Name};
use crate::incident::{Memo, Memory, Order, OrderError, Transition};
use crate::ingest::StillError;
use crate::mailbox::Mailboxes;
use crate::picture::PictureState;
use crate::quality::{Counts as QualityCounts, Tallies};
use rolling::Rolling;
use station::{Look, Station};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use uuid::Uuid;

/// What one frame changed, with everything that the recorder needs to tell the hub.
#[derive(Debug)]
pub struct Finding {
    /// Index of the camera.
    pub camera: usize,
    /// The change.
    pub transition: Transition,
    /// Open incidents of the rule after the change.
    pub active: Vec<Uuid>,
    /// The frame at which it was noticed; none if it was decided without one.
    pub frame: Option<Arc<Frame>>,
    /// People and vehicles of this frame and of the last second.
    pub sensitive: Vec<SensitiveObject>,
    /// The picture of the evidence stream.
    pub still: Still,
    /// How the camera's picture is.
    pub picture: PictureState,
    /// What the change has to do with the incident's clip.
    pub clip: ClipNews,
}

/// What the recorder writes down.
#[derive(Debug)]
pub enum Record {
    /// A change, of which the hub is told.
    Change(Finding),
    /// What a restart must know of a camera, by its index, and the hub need not.
    Memo(usize, Memo),
    /// A picture that the hub asked for.
    Snapshot(Box<Snapshot>),
    /// A picture for somebody who looks at the console.
    Tile(Box<Tile>),
    /// The configuration is another one from here on.
    Configured(Box<Configured>),
}

/// Another configuration, for the recorder.
#[derive(Debug)]
pub struct Configured {
    /// The configuration with its cameras by index, those included that are gone: what was found of them may be on its way.
    pub config: Arc<Config>,
    /// The same with the cameras that are there.
    pub present: Config,
    /// Its digest.
    pub config_sha256: String,
    /// Set by whoever is first: the recorder that takes it over, or the one who gave up waiting for that.
    pub is_claimed: Arc<AtomicBool>,
    /// Hears that everything before it is recorded and that what the configuration no longer wants is closed; or why not, and then nothing is changed.
    pub done: SyncSender<Result<(), String>>,
}

/// How closely a camera is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing goes on that a rule is about.
    Idle,
    /// Something does, or did a moment ago.
    Active,
}

/// What the analysis needs of the agent around it; cameras by index. Called from the runners; only [`Self::still`] may wait.
pub trait Surroundings: Send + Sync + 'static {
    /// What the store remembers of a camera: its engine begins with it. Asked once.
    fn memory(&self, camera: usize) -> Memory;
    /// Where the ids of a camera's incidents come from.
    fn ids(&self, camera: usize) -> IdSource;
    /// Pictures that the camera's decoder has marked as damaged so far.
    fn frames_corrupt(&self, camera: usize) -> u64;
    /// A camera is to be watched so closely from now on; [`Attention::Idle`] at the start.
    fn attention(&self, camera: usize, attention: Attention);
    /// How a camera's picture is; once at its first frame, then whenever it changes.
    fn picture(&self, camera: usize, news: PictureNews);
    /// The present picture of a camera's evidence stream; none if it has no such stream. Waits for the decoder, with a limit.
    fn still(&self, camera: usize) -> Option<Result<Frame, StillError>> {
        let _ = camera;
        None
    }
}

/// What was seen when something changed.
struct Sight {
    frame: Arc<Frame>,
    /// People and vehicles of this frame and of the last second.
    sensitive: Vec<SensitiveObject>,
    still: Still,
}

/// Everything that the runners share.
pub struct Analysis {
    prepared: Prepared,
    /// By index of the camera; none is ever taken away.
    posts: RwLock<Vec<Arc<Post>>>,
    /// The way to the recorder for what is not found in a frame; none once a runner has ended.
    records: Mutex<Option<SyncSender<Record>>>,
    /// None where there are no clips.
    rolling: Option<Rolling>,
    mailboxes: Arc<Mailboxes<Frame>>,
    around: Arc<dyn Surroundings>,
    sights: QualityCounts,
    latencies: Arc<Latencies>,
    clocks: Arc<dyn Clocks>,
    /// Whether a picture for the console is being made.
    is_making_tile: Arc<AtomicBool>,
}

impl Analysis {
    /// Makes an engine per camera. `records` is for what is not found in a frame: answers to orders.
    #[must_use]
    pub fn new(
        mut prepared: Prepared,
        mailboxes: Arc<Mailboxes<Frame>>,
        around: Arc<dyn Surroundings>,
        records: SyncSender<Record>,
        latencies: Arc<Latencies>,
        clocks: Arc<dyn Clocks>,
    ) -> Self {
        let plans = prepared.take_plans().into_iter().enumerate();
        let post = |(camera, plan)| Arc::new(Post::new(&prepared, plan, around.memory(camera), around.ids(camera)));
        Self {
            posts: RwLock::new(plans.map(post).collect()),
            sights: QualityCounts::default(),
            records: Mutex::new(Some(records)),
            rolling: None,
            prepared,
            mailboxes,
            around,
            latencies,
            clocks,
            is_making_tile: Arc::default(),
        }
    }

    /// Frames of a camera judged so far, inferred or found unchanged.
    #[must_use]
    pub fn analysed(&self, camera: usize) -> u64 {
        self.post(camera).judged.load(Ordering::Relaxed)
    }

    /// Frames of a camera inferred so far.
    #[must_use]
    pub fn inferred(&self, camera: usize) -> u64 {
        self.post(camera).inferred.load(Ordering::Relaxed)
    }

    /// What the stages that judge sights did so far.
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        self.sights.total()
    }

    /// How every rule of a camera stands after its last frame, and why.
    #[must_use]
    pub fn view(&self, camera: usize) -> CameraView {
        self.post(camera).station().view()
    }

    /// What is open at a camera, by rule.
    #[must_use]
    pub fn active(&self, camera: usize) -> BTreeMap<Name, Vec<Uuid>> {
        self.post(camera).station().active()
    }

    /// The camera at which an incident is open, or was closed within the last day.
    #[must_use]
    pub fn camera_of(&self, incident: Uuid) -> Option<usize> {
        self.posts().iter().position(|post| {
            let memory = post.memory();
            memory.open.iter().chain(&memory.closed).any(|known| known.id == incident)
        })
    }

    /// Carries out an order of the hub at a camera. Waits while the recorder cannot keep up. The answer to a request to look again comes
    /// as a change, [`Phase::Rechecked`](crate::incident::Phase::Rechecked), later.
    pub fn order(&self, camera: usize, order: &Order) -> Result<(), OrderError> {
        let post = self.post(camera);
        let _turn = post.turn();
        let mut station = post.station();
        let before = station.attention();
        let changed = station.order(order, self.clocks.mono(), self.clocks.wall())?;
        let records = Self::records_of(camera, &post, changed.into_iter().collect(), None, &mut station);
        if station.attention() != before {
            self.attend(camera, &post, station.attention());
        }
        drop(station);
        self.pass_on(records)
    }

    /// Answers the requests to look again for which no frame came. Waits while the recorder cannot keep up.
    pub fn answer_overdue(&self) {
        for (camera, post) in self.posts().iter().enumerate() {
            let _turn = post.turn();
            let mut station = post.station();
            let answers = station.answer_overdue(self.clocks.mono(), self.clocks.wall());
            let records = Self::records_of(camera, post, answers, None, &mut station);
            drop(station);
            if let Err(error) = self.pass_on(records) {
                tracing::warn!(camera, "answers are lost: {error}");
            }
        }
    }

    /// Analyses frames until the mailboxes are closed or the recorder is gone. The recorder ends when every runner has
    /// dropped its sender.
    #[expect(clippy::needless_pass_by_value, reason = "the sender is dropped when the runner ends")]
    pub fn run(&self, mut detector: Detector, records: SyncSender<Record>) {
        while let Some(mut lease) = self.mailboxes.take() {
            let (camera, frame) = (lease.camera(), Arc::new(lease.take_frame()));
            let post = self.post(camera);
            let _turn = post.turn();
            let work = || self.process(camera, &frame, &mut detector);
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
                tracing::error!(camera, "the analysis of a camera panicked; its engine begins anew");
                self.begin_anew(camera);
                Vec::new()
            });
            if found.into_iter().any(|record| records.send(record).is_err()) {
                break;
            }
        }
        *self.records.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.stop_rolling();
    }

    fn pass_on(&self, found: Vec<Record>) -> Result<(), OrderError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let records = records.ok_or(OrderError::Stopping)?;
        for record in found {
            records.send(record).map_err(|_| OrderError::Stopping)?;
        }
        Ok(())
    }

    fn post(&self, camera: usize) -> Arc<Post> {
        Arc::clone(&self.posts.read().unwrap_or_else(PoisonError::into_inner)[camera])
    }

    fn posts(&self) -> Vec<Arc<Post>> {
        self.posts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets everything about a camera but what outlives a restart.
    pub fn begin_anew(&self, camera: usize) {
        let post = self.post(camera);
        let memory = post.memory().clone();
        self.begin(camera, &post, memory);
    }

    fn begin(&self, camera: usize, post: &Post, memory: Memory) {
        let anew = post::station(&self.prepared, &post.plan(), memory, self.around.ids(camera));
        // What comes is of another stream, or of another camera.
        *post.roll() = self.new_roll();
        self.attend(camera, post, anew.attention());
        post.live.clear();
        post.past.clear();
        *post.station() = anew;
    }

    /// Says how closely a camera is to be watched from now on.
    fn attend(&self, camera: usize, post: &Post, attention: Attention) {
        post.live.set_attention(attention);
        self.around.attention(camera, attention);
    }

    /// Where the open incidents of a camera stand.
    #[must_use]
    pub fn places(&self, camera: usize) -> Vec<BBox> {
        self.post(camera).memory().open.iter().map(|incident| incident.bbox).collect()
    }

    /// People and vehicles of a frame that is going to be shown, and of the frame judged last and the second before it.
    #[must_use]
    pub fn sensitive(&self, camera: usize, frame: &Frame, detector: &mut Detector) -> Vec<SensitiveObject> {
        Self::sensitive_in(&self.post(camera).station(), camera, frame, detector)
    }

    /// The picture of the evidence stream, and whom the frame shows: looked for closely if it is the frame that is shown.
    fn look_for_picture(
        &self,
        camera: usize,
        frame: &Frame,
        detector: &mut Detector,
        station: &Station,
    ) -> (Vec<SensitiveObject>, Still) {
        let still = self.still(camera, detector, station);
        let sensitive = match still {
            Still::Taken { .. } => station.sensitive(),
            Still::Missing | Still::NotWanted => Self::sensitive_in(station, camera, frame, detector),
        };
        (sensitive, still)
    }

    /// People and vehicles of the whole of a picture, which is looked at closely for that, and of the second before it.
    fn sensitive_in(station: &Station, camera: usize, frame: &Frame, detector: &mut Detector) -> Vec<SensitiveObject> {
        let mut sensitive = station.sensitive();
        match look_closely(frame, detector) {
            Ok(seen) => sensitive.extend(station.sensitive_among(&seen)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(camera, error, "nobody can be found in the picture; all of it is hidden");
                sensitive.push(SensitiveObject { kind: SensitiveKind::Person, bbox: BBox::FRAME });
            }
        }
        sensitive
    }

    /// Looks at one frame of a camera, in the order of their times; what it changed is returned.
    pub fn process(&self, camera: usize, frame: &Arc<Frame>, detector: &mut Detector) -> Vec<Record> {
        let post = self.post(camera);
        let mut station = post.station();
        let (before, light_before) = (station.attention(), station.light());
        let began = self.clocks.mono();
        let (look, news) = station.look(frame, self.around.frames_corrupt(camera));
        self.latencies.record(Stage::Gate, self.clocks.mono().since(began));
        if station.light() != light_before {
            tracing::info!(camera, light = ?station.light(), "the light changed, and with it the confidences that count");
        }
        if let Some(news) = news {
            self.around.picture(camera, news);
        }
        let is_to_judge = match look {
            Look::Infer => self.infer(camera, &post, frame, detector, &mut station),
            Look::Glance => self.infer(camera, &post, frame, detector, &mut station) && !station.wakes(frame.stamp()),
            Look::Unchanged => true,
            Look::Known | Look::Nothing => false,
        };
        let mut findings =
            if is_to_judge { self.judge(camera, &post, frame, detector, &mut station) } else { Vec::new() };
        if look == Look::Nothing {
            Self::roll_on(&post, frame, &station);
        }
        findings.extend(self.end_clips(camera, &post, &mut station, frame.stamp().mono));
        if is_to_judge || matches!(look, Look::Nothing) {
            post.past.note(station.moment(frame.stamp()), station.person_heights());
        }
        findings.extend(self.take_snapshots(camera, &post, frame, detector, &station));
        findings.extend(self.take_tile(camera, &post, frame, detector, &station));
        self.show_scene(&post, frame.stamp(), &station);
        if station.attention() != before {
            self.attend(camera, &post, station.attention());
        }
        findings
    }

    /// Whether the frame could be inferred.
    fn infer(&self, camera: usize, post: &Post, frame: &Frame, detector: &mut Detector, station: &mut Station) -> bool {
        let began = self.clocks.mono();
        let seen = match &post.plan().parts[..] {
            [] => detector.detect(frame, station.detections_mut()),
            parts => detector.detect_in(frame, parts, station.detections_mut()),
        };
        if let Err(error) = seen {
            tracing::error!(camera, error = &error as &dyn std::error::Error, "a frame is not analysed");
            station.fail();
            return false;
        }
        self.latencies.record(Stage::Detect, self.clocks.mono().since(began));
        post.inferred.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn judge(
        &self,
        camera: usize,
        post: &Post,
        frame: &Arc<Frame>,
        detector: &mut Detector,
        station: &mut Station,
    ) -> Vec<Record> {
        let began = self.clocks.mono();
        let transitions = station.judge(frame.stamp());
        Self::roll_on(post, frame, station);
        self.sights.add(&station.take_tallies());
        self.latencies.record(Stage::Engine, self.clocks.mono().since(began));
        post.judged.fetch_add(1, Ordering::Relaxed);
        let sight = (!transitions.is_empty()).then(|| {
            let is_pictured = transitions.iter().any(|transition| transition.phase.has_picture());
            let (sensitive, still) = if is_pictured {
                self.look_for_picture(camera, frame, detector, station)
            } else {
                (station.sensitive(), Still::NotWanted)
            };
            Sight { frame: Arc::clone(frame), sensitive, still }
        });
        Self::records_of(camera, post, transitions, sight.as_ref(), station)
    }

    /// What the recorder must write down: the changes, and what else is to be remembered since the last call.
    fn records_of(
        camera: usize,
        post: &Post,
        transitions: Vec<Transition>,
        sight: Option<&Sight>,
        station: &mut Station,
    ) -> Vec<Record> {
        let memos = station.take_memos();
        if transitions.is_empty() && memos.is_empty() {
            return Vec::new();
        }
        let mut memory = post.memory();
        for transition in &transitions {
            memory.note(&transition.incident);
        }
        for memo in &memos {
            memory.take(memo);
        }
        let (active, picture) = (station.active(), station.picture());
        let finding = |transition: Transition| Finding {
            camera,
            active: active.get(&transition.incident.rule).cloned().unwrap_or_default(),
            clip: Self::begin_clip(camera, post, &transition),
            transition,
            frame: sight.map(|sight| Arc::clone(&sight.frame)),
            sensitive: sight.map(|sight| sight.sensitive.clone()).unwrap_or_default(),
            still: sight.map_or(Still::NotWanted, |sight| sight.still.clone()),
            picture,
        };
        // A dismissal is remembered before the incident is closed by it: whatever stops the agent in between, it is not reported again.
        let memos = memos.into_iter().map(|memo| Record::Memo(camera, memo));
        memos.chain(transitions.into_iter().map(|transition| Record::Change(finding(transition)))).collect()
    }
}

/// Looks at a picture that is going to be shown as a whole and in four overlapping parts: one look misses who is far away, or cut by the
/// edge.
pub(crate) fn look_closely(frame: &Frame, detector: &mut Detector) -> Result<Detections, DetectError> {
    let mut seen = Detections::new();
    detector.detect_in(frame, &parts(Region::Tiles, &[]), &mut seen)?;
    Ok(seen)
}

#[cfg(test)]
mod tests;
