//! What a runner keeps of a camera between frames, and what it decides of each: inferred, taken for unchanged, or left alone.
//!
//! Pure but for the inference, which lies between [`Station::look`] and [`Station::judge`]: no clock, no I/O, no thread.

use super::Attention;
use super::past::Moment;
use super::prepare::View;
use crate::camera::{CameraView, ClassTable, Engine, EngineRule};
use crate::clock::{MediaTime, Mono};
use crate::detect::{Detections, FAINT_CONFIDENCE};
use crate::evidence::{SensitiveKind, SensitiveObject};
use crate::frame::{Frame, FrameStamp};
use crate::ids::Name;
use crate::incident::{CannotSee, Memo, Memory, Order, OrderError, Transition};
use crate::picture::{Gate, Health, Light, LightMeter, Limits, LumaSample, PictureState};
use crate::quality::Tallies;
use crate::scene::PersonHeights;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// For how long a camera stays active after its engine last asked for it: a detector misses a thing in a frame or two.
const ATTENTION_LINGER: Duration = Duration::from_secs(2);

/// For how long a person or vehicle is redacted after it was last detected, and at least in the frame after that: a detector
/// misses one now and then.
const SENSITIVE_MEMORY: Duration = Duration::from_secs(1);
/// Most areas remembered per camera; more than a crowd in one second at the usual rates.
const MAX_SENSITIVE: usize = 2048;

/// How a camera's picture is, from a frame on.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureNews {
    /// How it is.
    pub state: PictureState,
    /// The first frame that showed it.
    pub since: FrameStamp,
    /// How it was before; none if this is the first that is known.
    pub previous: Option<PictureState>,
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Infer it, then judge.
    Infer,
    /// Infer it; then judge, unless it [wakes](Station::wakes) the camera.
    Glance,
    /// Nothing changed since the last inferred frame, so that the same is there: judge without inference.
    Unchanged,
    /// It was judged already: held frames begin with one that was seen.
    Known,
    /// The picture shows nothing of which anything could be said.
    Nothing,
}

/// What a runner keeps of a camera between frames.
pub(super) struct Station {
    engine: Engine,
    sensitive: Arc<BTreeMap<u16, SensitiveKind>>,
    idles_at_key_frames: bool,
    sample: LumaSample,
    gate: Gate,
    health: Health,
    light: LightMeter,
    is_picture_told: bool,
    attention: Attention,
    /// The next frame is inferred, changed or not: the engine asks for attention, or the last one could not be inferred.
    is_busy: bool,
    /// The last frame that asked for attention.
    busy: Option<FrameStamp>,
    /// The frame judged last.
    judged: Option<FrameStamp>,
    /// What was seen in the frame inferred last, best first.
    detections: Detections,
    /// People and vehicles of the last [`SENSITIVE_MEMORY`], oldest first.
    recent: VecDeque<(MediaTime, SensitiveObject)>,
}

impl Station {
    pub(super) fn new(engine: Engine, view: &View, sensitive: Arc<BTreeMap<u16, SensitiveKind>>) -> Self {
        Self {
            engine,
            sensitive,
            idles_at_key_frames: view.idles_at_key_frames,
            sample: LumaSample::new(),
            gate: Gate::new(&view.zones, view.max_idle),
            health: Health::new(Limits::default()),
            light: LightMeter::default(),
            is_picture_told: false,
            attention: Attention::Idle,
            is_busy: false,
            busy: None,
            judged: None,
            detections: Detections::new(),
            recent: VecDeque::new(),
        }
    }

    /// Goes on by other rules and zones; see [`Engine::adopt`]. The next frame is inferred.
    pub(super) fn adopt(&mut self, classes: &Arc<ClassTable>, rules: Vec<EngineRule>, memory: &Memory, view: &View) {
        self.engine.adopt(classes, rules, memory);
        self.idles_at_key_frames = view.idles_at_key_frames;
        self.gate = Gate::new(&view.zones, view.max_idle);
        self.is_busy = true;
    }

    /// Decides what is to be done with a frame; `damaged` pictures were reported by the decoder so far. What is to be inferred or is
    /// unchanged must be [judged](Self::judge).
    pub(super) fn look(&mut self, frame: &Frame, damaged: u64) -> (Look, Option<PictureNews>) {
        let stamp = frame.stamp();
        if self.judged.is_some_and(|judged| stamp.media <= judged.media) {
            return (Look::Known, None);
        }
        self.sample.take(frame);
        let news = self.picture_news(stamp, damaged);
        self.meter_light(stamp);
        if self.health.state().suspends_rules() || self.health.is_view_in_doubt() {
            self.engine.pause(CannotSee::from(self.health.state()));
            self.attend(stamp);
            return (Look::Nothing, news);
        }
        self.engine.see(frame);
        let is_admitted = self.gate.admit(stamp, &self.sample, self.is_busy);
        let may_wake = self.attention == Attention::Idle && self.idles_at_key_frames;
        self.attend(stamp);
        let look = match (is_admitted, may_wake) {
            (true, true) => Look::Glance,
            (true, false) => Look::Infer,
            (false, _) => Look::Unchanged,
        };
        (look, news)
    }

    /// Whether what was seen in the frame at hand began since the last key frame, as far as a rule is about it. What lies between is
    /// held: it is looked at first and this frame with it, so that it must not be judged now.
    pub(super) fn wakes(&mut self, stamp: &FrameStamp) -> bool {
        let wakes = self.engine.is_surprised_by(&self.detections);
        if wakes {
            self.busy = Some(*stamp);
            self.attention = Attention::Active;
        }
        wakes
    }

    /// Where the detector leaves what it sees in the frame at hand.
    pub(super) fn detections_mut(&mut self) -> &mut Detections {
        &mut self.detections
    }

    /// The frame at hand could not be inferred: the next is, changed or not.
    pub(super) fn fail(&mut self) {
        self.detections.clear();
        self.is_busy = true;
    }

    /// Moves the incidents along with what is seen in the frame at hand. In an unchanged frame that is what was seen in the one
    /// inferred last: what was there is still there, and its time counts.
    pub(super) fn judge(&mut self, stamp: &FrameStamp) -> Vec<Transition> {
        let previous = self.judged.replace(*stamp);
        self.remember_sensitive(stamp.media, previous.map(|previous| previous.media));
        // A camera that idles at key frames was woken before it came to this.
        let is_surprised = !self.idles_at_key_frames && self.engine.is_surprised_by(&self.detections);
        let transitions = self.engine.analyse(stamp, &self.detections);
        self.is_busy = self.engine.wants_attention();
        if self.is_busy || is_surprised {
            self.busy = Some(*stamp);
            self.attention = Attention::Active;
        }
        transitions
    }

    /// Carries out an order of the hub; what it changes at once is returned. The camera is watched closely at once if that is needed.
    pub(super) fn order(
        &mut self,
        order: &Order,
        now: Mono,
        wall: Timestamp,
    ) -> Result<Option<Transition>, OrderError> {
        let changed = self.engine.order(order, now, wall)?;
        if self.engine.wants_attention() {
            self.is_busy = true;
            self.attention = Attention::Active;
        }
        Ok(changed)
    }

    /// The change by which the hub learns that there is news of an incident's evidence; see [`Engine::tell`].
    pub(super) fn tell(&mut self, incident: Uuid, now: Mono, wall: Timestamp) -> Option<Transition> {
        self.engine.tell(incident, now, wall)
    }

    /// Answers the requests to look again for which no frame came.
    pub(super) fn answer_overdue(&mut self, now: Mono, wall: Timestamp) -> Vec<Transition> {
        self.engine.answer_overdue(now, wall)
    }

    /// What is to be remembered over a restart since the last call.
    pub(super) fn take_memos(&mut self) -> Vec<Memo> {
        self.engine.take_memos()
    }

    /// What the stages that judge sights did since the last call.
    pub(super) fn take_tallies(&mut self) -> Tallies {
        self.engine.take_tallies()
    }

    /// How the picture is.
    pub(super) fn picture(&self) -> PictureState {
        self.health.state()
    }

    /// How closely the camera is to be watched.
    pub(super) fn attention(&self) -> Attention {
        self.attention
    }

    /// How every rule stands.
    pub(super) fn view(&self) -> CameraView {
        self.engine.view()
    }

    /// What the engine was given of the frame at hand, or that nothing could be seen in it; without people.
    pub(super) fn moment(&self, at: &FrameStamp) -> Moment {
        let is_person = |class: &u16| self.sensitive.get(class).is_some_and(|kind| kind.is_of_person());
        match self.engine.blind() {
            Some(why) => Moment::Blind { at: at.media, why },
            None => Moment::Seen {
                at: *at,
                by: self.light(),
                detections: self.detections.iter().filter(|seen| !is_person(&seen.class)).copied().collect(),
                statics: self.engine.statics().into(),
            },
        }
    }

    /// How tall people look where, as far as the engine has learned.
    pub(super) fn person_heights(&self) -> PersonHeights {
        self.engine.person_heights()
    }

    /// By what light the camera sees.
    pub(super) fn light(&self) -> Light {
        self.light.light()
    }

    /// What is open now, by rule.
    pub(super) fn active(&self) -> BTreeMap<Name, Vec<Uuid>> {
        self.engine.active()
    }

    /// The people and vehicles of what was seen in another look at the frame.
    pub(super) fn sensitive_among(&self, detections: &Detections) -> Vec<SensitiveObject> {
        among(&self.sensitive, detections).collect()
    }

    /// People and vehicles of this frame and of the last second.
    pub(super) fn sensitive(&self) -> Vec<SensitiveObject> {
        self.recent.iter().map(|(_, object)| *object).collect()
    }

    fn picture_news(&mut self, stamp: &FrameStamp, damaged: u64) -> Option<PictureNews> {
        let change = self.health.observe(stamp, &self.sample, damaged);
        let was_told = std::mem::replace(&mut self.is_picture_told, true);
        match change {
            Some(change) => {
                let previous = was_told.then_some(change.previous);
                Some(PictureNews { state: change.state, since: change.since, previous })
            }
            None if !was_told => Some(PictureNews { state: self.health.state(), since: *stamp, previous: None }),
            None => None,
        }
    }

    /// A picture that does not show the scene says nothing of its light.
    fn meter_light(&mut self, stamp: &FrameStamp) {
        let shows_scene = match self.health.state() {
            PictureState::Ok
            | PictureState::Dark
            | PictureState::Bright
            | PictureState::Moved
            | PictureState::Blurred => true,
            PictureState::Corrupt | PictureState::Covered | PictureState::Frozen => false,
        };
        if shows_scene && let Some(light) = self.light.observe(stamp, &self.sample) {
            self.engine.see_by(light);
        }
    }

    /// Goes on to watch closely for [`ATTENTION_LINGER`] after the engine last asked for it.
    fn attend(&mut self, stamp: &FrameStamp) {
        let since = self.busy.and_then(|busy| stamp.observed_since(&busy));
        let is_close = since.is_some_and(|since| since <= ATTENTION_LINGER);
        self.attention = if is_close { Attention::Active } else { Attention::Idle };
    }

    fn remember_sensitive(&mut self, now: MediaTime, previous: Option<MediaTime>) {
        // The frame before this one counts however long ago it was: at a slow pace one frame would be no memory at all.
        self.recent.retain(|(at, _)| now.since(*at) <= SENSITIVE_MEMORY || Some(*at) == previous);
        let sensitive = among(&self.sensitive, &self.detections);
        self.recent.extend(sensitive.map(|object| (now, object)));
        while self.recent.len() > MAX_SENSITIVE {
            self.recent.pop_front();
        }
    }
}

/// The people and vehicles of what was seen in a frame.
pub(super) fn among(
    sensitive: &BTreeMap<u16, SensitiveKind>,
    detections: &Detections,
) -> impl Iterator<Item = SensitiveObject> {
    let sure_enough = detections.iter().filter(|detection| detection.confidence >= FAINT_CONFIDENCE);
    sure_enough
        .filter_map(|detection| Some(SensitiveObject { kind: *sensitive.get(&detection.class)?, bbox: detection.bbox }))
}

#[cfg(test)]
mod tests;
