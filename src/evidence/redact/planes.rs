//! The copy of a frame on which redaction works: tight 4:2:0 planes in JFIF colours.
//!
//! JFIF (ITU-T T.871, clause 7) knows one colour space: BT.601 coefficients, full range. Frames of other range or
//! coefficients are converted while they are copied, so that the encoder needs no further pass.

use crate::frame::{ColorMatrix, ColorRange, Frame, Plane};
use crate::geometry::BBox;
use std::ops::Range;

/// Colour of the incident's outline, Y, Cb and Cr: amber (R'G'B' 255, 176, 0), which neither the street nor vegetation has in large areas.
const OUTLINE: (u8, u8, u8) = (180, 27, 182);
/// Pictures of at least this width get an outline of two chroma samples instead of one, so that it is still seen when
/// the picture is shown at half its size.
const WIDE_PICTURE_PX: u16 = 1600;

/// Y, Cb and Cr in JFIF colours, chroma halved in both directions and rounded up.
pub(super) struct JfifPlanes {
    pub(super) luma: Plane,
    pub(super) cb: Plane,
    pub(super) cr: Plane,
}

impl JfifPlanes {
    /// Copies and converts the planes of a frame.
    pub(super) fn from_frame(frame: &Frame) -> Self {
        let layout = frame.layout();
        let [luma, cb, cr] = frame.planes().map(|plane| plane.tight());
        let mut planes = Self { luma, cb, cr };
        match layout.range {
            ColorRange::Limited => planes.expand_range(),
            ColorRange::Full => {}
        }
        match layout.matrix {
            ColorMatrix::Bt709 => planes.convert_bt709_to_bt601(),
            ColorMatrix::Bt601 => {}
        }
        planes
    }

    /// Planes of at most this width, in the same proportions; wider ones are never made of narrower ones.
    pub(super) fn scaled_to(self, max_width: usize) -> Self {
        let (width, height) = (self.luma.width, self.luma.height);
        if width <= max_width {
            return self;
        }
        // At least one chroma sample.
        let (wide, high) = (max_width.max(2), (height * max_width).div_ceil(width).max(2));
        let (half_wide, half_high) = (wide.div_ceil(2), high.div_ceil(2));
        Self {
            luma: self.luma.averaged(wide, high),
            cb: self.cb.averaged(half_wide, half_high),
            cr: self.cr.averaged(half_wide, half_high),
        }
    }

    /// Width of the picture in pixels.
    pub(super) fn width(&self) -> u16 {
        u16::try_from(self.luma.width).expect("a frame is at most 16384 wide")
    }

    /// Height of the picture in pixels.
    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.luma.height).expect("a frame is at most 16384 high")
    }

    /// Luma 16..=235 and chroma 16..=240 to 0..=255, to the nearest value or its neighbour; what lies outside
    /// (super-white, noise) is clipped. In 16 bits, because the baseline x86-64 has no packed 32-bit product.
    fn expand_range(&mut self) {
        // 149/128 for 255/219, rounded.
        for v in &mut self.luma.samples {
            *v = (((u16::from(*v).clamp(16, 235) - 16) * 149 + 64) >> 7) as u8;
        }
        // 291/256 for 255/224; the constant takes 128 to 128 and rounds.
        for v in self.cb.samples.iter_mut().chain(&mut self.cr.samples) {
            *v = (((u16::from(*v).clamp(16, 240) - 16) * 291 + 304) >> 8) as u8;
        }
    }

    /// Luma 0..=255 and chroma to 16..=235 and 16..=240, to the nearest value or its neighbour: as video has them.
    pub(super) fn compress_range(&mut self) {
        for v in &mut self.luma.samples {
            *v = ((u16::from(*v) * 219 + 127) / 255) as u8 + 16;
        }
        for v in self.cb.samples.iter_mut().chain(&mut self.cr.samples) {
            *v = ((u16::from(*v) * 224 + 127) / 255) as u8 + 16;
        }
    }

    /// Full-range `Y'CbCr` of BT.709 to that of BT.601, both derived from the same R'G'B' (ITU-R BT.709-6 and
    /// BT.601-7, clauses 3 and 2.5.1): the luma of each pixel moves by a term of its chroma sample.
    fn convert_bt709_to_bt601(&mut self) {
        let mut luma_shift = vec![0i16; 2 * self.cb.width];
        let rows = self.cb.samples.chunks_exact_mut(self.cb.width).zip(self.cr.samples.chunks_exact_mut(self.cr.width));
        let luma_rows = self.luma.samples.chunks_mut(2 * self.luma.width);
        for ((cb_row, cr_row), luma_pair) in rows.zip(luma_rows) {
            for ((cb, cr), shift) in cb_row.iter_mut().zip(cr_row).zip(luma_shift.as_chunks_mut::<2>().0) {
                let (b, r) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
                *shift = [((b * LUMA_FROM_CB + r * LUMA_FROM_CR + HALF) >> 16) as i16; 2];
                *cb = clip(((b * CB_FROM_CB + r * CB_FROM_CR + HALF) >> 16) + 128);
                *cr = clip(((b * CR_FROM_CB + r * CR_FROM_CR + HALF) >> 16) + 128);
            }
            for luma_row in luma_pair.chunks_exact_mut(self.luma.width) {
                for (v, shift) in luma_row.iter_mut().zip(&luma_shift) {
                    *v = (i16::from(*v) + shift).clamp(0, 255) as u8;
                }
            }
        }
    }

    /// Draws a thin amber rectangle along the inside of the box's edges, aligned to the chroma samples.
    pub(super) fn draw_outline(&mut self, bbox: &BBox) {
        let thickness = if self.width() < WIDE_PICTURE_PX { 1 } else { 2 };
        let (width, height) = (self.cb.width, self.cb.height);
        // In chroma samples, at least one wide and high.
        let span = |from: f32, to: f32, length: usize| {
            let start = ((from * length as f32) as usize).min(length - 1);
            start..((to * length as f32).ceil() as usize).clamp(start + 1, length)
        };
        let (columns, rows) = (span(bbox.left(), bbox.right(), width), span(bbox.top(), bbox.bottom(), height));
        let near = |range: &Range<usize>| range.start..(range.start + thickness).min(range.end);
        let far = |range: &Range<usize>| range.end.saturating_sub(thickness).max(range.start)..range.end;
        for (columns, rows) in [
            (columns.clone(), near(&rows)),
            (columns.clone(), far(&rows)),
            (near(&columns), rows.clone()),
            (far(&columns), rows.clone()),
        ] {
            self.fill(&columns, &rows);
        }
    }

    /// Fills a rectangle, given in chroma samples, with the outline's colour.
    pub(super) fn fill(&mut self, columns: &Range<usize>, rows: &Range<usize>) {
        let (y, cb, cr) = OUTLINE;
        let (right, bottom) = ((2 * columns.end).min(self.luma.width), (2 * rows.end).min(self.luma.height));
        self.luma.fill(2 * columns.start..right, 2 * rows.start..bottom, y);
        self.cb.fill(columns.clone(), rows.clone(), cb);
        self.cr.fill(columns.clone(), rows.clone(), cr);
    }
}

/// One half in 16-bit fixed point: added before the shift, it rounds.
const HALF: i32 = 1 << 15;

// From full-range BT.709 to full-range BT.601 in 16-bit fixed point; a test derives them from the coefficients of luma.
const LUMA_FROM_CB: i32 = 6_657;
const LUMA_FROM_CR: i32 = 12_850;
const CB_FROM_CB: i32 = 64_871;
const CB_FROM_CR: i32 = -7_252;
const CR_FROM_CB: i32 = -4_748;
const CR_FROM_CR: i32 = 64_448;

fn clip(v: i32) -> u8 {
    v.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limited_range_expands_to_the_nearest_value_or_its_neighbour() {
        let plane = || Plane { samples: (0..=255).collect(), width: 256, height: 1 };
        let mut planes = JfifPlanes { luma: plane(), cb: plane(), cr: plane() };
        planes.expand_range();
        for (limited, (luma, chroma)) in (0u8..=255).zip(planes.luma.samples.iter().zip(&planes.cb.samples)) {
            let ideal = |black: f64, span: f64| ((f64::from(limited) - black) * 255.0 / span).clamp(-128.0, 255.0);
            let (ideal_luma, ideal_chroma) =
                (ideal(16.0, 219.0).max(0.0), (128.0 + ideal(128.0, 224.0)).clamp(0.0, 255.0));
            assert!((f64::from(*luma) - ideal_luma).abs() <= 1.0, "luma {limited} to {luma}");
            assert!((f64::from(*chroma) - ideal_chroma).abs() <= 1.0, "chroma {limited} to {chroma}");
        }
        let ends = [16, 235].map(|v| planes.luma.samples[v]);
        assert_eq!(ends, [0, 255]);
        assert_eq!(planes.cb.samples[128], 128, "grey stays grey");
    }

    #[test]
    fn what_is_compressed_to_the_range_of_video_comes_back_as_it_was() {
        let plane = || Plane { samples: (0..=255).collect(), width: 256, height: 1 };
        let mut planes = JfifPlanes { luma: plane(), cb: plane(), cr: plane() };
        planes.compress_range();
        assert_eq!([0, 255].map(|v| planes.luma.samples[v]), [16, 235]);
        assert_eq!([0, 128, 255].map(|v| planes.cb.samples[v]), [16, 128, 240]);
        planes.expand_range();
        for found in [&planes.luma.samples, &planes.cb.samples, &planes.cr.samples] {
            assert!(found.iter().zip(0u8..=255).all(|(found, v)| found.abs_diff(v) <= 1), "{found:?}");
        }
    }

    #[test]
    fn the_fixed_point_matrix_is_that_of_the_two_recommendations() {
        let (kr7, kb7, kr6, kb6) = (0.2126, 0.0722, 0.299, 0.114);
        let convert = |cb: f64, cr: f64| {
            let (r, b) = (2.0 * (1.0 - kr7) * cr, 2.0 * (1.0 - kb7) * cb);
            let g = -(kr7 * r + kb7 * b) / (1.0 - kr7 - kb7);
            let y = kr6 * r + (1.0 - kr6 - kb6) * g + kb6 * b;
            [y, (b - y) / (2.0 * (1.0 - kb6)), (r - y) / (2.0 * (1.0 - kr6))].map(|v| (v * 65_536.0).round() as i32)
        };
        assert_eq!(convert(1.0, 0.0), [LUMA_FROM_CB, CB_FROM_CB, CR_FROM_CB]);
        assert_eq!(convert(0.0, 1.0), [LUMA_FROM_CR, CB_FROM_CR, CR_FROM_CR]);
    }

    #[test]
    fn proportions_stay_and_nothing_is_enlarged() {
        let plane =
            |width: usize, height: usize, sample| Plane { samples: vec![sample; width * height], width, height };
        let planes = |width: usize, height: usize| JfifPlanes {
            luma: plane(width, height, 7),
            cb: plane(width.div_ceil(2), height.div_ceil(2), 8),
            cr: plane(width.div_ceil(2), height.div_ceil(2), 9),
        };
        let sizes = |planes: &JfifPlanes| [&planes.luma, &planes.cb, &planes.cr].map(|p| (p.width, p.height));
        let small = planes(1920, 1080).scaled_to(960);
        assert_eq!(sizes(&small), [(960, 540), (480, 270), (480, 270)]);
        assert!(small.luma.samples.iter().all(|sample| *sample == 7));
        assert_eq!(sizes(&planes(1921, 1081).scaled_to(960)), [(960, 541), (480, 271), (480, 271)]);
        assert_eq!(sizes(&planes(640, 360).scaled_to(960)), [(640, 360), (320, 180), (320, 180)]);
        assert_eq!(sizes(&planes(16384, 2).scaled_to(960))[0], (960, 2));
    }
}
