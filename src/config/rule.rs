//! A rule as it stands in the configuration: who, where, for how long, when, with what, how many.

use super::RuleKind;
use crate::ids::Name;
use crate::incident::Severity;
use crate::scene::Attended;
use crate::schedule::Window;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What to report.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Unique within the camera.
    pub id: Name,
    /// What the city calls it; sets the defaults of the fields below (docs/rules.md has the table).
    pub kind: RuleKind,
    /// Zones in which it applies, at least one.
    #[schemars(length(min = 1))]
    pub zones: Vec<Name>,
    /// Zones in which it does not apply: permitted places within or across the others.
    #[serde(default)]
    pub except_zones: Vec<Name>,
    /// Classes or groups of classes, instead of the kind's own. `static` is whatever was put down and stays, of any class or none.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub classes: Option<Vec<String>>,
    /// Whether someone must be within reach of the thing for most of the dwell, instead of the kind's own.
    #[serde(default)]
    pub attended: Option<Attended>,
    /// What else must be near the thing for most of the dwell.
    #[serde(default)]
    pub near: Option<NearConfig>,
    /// Things that must stand in one zone at a time; from 2 on they are reported as one group.
    #[serde(default = "default_min_count")]
    #[schemars(range(min = 1, max = 100))]
    pub min_count: u16,
    /// Smallest area as a share of the frame.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub min_area: f32,
    /// Observed seconds after which it is reported, instead of the kind's own.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86400))]
    pub dwell_secs: Option<f64>,
    /// Stays of a thing that moves on within the zone add up if no more than so many seconds lie between them, instead of the kind's own.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86400))]
    pub stays_within_secs: Option<f64>,
    /// Observed seconds for which the thing may be out of sight (someone in front of it) without its dwell starting anew.
    #[serde(default = "default_gap_secs")]
    #[schemars(range(min = 0, max = 3600))]
    pub gap_secs: f64,
    /// Observed seconds without the thing after which its incident is closed, instead of the kind's own.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86400))]
    pub clear_secs: Option<f64>,
    /// Seconds after closing within which a thing that returns to the same place continues the closed incident.
    #[serde(default = "default_merge_secs")]
    #[schemars(range(min = 0, max = 86400))]
    pub merge_secs: f64,
    /// When it is permitted: nothing is counted or opened then, and what is open is closed.
    #[serde(default)]
    pub permitted: Vec<Window>,
    /// When alone the rule applies; at any other time it is as if permitted.
    #[serde(default)]
    pub only: Vec<Window>,
    /// How grave it is, instead of the kind's own.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// How it grows graver the longer it stays, in the order of time.
    #[serde(default)]
    pub escalate: Vec<EscalationConfig>,
}

/// What must be near a thing.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NearConfig {
    /// Classes or groups of classes, people included.
    #[schemars(length(min = 1))]
    pub classes: Vec<String>,
    /// Widest gap between the two, in widths or heights of the thing, whichever is the greater.
    #[serde(default = "default_within")]
    #[schemars(range(min = 0, max = 20))]
    pub within: f32,
}

/// A step of growing severity.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationConfig {
    /// Observed seconds of presence, the dwell included.
    #[schemars(range(min = 1, max = 2_592_000))]
    pub after_secs: f64,
    /// How grave it is from then on.
    pub to: Severity,
}

fn default_min_count() -> u16 {
    1
}
pub(super) fn default_gap_secs() -> f64 {
    8.0
}
fn default_merge_secs() -> f64 {
    600.0
}
fn default_within() -> f32 {
    1.0
}

impl RuleConfig {
    /// Names of the classes or groups that it is about, and whether they are the kind's own: then the model need not have all of them.
    #[must_use]
    pub fn class_names(&self) -> (Vec<&str>, bool) {
        match &self.classes {
            Some(own) => (own.iter().map(String::as_str).collect(), false),
            None => (self.kind.defaults().classes.to_vec(), true),
        }
    }

    /// Whether someone must be with the thing.
    #[must_use]
    pub fn attendance(&self) -> Attended {
        self.attended.unwrap_or(self.kind.defaults().attended)
    }

    /// Observed presence after which it is reported.
    #[must_use]
    pub fn dwell(&self) -> Duration {
        Duration::from_secs_f64(self.dwell_secs.unwrap_or(self.kind.defaults().dwell_secs))
    }

    /// Observed absence that does not interrupt the dwell.
    #[must_use]
    pub fn gap(&self) -> Duration {
        Duration::from_secs_f64(self.gap_secs)
    }

    /// Observed absence after which it is closed.
    #[must_use]
    pub fn clear(&self) -> Duration {
        Duration::from_secs_f64(self.clear_secs.unwrap_or(self.kind.defaults().clear_secs))
    }

    /// Time after closing within which it is continued.
    #[must_use]
    pub fn merge(&self) -> Duration {
        Duration::from_secs_f64(self.merge_secs)
    }

    /// Time between two stays that add up; none if stays do not.
    #[must_use]
    pub fn stays_within(&self) -> Option<Duration> {
        self.stays_within_secs.or(self.kind.defaults().stays_within_secs).map(Duration::from_secs_f64)
    }

    /// How grave it is when it opens.
    #[must_use]
    pub fn base_severity(&self) -> Severity {
        self.severity.unwrap_or(self.kind.defaults().severity)
    }
}
