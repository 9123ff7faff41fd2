//! Pictures that the hub asked for: redacted, on disk, and in the outbox before the hub is told of them.

use super::Recorder;
use super::pictures::{NotKept, Subject};
use crate::analysis::{Snapshot, Still};
use crate::audit::{Actor, AuditError, Deed};
use crate::contract::{Evidence, EvidenceRole};
use crate::store::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error(transparent)]
    NotKept(#[from] NotKept),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl Recorder {
    /// Keeps a picture and tells who asked for it. Nothing is tried again: the hub can ask again.
    pub(super) fn take_snapshot(&mut self, snapshot: &Snapshot) {
        let attempt = catch_unwind(AssertUnwindSafe(|| self.keep_snapshot(snapshot)));
        let taken = match attempt {
            Ok(Ok(evidence)) => {
                self.notice.recorded();
                Ok(evidence)
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "no picture for the hub");
                self.note_withheld(&self.config.cameras[snapshot.camera].id, &snapshot.ticket, error);
                Err(error.to_string())
            }
            Err(_) => {
                tracing::error!("making a picture for the hub panicked");
                self.note_withheld(&self.config.cameras[snapshot.camera].id, &snapshot.ticket, &NotKept::Panicked);
                Err("the picture could not be made".to_owned())
            }
        };
        self.notice.snapshot(&snapshot.ticket, taken);
    }

    fn keep_snapshot(&mut self, snapshot: &Snapshot) -> Result<Evidence, NoPicture> {
        let (frame, sensitive) = match &snapshot.still {
            Still::Taken { frame, sensitive } => (frame, sensitive),
            Still::NotWanted | Still::Missing => (&snapshot.frame, &snapshot.sensitive),
        };
        let config = Arc::clone(&self.config);
        let now = self.clocks.wall();
        let subject = Subject {
            role: EvidenceRole::Snapshot,
            camera: &config.cameras[snapshot.camera],
            rule: None,
            incident: snapshot.incident,
            captured_at: frame.stamp().wall,
            taken_at: now,
        };
        let picture = self.redact(frame, sensitive).map_err(NotKept::from)?;
        let file = self.keep_overview(picture, &subject)?;
        // Nobody looks through a camera without a record of it.
        let taken = Deed::Snapshot {
            request: snapshot.ticket.clone(),
            camera: subject.camera.id.to_string(),
            evidence: file.evidence.id,
            sha256: file.evidence.sha256.clone(),
        };
        self.custody.audit().append(&Actor::Hub(None), &taken, now)?;
        let incident = snapshot.incident.map(|(incident, _)| incident);
        self.store.lock().record_picture(incident, &file, now)?;
        Ok(file.evidence)
    }
}
