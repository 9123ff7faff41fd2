//! Completion: what the camera's own configuration leaves open and something else says.

use crate::config::PlaceConfig;
use crate::contract::{IncidentData, MapPoint, Place};

/// Digits of a grid cell's id that are its administrative division (GB/T 30428.1: division 6, street 3, community 3, cell 3).
const DIVISION_DIGITS: usize = 6;

/// Fills in the place of the box, field by field, and the division that the grid cell lies in; names what was not said of the camera
/// itself, the matter's code by the table among it. True if anything was.
pub(super) fn complete(data: &mut IncidentData, of_box: &PlaceConfig) -> bool {
    let mut completed = Vec::new();
    if data.matter.code.is_some() {
        completed.push("matter.code");
    }
    let mut place = data.place.take().unwrap_or_default();
    let mut fill = |name, field: &mut Option<String>, from: Option<&str>| {
        if let (None, Some(from)) = (&field, from) {
            *field = Some(from.to_owned());
            completed.push(name);
        }
    };
    fill("place.address", &mut place.address, of_box.address.as_deref());
    fill("place.grid_id", &mut place.grid_id, of_box.grid_id.as_deref());
    let of_cell = place.grid_id.as_deref().and_then(|cell| cell.get(..DIVISION_DIGITS));
    fill("place.division_code", &mut place.division_code, of_box.division_code.as_deref().or(of_cell));
    if let (None, Some(p)) = (place.point, of_box.point) {
        place.point = Some(MapPoint { lon: p.lon, lat: p.lat, crs: p.crs, accuracy_m: p.accuracy_m });
        completed.push("place.point");
    }
    data.place = (place != Place::default()).then_some(place);
    data.quality.completed = completed.into_iter().map(str::to_owned).collect();
    !data.quality.completed.is_empty()
}
