//! The cameras of the configuration that runs, each with an index that it keeps for as long as the agent lives: what was found of a camera, and
//! whoever works for it, names it by that. Pure.

use crate::config::{AgentConfig, CameraConfig, Config, EvidenceConfig, HubConfig};
use crate::ids::Name;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys that a running agent takes over; of the sections below, every other needs a restart.
const LIVE: [&str; 10] = [
    "agent.holidays",
    "agent.log",
    "hub.outbox",
    "evidence.jpeg_quality",
    "evidence.strip",
    "evidence.keep_days",
    "evidence.keep_days_of",
    "evidence.snapshot_keep_days",
    "evidence.max_bytes",
    "evidence.min_free",
];
/// Keys of a camera that concern its streams.
const OF_STREAMS: [&str; 4] = ["streams", "privacy_masks", "enabled", "analysis"];

/// The cameras of the configuration that runs.
#[derive(Debug)]
pub(super) struct Roster {
    /// The configuration. Its cameras are by index; those that are gone are still there, since what was found of them may be on its way.
    pub(super) config: Arc<Config>,
    /// Digest of its files.
    pub(super) sha256: String,
    gone: BTreeSet<usize>,
}

/// What a reload does to a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is new, or there again.
    Added,
    /// Its streams begin anew.
    Streams,
    /// Its streams go on; rules, zones or names are others.
    Rules,
    /// It is no longer there.
    Removed,
}

impl Roster {
    pub(super) fn new(config: Config, sha256: String) -> Self {
        Self { config: Arc::new(config), sha256, gone: BTreeSet::new() }
    }

    /// The cameras that are there, with their indices.
    pub(super) fn cameras(&self) -> impl Iterator<Item = (usize, &CameraConfig)> {
        self.config.cameras.iter().enumerate().filter(|(index, _)| !self.gone.contains(index))
    }

    /// The camera at an index, there or gone.
    pub(super) fn camera(&self, index: usize) -> &CameraConfig {
        &self.config.cameras[index]
    }

    /// Indices in use so far: all are below this.
    pub(super) fn len(&self) -> usize {
        self.config.cameras.len()
    }

    pub(super) fn find(&self, id: &Name) -> Option<usize> {
        self.cameras().find(|(_, camera)| camera.id == *id).map(|(index, _)| index)
    }

    /// The configuration with the cameras that are there.
    pub(super) fn present(&self) -> Config {
        Config { cameras: self.cameras().map(|(_, camera)| camera.clone()).collect(), ..(*self.config).clone() }
    }

    /// The roster of another configuration, and what becomes of the cameras, in the order of their indices. What needs a restart stays as it is.
    pub(super) fn next(&self, wanted: Config, sha256: String) -> (Self, Vec<(usize, Change)>) {
        let has_other_days = self.config.agent.holidays != wanted.agent.holidays;
        let wanted = takeable(&self.config, wanted);
        let (mut cameras, mut gone, mut changes) = (self.config.cameras.clone(), self.gone.clone(), Vec::new());
        let mut new = Vec::new();
        let mut named = BTreeSet::new();
        for camera in wanted.cameras {
            let Some(index) = cameras.iter().position(|known| known.id == camera.id) else {
                new.push(camera);
                continue;
            };
            named.insert(index);
            let change = if gone.remove(&index) { Some(Change::Added) } else { difference(&cameras[index], &camera) };
            let change = change.or(has_other_days.then_some(Change::Rules));
            changes.extend(change.map(|change| (index, change)));
            cameras[index] = camera;
        }
        for camera in new {
            // An index of one that was gone before is free; of one that goes now something may be on its way.
            let free = self.gone.iter().copied().find(|index| gone.remove(index));
            let index = free.unwrap_or(cameras.len());
            named.insert(index);
            changes.push((index, Change::Added));
            if index == cameras.len() { cameras.push(camera) } else { cameras[index] = camera }
        }
        for index in (0..cameras.len()).filter(|index| !named.contains(index)) {
            if gone.insert(index) {
                changes.push((index, Change::Removed));
            }
        }
        changes.sort_unstable_by_key(|(index, _)| *index);
        (Self { config: Arc::new(Config { cameras, ..wanted }), sha256, gone }, changes)
    }
}

/// Keys in which two configurations differ and that only a restart takes over.
pub(super) fn need_restart(running: &Config, wanted: &Config) -> Vec<String> {
    let (running, wanted) = (value_of(running), value_of(wanted));
    let mut keys = Vec::new();
    for section in ["agent", "hub", "evidence"] {
        let (before, after) = (&running[section], &wanted[section]);
        let named: BTreeSet<&String> =
            [before, after].into_iter().filter_map(Value::as_object).flat_map(|keys| keys.keys()).collect();
        let differing = named.into_iter().filter(|key| before[key.as_str()] != after[key.as_str()]);
        keys.extend(differing.map(|key| format!("{section}.{key}")).filter(|key| !LIVE.contains(&key.as_str())));
    }
    let sections =
        ["model", "classes", "web", "audit"].into_iter().filter(|section| running[section] != wanted[section]);
    keys.extend(sections.map(str::to_owned));
    keys
}

/// What of a wanted configuration a running agent takes over, the rest as it is.
fn takeable(running: &Config, wanted: Config) -> Config {
    let running = running.clone();
    Config {
        agent: AgentConfig { holidays: wanted.agent.holidays, log: wanted.agent.log, ..running.agent },
        hub: HubConfig { outbox: wanted.hub.outbox, ..running.hub },
        evidence: EvidenceConfig {
            delivery: running.evidence.delivery,
            storage: running.evidence.storage,
            encryption: running.evidence.encryption,
            clips: running.evidence.clips,
            ..wanted.evidence
        },
        model: running.model,
        classes: running.classes,
        audit: running.audit,
        web: running.web,
        ..wanted
    }
}

/// What has changed of a camera; none if nothing has.
fn difference(before: &CameraConfig, after: &CameraConfig) -> Option<Change> {
    let (before, after) = (value_of(before), value_of(after));
    if OF_STREAMS.iter().any(|key| before[key] != after[key]) {
        return Some(Change::Streams);
    }
    (before != after).then_some(Change::Rules)
}

fn value_of(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("a configuration has text for keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with these cameras, each with the dwell of its only rule.
    fn config(cameras: &[(&str, u32)]) -> Config {
        let camera = |(id, dwell): &(&str, u32)| {
            serde_json::json!({
                "id": id, "streams": {"detect": {"url": format!("rtsp://192.0.2.1/{id}")}},
                "zones": [{"id": "z", "polygon": [[0, 0], [1, 0], [1, 1]]}],
                "rules": [{"id": "r", "kind": "street_vending", "zones": ["z"], "dwell_secs": dwell}]
            })
        };
        let cameras: Vec<_> = cameras.iter().map(camera).collect();
        let text = serde_json::json!({"agent": {"site": "s", "id": "a"}, "hub": {"host": "h"}, "cameras": cameras});
        serde_json::from_value(text).unwrap()
    }

    fn ids(roster: &Roster) -> Vec<(usize, &str)> {
        roster.cameras().map(|(index, camera)| (index, camera.id.as_str())).collect()
    }

    #[test]
    fn a_camera_keeps_its_index_and_what_did_not_change_is_not_touched() {
        let first = Roster::new(config(&[("a", 60), ("b", 60), ("c", 60)]), "1".to_owned());
        let (second, changes) = first.next(config(&[("d", 60), ("c", 90), ("a", 60)]), "2".to_owned());
        assert_eq!(changes, [(1, Change::Removed), (2, Change::Rules), (3, Change::Added)]);
        assert_eq!(ids(&second), [(0, "a"), (2, "c"), (3, "d")]);
        assert_eq!(
            (second.camera(1).id.as_str(), second.present().cameras.len()),
            ("b", 3),
            "findings may be on their way"
        );

        let (third, changes) = second.next(config(&[("a", 60), ("c", 90), ("d", 60), ("e", 60)]), "3".to_owned());
        assert_eq!((changes, ids(&third)[1]), (vec![(1, Change::Added)], (1, "e")), "an index that was free before");
        let (_, changes) = third.next(config(&[("a", 60), ("c", 90), ("d", 60), ("e", 60)]), "4".to_owned());
        assert_eq!(changes, []);
    }

    #[test]
    fn a_camera_that_comes_back_begins_anew_at_its_index() {
        let first = Roster::new(config(&[("a", 60), ("b", 60)]), "1".to_owned());
        let (second, _) = first.next(config(&[("b", 60)]), "2".to_owned());
        let (third, changes) = second.next(config(&[("b", 60), ("x", 60), ("a", 60)]), "3".to_owned());
        assert_eq!(changes, [(0, Change::Added), (2, Change::Added)]);
        assert_eq!(ids(&third), [(0, "a"), (1, "b"), (2, "x")]);
    }

    #[test]
    fn streams_begin_anew_only_for_what_concerns_them() {
        let first = Roster::new(config(&[("a", 60)]), "1".to_owned());
        for (key, value, expected) in [
            ("privacy_masks", serde_json::json!([[[0, 0], [1, 0], [1, 1]]]), Change::Streams),
            ("enabled", false.into(), Change::Streams),
            ("name", "East".into(), Change::Rules),
        ] {
            let mut wanted = value_of(&config(&[("a", 60)]));
            wanted["cameras"][0][key] = value;
            let (_, changes) = first.next(serde_json::from_value(wanted).unwrap(), "2".to_owned());
            assert_eq!(changes, [(0, expected)], "{key}");
        }
    }

    #[test]
    fn what_needs_a_restart_is_named_and_not_taken_over() {
        let first = Roster::new(config(&[("a", 60)]), "1".to_owned());
        let mut wanted = value_of(&config(&[("a", 60)]));
        wanted["agent"]["data_dir"] = "/elsewhere".into();
        wanted["agent"]["log"] = serde_json::json!({"filter": "debug"});
        wanted["hub"]["outbox"] = serde_json::json!({"max_days": 3});
        wanted["evidence"] = serde_json::json!({"delivery": "none", "keep_days": 3});
        wanted["model"] = serde_json::json!({"runners": 2});
        let wanted: Config = serde_json::from_value(wanted).unwrap();
        assert_eq!(need_restart(&first.config, &wanted), ["agent.data_dir", "evidence.delivery", "model"]);
        let (second, changes) = first.next(wanted, "2".to_owned());
        assert_eq!(changes, []);
        assert_eq!(need_restart(&first.config, &second.config), Vec::<String>::new());
        assert_eq!((second.config.evidence.keep_days, second.config.hub.outbox.max_days), (3, 3));
        assert_eq!(second.config.agent.log.filter, "debug");
    }
}
