//! Pictures that the hub asked for: redacted, on disk, and in the outbox before the hub is told of them.

use super::{Recorder, Shown, Withheld};
use crate::analysis::{Snapshot, Still};
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
        let path = self.evidence.write(id, &jpeg)?;
        let incident = snapshot.incident.map(|(incident, _)| incident);
        let shown = Shown { role: EvidenceRole::Snapshot, incident, captured_at: frame.stamp().wall };
        let file = self.evidence_file(id, path, &jpeg, shown, now);
        self.store.lock().record_picture(incident.unwrap_or(id), &file, now)?;
        Ok(file.evidence)
    }
}
