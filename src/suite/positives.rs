//! Situations with something to report.

use super::dice::Dice;
use super::staged::{Situation, SuiteScene};
use crate::config::RuleKind;
use crate::stage::{Figure, Lens, Night};
use serde_json::json;
use std::ops::Range;
use std::time::Duration;

/// Places on the carriageway, in pixels of the footage.
const STALL: (f32, f32) = (572.0, 318.0);
const GOODS: (f32, f32) = (452.0, 282.0);
const LANE: (f32, f32) = (626.0, 203.0);
/// How far a thing may stand from its place.
const REACH: f32 = 24.0;

/// When something is there: it comes at about a quarter of a minute and stays for twice the dwell or a little less.
fn stay(dice: &mut Dice) -> Range<Duration> {
    let from = dice.secs(14.0..18.0);
    from..from + dice.secs(38.0..44.0)
}

fn secs(secs: f32) -> Duration {
    Duration::from_secs_f32(secs)
}

fn stall(dice: &mut Dice, scene: SuiteScene) -> SuiteScene {
    let (place, during) = (dice.near(STALL, REACH), stay(dice));
    scene.with(Figure::Stall, place, during)
}

/// Things of no class are noticed, and missed, later.
fn goods(figure: Figure, dice: &mut Dice, scene: SuiteScene) -> SuiteScene {
    let (place, during) = (dice.near(GOODS, REACH), stay(dice));
    scene.lasting(90).with(figure, place, during)
}

fn van_in_lane(dice: &mut Dice, scene: SuiteScene) -> SuiteScene {
    let (place, during) = (dice.near(LANE, 6.0), stay(dice));
    scene.watching_fire_lane().with(Figure::Van, place, during)
}

/// Lorries that stop before a place for half of the time.
fn behind_traffic(dice: &mut Dice, mut scene: SuiteScene, (x, y): (f32, f32)) -> SuiteScene {
    let mut secs = dice.number(18.0..20.0);
    while secs < 56.0 {
        let way =
            [(secs, (x - 420.0, y)), (secs + 1.0, (x, y)), (secs + 4.0, (x + 6.0, y)), (secs + 5.0, (x + 420.0, y))];
        scene = scene.with_way(Figure::Lorry, &way);
        secs += 8.0;
    }
    scene
}

fn nightfall(from: f32, dusk: f32, infrared_at: Option<f32>) -> Night {
    Night { from: secs(from), dusk: secs(dusk), infrared_at: infrared_at.map(secs) }
}

pub(super) const SITUATIONS: &[Situation] = &[
    Situation { name: "stall-by-day", kind: RuleKind::StreetVending, what: "a stall by day", stage: stall },
    Situation {
        name: "stall-in-rain",
        kind: RuleKind::StreetVending,
        what: "a stall in the rain",
        stage: |dice, scene| {
            let rain = dice.number(0.5..0.9);
            stall(dice, scene).in_weather(|weather| weather.rain = rain)
        },
    },
    Situation {
        name: "stall-occluded-half",
        kind: RuleKind::StreetVending,
        what: "a stall before which lorries stop for half of the time",
        stage: |dice, scene| {
            let scene = stall(dice, scene);
            behind_traffic(dice, scene, (STALL.0, STALL.1 + 50.0))
        },
    },
    Situation {
        name: "stall-at-dusk",
        kind: RuleKind::StreetVending,
        what: "a stall while night falls; street lamps",
        stage: |dice, scene| {
            let night = nightfall(dice.number(0.0..10.0), dice.number(40.0..60.0), None);
            stall(dice, scene).in_weather(|weather| weather.night = Some(night))
        },
    },
    Situation {
        name: "stall-in-infrared",
        kind: RuleKind::StreetVending,
        what: "a stall by night; the camera is in infrared",
        stage: |dice, scene| {
            let night = nightfall(0.0, 4.0, Some(dice.number(3.0..6.0)));
            stall(dice, scene).in_weather(|weather| weather.night = Some(night))
        },
    },
    Situation {
        name: "stall-in-haze",
        kind: RuleKind::StreetVending,
        what: "a stall at low contrast",
        stage: |dice, scene| {
            let haze = dice.number(0.5..0.65);
            stall(dice, scene).in_weather(|weather| weather.haze = haze)
        },
    },
    Situation {
        name: "stall-of-12-percent",
        kind: RuleKind::StreetVending,
        what: "a stall near the camera, of 12 % of the frame",
        stage: |dice, scene| {
            let scene = scene.through(Lens { zoom: 1.15, cut_above: 0.8 });
            let (place, during) = (dice.near((420.0, 470.0), 20.0), stay(dice));
            scene.watching(&[[200.0, 350.0], [640.0, 350.0], [640.0, 530.0], [200.0, 530.0]]).with(
                Figure::Stall,
                place,
                during,
            )
        },
    },
    Situation {
        name: "stall-of-2-percent",
        kind: RuleKind::StreetVending,
        what: "a stall far away, of 2 % of the frame",
        stage: |dice, scene| {
            let (place, during) = (dice.near((610.0, 135.0), 12.0), stay(dice));
            scene.cropped().watching(&[[520.0, 85.0], [740.0, 85.0], [740.0, 190.0], [520.0, 190.0]]).with(
                Figure::Stall,
                place,
                during,
            )
        },
    },
    Situation {
        name: "stall-comes-during-camera-loss",
        kind: RuleKind::StreetVending,
        what: "a stall that comes while the camera is away",
        stage: |dice, scene| {
            let (place, during) = (dice.near(STALL, REACH), stay(dice));
            let gap = during.start.saturating_sub(secs(4.0))..during.start + dice.secs(2.0..5.0);
            scene.lasting(84).with(Figure::Stall, place, during.start..during.end + secs(4.0)).away(gap)
        },
    },
    Situation {
        name: "stall-over-restart",
        kind: RuleKind::StreetVending,
        what: "a stall that is reported when the agent starts anew",
        stage: |dice, scene| {
            let (place, during) = (dice.near(STALL, REACH), stay(dice));
            let at = during.start + dice.secs(30.0..34.0);
            scene.lasting(88).with(Figure::Stall, place, during.start..during.end + secs(8.0)).restarting(at)
        },
    },
    Situation {
        name: "two-stalls",
        kind: RuleKind::StreetVending,
        what: "two stalls, a few metres apart",
        stage: |dice, scene| {
            let (left, right) = (dice.near((400.0, 268.0), 12.0), dice.near((610.0, 330.0), 12.0));
            let (first, second) = (stay(dice), stay(dice));
            scene.with(Figure::Stall, left, first).with(Figure::Stall, right, second)
        },
    },
    Situation {
        name: "vendor-on-the-move",
        kind: RuleKind::MobileVendor,
        what: "a stall that moves on after less than the dwell, twice",
        stage: |dice, scene| {
            let [a, b, c] = [(410.0, 270.0), (560.0, 316.0), (650.0, 340.0)].map(|place| dice.near(place, 12.0));
            let mut scene = scene.lasting(100).one_thing();
            for (place, from) in [(a, 12.0), (b, 36.0), (c, 60.0)] {
                scene = scene.with(Figure::Stall, place, secs(from)..secs(from) + dice.secs(13.0..16.0));
            }
            scene
        },
    },
    Situation {
        name: "goods-before-a-shop",
        kind: RuleKind::StoreOverflow,
        what: "crates beyond a shop's line",
        stage: |dice, scene| goods(Figure::Crates, dice, scene),
    },
    Situation {
        name: "van-parked",
        kind: RuleKind::VehicleParking,
        what: "a van parks on the carriageway",
        stage: |dice, scene| {
            let (place, during) = (dice.near((520.0, 290.0), REACH), stay(dice));
            scene.with(Figure::Van, place, during)
        },
    },
    Situation {
        name: "van-parked-in-rain",
        kind: RuleKind::VehicleParking,
        what: "a van parks on the carriageway, in the rain",
        stage: |dice, scene| {
            let (place, during) = (dice.near((420.0, 270.0), REACH), stay(dice));
            let rain = dice.number(0.4..0.8);
            scene.with(Figure::Van, place, during).in_weather(|weather| weather.rain = rain)
        },
    },
    Situation {
        name: "van-in-fire-lane",
        kind: RuleKind::FireLaneBlocked,
        what: "a van stands in the fire lane",
        stage: van_in_lane,
    },
    Situation {
        name: "van-in-fire-lane-at-dusk",
        kind: RuleKind::FireLaneBlocked,
        what: "a van stands in the fire lane while night falls",
        stage: |dice, scene| {
            let night = nightfall(dice.number(0.0..8.0), dice.number(40.0..60.0), None);
            van_in_lane(dice, scene).in_weather(|weather| weather.night = Some(night))
        },
    },
    Situation {
        name: "bicycle-parked",
        kind: RuleKind::BicycleParking,
        what: "a bicycle on its stand",
        stage: |dice, scene| {
            let (place, during) = (dice.near((540.0, 320.0), REACH), stay(dice));
            scene.with(Figure::Bicycle, place, during)
        },
    },
    Situation {
        name: "bicycle-heap",
        kind: RuleKind::BicycleParking,
        what: "three bicycles, reported as one heap",
        stage: |dice, scene| {
            let during = stay(dice);
            let mut scene = scene.with_rule(json!({"min_count": 3})).one_thing();
            for x in [400.0, 530.0, 640.0] {
                let place = dice.near((x, 330.0 + (x - 530.0) * 0.2), 10.0);
                scene = scene.with(Figure::Bicycle, place, during.clone());
            }
            scene
        },
    },
    Situation {
        name: "path-blocked",
        kind: RuleKind::BarrierFreePathBlocked,
        what: "crates on a barrier-free path",
        stage: |dice, scene| goods(Figure::Crates, dice, scene),
    },
    Situation {
        name: "goods-by-day",
        kind: RuleKind::PiledGoods,
        what: "crates that are left by day",
        stage: |dice, scene| goods(Figure::Crates, dice, scene),
    },
    Situation {
        name: "goods-occluded-half",
        kind: RuleKind::PiledGoods,
        what: "crates before which lorries stop for half of the time",
        stage: |dice, scene| {
            let scene = goods(Figure::Crates, dice, scene);
            behind_traffic(dice, scene, (GOODS.0, GOODS.1 + 40.0))
        },
    },
    Situation {
        name: "goods-at-dusk",
        kind: RuleKind::PiledGoods,
        what: "crates while night falls",
        stage: |dice, scene| {
            let night = nightfall(dice.number(0.0..8.0), dice.number(50.0..70.0), None);
            goods(Figure::Crates, dice, scene).in_weather(|weather| weather.night = Some(night))
        },
    },
    Situation {
        name: "goods-in-infrared",
        kind: RuleKind::PiledGoods,
        what: "crates by night; the camera is in infrared",
        stage: |dice, scene| {
            let night = nightfall(0.0, 2.0, Some(2.5));
            goods(Figure::Crates, dice, scene).in_weather(|weather| weather.night = Some(night))
        },
    },
    Situation {
        name: "goods-over-restart",
        kind: RuleKind::PiledGoods,
        what: "crates that are reported when the agent starts anew",
        stage: |dice, scene| {
            let (place, during) = (dice.near(GOODS, REACH), stay(dice));
            let at = during.start + dice.secs(44.0..48.0);
            scene.lasting(112).with(Figure::Crates, place, during.start..during.end + secs(26.0)).restarting(at)
        },
    },
    Situation {
        name: "rubbish-bags",
        kind: RuleKind::ExposedWaste,
        what: "a heap of rubbish bags",
        stage: |dice, scene| goods(Figure::Bags, dice, scene.with_rule(json!({"classes": ["static"]}))),
    },
    Situation {
        name: "rubble",
        kind: RuleKind::AccumulatedDebris,
        what: "a heap of rubble",
        stage: |dice, scene| goods(Figure::Rubble, dice, scene.with_rule(json!({"classes": ["static"]}))),
    },
    Situation {
        name: "road-works",
        kind: RuleKind::RoadWorksOccupation,
        what: "cones and a barrier board",
        stage: |dice, scene| goods(Figure::RoadWorks, dice, scene.with_rule(json!({"classes": ["static"]}))),
    },
    Situation {
        name: "laundry",
        kind: RuleKind::StreetDrying,
        what: "laundry on a rack",
        stage: |dice, scene| goods(Figure::Laundry, dice, scene.with_rule(json!({"classes": ["static"]}))),
    },
    Situation {
        name: "grill",
        kind: RuleKind::OpenAirBarbecue,
        what: "a grill that someone tends",
        stage: |dice, scene| {
            let keys = json!({"classes": ["static"], "attended": "required"});
            goods(Figure::Grill, dice, scene.with_rule(keys))
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_is_longer_than_the_dwell() {
        let during = stay(&mut Dice::new(3));
        assert!(during.end > during.start + super::super::staged::DWELL, "{during:?}");
    }
}
