//! Privacy masks: areas of a camera's picture that nobody may look into, painted over before anything else sees a frame.
//!
//! In: a decoded [`Frame`]. Out: the same frame, flat grey within the masks. What made the frame (ingest, a still of the evidence stream,
//! a recording) paints it at once; detection, health of the picture, evidence and whatever comes later never hold another one.
//!
//! Painted is every 2 × 2 block of pixels (a chroma sample) that a mask touches, and one block around: no pixel inside shines through
//! where chroma is interpolated, and none at a slanted edge.

use crate::frame::{Frame, FrameError, FrameLayout, PixelFormat};
use crate::geometry::{Point, Polygon};
use std::ops::Range;
use std::sync::Arc;

/// Luma and chroma of what is painted: a middle grey.
const GREY: u8 = 128;

/// The masks of one camera. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PrivacyMasks(Arc<[Polygon]>);

impl PrivacyMasks {
    /// Masks of these areas, given as shares of the frame.
    #[must_use]
    pub fn new(areas: impl IntoIterator<Item = Polygon>) -> Self {
        Self(areas.into_iter().collect())
    }

    /// Paints over what the masks cover. Without masks the frame is given back as it is, in the decoder's memory; with them its planes are
    /// copied, since decoders refer to their pictures after they have given them away (about 1 ms at 1080p).
    pub fn apply(&self, frame: Frame) -> Result<Frame, FrameError> {
        if self.0.is_empty() {
            return Ok(frame);
        }
        let layout = *frame.layout();
        let mut planes = [0, 1, 2].map(|plane| frame.plane(plane).to_vec());
        for area in &*self.0 {
            for_each_run(area, &layout, |row, blocks| paint(&mut planes, &layout, row, blocks));
        }
        Frame::try_from_planes(layout, *frame.stamp(), planes)
    }
}

/// Paints blocks of a row of blocks in every plane.
fn paint(planes: &mut [Vec<u8>; 3], layout: &FrameLayout, row: usize, blocks: Range<usize>) {
    let mut fill = |plane: usize, row: usize, columns: Range<usize>| {
        planes[plane][row * layout.strides[plane]..][columns].fill(GREY);
    };
    let (width, height) = (layout.width as usize, layout.height as usize);
    for luma_row in [2 * row, 2 * row + 1].into_iter().filter(|luma_row| *luma_row < height) {
        fill(0, luma_row, 2 * blocks.start..(2 * blocks.end).min(width));
    }
    match layout.format {
        PixelFormat::I420 => {
            fill(1, row, blocks.clone());
            fill(2, row, blocks);
        }
        PixelFormat::Nv12 => fill(1, row, 2 * blocks.start..2 * blocks.end),
    }
}

/// Calls `paint` with rows of blocks and the blocks of each that `area` touches, and one around. Some may come twice.
fn for_each_run(area: &Polygon, layout: &FrameLayout, mut paint: impl FnMut(usize, Range<usize>)) {
    let (columns, rows) = (layout.width.div_ceil(2) as usize, layout.height.div_ceil(2) as usize);
    // Corners in blocks.
    let scale = (layout.width as f32 / 2.0, layout.height as f32 / 2.0);
    let corners: Vec<Point> =
        area.corners().iter().map(|corner| Point { x: corner.x * scale.0, y: corner.y * scale.1 }).collect();
    let edges = || corners.iter().zip(corners.iter().cycle().skip(1));
    let bounds = area.bounds();
    let first = ((bounds.top() * scale.1).floor() as usize).saturating_sub(2);
    let end = ((bounds.bottom() * scale.1).ceil() as usize + 2).min(rows);
    let mut crossings = Vec::new();
    for row in first..end {
        let (top, bottom) = (row as f32 - 1.0, row as f32 + 2.0);
        let mut run = |from: f32, to: f32| {
            let first = (from.floor() - 1.0).clamp(0.0, columns as f32) as usize;
            let end = (to.floor() + 2.0).clamp(0.0, columns as f32) as usize;
            if first < end {
                paint(row, first..end);
            }
        };
        // A block that is touched either has a part of an edge in it, or lies within and is met by the row's middle line.
        for (a, b) in edges() {
            if let Some((from, to)) = within_strip(*a, *b, top, bottom) {
                run(from, to);
            }
        }
        let middle = row as f32 + 0.5;
        crossings.clear();
        crossings.extend(edges().filter(|(a, b)| (a.y > middle) != (b.y > middle)).map(|(a, b)| x_at(*a, *b, middle)));
        crossings.sort_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            run(pair[0], pair[1]);
        }
    }
}

/// From where to where a segment reaches between two heights; none if it does not come there.
fn within_strip(a: Point, b: Point, top: f32, bottom: f32) -> Option<(f32, f32)> {
    let (upper, lower) = if a.y <= b.y { (a, b) } else { (b, a) };
    if lower.y < top || upper.y > bottom {
        return None;
    }
    let first = if upper.y < top { x_at(upper, lower, top) } else { upper.x };
    let last = if lower.y > bottom { x_at(upper, lower, bottom) } else { lower.x };
    Some((first.min(last), first.max(last)))
}

/// Where the line through two points of different height has height `y`.
fn x_at(a: Point, b: Point, y: f32) -> f32 {
    a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ColorMatrix, ColorRange, FrameStamp};
    use proptest::prelude::*;

    fn frame(width: u32, height: u32, format: PixelFormat, byte: impl Fn(usize, usize, usize) -> u8) -> Frame {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let sizes = match format {
            PixelFormat::I420 => [(w + 3, h), (cw + 1, ch), (cw, ch)],
            PixelFormat::Nv12 => [(w, h), (2 * cw + 2, ch), (0, 0)],
        };
        let plane = |index: usize| {
            let (stride, rows) = sizes[index];
            (0..rows).flat_map(|y| (0..stride).map(move |x| (x, y))).map(|(x, y)| byte(index, x, y)).collect()
        };
        let layout = FrameLayout {
            width,
            height,
            format,
            matrix: ColorMatrix::Bt709,
            range: ColorRange::Limited,
            strides: sizes.map(|(stride, _)| stride),
        };
        Frame::try_from_planes(layout, FrameStamp::at_secs(0.0, 0), [plane(0), plane(1), plane(2)]).unwrap()
    }

    /// Convex or not, never crossing itself: corners around a middle, in the order of their angle.
    fn any_area() -> impl Strategy<Value = Polygon> {
        let corner = 0.05f32..0.5;
        ((0.0f32..1.0, 0.0f32..1.0), proptest::collection::vec(corner, 3..9)).prop_filter_map(
            "an area within the frame",
            |((x, y), reaches)| {
                let count = reaches.len() as f32;
                let corner = |(index, reach): (usize, &f32)| {
                    let angle = std::f32::consts::TAU * index as f32 / count;
                    [(x + reach * angle.cos()).clamp(0.0, 1.0), (y + reach * angle.sin()).clamp(0.0, 1.0)]
                };
                let corners: Vec<[f32; 2]> = reaches.iter().enumerate().map(corner).collect();
                Polygon::try_new(&corners).ok()
            },
        )
    }

    fn any_format() -> impl Strategy<Value = PixelFormat> {
        prop_oneof![Just(PixelFormat::I420), Just(PixelFormat::Nv12)]
    }

    proptest! {
        /// The one thing that counts: whatever lies behind a mask, what comes out is the same.
        #[test]
        fn a_masked_pixel_influences_nothing(
            area in any_area(), format in any_format(), width in 2u32..90, height in 2u32..70, seed in any::<u64>(),
        ) {
            let is_behind = |plane: usize, x: usize, y: usize| {
                // A sample of a plane is behind the mask if any of its corners or its middle is.
                let (per_sample, column) = match (plane, format) {
                    (0, _) => (1.0, x),
                    (_, PixelFormat::I420) => (2.0, x),
                    (_, PixelFormat::Nv12) => (2.0, x / 2),
                };
                [(0.01, 0.01), (0.99, 0.01), (0.5, 0.5), (0.01, 0.99), (0.99, 0.99)].into_iter().any(|(dx, dy)| {
                    let x = (column as f32 + dx) * per_sample / width as f32;
                    let y = (y as f32 + dy) * per_sample / height as f32;
                    area.contains(Point { x, y })
                })
            };
            let street = |plane: usize, x: usize, y: usize| (plane * 50 + x * 3 + y * 7) as u8;
            let secret = |plane: usize, x: usize, y: usize| {
                (seed.rotate_left((plane * 7 + x * 5 + y * 11) as u32 % 64) & 0xff) as u8
            };
            let masks = PrivacyMasks::new([area.clone()]);
            let open = masks.apply(frame(width, height, format, street)).unwrap();
            let hidden = frame(width, height, format, |plane, x, y| {
                if is_behind(plane, x, y) { secret(plane, x, y) } else { street(plane, x, y) }
            });
            let hidden = masks.apply(hidden).unwrap();
            for (plane, stride) in hidden.layout().strides.into_iter().enumerate() {
                // What lies beyond the width in a row is no pixel.
                let columns = match (plane, format) {
                    (0, _) => width as usize,
                    (_, PixelFormat::I420) => width.div_ceil(2) as usize,
                    (_, PixelFormat::Nv12) => 2 * width.div_ceil(2) as usize,
                };
                let rows = |frame: &Frame| -> Vec<Vec<u8>> {
                    frame.plane(plane).chunks(stride.max(1)).map(|row| row[..columns].to_vec()).collect()
                };
                prop_assert_eq!(rows(&open), rows(&hidden), "plane {}", plane);
            }
        }

        #[test]
        fn what_lies_well_outside_stays(
            area in any_area(), format in any_format(), width in 20u32..90, height in 20u32..70,
        ) {
            let street = |plane: usize, x: usize, y: usize| (plane * 50 + x * 3 + y * 7) as u8;
            let painted = PrivacyMasks::new([area.clone()]).apply(frame(width, height, format, street)).unwrap();
            // No further than three blocks from the box around it.
            let bounds = area.bounds();
            for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
                let outside = |at: u32, size: u32, from: f32, to: f32| {
                    (at as f32) < from * size as f32 - 8.0 || at as f32 > to * size as f32 + 8.0
                };
                if outside(x, width, bounds.left(), bounds.right()) || outside(y, height, bounds.top(), bounds.bottom()) {
                    let at = y as usize * painted.layout().strides[0] + x as usize;
                    prop_assert_eq!(painted.plane(0)[at], street(0, x as usize, y as usize));
                }
            }
        }
    }

    #[test]
    fn without_masks_a_frame_is_not_copied() {
        let frame = frame(16, 16, PixelFormat::I420, |_, x, _| x as u8);
        let before = frame.plane(0).as_ptr();
        assert_eq!(PrivacyMasks::default().apply(frame).unwrap().plane(0).as_ptr(), before);
    }

    #[test]
    fn a_notch_between_two_arms_stays_open() {
        let area = Polygon::try_new(&[
            [0.1, 0.1],
            [0.3, 0.1],
            [0.3, 0.8],
            [0.7, 0.8],
            [0.7, 0.1],
            [0.9, 0.1],
            [0.9, 0.9],
            [0.1, 0.9],
        ]);
        let painted =
            PrivacyMasks::new([area.unwrap()]).apply(frame(100, 100, PixelFormat::I420, |_, _, _| 7)).unwrap();
        let luma = |x: usize, y: usize| painted.plane(0)[y * painted.layout().strides[0] + x];
        assert_eq!(
            [(20, 50), (50, 50), (80, 50), (50, 85), (50, 95)].map(|(x, y)| luma(x, y)),
            [GREY, 7, GREY, GREY, 7]
        );
    }
}
