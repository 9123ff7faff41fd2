//! Pictures and clips of incidents: frame + areas to hide → [`RedactedJpeg`] or [`RedactedClip`] → file.
//!
//! In: a [`Frame`](crate::frame::Frame), the people and vehicles seen around its time, the incident's extent. Out: JPEG
//! bytes and their file below the data folder.
//!
//! Invariants
//! - What leaves is [`Redacted`]: a [`RedactedJpeg`] or a [`RedactedClip`]. Only [`redact`] can make one, of a [`RedactedPicture`], which
//!   is redacted from its making on and gives nothing else away. [`files`] writes nothing else.
//! - A frame is only read. Redaction works on a copy; no unredacted copy is kept.
//! - A file appears under its name only whole and synced; what a crash leaves behind is removed at the next start.

pub mod caption;
pub mod check;
pub mod custody;
pub mod files;
pub mod redact;
pub mod seal;

pub use caption::Caption;
pub use custody::{Custody, CustodyCounts, CustodyError};
pub use files::{EvidenceDir, FileError, Listing, Removed, StoredFile, read_picture};
pub use redact::{
    ClipError, EncodeError, Film, JpegEncoder, JpegLimits, Mark, RedactError, Redacted, RedactedClass, RedactedClip,
    RedactedFrames, RedactedJpeg, RedactedPicture, RedactionSummary, SensitiveKind, SensitiveObject,
};
pub use seal::{Keyring, SealError};

/// Largest picture or clip that goes over MQTT, below the packet limits that brokers commonly set.
pub const MAX_MQTT_BYTES: usize = 1_000_000;
