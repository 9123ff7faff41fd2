//! What the hub is told is open: the payload of `camera/{camera}/active/{rule}` for every rule. Pure.
//!
//! An incident of a camera that gives no pictures is neither confirmed nor gone: it stays open, and its topic says since when it is
//! *stale*. That neither closes nor repeats it; the mark goes when pictures come again.

use crate::contract::{self, Active, Topics, WallTime};
use crate::ids::Name;
use crate::web::OpenIncidents;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// A camera that was away for shorter is not worth a word: most reconnects take seconds.
pub const STALE_AFTER: Duration = Duration::from_mins(1);

/// A retained topic and its payload; zero bytes clear the topic.
pub type ActiveMessage = (String, Vec<u8>);

/// What is open now.
#[derive(Debug)]
pub struct ActiveBoard {
    topics: Topics,
    time_zone: TimeZone,
    cameras: BTreeMap<Name, OfCamera>,
}

#[derive(Debug, Default)]
struct OfCamera {
    open: BTreeMap<Name, Vec<Uuid>>,
    stale: Option<Timestamp>,
}

impl ActiveBoard {
    /// With nothing open.
    #[must_use]
    pub fn new(topics: Topics, time_zone: TimeZone) -> Self {
        Self { topics, time_zone, cameras: BTreeMap::new() }
    }

    /// What is open for a rule from now on.
    pub fn set_open(&mut self, camera: &Name, rule: &Name, incidents: Vec<Uuid>) -> ActiveMessage {
        let of_camera = self.cameras.entry(camera.clone()).or_default();
        of_camera.open.insert(rule.clone(), incidents);
        self.message(camera, rule)
    }

    /// Since when a camera has been giving no pictures, if it gives none. Returns what there is to tell, which is nothing while it is as before.
    pub fn set_stale(&mut self, camera: &Name, since: Option<Timestamp>) -> Vec<ActiveMessage> {
        let of_camera = self.cameras.entry(camera.clone()).or_default();
        if of_camera.stale == since {
            return Vec::new();
        }
        of_camera.stale = since;
        let rules: Vec<Name> =
            of_camera.open.iter().filter(|(_, open)| !open.is_empty()).map(|(rule, _)| rule.clone()).collect();
        rules.iter().map(|rule| self.message(camera, rule)).collect()
    }

    /// How much is open, of every camera and rule of which anything was told.
    #[must_use]
    pub fn counts(&self) -> Vec<OpenIncidents> {
        let of_camera = |(camera, of): (&Name, &OfCamera)| {
            let is_stale = of.stale.is_some();
            let count = |(rule, open): (&Name, &Vec<Uuid>)| OpenIncidents {
                camera: camera.clone(),
                rule: rule.clone(),
                count: open.len(),
                is_stale,
            };
            of.open.iter().map(count).collect::<Vec<_>>()
        };
        self.cameras.iter().flat_map(of_camera).collect()
    }

    fn message(&self, camera: &Name, rule: &Name) -> ActiveMessage {
        let topic = self.topics.active(camera, rule);
        let of_camera = self.cameras.get(camera);
        let incidents = of_camera.and_then(|of| of.open.get(rule)).cloned().unwrap_or_default();
        if incidents.is_empty() {
            return (topic, Vec::new());
        }
        let stale = of_camera.and_then(|of| of.stale).map(|since| WallTime::new(since, &self.time_zone));
        (topic, contract::to_json(&Active { camera: camera.clone(), rule: rule.clone(), incidents, stale }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::try_new(text).unwrap()
    }

    fn board() -> ActiveBoard {
        ActiveBoard::new(Topics::new(&name("p"), &name("s"), &name("a")), TimeZone::UTC)
    }

    fn read(message: &ActiveMessage) -> Active {
        serde_json::from_slice(&message.1).unwrap()
    }

    const SINCE: Timestamp = Timestamp::constant(1_795_307_315, 0);

    #[test]
    fn what_is_open_is_marked_when_its_camera_goes_and_unmarked_when_it_returns() {
        let (mut board, east, id) = (board(), name("east"), Uuid::from_u128(1));
        let told = board.set_open(&east, &name("vending"), vec![id]);
        assert_eq!((told.0.as_str(), read(&told).stale), ("p/v1/s/a/camera/east/active/vending", None));
        board.set_open(&east, &name("parking"), Vec::new());

        let [gone] = &board.set_stale(&east, Some(SINCE))[..] else { panic!("one rule has something open") };
        assert_eq!((read(gone).incidents, read(gone).stale.map(|since| since.instant())), (vec![id], Some(SINCE)));
        assert_eq!(board.set_stale(&east, Some(SINCE)), [], "it is told once");

        let [back] = &board.set_stale(&east, None)[..] else { panic!("one rule has something open") };
        assert_eq!((read(back).incidents, read(back).stale), (vec![id], None));
    }

    #[test]
    fn what_is_found_open_at_an_absent_camera_is_stale_and_other_cameras_are_not() {
        let mut board = board();
        assert_eq!(board.set_stale(&name("east"), Some(SINCE)), []);
        for (camera, is_stale) in [("east", true), ("west", false)] {
            let told = board.set_open(&name(camera), &name("vending"), vec![Uuid::from_u128(1)]);
            assert_eq!(read(&told).stale.is_some(), is_stale);
        }
    }

    #[test]
    fn where_nothing_is_open_the_topic_is_cleared() {
        let (mut board, east) = (board(), name("east"));
        board.set_open(&east, &name("vending"), vec![Uuid::from_u128(1)]);
        board.set_stale(&east, Some(SINCE));
        assert_eq!(board.set_open(&east, &name("vending"), Vec::new()).1, b"");
    }
}
