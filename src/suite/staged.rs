//! A scene of the suite: the street, what watches it, and what it should tell.

use super::FPS;
use super::dice::Dice;
use crate::config::{Region, RuleKind};
use crate::evaluate::truth::{Truth, TruthZone};
use crate::geometry::Point;
use crate::replay::Script;
use crate::stage::{Figure, FrameSize, Lens, Prop, Scene, Waypoint, Weather};
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Duration;

/// Dwell of the suite's rules: 180 s in the field and 24 s here, and whatever stays shorter is scaled likewise.
pub(super) const DWELL: Duration = Duration::from_secs(24);
/// Absence after which the suite's incidents close.
const CLEAR_SECS: u32 = 10;
/// When scenes begin, on a Thursday.
const START: &str = "2026-01-01T12:00:00Z";

/// Defaults are tuned on one half of the suite; the other is what is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// Looked at while thresholds and defaults are chosen.
    Tune,
    /// Never looked at for that.
    Report,
}

impl Half {
    /// What the seeds of its scenes are made of.
    #[must_use]
    pub fn seed(self) -> u64 {
        match self {
            Self::Tune => 0x7a5e,
            Self::Report => 0x51f3_0006,
        }
    }
}

/// A situation: what it is called, the kind of its rule, and its staging.
pub(super) struct Situation {
    pub(super) name: &'static str,
    pub(super) kind: RuleKind,
    pub(super) what: &'static str,
    pub(super) stage: fn(&mut Dice, SuiteScene) -> SuiteScene,
}

impl Situation {
    /// The scene of one half, with a seed made of this one.
    pub(super) fn staged(&self, half: Half, seed: u64) -> SuiteScene {
        // FNV-1a of the name (Fowler, Noll, Vo): the seeds of a situation do not depend on its place in the table.
        let mixed = self
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let seed = mixed ^ seed;
        let mut dice = Dice::new(seed);
        let scene = SuiteScene::new(self, half, seed, &mut dice);
        (self.stage)(&mut dice, scene)
    }
}

/// A scene of the suite.
#[derive(Debug, Clone)]
pub struct SuiteScene {
    /// Name of the situation; unique within a half.
    pub name: &'static str,
    /// What is to be seen.
    pub what: &'static str,
    /// The half to which it belongs.
    pub half: Half,
    /// Of everything that was drawn for it.
    pub seed: u64,
    /// The kind of what is to be reported, or must not be.
    pub kind: RuleKind,
    /// What is composed.
    pub street: Scene,
    /// The rules that watch it.
    pub rules: Vec<Value>,
    /// When it begins, and what befalls the camera.
    pub script: Script,
    /// Which part of the frame is inferred.
    pub region: Region,
    zone: Option<Vec<[f32; 2]>>,
    is_reportable: bool,
    is_one_thing: bool,
}

impl SuiteScene {
    /// A street of 80 s with pedestrians, in weather of its own, and one rule of the situation's kind.
    fn new(situation: &Situation, half: Half, seed: u64, dice: &mut Dice) -> Self {
        let size = FrameSize::try_new(960, 540).expect("a size that can be staged");
        let mut street = Scene::quiet(Duration::from_secs(80)).with_format(size, FPS).with_seed(seed);
        street.pedestrians_from = dice.secs(0.0..79.0);
        street.weather.noise = dice.number(0.8..2.0);
        street.weather.shake = dice.number(0.2..0.7);
        let script =
            Script { start: START.parse().expect("a literal time"), seed: 1, gaps: Vec::new(), restarts: Vec::new() };
        let scene = Self {
            name: situation.name,
            what: situation.what,
            half,
            seed,
            kind: situation.kind,
            street,
            rules: Vec::new(),
            script,
            region: Region::Frame,
            zone: None,
            is_reportable: true,
            is_one_thing: false,
        };
        scene.also_watched_for(situation.kind, json!({}))
    }

    /// One more rule, with these keys beside the suite's own.
    pub(super) fn also_watched_for(mut self, kind: RuleKind, keys: Value) -> Self {
        let mut rule = json!({
            "id": kind.as_str(), "kind": kind, "zones": ["watched"], "dwell_secs": DWELL.as_secs(), "clear_secs": CLEAR_SECS
        });
        if let (Some(rule), Value::Object(keys)) = (rule.as_object_mut(), keys) {
            rule.extend(keys);
        }
        self.rules.retain(|known| known["kind"] != rule["kind"]);
        self.rules.push(rule);
        self
    }

    /// Keys of the situation's own rule.
    pub(super) fn with_rule(self, keys: Value) -> Self {
        let kind = self.kind;
        self.also_watched_for(kind, keys)
    }

    pub(super) fn lasting(mut self, secs: u64) -> Self {
        self.street.duration = Duration::from_secs(secs);
        self
    }

    pub(super) fn in_weather(mut self, change: impl FnOnce(&mut Weather)) -> Self {
        change(&mut self.street.weather);
        self
    }

    /// Seen through another lens; to be said before anything is placed.
    pub(super) fn through(mut self, lens: Lens) -> Self {
        self.street.lens = lens;
        self
    }

    /// A figure that stands at a place of the street for a while.
    pub(super) fn with(self, figure: Figure, place: Point, during: Range<Duration>) -> Self {
        let at = self.street.place(place);
        let prop = Prop::standing(figure, during.start, during.end, at);
        self.with_prop(prop)
    }

    /// A figure on its way: seconds, and places of the street.
    pub(super) fn with_way(self, figure: Figure, way: &[(f32, (f32, f32))]) -> Self {
        let waypoint = |&(secs, (x, y)): &(f32, (f32, f32))| Waypoint {
            at: Duration::from_secs_f32(secs),
            place: self.street.place(Point { x, y }),
        };
        let way = way.iter().map(waypoint).collect();
        self.with_prop(Prop { figure, way })
    }

    fn with_prop(mut self, prop: Prop) -> Self {
        self.street = self.street.with(prop);
        self
    }

    /// Watches this part of the street, not the carriageway.
    pub(super) fn watching(mut self, corners: &[[f32; 2]]) -> Self {
        self.zone = Some(corners.to_vec());
        self
    }

    /// Infers what lies around the zone alone, as a site does whose zone is small or far away.
    pub(super) fn cropped(mut self) -> Self {
        self.region = Region::Zones;
        self
    }

    /// Watches the fire lane, which is marked.
    pub(super) fn watching_fire_lane(mut self) -> Self {
        self.street.fire_lane = true;
        self
    }

    /// The camera is away for a while.
    pub(super) fn away(mut self, gap: Range<Duration>) -> Self {
        self.script.gaps.push(gap);
        self
    }

    /// The agent starts anew.
    pub(super) fn restarting(mut self, at: Duration) -> Self {
        self.script.restarts.push(at);
        self
    }

    /// Nothing of it is to be reported.
    pub(super) fn harmless(mut self) -> Self {
        self.is_reportable = false;
        self
    }

    /// All of it is one thing.
    pub(super) fn one_thing(mut self) -> Self {
        self.is_one_thing = true;
        self
    }

    /// What is to be told, from what is in the street.
    pub(super) fn truth(&self, street: &Truth) -> Truth {
        let Truth { mut things, zones, .. } = street.clone();
        for thing in &mut things {
            thing.kind = self.kind;
            thing.is_reportable = self.is_reportable;
        }
        if self.is_one_thing {
            things = things
                .into_iter()
                .reduce(|mut one, other| {
                    one.bbox = one.bbox.union(&other.bbox);
                    one.to_secs = one.to_secs.max(other.to_secs);
                    one
                })
                .into_iter()
                .collect();
        }
        let share = |[x, y]: [f32; 2]| {
            let Point { x, y } = self.street.place(Point { x, y });
            [x.clamp(0.0, 1.0), y.clamp(0.0, 1.0)]
        };
        let polygon = match &self.zone {
            Some(corners) => corners.iter().copied().map(share).collect(),
            // The last: the fire lane where there is one, else the carriageway.
            None => zones.into_iter().next_back().map(|zone| zone.polygon).unwrap_or_default(),
        };
        Truth { things, zones: vec![TruthZone { id: "watched".to_owned(), polygon }], ..street.clone() }
    }
}
