//! Frame + areas to hide → redacted picture → JPEG, or several in a row → clip.
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
//! The JPEG carries no metadata: no EXIF, no comment, no thumbnail. What is added is seen: the outline of the incident, and a strip below the
//! picture with what its event says of it. A crop is a part of the redacted picture, never of the frame.

mod areas;
mod clip;
mod crop;
mod encoder;
mod jpeg;
mod mosaic;
mod picture;
mod planes;
mod strip;
mod text;

pub use clip::{ClipError, RedactedClip, RedactedFrames};
pub use encoder::{EncodeError, JpegEncoder};
pub use picture::RedactedPicture;

use crate::contract::MediaType;
use crate::geometry::BBox;
use std::time::Duration;

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
    /// What is written there; what is no letter is a question mark.
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
    Encode(#[from] EncodeError),
}

/// How long a clip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Film {
    /// From its first to its last picture.
    pub duration: Duration,
    /// Pictures.
    pub frame_count: u32,
}

/// What may be written to the disk and leave the box. Only what this module makes is.
pub trait Redacted: private::Sealed + std::fmt::Debug {
    /// What it is.
    fn media_type(&self) -> MediaType;
    /// The encoded picture or clip.
    fn bytes(&self) -> &bytes::Bytes;
    /// SHA-256 of [`Self::bytes`], 64 lower-case hexadecimal digits.
    fn sha256(&self) -> &str;
    /// Width in pixels.
    fn width(&self) -> u16;
    /// Height in pixels, the strip included.
    fn height(&self) -> u16;
    /// Height of the strip at its lower edge in pixels; 0 if there is none.
    fn strip_height(&self) -> u16;
    /// The part of the frame that it shows, 0..1, above the strip.
    fn shown(&self) -> BBox;
    /// How long it is; none of a picture.
    fn film(&self) -> Option<Film>;
    /// What was hidden.
    fn redaction(&self) -> &RedactionSummary;
}

mod private {
    /// Nothing outside can say of itself that it is redacted.
    pub trait Sealed {}
}

/// A picture that may leave the box. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct RedactedJpeg {
    bytes: bytes::Bytes,
    sha256: String,
    width: u16,
    height: u16,
    shown: BBox,
    strip_height: u16,
    redaction: RedactionSummary,
}

impl RedactedJpeg {
    /// The encoded picture.
    #[must_use]
    pub fn bytes(&self) -> &bytes::Bytes {
        &self.bytes
    }
}

impl private::Sealed for RedactedJpeg {}

impl Redacted for RedactedJpeg {
    fn media_type(&self) -> MediaType {
        MediaType::Jpeg
    }
    fn bytes(&self) -> &bytes::Bytes {
        &self.bytes
    }
    fn sha256(&self) -> &str {
        &self.sha256
    }
    fn width(&self) -> u16 {
        self.width
    }
    fn height(&self) -> u16 {
        self.height
    }
    fn strip_height(&self) -> u16 {
        self.strip_height
    }
    fn shown(&self) -> BBox {
        self.shown
    }
    fn film(&self) -> Option<Film> {
        None
    }
    fn redaction(&self) -> &RedactionSummary {
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

#[cfg(test)]
pub(crate) mod test_pictures;
#[cfg(test)]
mod tests;
