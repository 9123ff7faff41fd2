//! The seconds around an opening, kept for its clip.

use super::{Analysis, Post, Record, Station, look_closely};
use crate::clips::{ClipNews, Roll, RolledClip};
use crate::clock::Mono;
use crate::config::ClipsConfig;
use crate::detect::{DetectError, Detector};
use crate::evidence::{SensitiveKind, SensitiveObject};
use crate::frame::Frame;
use crate::incident::{OrderError, Phase, Transition};
use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// How clips are begun, and the way to their maker.
pub(super) struct Rolling {
    terms: ClipsConfig,
    /// None once a runner has ended.
    rolled: Mutex<Option<SyncSender<RolledClip>>>,
}

/// Finds people and vehicles in the frames of clips.
pub struct PeopleFinder {
    pub(super) detector: Detector,
    pub(super) sensitive: Arc<BTreeMap<u16, SensitiveKind>>,
}

impl PeopleFinder {
    /// Those in a frame that is looked at closely, however unsure.
    pub fn find(&mut self, frame: &Frame) -> Result<Vec<SensitiveObject>, DetectError> {
        let seen = look_closely(frame, &mut self.detector)?;
        Ok(super::station::among(&self.sensitive, &seen).collect())
    }
}

impl Analysis {
    /// Has clips begun on these terms; `rolled` takes them when they are to be made.
    #[must_use]
    pub fn with_clips(mut self, terms: ClipsConfig, rolled: SyncSender<RolledClip>) -> Self {
        self.rolling = Some(Rolling { terms, rolled: Mutex::new(Some(rolled)) });
        for post in self.posts() {
            *post.roll() = self.new_roll();
        }
        self
    }

    pub(super) fn new_roll(&self) -> Option<Roll> {
        self.rolling.as_ref().map(|rolling| Roll::new(rolling.terms))
    }

    /// Nothing is begun any more.
    pub(super) fn stop_rolling(&self) {
        if let Some(rolling) = &self.rolling {
            *rolling.rolled.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Keeps a small copy of a frame, if it is time for one.
    pub(super) fn roll_on(post: &Post, frame: &Frame, station: &Station) {
        let mut roll = post.roll();
        let Some(roll) = roll.as_mut().filter(|roll| roll.wants(frame.stamp())) else { return };
        if let Err(error) = roll.take(frame, station.sensitive()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a frame is missing in what comes of clips");
        }
    }

    /// What a change has to do with the clip of its incident: one begins where it opens.
    pub(super) fn begin_clip(camera: usize, post: &Post, transition: &Transition) -> ClipNews {
        let (incident, mut roll) = (&transition.incident, post.roll());
        match (roll.as_mut(), transition.phase) {
            (Some(roll), Phase::Opened) => {
                if roll.begin(camera, incident.id, &incident.rule, incident.bbox, transition.at.mono) {
                    ClipNews::Awaited
                } else {
                    ClipNews::Absent("too many incidents opened at this camera within seconds".to_owned())
                }
            }
            (_, Phase::Opened | Phase::Updated | Phase::Rechecked | Phase::Closed | Phase::Withdrawn) => ClipNews::None,
        }
    }

    /// Hands on the clips that have their end by now; what the recorder must write down of those that cannot be made.
    pub(super) fn end_clips(&self, camera: usize, post: &Post, station: &mut Station, now: Mono) -> Vec<Record> {
        let ended = post.roll().as_mut().map(|roll| roll.finished(now)).unwrap_or_default();
        self.hand_on(camera, post, station, ended)
    }

    /// Hands on the clips whose end did not come. Waits while the recorder cannot keep up.
    pub fn end_overdue_clips(&self) {
        let now = self.clocks.mono();
        for (camera, post) in self.posts().iter().enumerate() {
            let overdue = post.roll().as_mut().map(|roll| roll.overdue(now)).unwrap_or_default();
            if overdue.is_empty() {
                continue;
            }
            let _turn = post.turn();
            let records = self.hand_on(camera, post, &mut post.station(), overdue);
            if let Err(error) = self.pass_on(records) {
                tracing::warn!(camera, "that there is no clip is not said: {error}");
            }
        }
    }

    /// Tells of the clip of an incident that it is made, or that there is none. Waits while the recorder cannot keep up.
    pub fn tell_of_clip(&self, camera: usize, incident: Uuid, news: &ClipNews) -> Result<(), OrderError> {
        let post = self.post_of(camera).ok_or(OrderError::UnknownIncident)?;
        let _turn = post.turn();
        let records = self.clip_records(camera, &post, &mut post.station(), incident, news);
        if records.is_empty() {
            return Err(OrderError::UnknownIncident);
        }
        self.pass_on(records)
    }

    fn hand_on(&self, camera: usize, post: &Post, station: &mut Station, ended: Vec<RolledClip>) -> Vec<Record> {
        let Some(rolling) = &self.rolling else { return Vec::new() };
        let Some(rolled) = rolling.rolled.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Vec::new();
        };
        let mut records = Vec::new();
        for clip in ended {
            let incident = clip.incident;
            if rolled.try_send(clip).is_err() {
                let news = ClipNews::Absent("as many clips as may wait to be made already".to_owned());
                records.extend(self.clip_records(camera, post, station, incident, &news));
            }
        }
        records
    }

    fn clip_records(
        &self,
        camera: usize,
        post: &Post,
        station: &mut Station,
        incident: Uuid,
        news: &ClipNews,
    ) -> Vec<Record> {
        let told = station.tell(incident, self.clocks.mono(), self.clocks.wall());
        let mut records = Self::records_of(camera, post, told.into_iter().collect(), None, station);
        for record in &mut records {
            if let Record::Change(finding) = record {
                finding.clip = news.clone();
            }
        }
        records
    }
}
