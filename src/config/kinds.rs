//! Named kinds of rules, each a set of defaults over the same primitives.

use crate::incident::Severity;
use crate::scene::Attended;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Named kinds of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// 占道经营: an attended stall (parasol, table or cart with a person near by).
    StreetVending,
    /// 无照经营游商: an attended cart or stall that moves on within the zone; its stays add up.
    MobileVendor,
    /// 店外经营: goods or furniture of a shop outside its line.
    StoreOverflow,
    /// 机动车乱停放: a vehicle that stands.
    VehicleParking,
    /// 非机动车乱停放: a bicycle, e-bike or scooter that stands.
    BicycleParking,
    /// 占用消防通道: a vehicle that stands in a fire lane.
    FireLaneBlocked,
    /// 占用无障碍通道: anything that stands on a barrier-free path.
    BarrierFreePathBlocked,
    /// 乱堆杂物: goods piled where nothing may lie.
    PiledGoods,
    /// 暴露垃圾: rubbish in the open.
    ExposedWaste,
    /// 积存垃圾渣土: rubble or earth left lying.
    AccumulatedDebris,
    /// 垃圾站（箱）满溢: a bin that overflows.
    BinOverflow,
    /// 焚烧垃圾、树叶: waste or leaves that burn.
    OpenBurning,
    /// 露天烧烤: a grill in the street.
    OpenAirBarbecue,
    /// 沿街晾挂: laundry hung out in the street.
    StreetDrying,
    /// 施工占道: works that occupy the road.
    RoadWorksOccupation,
    /// 道路积雪、结冰: snow or ice on the road.
    RoadIceSnow,
    /// 架空线缆脱落: a cable that hangs down.
    CableDown,
    /// 道路积水: water standing on the road.
    Waterlogging,
    /// 烟火: smoke or fire.
    SmokeFire,
}

/// What a rule of a kind is, where it does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindDefaults {
    /// Groups of classes; those that the model lacks are left out, as long as it has one of them.
    pub classes: &'static [&'static str],
    /// Whether someone must be with the thing.
    pub attended: Attended,
    /// Observed seconds of presence before it is reported.
    pub dwell_secs: f64,
    /// Observed seconds of absence before it is closed.
    pub clear_secs: f64,
    /// Seconds between two stays that add up.
    pub stays_within_secs: Option<f64>,
    /// How grave it is.
    pub severity: Severity,
    /// Whether objects above or beside each other are one thing.
    pub is_composite: bool,
}

/// A single object that nobody need attend.
const THING: KindDefaults = KindDefaults {
    classes: &[],
    attended: Attended::Any,
    dwell_secs: 300.0,
    clear_secs: 10.0,
    stays_within_secs: None,
    severity: Severity::Normal,
    is_composite: false,
};
/// Someone with several objects that are one thing.
const STALL: KindDefaults =
    KindDefaults { classes: &["stall"], attended: Attended::Required, dwell_secs: 180.0, is_composite: true, ..THING };
/// Something without an outline of its own, seen now better, now worse.
const SURFACE: KindDefaults = KindDefaults { clear_secs: 60.0, ..THING };

impl RuleKind {
    /// Every kind, in the order of the table of matters.
    pub const ALL: [Self; 19] = [
        Self::StreetVending,
        Self::MobileVendor,
        Self::StoreOverflow,
        Self::VehicleParking,
        Self::BicycleParking,
        Self::FireLaneBlocked,
        Self::BarrierFreePathBlocked,
        Self::PiledGoods,
        Self::ExposedWaste,
        Self::AccumulatedDebris,
        Self::BinOverflow,
        Self::OpenBurning,
        Self::OpenAirBarbecue,
        Self::StreetDrying,
        Self::RoadWorksOccupation,
        Self::RoadIceSnow,
        Self::CableDown,
        Self::Waterlogging,
        Self::SmokeFire,
    ];

    /// What a rule of this kind is, where it does not say otherwise.
    #[must_use]
    pub fn defaults(self) -> KindDefaults {
        use Severity::{Critical, High};
        match self {
            Self::StreetVending => STALL,
            Self::MobileVendor => KindDefaults { clear_secs: 60.0, stays_within_secs: Some(1800.0), ..STALL },
            Self::StoreOverflow => {
                KindDefaults { classes: &["stall", "static"], clear_secs: 60.0, is_composite: true, ..THING }
            }
            Self::VehicleParking => KindDefaults { classes: &["vehicle"], ..THING },
            Self::BicycleParking => KindDefaults { classes: &["two_wheeler"], dwell_secs: 60.0, ..THING },
            Self::FireLaneBlocked => KindDefaults { classes: &["vehicle"], dwell_secs: 45.0, severity: High, ..THING },
            Self::BarrierFreePathBlocked => {
                KindDefaults { classes: &["vehicle", "two_wheeler", "static"], dwell_secs: 60.0, ..THING }
            }
            Self::PiledGoods => KindDefaults { classes: &["static"], dwell_secs: 600.0, clear_secs: 60.0, ..THING },
            Self::ExposedWaste => KindDefaults { classes: &["waste"], clear_secs: 60.0, ..THING },
            Self::AccumulatedDebris => KindDefaults { classes: &["debris"], dwell_secs: 600.0, ..SURFACE },
            Self::BinOverflow => KindDefaults { classes: &["full_bin"], dwell_secs: 600.0, clear_secs: 60.0, ..THING },
            Self::OpenBurning => KindDefaults { classes: &["fire"], dwell_secs: 20.0, severity: High, ..SURFACE },
            Self::OpenAirBarbecue => KindDefaults { classes: &["grill"], dwell_secs: 120.0, ..THING },
            Self::StreetDrying => KindDefaults { classes: &["laundry"], ..THING },
            Self::RoadWorksOccupation => {
                KindDefaults { classes: &["road_works"], clear_secs: 60.0, is_composite: true, ..THING }
            }
            Self::RoadIceSnow => KindDefaults { classes: &["snow"], dwell_secs: 600.0, ..SURFACE },
            Self::CableDown => KindDefaults { classes: &["loose_cable"], dwell_secs: 60.0, severity: High, ..SURFACE },
            Self::Waterlogging => KindDefaults { classes: &["standing_water"], severity: High, ..SURFACE },
            Self::SmokeFire => KindDefaults { classes: &["fire"], dwell_secs: 10.0, severity: Critical, ..SURFACE },
        }
    }

    /// The kind's name in topics and in the table of matters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StreetVending => "street_vending",
            Self::MobileVendor => "mobile_vendor",
            Self::StoreOverflow => "store_overflow",
            Self::VehicleParking => "vehicle_parking",
            Self::BicycleParking => "bicycle_parking",
            Self::FireLaneBlocked => "fire_lane_blocked",
            Self::BarrierFreePathBlocked => "barrier_free_path_blocked",
            Self::PiledGoods => "piled_goods",
            Self::ExposedWaste => "exposed_waste",
            Self::AccumulatedDebris => "accumulated_debris",
            Self::BinOverflow => "bin_overflow",
            Self::OpenBurning => "open_burning",
            Self::OpenAirBarbecue => "open_air_barbecue",
            Self::StreetDrying => "street_drying",
            Self::RoadWorksOccupation => "road_works_occupation",
            Self::RoadIceSnow => "road_ice_snow",
            Self::CableDown => "cable_down",
            Self::Waterlogging => "waterlogging",
            Self::SmokeFire => "smoke_fire",
        }
    }
}
