//! Pictures that the hub asked for: redacted, on disk, and in the outbox before the hub is told of them.

use super::{Recorder, Shown, Withheld};
use crate::analysis::{Snapshot, Still};
use crate::audit::{Actor, AuditError, Deed};
use crate::contract::{Evidence, EvidenceRole};
use crate::evidence::FileError;
use crate::geometry::BBox;
use crate::store::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error(transparent)]
    Withheld(#[from] Withheld),
    #[error(transparent)]
    File(#[from] FileError),
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
        let outlines: Vec<BBox> = snapshot.incident.iter().map(|(_, bbox)| *bbox).collect();
        let jpeg = self.redact(frame, sensitive, &outlines)?;
        let now = self.clocks.wall();
        let id = self.ids.next(now);
        // Nobody looks through a camera without a record of it.
        let taken = Deed::Snapshot {
            request: snapshot.ticket.clone(),
            camera: self.config.cameras[snapshot.camera].id.to_string(),
            evidence: id,
            sha256: jpeg.sha256().to_owned(),
        };
        self.custody.audit().append(&Actor::Hub(None), &taken, now)?;
        let path = self.custody.write(id, &jpeg)?;
        let incident = snapshot.incident.map(|(incident, _)| incident);
        let shown = Shown { role: EvidenceRole::Snapshot, incident, kind: None, captured_at: frame.stamp().wall };
        let file = self.evidence_file(id, path, &jpeg, shown, now);
        self.store.lock().record_picture(incident, &file, now)?;
        Ok(file.evidence)
    }
}
