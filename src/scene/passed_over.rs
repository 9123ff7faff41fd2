//! What a rule's classes show and is no sighting, with the reason.

use crate::geometry::BBox;
use std::time::Duration;

/// Something of a rule's classes that is not taken for a thing that stands in a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassedOver {
    /// Its class.
    pub class: u16,
    /// Where it is, or is looked for.
    pub bbox: BBox,
    /// Why.
    pub why: Hindrance,
}

/// Why something is no sighting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hindrance {
    /// It is not seen in this frame; it is looked for where it was.
    OutOfSight,
    /// It moves, or has stood for so long only.
    Moves(Duration),
    /// The middle of its lower edge lies in none of the rule's zones.
    OutsideZones,
    /// It stands where the rule does not apply.
    Excepted,
    /// It takes so small a share of the frame.
    TooSmall(f32),
    /// It is what a tracked object of the rule shows already.
    Explained,
    /// It counts to a group, but what is with it is not as the rule asks.
    NotAsAsked,
    /// Its group has so few things.
    TooFew(usize),
}
