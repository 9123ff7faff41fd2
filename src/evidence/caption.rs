//! What is written in the strip below a picture.

use crate::config::{CameraConfig, Config, RuleConfig};
use crate::contract::{self, WallTime};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

/// What a picture shows, as far as its strip says it.
#[derive(Debug, Clone, Copy)]
pub struct Caption<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Time zone in which the time is written.
    pub time_zone: &'a TimeZone,
    /// The camera.
    pub camera: &'a CameraConfig,
    /// The rule that found the incident.
    pub rule: Option<&'a RuleConfig>,
    /// The incident.
    pub incident: Option<Uuid>,
}

impl Caption<'_> {
    /// When, which camera, where, what, and which incident, of a frame that was taken then; names as far as they leave the box.
    #[must_use]
    pub fn facts(&self, captured_at: Timestamp) -> Vec<String> {
        let Self { config, camera, .. } = self;
        let are_named = config.hub.disclosure.allows_names();
        let name = camera.name.as_ref().filter(|_| are_named);
        let name = name.map_or_else(|| camera.id.to_string(), |name| format!("{name} ({})", camera.id));
        let address = camera.place.address.as_ref().or(config.place.address.as_ref()).filter(|_| are_named);
        let matter = self.rule.map(|rule| {
            let matter = contract::matter(rule.kind);
            matter.code.as_ref().map_or_else(|| matter.name.clone(), |code| format!("{} {code}", matter.name))
        });
        let incident = self.incident.map(|id| id.to_string());
        let time = WallTime::new(captured_at, self.time_zone).for_people();
        [Some(time), Some(name), address.cloned(), matter, incident].into_iter().flatten().collect()
    }
}
