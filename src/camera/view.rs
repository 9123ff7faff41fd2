//! How the rules of a camera stand after a frame, read from the engine's own state.

use crate::geometry::BBox;
use crate::ids::Name;
use crate::incident::{CannotSee, CaseView};
use crate::scene::PassedOver;
use std::time::Duration;

/// How every rule of a camera stands.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraView {
    /// Why the rules rest, if they do: nothing could be seen in the last frame.
    pub blind: Option<CannotSee>,
    /// Every rule, in the order of the configuration.
    pub rules: Vec<RuleView>,
    /// What is there of what the rules are about; never people.
    pub things: Vec<ThingView>,
}

/// Something that is there, whether it stands or moves.
#[derive(Debug, Clone, PartialEq)]
pub struct ThingView {
    /// Its class.
    pub class: String,
    /// Whether it was put down, rather than seen as what it is.
    pub is_static: bool,
    /// Where it is.
    pub bbox: BBox,
    /// For how long it has not moved, observed.
    pub standing: Duration,
}

/// How one rule stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView {
    /// The rule.
    pub rule: Name,
    /// Whether what it is about is permitted now.
    pub is_permitted: bool,
    /// Whether it asks for anything to be with the thing, or not to be.
    pub asks_for_company: bool,
    /// Smallest share of the frame.
    pub min_area: f32,
    /// Fewest things.
    pub min_count: usize,
    /// What it follows.
    pub cases: Vec<CaseView>,
    /// What is of its classes and not followed, with the name of the class.
    pub passed_over: Vec<(String, PassedOver)>,
}
