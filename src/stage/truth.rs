//! What a staged video shows, beside it as JSON.

use crate::config::RuleKind;
use crate::geometry::BBox;
use serde::{Deserialize, Serialize};

/// What is where, from when to when. Only what is worth reporting: pedestrians and parked vehicles of the footage are not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Version of this format: 1.
    pub schema: u32,
    /// Always true: no staged video may be taken for a real one.
    pub staged: bool,
    /// Width of the video in pixels.
    pub width: u32,
    /// Height of the video in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// Length of the video.
    pub duration_secs: f64,
    /// Seed of noise, light and shake.
    pub seed: u64,
    /// What there is to report, in order of appearance.
    pub things: Vec<Thing>,
    /// Areas of the street, to be used as zones.
    pub zones: Vec<TruthZone>,
}

/// Something worth reporting.
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
