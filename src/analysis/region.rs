//! Which parts of a camera's frames are inferred. Pure.

use crate::config::Region;
use crate::geometry::{BBox, Polygon};

/// Room around the zones to the sides and below, as a share of their width and height.
const MARGIN: f32 = 0.10;
/// Room above them, as a share of their height: what stands in a zone with its foot reaches above it.
const MARGIN_ABOVE: f32 = 0.50;
/// Side of a tile as a share of the region's: two by two of them overlap by a fifth of the region.
const TILE: f32 = 0.6;
/// Share of the frame from which a crop is not worth it.
const NEARLY_ALL: f32 = 0.8;

/// The parts, the one that covers the others first; none if the whole frame is inferred.
#[must_use]
pub fn parts(region: Region, zones: &[Polygon]) -> Vec<BBox> {
    let around = around(zones);
    match region {
        Region::Frame => Vec::new(),
        Region::Zones => around.filter(|part| part.area() < NEARLY_ALL).into_iter().collect(),
        Region::Tiles => {
            let whole = around.filter(|part| part.area() < NEARLY_ALL).unwrap_or(BBox::FRAME);
            let (width, height) = (whole.width() * TILE, whole.height() * TILE);
            let tile = |right: bool, low: bool| {
                let left = if right { whole.right() - width } else { whole.left() };
                let top = if low { whole.bottom() - height } else { whole.top() };
                part(left, top, left + width, top + height)
            };
            vec![whole, tile(false, false), tile(true, false), tile(false, true), tile(true, true)]
        }
    }
}

/// The box around all zones, with room for what stands in them.
fn around(zones: &[Polygon]) -> Option<BBox> {
    let all = zones.iter().map(Polygon::bounds).reduce(|all, zone| all.union(&zone))?;
    let (side, below, above) = (all.width() * MARGIN, all.height() * MARGIN, all.height() * MARGIN_ABOVE);
    Some(part(all.left() - side, all.top() - above, all.right() + side, all.bottom() + below))
}

fn part(left: f32, top: f32, right: f32, bottom: f32) -> BBox {
    BBox::try_new(left, top, right, bottom).expect("finite and in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(left: f32, top: f32, right: f32, bottom: f32) -> Polygon {
        Polygon::try_new(&[[left, top], [right, top], [right, bottom], [left, bottom]]).unwrap()
    }

    #[test]
    fn zones_are_cropped_with_room_for_what_stands_in_them() {
        let zones = [zone(0.3, 0.4, 0.4, 0.5), zone(0.4, 0.5, 0.5, 0.6)];
        let [part] = parts(Region::Zones, &zones)[..] else { panic!("one crop") };
        let expected = BBox::try_new(0.28, 0.3, 0.52, 0.62).unwrap();
        assert!(part.iou(&expected) > 0.999, "{part:?}");
    }

    #[test]
    fn the_whole_frame_is_inferred_where_a_crop_saves_nothing() {
        assert_eq!(parts(Region::Frame, &[zone(0.3, 0.4, 0.4, 0.5)]), []);
        assert_eq!(parts(Region::Zones, &[]), []);
        assert_eq!(parts(Region::Zones, &[zone(0.0, 0.1, 1.0, 1.0)]), []);
    }

    #[test]
    fn tiles_cover_their_region_and_overlap() {
        let parts = parts(Region::Tiles, &[]);
        let (whole, tiles) = parts.split_first().unwrap();
        assert!((whole.area() - 1.0).abs() < 1e-6 && tiles.len() == 4);
        let covered = tiles.iter().copied().reduce(|all, tile| all.union(&tile)).unwrap();
        assert!(covered.iou(whole) > 0.999);
        assert!((tiles[0].intersection(&tiles[1]) - 0.2 * 0.6).abs() < 1e-4, "a fifth of the width");
    }
}
