//! What a recording shows, told by a person or by whoever staged it; beside the recording as JSON.

use crate::config::RuleKind;
use crate::geometry::BBox;
use serde::{Deserialize, Serialize};

/// What is where, from when to when. Only what is worth reporting, or might be taken for it: walkers and vehicles that are lawfully
/// parked are not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this format: 1.
    pub schema: u32,
    /// Whether the recording was staged: no staged one may be taken for a real one.
    pub staged: bool,
    /// Width of the video in pixels.
    pub width: u32,
    /// Height of the video in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// Length of the video.
    pub duration_secs: f64,
    /// Seed of noise, light and shake; 0 for a real one.
    pub seed: u64,
    /// What there is to report, in order of appearance.
    pub things: Vec<Thing>,
    /// Areas of the street, to be used as zones.
    pub zones: Vec<TruthZone>,
}

/// Something worth reporting, or that might be taken for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// Unique within the video.
    pub id: String,
    /// The kind of rule that should report it.
    pub kind: RuleKind,
    /// What it is, for people.
    pub what: String,
    /// Its extent.
    pub bbox: BBox,
    /// What a detector should see of it.
    pub objects: Vec<ThingObject>,
    /// From here on it stands there.
    pub from_secs: f64,
    /// From here on it no longer does.
    pub to_secs: f64,
    /// False for what must not be reported although it is there: it goes before the dwell, or it is permitted.
    #[serde(default = "yes")]
    pub is_reportable: bool,
}

fn yes() -> bool {
    true
}

/// One object of a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThingObject {
    /// COCO classes, any of which is right.
    pub classes: Vec<String>,
    /// Its extent.
    pub bbox: BBox,
}

/// An area of the street.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TruthZone {
    /// `carriageway` or `fire-lane`.
    pub id: String,
    /// Corners in order, 0..1 in the frame.
    pub polygon: Vec<[f32; 2]>,
}
