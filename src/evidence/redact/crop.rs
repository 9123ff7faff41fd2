//! How much of a picture is shown around a thing.

use super::areas::PixelRect;
use crate::geometry::BBox;

/// Margin around the thing on each side, as a share of its width and height: what it stands on and beside.
const MARGIN: f32 = 0.25;
/// The least that is shown of width and height, in pixels: room for the strip, and context for a small thing.
const LEAST_PX: (f32, f32) = (320.0, 240.0);
/// A part of more than this share of the picture shows nothing that the picture does not.
const MOST_SHARE: f32 = 0.6;

/// The pixels around a thing, at even pixels, moved into the picture where it reaches beyond; none if they are most of the picture.
pub(super) fn around(extent: &BBox, width: usize, height: usize) -> Option<PixelRect> {
    let (picture_width, picture_height) = (width as f32, height as f32);
    let side = |share: f32, of: f32, least: f32| (share * of * (1.0 + 2.0 * MARGIN)).max(least).min(of);
    let wide = side(extent.width(), picture_width, LEAST_PX.0);
    let high = side(extent.height(), picture_height, LEAST_PX.1);
    if wide * high > MOST_SHARE * picture_width * picture_height {
        return None;
    }
    let (left, right) = span(extent.center().x, wide, width);
    let (top, bottom) = span(extent.center().y, high, height);
    Some(PixelRect { left, top, right, bottom })
}

/// From where to where so many pixels around a share of a length reach.
fn span(center: f32, pixels: f32, length: usize) -> (usize, usize) {
    let from = (center * length as f32 - pixels / 2.0).clamp(0.0, length as f32 - pixels);
    let start = from as usize / 2 * 2;
    let end = ((from + pixels).ceil() as usize).next_multiple_of(2).min(length);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bbox(l: f32, t: f32, r: f32, b: f32) -> BBox {
        BBox::try_new(l, t, r, b).unwrap()
    }

    #[test]
    fn a_thing_is_shown_with_its_margin_and_a_small_one_with_its_surroundings() {
        let stall = around(&bbox(0.4, 0.5, 0.6, 0.75), 1920, 1080).unwrap();
        assert_eq!(stall, PixelRect { left: 672, top: 472, right: 1248, bottom: 878 });
        let bag = around(&bbox(0.99, 0.98, 1.0, 1.0), 1920, 1080).unwrap();
        assert_eq!(bag, PixelRect { left: 1600, top: 840, right: 1920, bottom: 1080 });
        assert_eq!(around(&bbox(0.1, 0.1, 0.9, 0.9), 1920, 1080), None);
        assert_eq!(around(&bbox(0.4, 0.4, 0.5, 0.5), 320, 180), None, "a small picture is a crop already");
    }

    proptest! {
        #[test]
        fn whatever_the_box_the_part_lies_in_the_picture_and_holds_it(
            (width, height) in (2usize..4000, 2usize..3000),
            (l, t, w, h) in (0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0),
        ) {
            let extent = bbox(l, t, (l + w).min(1.0), (t + h).min(1.0));
            let Some(rect) = around(&extent, width, height) else { return Ok(()) };
            prop_assert!(rect.left % 2 == 0 && rect.top % 2 == 0 && rect.right <= width && rect.bottom <= height);
            prop_assert!(rect.left as f32 <= extent.left() * width as f32 + 2.0);
            prop_assert!(rect.right as f32 >= extent.right() * width as f32 - 2.0);
            prop_assert!(rect.top as f32 <= extent.top() * height as f32 + 2.0);
            prop_assert!(rect.bottom as f32 >= extent.bottom() * height as f32 - 2.0);
        }
    }
}
