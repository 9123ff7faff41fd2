//! Relation: other open incidents at the same place, which a hub may want to make one case of.
//!
//! Two cameras see the same place if their own configurations say so: points no farther apart than both are uncertain, else the same grid
//! cell. The place of the box says nothing of where each camera looks. At one camera another matter is at the same place if the boxes overlap.

use crate::config::{PlaceConfig, PointConfig, RuleKind};
use crate::geometry::BBox;
use crate::ids::Name;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Most related incidents that an event names, oldest first: it must stay small.
const MAX_RELATED: usize = 16;
/// Share of the smaller box that lies in the other, from which two matters are at the same place.
const SAME_PLACE: f32 = 0.5;
/// Radius of uncertainty of a point that gives none: what a phone shows in a street.
const USUAL_ACCURACY_M: f64 = 15.0;
/// Radius of the earth; the flat formula below is right to a thousandth within a city.
const EARTH_M: f64 = 6_371_000.0;

/// Where an open incident is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spot {
    /// The camera.
    pub camera: Name,
    /// What it is.
    pub kind: RuleKind,
    /// Where in the picture.
    pub bbox: BBox,
}

/// The open incidents of all cameras of the box; as many as the engines follow.
#[derive(Debug)]
pub(super) struct Relations {
    /// Where each camera looks, by its own configuration.
    places: BTreeMap<Name, PlaceConfig>,
    /// By id, and so by age.
    open: BTreeMap<Uuid, Spot>,
}

impl Relations {
    pub(super) fn new(places: impl Iterator<Item = (Name, PlaceConfig)>) -> Self {
        Self { places: places.collect(), open: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, incident: Uuid, spot: Spot) {
        self.open.insert(incident, spot);
    }

    pub(super) fn forget(&mut self, incident: Uuid) {
        self.open.remove(&incident);
    }

    /// The open incidents, besides this one, that are related to what is at this spot.
    pub(super) fn of(&self, incident: Uuid, spot: &Spot) -> Vec<Uuid> {
        let others = self.open.iter().filter(|(id, other)| **id != incident && self.are_related(spot, other));
        others.map(|(id, _)| *id).take(MAX_RELATED).collect()
    }

    fn are_related(&self, one: &Spot, other: &Spot) -> bool {
        if one.camera == other.camera {
            let smaller = one.bbox.area().min(other.bbox.area());
            one.kind != other.kind && one.bbox.intersection(&other.bbox) >= SAME_PLACE * smaller
        } else {
            let places = self.places.get(&one.camera).zip(self.places.get(&other.camera));
            one.kind == other.kind && places.is_some_and(|(a, b)| is_same_place(a, b))
        }
    }
}

fn is_same_place(a: &PlaceConfig, b: &PlaceConfig) -> bool {
    match (&a.point, &b.point) {
        (Some(a), Some(b)) if a.crs == b.crs => {
            let uncertain = |point: &PointConfig| point.accuracy_m.unwrap_or(USUAL_ACCURACY_M);
            distance_m(a, b) <= uncertain(a) + uncertain(b)
        }
        _ => a.grid_id.is_some() && a.grid_id == b.grid_id,
    }
}

/// Distance on the ground between two points of one reference system.
fn distance_m(a: &PointConfig, b: &PointConfig) -> f64 {
    let north = (a.lat - b.lat).to_radians();
    let east = (a.lon - b.lon).to_radians() * f64::midpoint(a.lat, b.lat).to_radians().cos();
    EARTH_M * north.hypot(east)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(text: &str) -> Name {
        Name::try_new(text).unwrap()
    }

    fn place(value: serde_json::Value) -> PlaceConfig {
        serde_json::from_value(value).unwrap()
    }

    fn spot(camera: &str, kind: RuleKind, left: f32) -> Spot {
        Spot { camera: name(camera), kind, bbox: BBox::try_new(left, 0.4, left + 0.2, 0.8).unwrap() }
    }

    fn relations() -> Relations {
        let point = |lon: f64, crs: &str| json!({"point": {"lon": lon, "lat": 30.27, "crs": crs}});
        Relations::new(
            [
                ("a", point(119.98, "CGCS2000")),
                // 29 m and 38 m to the east of it.
                ("b", point(119.980_3, "CGCS2000")),
                ("c", point(119.980_4, "CGCS2000")),
                ("d", point(119.98, "GCJ02")),
                ("e", json!({"grid_id": "330110001003005"})),
                ("f", json!({"grid_id": "330110001003005"})),
                ("g", json!({})),
                ("h", json!({})),
            ]
            .map(|(camera, of)| (name(camera), place(of)))
            .into_iter(),
        )
    }

    /// Whether what stands at one camera is related to the same matter at another.
    fn are_related(one: &str, other: &str) -> bool {
        let mut relations = relations();
        relations.note(Uuid::from_u128(1), spot(one, RuleKind::StreetVending, 0.1));
        !relations.of(Uuid::from_u128(2), &spot(other, RuleKind::StreetVending, 0.7)).is_empty()
    }

    #[test]
    fn the_same_matter_at_two_cameras_is_related_by_their_own_points_or_their_grid_cell() {
        assert!(are_related("a", "b"), "both are uncertain by 15 m");
        assert!(!are_related("a", "c"), "too far");
        assert!(!are_related("a", "d"), "points of two reference systems are not compared");
        assert!(are_related("e", "f"), "one grid cell");
        assert!(!are_related("a", "e") && !are_related("g", "h"), "nobody knows");
    }

    #[test]
    fn another_matter_at_one_camera_is_related_where_the_boxes_overlap() {
        let mut relations = relations();
        relations.note(Uuid::from_u128(1), spot("a", RuleKind::StreetVending, 0.1));
        let related = |kind, left| relations.of(Uuid::from_u128(2), &spot("a", kind, left));
        assert_eq!(related(RuleKind::FireLaneBlocked, 0.15), [Uuid::from_u128(1)]);
        assert_eq!(related(RuleKind::FireLaneBlocked, 0.25), [] as [Uuid; 0], "beside it");
        assert_eq!(
            related(RuleKind::StreetVending, 0.15),
            [] as [Uuid; 0],
            "that would be the same thing, which the engine tells"
        );
    }

    #[test]
    fn no_incident_is_related_to_itself_or_to_one_that_is_over_and_the_list_is_bounded() {
        let mut relations = relations();
        for id in 1..=40 {
            relations.note(Uuid::from_u128(id), spot("a", RuleKind::StreetVending, 0.1));
        }
        let here = spot("b", RuleKind::StreetVending, 0.1);
        let related = relations.of(Uuid::from_u128(1), &here);
        assert_eq!((related.len(), related[0]), (MAX_RELATED, Uuid::from_u128(2)));
        relations.forget(Uuid::from_u128(2));
        assert_eq!(relations.of(Uuid::from_u128(1), &here)[0], Uuid::from_u128(3));
    }
}
