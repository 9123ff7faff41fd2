//! A few words beside an outline, in a bitmap font.

use super::planes::JfifPlanes;
use crate::geometry::BBox;
use font8x8::UnicodeFonts;

/// Side of a letter in its own dots.
const LETTER: usize = 8;
/// Dots are two pixels wide in pictures of at least this width.
const LARGE_FROM_PX: usize = 1200;
/// Luma of the letters, on the outline's amber.
const INK: u8 = 0;

impl JfifPlanes {
    /// Writes above the box, or inside of it where there is no room above.
    pub(super) fn draw_text(&mut self, bbox: &BBox, text: &str) {
        let (width, height) = (self.luma.width, self.luma.height);
        let dot = if width < LARGE_FROM_PX { 1 } else { 2 };
        let line_height = (LETTER + 2) * dot;
        let text_width = (text.chars().count() * LETTER + 2) * dot;
        let left = ((bbox.left() * width as f32) as usize).min(width.saturating_sub(text_width));
        let top = ((bbox.top() * height as f32) as usize).saturating_sub(line_height);
        // In chroma samples, whole ones.
        let half = |from: usize, length: usize, limit: usize| from / 2..((from + length).div_ceil(2)).min(limit);
        self.fill(&half(left, text_width, self.cb.width), &half(top, line_height, self.cb.height));
        for (index, letter) in text.chars().enumerate() {
            self.draw_letter(letter, left + (index * LETTER + 1) * dot, top + dot, dot);
        }
    }

    fn draw_letter(&mut self, letter: char, left: usize, top: usize, dot: usize) {
        let glyph = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
        for (y, row) in (0..LETTER * dot).map(|y| (top + y, glyph[y / dot])) {
            for (x, column) in (0..LETTER * dot).map(|x| (left + x, x / dot)) {
                if row >> column & 1 == 1 && y < self.luma.height && x < self.luma.width {
                    self.luma.row_mut(y)[x] = INK;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::redact::test_pictures;
    use crate::frame::{ColorMatrix, ColorRange, PixelFormat};

    #[test]
    fn words_are_dark_on_the_outlines_colour_wherever_the_box_lies() {
        let colours = (ColorMatrix::Bt601, ColorRange::Full);
        let frame = test_pictures::frame((96, 64), PixelFormat::I420, colours, 0, |_, _, _| 128);
        for corner in [(0.0, 0.0, 0.5, 0.5), (0.9, 0.9, 1.0, 1.0), (0.4, 0.6, 0.5, 0.7)] {
            let mut planes = JfifPlanes::from_frame(&frame);
            let before = planes.luma.samples.clone();
            planes.draw_text(&BBox::try_new(corner.0, corner.1, corner.2, corner.3).unwrap(), "car 叉");
            let pairs = planes.luma.samples.iter().zip(&before);
            let changed: Vec<u8> = pairs.filter(|(after, before)| after != before).map(|(after, _)| *after).collect();
            let dark = changed.iter().filter(|luma| **luma < 64).count();
            assert!(dark > 40 && changed.len() > 300, "{corner:?}: {dark} of {}", changed.len());
        }
    }
}
