//! The picture of the evidence stream that goes with a finding, and whom it shows.

use super::{Analysis, Station, look_closely};
use crate::detect::Detector;
use crate::evidence::SensitiveObject;
use crate::frame::Frame;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The picture of the evidence stream for a finding.
#[derive(Debug, Clone)]
pub enum Still {
    /// None is wanted: the camera has no evidence stream, or the change has no picture.
    NotWanted,
    /// There is none: the analysed frame stands in for it.
    Missing,
    /// Taken.
    Taken {
        /// The picture; it may be some seconds older than the analysed frame.
        frame: Arc<Frame>,
        /// People and vehicles that were detected in this picture itself, and those of the analysed frames of the last second.
        sensitive: Vec<SensitiveObject>,
    },
}

impl Analysis {
    /// Takes the camera's evidence picture and detects whom it shows: since it is of another moment than the analysed frame, people
    /// may stand elsewhere in it. Whatever fails here costs the picture, never the finding.
    pub(super) fn still(&self, camera: usize, detector: &mut Detector, station: &Station) -> Still {
        let attempt = catch_unwind(AssertUnwindSafe(|| -> Result<Still, Box<dyn std::error::Error + Send + Sync>> {
            let Some(frame) = self.around.still(camera) else { return Ok(Still::NotWanted) };
            let frame = frame?;
            let detections = look_closely(&frame, detector)?;
            let mut sensitive = station.sensitive();
            sensitive.extend(station.sensitive_among(&detections));
            Ok(Still::Taken { frame: Arc::new(frame), sensitive })
        }));
        match attempt {
            Ok(Ok(still)) => still,
            Ok(Err(error)) => {
                let error = &*error as &dyn std::error::Error;
                tracing::warn!(camera, error, "no picture of the evidence stream; the analysed frame stands in for it");
                Still::Missing
            }
            Err(_) => {
                tracing::error!(
                    camera,
                    "taking a picture of the evidence stream panicked; the analysed frame stands in for it"
                );
                Still::Missing
            }
        }
    }
}
