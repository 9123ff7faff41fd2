//! Situations with nothing to report, that look as if there were.

use super::staged::{Situation, SuiteScene};
use crate::config::RuleKind;
use crate::geometry::Point;
use crate::stage::{Figure, Night, Shadow};
use serde_json::json;
use std::time::Duration;

fn secs(secs: f32) -> Duration {
    Duration::from_secs_f32(secs)
}

/// Nothing in it is to be reported, though rules for stalls, vehicles and whatever is put down watch it.
fn watched_for_all(scene: SuiteScene) -> SuiteScene {
    let rules = [RuleKind::StreetVending, RuleKind::VehicleParking, RuleKind::PiledGoods];
    rules.into_iter().fold(scene.harmless(), |scene, kind| scene.also_watched_for(kind, json!({})))
}

/// As in the field: nothing is scaled.
fn unscaled(scene: SuiteScene) -> SuiteScene {
    let rules = [RuleKind::StreetVending, RuleKind::VehicleParking, RuleKind::PiledGoods];
    rules.into_iter().fold(scene.harmless(), |scene, kind| scene.also_watched_for(kind, json!({"dwell_secs": 180})))
}

pub(super) const SITUATIONS: &[Situation] = &[
    Situation {
        name: "pedestrians-rest",
        kind: RuleKind::StreetVending,
        what: "people stand about for longer than the dwell",
        stage: |dice, scene| {
            let mut scene = watched_for_all(scene);
            for place in [(420.0, 275.0), (445.0, 280.0), (600.0, 330.0)] {
                let (place, from) = (dice.near(place, 10.0), dice.secs(10.0..16.0));
                scene = scene.with(Figure::Person, place, from..from + dice.secs(45.0..55.0));
            }
            scene
        },
    },
    Situation {
        name: "bus-stop",
        kind: RuleKind::VehicleParking,
        what: "people wait, a bus stops for a third of the dwell and takes them",
        stage: |dice, scene| {
            let arrives = dice.number(28.0..34.0);
            let stops = dice.number(7.0..9.0);
            let mut scene = watched_for_all(scene);
            for x in [360.0, 385.0, 470.0] {
                let (place, from) = (dice.near((x, 300.0), 6.0), dice.secs(8.0..14.0));
                scene = scene.with(Figure::Person, place, from..secs(arrives + stops - 1.0));
            }
            let (left, at, right) = ((-300.0, 262.0), (430.0, 272.0), (1100.0, 300.0));
            scene.with_way(
                Figure::Bus,
                &[
                    (arrives - 4.0, left),
                    (arrives, at),
                    (arrives + stops, (at.0 + 1.0, at.1)),
                    (arrives + stops + 4.0, right),
                ],
            )
        },
    },
    Situation {
        name: "delivery",
        kind: RuleKind::VehicleParking,
        what: "a van unloads for 60 s under a dwell of 180 s, and what it unloads is carried off",
        stage: |dice, scene| {
            let scene = unscaled(scene).lasting(110);
            let (van, from) = (dice.near((520.0, 290.0), 16.0), dice.secs(12.0..18.0));
            let crates = Point { x: van.x + 80.0, y: van.y + 20.0 };
            let (stays, unloaded) = (from + secs(60.0), from + secs(8.0)..from + secs(56.0));
            scene.with(Figure::Van, van, from..stays).with(Figure::Crates, crates, unloaded)
        },
    },
    Situation {
        name: "shadows",
        kind: RuleKind::PiledGoods,
        what: "the shadow of a building moves over the street, hours compressed",
        stage: |dice, scene| {
            let shadow = Shadow { from: dice.secs(2.0..8.0), to: dice.secs(76.0..86.0) };
            watched_for_all(scene).lasting(90).in_weather(|weather| weather.shadow = Some(shadow))
        },
    },
    Situation {
        name: "rain",
        kind: RuleKind::PiledGoods,
        what: "a downpour",
        stage: |dice, scene| {
            let rain = dice.number(0.8..1.0);
            watched_for_all(scene).in_weather(|weather| weather.rain = rain)
        },
    },
    Situation {
        name: "headlights",
        kind: RuleKind::PiledGoods,
        what: "by night, cars pass and wait with their headlights on the street",
        stage: |dice, scene| {
            let night = Night { from: Duration::ZERO, dusk: dice.secs(0.5..2.0), infrared_at: None };
            watched_for_all(scene).in_weather(|weather| (weather.night, weather.headlights) = (Some(night), true))
        },
    },
    Situation {
        name: "leaves",
        kind: RuleKind::PiledGoods,
        what: "leaves fly and come to rest",
        stage: |dice, scene| {
            let leaves = dice.number(0.6..1.0);
            watched_for_all(scene).in_weather(|weather| weather.leaves = leaves)
        },
    },
    Situation {
        name: "umbrella-carried-by",
        kind: RuleKind::StreetVending,
        what: "people with umbrellas walk by, one after the other",
        stage: |dice, scene| {
            let mut scene = watched_for_all(scene);
            for number in 0..4_u8 {
                let (from, y) = (8.0 + 16.0 * f32::from(number) + dice.number(0.0..3.0), dice.number(270.0..300.0));
                let way = [(from, (240.0, y - 20.0)), (from + dice.number(9.0..12.0), (720.0, y + 50.0))];
                scene = scene.with_way(Figure::UmbrellaCarrier, &way);
            }
            scene
        },
    },
    Situation {
        name: "street-sweeper",
        kind: RuleKind::VehicleParking,
        what: "a street sweeper creeps along the kerb",
        stage: |dice, scene| {
            let y = dice.number(285.0..300.0);
            let from = dice.number(4.0..8.0);
            watched_for_all(scene)
                .with_way(Figure::Sweeper, &[(from, (60.0, y - 55.0)), (from + 62.0, (740.0, y + 75.0))])
        },
    },
    Situation {
        name: "stall-in-permitted-hours",
        kind: RuleKind::StreetVending,
        what: "a stall while stalls are permitted",
        stage: |dice, scene| {
            let keys = json!({"permitted": [{"hours": "11:30-13:00"}]});
            let (place, from) = (dice.near((572.0, 318.0), 24.0), dice.secs(10.0..16.0));
            scene.harmless().with_rule(keys).with(Figure::Stall, place, from..secs(75.0))
        },
    },
    Situation {
        name: "stall-a-hand-beside-the-zone",
        kind: RuleKind::StreetVending,
        what: "a stall that ends a hand's breadth to the left of the zone",
        stage: |dice, scene| {
            let (place, from) = (dice.near((480.0, 300.0), 20.0), dice.secs(10.0..16.0));
            // It reaches 1.9 m to the right, its attendant included; 48 px are a metre here.
            let left = place.x + 2.0 * (32.0 + (place.y - 152.0) * 0.1065);
            let zone = [[left, 215.0], [740.0, 215.0], [740.0, 420.0], [left, 420.0]];
            scene.harmless().watching(&zone).with(Figure::Stall, place, from..secs(75.0))
        },
    },
    Situation {
        name: "stall-a-hand-before-the-zone",
        kind: RuleKind::StreetVending,
        what: "a stall on the near pavement, a hand's breadth from the zone",
        stage: |dice, scene| {
            let (place, from) = (dice.near((520.0, 330.0), 20.0), dice.secs(10.0..16.0));
            // Its parasol's foot stands on the kerb, a hand beyond the zone; the table is before it.
            let below = place.y - 3.0;
            let zone = [[300.0, 215.0], [740.0, 215.0], [740.0, below], [300.0, below]];
            scene.harmless().watching(&zone).with(Figure::Stall, place, from..secs(75.0))
        },
    },
];
