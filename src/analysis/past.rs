//! What a camera's engine was given over the last minutes, so that people see what other zones and rules would have reported.
//!
//! Kept are numbers: times, classes, boxes, scores. People are left out: a person lives for seconds, here too; what the camera has learned of how
//! tall anyone looks is all that is known of them. Bounds per camera: [`KEPT_FOR`], [`MAX_MOMENTS`] frames and [`MAX_BYTES`]; the oldest goes
//! first.

use super::{Analysis, Plan};
use crate::camera::{ClassTable, Engine, EngineRule};
use crate::clock::MediaTime;
use crate::detect::Detection;
use crate::frame::FrameStamp;
use crate::ids::{IdSource, Name};
use crate::incident::{CannotSee, Memory, Transition};
use crate::picture::Light;
use crate::scene::{Attended, PersonHeights, SeenObject};
use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long what was seen is kept.
const KEPT_FOR: Duration = Duration::from_mins(10);
/// Six minutes at four frames a second; an idle camera has a few hundred in ten.
const MAX_MOMENTS: usize = 1500;
const MAX_BYTES: usize = 512 << 10;

/// What an engine was given of one frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Moment {
    /// What was seen, without people.
    Seen { at: FrameStamp, by: Light, detections: Arc<[Detection]>, statics: Box<[SeenObject]> },
    /// Nothing could be seen from here on.
    Blind { at: MediaTime, why: CannotSee },
}

/// The last moments of a camera.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    moments: VecDeque<Arc<Moment>>,
    bytes: usize,
    /// As of the last of them.
    heights: PersonHeights,
}

impl Moment {
    fn at(&self) -> MediaTime {
        match self {
            Self::Seen { at, .. } => at.media,
            Self::Blind { at, .. } => *at,
        }
    }

    /// Detections that an unchanged frame shares with the one before count for each: that is never too little.
    fn bytes(&self) -> usize {
        let held = match self {
            Self::Seen { detections, statics, .. } => size_of_val(&**detections) + size_of_val(&**statics),
            Self::Blind { .. } => 0,
        };
        size_of::<Self>() + held
    }
}

impl Past {
    /// Takes in a moment, and what is known by then of how tall people look.
    pub(super) fn note(&self, mut moment: Moment, heights: PersonHeights) {
        let mut ring = self.ring();
        ring.heights = heights;
        match (&mut moment, ring.moments.back().map(|last| &**last)) {
            (Moment::Blind { why, .. }, Some(Moment::Blind { why: last, .. })) if why == last => return,
            (Moment::Seen { detections, .. }, Some(Moment::Seen { detections: last, .. })) if detections == last => {
                *detections = Arc::clone(last);
            }
            (Moment::Seen { .. } | Moment::Blind { .. }, _) => {}
        }
        let now = moment.at();
        ring.bytes += moment.bytes();
        ring.moments.push_back(Arc::new(moment));
        let is_too_much = |ring: &Ring| {
            let is_old = ring.moments.front().is_some_and(|oldest| now.since(oldest.at()) > KEPT_FOR);
            is_old || ring.moments.len() > MAX_MOMENTS || ring.bytes > MAX_BYTES
        };
        while is_too_much(&ring) {
            let Some(oldest) = ring.moments.pop_front() else { break };
            ring.bytes -= oldest.bytes();
        }
    }

    /// Forgets all: the media time begins anew.
    pub(super) fn clear(&self) {
        *self.ring() = Ring::default();
    }

    /// What is known, the oldest first (a copy of pointers), and how tall people look.
    fn known(&self) -> (Vec<Arc<Moment>>, PersonHeights) {
        let ring = self.ring();
        (ring.moments.iter().cloned().collect(), ring.heights)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What rules would have reported of what was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// The first and the last frame of which something is known.
    pub window: Option<(FrameStamp, FrameStamp)>,
    /// What would have happened, in order.
    pub transitions: Vec<Transition>,
    /// Rules that ask whether somebody attends the thing, which is not judged.
    pub without_people: Vec<Name>,
}

impl Analysis {
    /// Runs what a camera saw over the last minutes through rules that it does not have. Nobody hears of it, and nothing is changed.
    #[must_use]
    pub fn rehearse(&self, camera: usize, plan: &Plan) -> Rehearsal {
        let (moments, heights) = self.post_of(camera).map(|post| post.past.known()).unwrap_or_default();
        rehearse(&self.prepared.classes, plan.rules.clone(), &moments, heights)
    }
}

fn rehearse(
    classes: &Arc<ClassTable>,
    mut rules: Vec<EngineRule>,
    moments: &[Arc<Moment>],
    heights: PersonHeights,
) -> Rehearsal {
    let mut without_people = Vec::new();
    for rule in rules.iter_mut().filter(|rule| rule.watch.attended != Attended::Any) {
        rule.watch.attended = Attended::Any;
        without_people.push(rule.id.clone());
    }
    let (engine, _) = Engine::new(classes, rules, Memory::default(), IdSource::from_seed(0));
    let mut engine = engine.knowing_heights(heights);
    let (mut window, mut transitions) = (None, Vec::new());
    for moment in moments {
        match &**moment {
            Moment::Blind { why, .. } => engine.pause(*why),
            Moment::Seen { at, by, detections, statics } => {
                engine.see_by(*by);
                transitions.extend(engine.analyse_with(at, detections, statics));
                window = Some((window.map_or(*at, |(first, _)| first), *at));
            }
        }
    }
    Rehearsal { window, transitions, without_people }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{BBox, Polygon};
    use crate::incident::Terms;
    use crate::scene::{Watch, of_a_street};
    use crate::track::StartConfidence;

    fn seen(secs: f64, count: u16) -> Moment {
        let bbox = BBox::try_new(0.4, 0.4, 0.6, 0.6).unwrap();
        let detections = (0..count).map(|class| Detection { class, confidence: 0.9, bbox }).collect();
        Moment::Seen { at: FrameStamp::at_secs(secs, 0), by: Light::default(), detections, statics: Box::default() }
    }

    #[test]
    fn what_is_kept_is_bounded_by_time_number_and_bytes() {
        let (past, heights) = (Past::default(), PersonHeights::default());
        for secs in 0..700 {
            past.note(seen(f64::from(secs), 1), heights);
        }
        assert_eq!(past.known().0.len(), 601, "ten minutes");
        for frame in 0..4000 {
            past.note(seen(700.0 + f64::from(frame) / 100.0, 0), heights);
        }
        assert_eq!(past.known().0.len(), MAX_MOMENTS);
        for frame in 0..400 {
            past.note(seen(800.0 + f64::from(frame), 100), heights);
        }
        let ring = past.ring();
        assert!(
            ring.bytes <= MAX_BYTES && ring.bytes == ring.moments.iter().map(|moment| moment.bytes()).sum::<usize>()
        );
        assert!(ring.moments.len() > 150, "{}", ring.moments.len());
    }

    #[test]
    fn an_unchanged_frame_shares_what_was_seen_and_blindness_is_noted_once() {
        let (past, heights) = (Past::default(), PersonHeights::default());
        past.note(seen(0.0, 5), heights);
        past.note(seen(1.0, 5), heights);
        let blind = |secs: u64| Moment::Blind { at: MediaTime(Duration::from_secs(secs)), why: CannotSee::Dark };
        past.note(blind(2), heights);
        past.note(blind(3), heights);
        let (moments, _) = past.known();
        assert_eq!(moments.len(), 3);
        let (Moment::Seen { detections: a, .. }, Moment::Seen { detections: b, .. }) = (&*moments[0], &*moments[1])
        else {
            panic!("two frames");
        };
        assert!(Arc::ptr_eq(a, b));
    }

    #[test]
    fn a_parasol_stands_where_it_stands_for_the_agent_though_nobody_who_passed_is_remembered() {
        const PARASOL: u16 = 1;
        let road = Polygon::try_new(&[[0.2, 0.5], [0.8, 0.5], [0.8, 0.8], [0.2, 0.8]]).unwrap();
        let rule = EngineRule {
            id: Name::try_new("vending").unwrap(),
            watch: Watch {
                zones: vec![(Name::try_new("road").unwrap(), road)],
                except: vec![],
                classes: [PARASOL].into(),
                person_classes: [0].into(),
                hanging_classes: [PARASOL].into(),
                min_area: 0.0,
                is_composite: true,
                attended: Attended::Any,
                near: None,
                min_count: 1,
            },
            terms: Terms { dwell: Duration::from_secs(10), ..Terms::default() },
        };
        let classes = Arc::new(ClassTable {
            names: ["person", "umbrella"].map(str::to_owned).to_vec(),
            association: vec![0, PARASOL],
            start_confidence: StartConfidence::same(0.3),
        });
        // It hangs above the road's far edge; by the height of people it stands at 0.62.
        let bbox = BBox::try_new(0.4, 0.27, 0.6, 0.4).unwrap();
        let moment = |second: u32| Moment::Seen {
            at: FrameStamp::at_secs(f64::from(second), 0),
            by: Light::default(),
            detections: [Detection { class: PARASOL, confidence: 0.9, bbox }].into(),
            statics: Box::default(),
        };
        let opened = |heights: PersonHeights| {
            let past = Past::default();
            (0..30).for_each(|second| past.note(moment(second), heights));
            let (moments, heights) = past.known();
            rehearse(&classes, vec![rule.clone()], &moments, heights).transitions.len()
        };
        assert_eq!(opened(of_a_street()), 1);
        assert_eq!(opened(PersonHeights::default()), 0, "its rim is not above the road");
    }
}
