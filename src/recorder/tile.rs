//! Pictures for people who look at the console: redacted as the others, smaller, shown and kept nowhere.

use super::Recorder;
use super::pictures::NotKept;
use crate::analysis::Tile;
use crate::evidence::{JpegLimits, RedactedJpeg, RedactedPicture};
use crate::logging::chain;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Widest picture that is shown live.
const MAX_WIDTH: u16 = 960;
/// A picture of this size is for the eye, not for the file.
const LIMITS: JpegLimits = JpegLimits { quality: 75, max_bytes: 400_000 };

impl Recorder {
    /// Makes the picture and hands it on. Nothing is tried again: whoever looks asks again.
    pub(super) fn show_tile(&mut self, tile: &Tile) {
        let made = catch_unwind(AssertUnwindSafe(|| self.make_tile(tile))).unwrap_or_else(|_| {
            tracing::error!(camera = tile.camera, "making a picture for the console panicked");
            Err("the picture could not be made".to_owned())
        });
        self.notice.tile(tile.camera, tile.frame.stamp().wall, made);
    }

    fn make_tile(&mut self, tile: &Tile) -> Result<RedactedJpeg, String> {
        // Faces are looked for in the whole at once: those that this finds not are a few pixels wide in a picture of this size.
        let mut hidden = self.faces.find_coarsely(&tile.frame).map_err(|error| chain(&NotKept::from(error)))?;
        hidden.extend_from_slice(&tile.sensitive);
        let picture = RedactedPicture::from_frame(&tile.frame, &hidden).scaled_to(MAX_WIDTH);
        picture.encode(&mut self.encoder, LIMITS).map_err(|error| chain(&error))
    }
}
