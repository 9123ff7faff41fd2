//! What the hub's commands do to the agent.

use super::Core;
use super::reload::Reloading;
use crate::analysis::Analysis;
use crate::command::{Actions, At, Outcome};
use crate::config::EvidenceDelivery;
use crate::contract::RequestId;
use crate::ids::Name;
use crate::incident::{Order, OrderError};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// How long the main thread may take to switch a camera: it stops two streams.
const SWITCH_LIMIT: Duration = Duration::from_secs(10);
/// Wishes that wait for the main thread at most; the command waits.
pub(super) const MAX_WISHES: usize = 4;

/// What only the main thread can do.
pub(super) enum Wish {
    /// Switch a camera, by its index, off or on.
    Switch { camera: usize, is_on: bool, done: SyncSender<Outcome> },
    /// Read the configuration again.
    Reload,
}

/// The way of commands to the analysis, the cameras and the main thread.
pub(super) struct Orders {
    pub(super) core: Arc<Core>,
    pub(super) wishes: tokio::sync::mpsc::Sender<Wish>,
    pub(super) reloading: Arc<Reloading>,
}

impl Orders {
    fn camera(&self, id: &Name) -> Result<usize, Outcome> {
        self.core.roster().find(id).ok_or_else(|| Outcome::rejected("no such camera is configured"))
    }

    /// The analysis, or why there is none.
    fn analysis(&self) -> Result<&Arc<Analysis>, Outcome> {
        self.core.analysis.get().ok_or_else(|| {
            let reason = self.core.not_prepared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Outcome::failed(format!("nothing is analysed: {}", reason.unwrap_or_default()))
        })
    }

    fn try_order(&self, at: At<'_>, order: &Order) -> Result<Outcome, Outcome> {
        let analysis = self.analysis()?;
        let camera = match at {
            At::Camera(id) => self.camera(id)?,
            At::Incident(id) => {
                let unknown = || Outcome::rejected(OrderError::UnknownIncident.to_string());
                analysis.camera_of(id).ok_or_else(unknown)?
            }
        };
        match analysis.order(camera, order) {
            Ok(()) => Ok(Outcome::ok()),
            Err(error @ OrderError::Stopping) => Err(Outcome::failed(error.to_string())),
            Err(error @ (OrderError::UnknownIncident | OrderError::UnknownRule | OrderError::TooMany(_))) => {
                Err(Outcome::rejected(error.to_string()))
            }
        }
    }

    fn try_snapshot(&self, request: &RequestId, camera: &Name, incident: Option<Uuid>) -> Result<(), Outcome> {
        let index = self.camera(camera)?;
        if self.core.config().evidence.delivery == EvidenceDelivery::None {
            return Err(Outcome::rejected("evidence.delivery is none: no picture leaves this box"));
        }
        if !self.core.is_watched(index) {
            return Err(Outcome::rejected("the camera is switched off"));
        }
        let analysis = self.analysis()?;
        let taken = analysis.snapshot(index, request.to_string(), incident);
        taken.map_err(|error| Outcome::rejected(error.to_string()))
    }

    fn try_switch(&self, camera: &Name, is_on: bool) -> Result<Outcome, Outcome> {
        let camera = self.camera(camera)?;
        if is_on && !self.core.roster().camera(camera).enabled {
            return Err(Outcome::rejected("the configuration switches this camera off"));
        }
        let (done, switched) = sync_channel(1);
        let stopping = || Outcome::failed("the agent is stopping");
        self.wishes.blocking_send(Wish::Switch { camera, is_on, done }).map_err(|_| stopping())?;
        switched.recv_timeout(SWITCH_LIMIT).map_err(|_| Outcome::failed("the camera's streams do not stop"))
    }
}

/// What came of it, whichever.
fn either(outcome: Result<Outcome, Outcome>) -> Outcome {
    outcome.unwrap_or_else(std::convert::identity)
}

impl Actions for Orders {
    fn order(&self, at: At<'_>, order: &Order) -> Outcome {
        either(self.try_order(at, order))
    }

    fn snapshot(&self, request: &RequestId, camera: &Name, incident: Option<Uuid>) -> Option<Outcome> {
        self.try_snapshot(request, camera, incident).err()
    }

    fn switch_camera(&self, camera: &Name, is_on: bool) -> Outcome {
        either(self.try_switch(camera, is_on))
    }

    fn check_reload(&self) -> Outcome {
        match (self.reloading.load)() {
            Ok(_) => Outcome::ok(),
            Err(reason) => Outcome::rejected(reason),
        }
    }

    fn reload(&self) {
        // The main thread is gone only when the agent is stopping.
        let _ = self.wishes.blocking_send(Wish::Reload);
    }
}
