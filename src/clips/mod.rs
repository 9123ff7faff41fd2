//! Clips: the seconds around the opening of an incident, as redacted pictures in a row.
//!
//! In: frames as they are analysed, masked already. Out: a [`RedactedClip`](crate::evidence::RedactedClip) per opening, or why there is none.
//!
//! A camera's [`Roll`] holds the last seconds, small. When an incident opens it goes on for the seconds after; then the [`ClipMaker`], on a thread of its own at a
//! low priority, looks for people and faces in all of them, redacts and encodes them.
//!
//! Invariants
//! - A finding never waits for a clip: the queue to the maker is bounded ([`MAX_WAITING`]), and one that finds it full is given up.
//! - What is in a roll leaves it only through [`redact`](crate::evidence::redact): a frame of which that fails is left out.
//! - Memory: a [`Roll`] holds [`MOST_SHOTS_PER_SEC`] small frames for each second, shared with those clips that await their end, at most [`MAX_AWAITED`] per camera.

mod maker;
mod reduce;
mod roll;

pub use maker::{ClipMaker, ClipMakerParts, NoClip};
pub use roll::{Roll, RolledClip, Shot};

use crate::evidence::RedactedClip;
use jiff::Timestamp;

/// Clips that wait to be made at most; beyond it they are given up.
pub const MAX_WAITING: usize = 4;
/// Clips of one camera that await their end at most; beyond it an incident goes without.
pub const MAX_AWAITED: usize = 4;
/// Frames of a clip for each second at most.
pub const MOST_SHOTS_PER_SEC: u32 = 1;
/// Longest side of a clip in pixels.
pub const MAX_SIDE_PX: u32 = 960;

/// A clip that is made.
#[derive(Debug, Clone)]
pub struct Clip {
    /// The clip.
    pub clip: RedactedClip,
    /// When its first picture was taken.
    pub captured_at: Timestamp,
}

/// What a change of an incident has to do with its clip.
#[derive(Debug, Clone, Default)]
pub enum ClipNews {
    /// Nothing.
    #[default]
    None,
    /// One has begun.
    Awaited,
    /// It is made.
    Made(Box<Clip>),
    /// There will be none, for this reason.
    Absent(String),
}
