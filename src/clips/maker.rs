//! Frames of a roll → a redacted clip, on a thread of its own that gives way to all others.
//!
//! A clip shows ten times as many moments as a picture, and in each of them somebody may stand whom the detector misses. So each of its frames is looked at again, as a
//! whole and in four parts, however the analysis has looked at it: on a staged street that found a person at the edge whom the look at the whole did not, at any confidence.

use super::{Clip, ClipNews, RolledClip, Shot};
use crate::config::{Config, EvidenceDelivery};
use crate::detect::DetectError;
use crate::evidence::{Caption, ClipError, MAX_MQTT_BYTES, RedactedFrames, RedactedPicture, SensitiveObject};
use crate::faces::{FaceFinder, FacesError};
use crate::frame::Frame;
use crate::logging::chain;
use jiff::tz::TimeZone;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use uuid::Uuid;

/// By how much the thread gives way: a fifth of the processor beside threads of ordinary priority.
const NICE: i32 = 10;
/// Time between two looks whether the agent is stopping.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Largest clip that does not go over MQTT; twenty seconds of a crowded street at the best quality.
const MAX_BYTES: usize = 8_000_000;

/// Finds people and vehicles in a frame, however unsure.
pub type FindPeople = Box<dyn FnMut(&Frame) -> Result<Vec<SensitiveObject>, DetectError> + Send>;

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum NoClip {
    /// The camera or the rule is gone.
    #[error("the camera or the rule is no longer in the configuration")]
    Removed,
    /// It cannot be encoded, or no frame of it could be redacted.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A mistake of the program.
    #[error("making the clip panicked")]
    Panicked,
    /// The agent is stopping.
    #[error("the agent is stopping")]
    Stopping,
}

/// Why a frame is left out.
#[derive(Debug, thiserror::Error)]
enum LeftOut {
    #[error("nobody can be looked for in it")]
    People(#[from] DetectError),
    #[error(transparent)]
    Faces(#[from] FacesError),
    #[error(transparent)]
    Clip(#[from] ClipError),
}

/// Makes clips; owned by its thread.
pub struct ClipMaker {
    parts: ClipMakerParts,
}

/// What a maker of clips works with.
pub struct ClipMakerParts {
    /// The configuration as of now.
    pub config: Box<dyn Fn() -> Arc<Config> + Send>,
    /// Time zone in which times are written.
    pub time_zone: TimeZone,
    /// Looks at every frame, more closely than the analysis has.
    pub people: FindPeople,
    /// Looks at every frame.
    pub faces: Box<dyn FaceFinder>,
}

impl ClipMaker {
    /// Takes its parts.
    #[must_use]
    pub fn new(parts: ClipMakerParts) -> Self {
        Self { parts }
    }

    /// Makes what comes until every sender is gone or `give_up` says that the agent is stopping. `deliver` gets camera and incident of each, with what came of it.
    pub fn run(
        &mut self,
        rolled: &Receiver<RolledClip>,
        deliver: &dyn Fn(usize, Uuid, &ClipNews),
        give_up: &dyn Fn() -> bool,
    ) {
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::warn!(%error, "the thread that makes clips has the priority of all others");
        }
        while !give_up() {
            let rolled = match rolled.recv_timeout(LOOK_EVERY) {
                Ok(rolled) => rolled,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let (camera, incident) = (rolled.camera, rolled.incident);
            let made = catch_unwind(AssertUnwindSafe(|| self.make(&rolled, give_up)));
            let news = match made.unwrap_or(Err(NoClip::Panicked)) {
                Ok(clip) => ClipNews::Made(Box::new(clip)),
                Err(NoClip::Stopping) => return,
                Err(error) => ClipNews::Absent(chain(&error)),
            };
            deliver(camera, incident, &news);
        }
    }

    /// Redacts every frame and encodes them. A frame that cannot be redacted is left out.
    pub fn make(&mut self, rolled: &RolledClip, give_up: &dyn Fn() -> bool) -> Result<Clip, NoClip> {
        let config = (self.parts.config)();
        let camera = config.cameras.get(rolled.camera).ok_or(NoClip::Removed)?;
        let rule = camera.rules.iter().find(|rule| rule.id == rolled.rule).ok_or(NoClip::Removed)?;
        let time_zone = self.parts.time_zone.clone();
        let (rule, incident) = (Some(rule), Some(rolled.incident));
        let caption = Caption { config: &config, time_zone: &time_zone, camera, rule, incident };
        let mut frames = RedactedFrames::default();
        let mut captured_at = None;
        for shot in &rolled.shots {
            if give_up() {
                return Err(NoClip::Stopping);
            }
            let stamp = shot.frame.stamp();
            let added = self.redacted(shot).and_then(|picture| {
                let picture = picture.outlined(&[rolled.bbox]);
                let has_strip = config.evidence.strip;
                let picture = if has_strip { picture.with_strip(&caption.facts(stamp.wall)) } else { picture };
                Ok(frames.add(picture, stamp.media.0)?)
            });
            match added {
                Ok(()) => drop(captured_at.get_or_insert(stamp.wall)),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(camera = %camera.id, incident = %rolled.incident, error, "a frame of a clip is left out");
                }
            }
        }
        let captured_at = captured_at.ok_or(ClipError::Empty)?;
        let wanted_bytes = match config.evidence.delivery {
            EvidenceDelivery::Mqtt => MAX_MQTT_BYTES,
            EvidenceDelivery::Http | EvidenceDelivery::None => MAX_BYTES,
        };
        Ok(Clip { clip: frames.encode(wanted_bytes)?, captured_at })
    }

    fn redacted(&mut self, shot: &Shot) -> Result<RedactedPicture, LeftOut> {
        let mut hidden = shot.seen.clone();
        hidden.extend((self.parts.people)(&shot.frame)?);
        hidden.extend(self.parts.faces.find_coarsely(&shot.frame)?);
        Ok(RedactedPicture::from_frame(&shot.frame, &hidden))
    }
}

#[cfg(test)]
mod tests;
