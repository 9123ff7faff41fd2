//! What the analysis and the recorder reach of store, cameras and hub.

use super::Core;
use super::watching::{Hold, pace};
use crate::analysis::{Attention, PictureNews, Surroundings};
use crate::command::Outcome;
use crate::contract::{self, Evidence};
use crate::evidence::RedactedJpeg;
use crate::frame::Frame;
use crate::ids::{IdSource, Name};
use crate::incident::Memory;
use crate::ingest::{StillError, Stills};
use crate::mqtt::Link;
use crate::recorder::Notice;
use crate::status;
use std::sync::{Arc, PoisonError, Weak};

/// The analysis's way to store, cameras and hub.
pub(super) struct Desk {
    pub(super) core: Arc<Core>,
    /// The analysis outlives the link, which its owner takes apart at the end.
    pub(super) link: Weak<Link>,
}

impl Desk {
    fn hold(&self, camera: usize) -> Option<Arc<Hold>> {
        self.core.holds.read().unwrap_or_else(PoisonError::into_inner)[camera].clone()
    }
}

impl Surroundings for Desk {
    fn memory(&self, camera: usize) -> Memory {
        self.core.memories[camera].clone()
    }

    fn ids(&self, _: usize) -> IdSource {
        IdSource::from_os()
    }

    fn frames_corrupt(&self, camera: usize) -> u64 {
        self.hold(camera).map_or(0, |hold| hold.control.frames_corrupt())
    }

    fn attention(&self, camera: usize, attention: Attention) {
        if let Some(hold) = self.hold(camera) {
            hold.control.set_pace(pace(&self.core.roster().camera(camera).analysis, attention));
        }
    }

    fn picture(&self, camera: usize, news: PictureNews) {
        self.core.views.lock().unwrap_or_else(PoisonError::into_inner)[camera].picture = Some(news.state);
        let roster = self.core.roster();
        let id = &roster.camera(camera).id;
        let state = news.state.as_str();
        if news.state.suspends_rules() {
            tracing::warn!(camera = %id, state, "the picture cannot be judged: the camera's rules rest");
        } else if news.previous.is_some() {
            tracing::info!(camera = %id, state, "the picture has changed");
        }
        let message = status::image_health(id, &news, &self.core.time_zone);
        if let Some(link) = self.link.upgrade() {
            link.state(self.core.topics.camera_image(id), contract::to_json(&message));
        }
    }

    fn still(&self, camera: usize) -> Option<Result<Frame, StillError>> {
        self.hold(camera)?.stills.as_ref().map(Stills::latest)
    }
}

/// The recorder's way to the hub's side.
pub(super) struct ToLink {
    pub(super) core: Arc<Core>,
    pub(super) link: Arc<Link>,
}

impl Notice for ToLink {
    fn recorded(&self) {
        self.link.wake();
        for courier in self.core.webhook.as_deref().into_iter().chain(&self.core.storage) {
            courier.wake();
        }
    }
    fn active(&self, camera: &Name, rule: &Name, incidents: Vec<uuid::Uuid>) {
        self.core.say_open(&self.link, camera, rule, incidents);
    }
    fn snapshot(&self, ticket: &str, taken: Result<Evidence, String>) {
        let outcome = match taken {
            Ok(evidence) => Outcome { evidence: Some(Box::new(evidence)), ..Outcome::ok() },
            Err(reason) => Outcome::failed(reason),
        };
        self.core.finish(ticket, &outcome);
    }
    fn tile(&self, camera: usize, taken_at: jiff::Timestamp, made: Result<RedactedJpeg, String>) {
        self.core.tiles.put(camera, taken_at, made, self.core.clocks.mono());
    }
}
