//! Frame + areas to hide → redacted JPEG, in one call.
//!
//! What is hidden, by [`SensitiveObject`] (the figures are in [`areas`]):
//! - **person**: the head region over the whole width of the box; the whole box if the person is small, not upright or
//!   cut by the frame's lower edge, because then the head may be anywhere in it;
//! - **head** (or face): the whole box, widened to the whole head;
//! - **vehicle**: the lower part of the box over its whole width, where the plates are; and the upper part, more finely,
//!   if the vehicle is near enough for the heads of its occupants to be seen.
//!
//! How: each area is divided into cells far coarser than what they hide, and only the cells' averages are kept
//! ([`mosaic`]); everything else about the area is gone. Luma and chroma alike.
//!
//! The caller decides whom to hide, and should err on the side of too many: all people and vehicles at a confidence far
//! below that of the rules, of this frame and of the last second. This module knows no detector and no threshold.
//!
//! The picture carries no metadata: no EXIF, no comment, no thumbnail. Its only addition is the outline of the incident.

mod areas;
mod jpeg;
mod mosaic;
mod planes;
mod text;

use crate::frame::Frame;
use crate::geometry::BBox;
use planes::JfifPlanes;
use sha2::{Digest, Sha256};

/// Version of what is hidden and how; it counts up when either changes.
pub const REDACTION_VERSION: u16 = 2;

/// Something whose identifying area must not be seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SensitiveObject {
    /// What it is; decides which part of the box is hidden.
    pub kind: SensitiveKind,
    /// Where it was seen, 0..1 in the frame, not dilated: this module adds the margin.
    pub bbox: BBox,
}

/// An outline with a few words beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where, 0..1 in the frame.
    pub bbox: BBox,
    /// What is written there; letters that the font lacks are question marks.
    pub text: String,
}

/// What a [`SensitiveObject`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensitiveKind {
    /// A human being.
    Person,
    /// A human head or face, seen by itself.
    Head,
    /// Anything that bears a number plate.
    Vehicle,
}

impl SensitiveKind {
    /// Whether it is a person or a part of one.
    #[must_use]
    pub fn is_of_person(self) -> bool {
        match self {
            Self::Person | Self::Head => true,
            Self::Vehicle => false,
        }
    }
}

/// What a hidden area may have shown; the names are those of the event's `redaction.classes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RedactedClass {
    /// The head of a person, on foot or behind a vehicle's window.
    PersonHead,
    /// The part of a vehicle that bears its plate.
    VehiclePlateArea,
}

impl RedactedClass {
    /// Name in the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PersonHead => "person_head",
            Self::VehiclePlateArea => "vehicle_plate_area",
        }
    }
}

/// What was hidden in one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactionSummary {
    classes: Vec<RedactedClass>,
    area_count: usize,
}

impl RedactionSummary {
    /// Classes of the areas hidden in this picture, each once, in order; empty if nobody was there to be hidden.
    #[must_use]
    pub fn classes(&self) -> &[RedactedClass] {
        &self.classes
    }
    /// Number of areas hidden, after those that nearly coincide were joined.
    #[must_use]
    pub fn area_count(&self) -> usize {
        self.area_count
    }
    /// Version of the method, [`REDACTION_VERSION`].
    #[must_use]
    pub fn version(&self) -> u16 {
        REDACTION_VERSION
    }
}

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegLimits {
    /// Wanted JPEG quality, 1..=100; values outside are clamped.
    pub quality: u8,
    /// Upper limit of the encoded bytes; the quality is lowered step by step until they fit.
    pub max_bytes: usize,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// Even at the lowest quality the picture exceeds the limit.
    #[error("the {width}x{height} picture needs {found_bytes} bytes at the lowest quality; the limit is {max_bytes}")]
    TooLarge {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
        /// Bytes at the lowest quality.
        found_bytes: usize,
        /// Limit in bytes.
        max_bytes: usize,
    },
    /// The encoder refused the picture.
    #[error("the redacted picture cannot be encoded as JPEG")]
    Encode(#[source] jpeg_encoder::EncodingError),
}

/// A picture that may leave the box. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactedJpeg {
    bytes: bytes::Bytes,
    sha256: String,
    width: u16,
    height: u16,
    redaction: RedactionSummary,
}

impl RedactedJpeg {
    /// Copies the frame's planes, hides the sensitive areas, outlines the incidents and encodes the result.
    ///
    /// The JPEG has the frame's size, 4:2:0 chroma and JFIF colours (full-range BT.601) whatever the frame's were.
    /// Outlines are drawn last: they are never part of what a cell averages.
    pub fn try_from_frame(
        frame: &Frame,
        sensitive: &[SensitiveObject],
        outlines: &[BBox],
        limits: JpegLimits,
    ) -> Result<Self, RedactError> {
        Self::try_drawn(frame, sensitive, limits, |planes| {
            for extent in outlines {
                planes.draw_outline(extent);
            }
        })
    }

    /// As [`Self::try_from_frame`], with an outline and a few words for each of several things.
    pub fn try_annotated(
        frame: &Frame,
        sensitive: &[SensitiveObject],
        marks: &[Mark],
        limits: JpegLimits,
    ) -> Result<Self, RedactError> {
        Self::try_drawn(frame, sensitive, limits, |planes| {
            for mark in marks {
                planes.draw_outline(&mark.bbox);
            }
            // Words last, so that no outline crosses them.
            for mark in marks {
                planes.draw_text(&mark.bbox, &mark.text);
            }
        })
    }

    fn try_drawn(
        frame: &Frame,
        sensitive: &[SensitiveObject],
        limits: JpegLimits,
        draw: impl FnOnce(&mut JfifPlanes),
    ) -> Result<Self, RedactError> {
        let mut planes = JfifPlanes::from_frame(frame);
        let redaction = hide(&mut planes, sensitive);
        draw(&mut planes);
        let bytes = jpeg::encode(&planes, limits)?;
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        Ok(Self { sha256, width: planes.width(), height: planes.height(), bytes: bytes.into(), redaction })
    }

    /// The encoded picture.
    #[must_use]
    pub fn bytes(&self) -> &bytes::Bytes {
        &self.bytes
    }
    /// SHA-256 of [`Self::bytes`], 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }
    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.height
    }
    /// What was hidden.
    #[must_use]
    pub fn redaction(&self) -> &RedactionSummary {
        &self.redaction
    }
}

impl std::fmt::Debug for RedactedJpeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactedJpeg")
            .field("size_bytes", &self.bytes.len())
            .field("width", &self.width)
            .field("height", &self.height)
            .field("redaction", &self.redaction)
            .finish_non_exhaustive()
    }
}

/// Replaces every sensitive area of the planes by its mosaic.
fn hide(planes: &mut JfifPlanes, sensitive: &[SensitiveObject]) -> RedactionSummary {
    let areas = areas::to_hide(sensitive, planes.width(), planes.height());
    for area in &areas {
        mosaic::apply(planes, area);
    }
    let mut classes: Vec<_> = areas.iter().map(|area| area.class).collect();
    classes.sort_unstable();
    classes.dedup();
    RedactionSummary { classes, area_count: areas.len() }
}

#[cfg(test)]
pub(crate) mod test_pictures;
#[cfg(test)]
mod tests;
