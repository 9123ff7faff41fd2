//! A picture that the hub asked for: of the camera's next frame, with everybody in it looked for.

use super::{Analysis, Post, Record, Station, Still};
use crate::clock::Mono;
use crate::detect::Detector;
use crate::evidence::SensitiveObject;
use crate::frame::Frame;
use crate::geometry::BBox;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Pictures of one camera that wait for a frame at most.
const MAX_WANTED: usize = 4;
/// How long a picture waits for a frame: an idle camera decodes its key frames, which come every few seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// A picture that the hub asked for.
#[derive(Debug)]
pub struct Snapshot {
    /// Index of the camera.
    pub camera: usize,
    /// Names the request.
    pub ticket: String,
    /// The incident for which it is, and where that stands.
    pub incident: Option<(Uuid, BBox)>,
    /// The frame.
    pub frame: Arc<Frame>,
    /// People and vehicles of this frame and of the last second.
    pub sensitive: Vec<SensitiveObject>,
    /// The picture of the evidence stream.
    pub still: Still,
}

/// A picture that waits for a frame.
#[derive(Debug)]
pub(super) struct Wanted {
    ticket: String,
    incident: Option<(Uuid, BBox)>,
    until: Mono,
}

/// Why no picture is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// As many wait as are allowed.
    #[error("{0} pictures of this camera are awaited already")]
    TooMany(usize),
    /// No incident of that id at this camera.
    #[error("the incident is not one of this camera that is open or was closed within the last day")]
    UnknownIncident,
}

impl Analysis {
    /// Has a picture of the camera's next frame taken; it comes as [`Record::Snapshot`] with this ticket.
    pub fn snapshot(&self, camera: usize, ticket: String, incident: Option<Uuid>) -> Result<(), SnapshotError> {
        let post = self.post(camera);
        let find = |id: Uuid| {
            let memory = post.memory();
            let known = memory.open.iter().chain(&memory.closed).find(|incident| incident.id == id);
            known.map(|incident| (id, incident.bbox)).ok_or(SnapshotError::UnknownIncident)
        };
        let incident = incident.map(find).transpose()?;
        let until = Mono(self.clocks.mono().0 + PATIENCE);
        let mut wanted = post.snapshots();
        if wanted.len() >= MAX_WANTED {
            return Err(SnapshotError::TooMany(MAX_WANTED));
        }
        wanted.push(Wanted { ticket, incident, until });
        Ok(())
    }

    /// Gives up the pictures for which no frame came; their tickets.
    pub fn give_up_snapshots(&self) -> Vec<String> {
        let now = self.clocks.mono();
        let mut given_up = Vec::new();
        for post in self.posts() {
            let mut wanted = post.snapshots();
            let (late, waiting) = std::mem::take(&mut *wanted).into_iter().partition(|wanted| wanted.until <= now);
            *wanted = waiting;
            let late: Vec<Wanted> = late;
            given_up.extend(late.into_iter().map(|wanted| wanted.ticket));
        }
        given_up
    }

    /// The pictures that are wanted of a camera, of this frame.
    pub(super) fn take_snapshots(
        &self,
        camera: usize,
        post: &Post,
        frame: &Arc<Frame>,
        detector: &mut Detector,
        station: &Station,
    ) -> Vec<Record> {
        let wanted = std::mem::take(&mut *post.snapshots());
        if wanted.is_empty() {
            return Vec::new();
        }
        // A panic costs the pictures, not the camera's engine; whoever asked hears nothing of them and asks again.
        let look = || self.look_for_picture(camera, frame, detector, station);
        let Ok((sensitive, still)) = catch_unwind(AssertUnwindSafe(look)) else {
            tracing::error!(camera, "taking a picture for the hub panicked");
            return Vec::new();
        };
        let record = |Wanted { ticket, incident, .. }: Wanted| {
            let (frame, sensitive, still) = (Arc::clone(frame), sensitive.clone(), still.clone());
            Record::Snapshot(Box::new(Snapshot { camera, ticket, incident, frame, sensitive, still }))
        };
        wanted.into_iter().map(record).collect()
    }
}
