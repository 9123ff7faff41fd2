//! Letters in a picture, in GNU Unifont: every script that a name may be written in, without a font on the box.

use super::planes::JfifPlanes;
use crate::frame::Plane;
use crate::geometry::BBox;
use unifont::Glyph;

/// Height of a letter in its own dots; a letter is 8 or 16 wide.
pub(super) const LETTER_HEIGHT: usize = 16;
/// Dots of a letter are two pixels wide in pictures of at least this width.
const LARGE_FROM_PX: usize = 2400;
/// Luma of words on the outline's amber.
const INK: u8 = 0;

/// The letter's picture, or a question mark's.
pub(super) fn glyph(letter: char) -> &'static Glyph {
    let known = (!letter.is_control()).then(|| unifont::get_glyph(letter)).flatten();
    known.or_else(|| unifont::get_glyph('?')).expect("the font has the letters of ASCII")
}

/// Width of a text in dots.
pub(super) fn width_of(text: &str) -> usize {
    text.chars().map(|letter| glyph(letter).get_width()).sum()
}

impl Plane {
    /// Writes a line from a pixel on, with dots of so many pixels; what lies beyond the plane is left out.
    pub(super) fn draw_line(&mut self, text: &str, (left, top): (usize, usize), dot: usize, ink: u8) {
        let mut left = left;
        for glyph in text.chars().map(glyph) {
            let width = glyph.get_width() * dot;
            for (row, y) in (top..self.height.min(top + LETTER_HEIGHT * dot)).enumerate() {
                let end = self.width.min(left + width);
                let pixels = self.row_mut(y).get_mut(left..end).unwrap_or_default();
                for (column, pixel) in pixels.iter_mut().enumerate() {
                    if glyph.get_pixel(column / dot, row / dot) {
                        *pixel = ink;
                    }
                }
            }
            left += width;
        }
    }
}

impl JfifPlanes {
    /// Writes a few words above the box, or inside of it where there is no room above.
    pub(super) fn draw_words(&mut self, bbox: &BBox, text: &str) {
        let (width, height) = (self.luma.width, self.luma.height);
        let dot = if width < LARGE_FROM_PX { 1 } else { 2 };
        let (text_width, line_height) = ((width_of(text) + 2) * dot, LETTER_HEIGHT * dot);
        let left = ((bbox.left() * width as f32) as usize).min(width.saturating_sub(text_width));
        let top = ((bbox.top() * height as f32) as usize).saturating_sub(line_height);
        // In chroma samples, whole ones.
        let half = |from: usize, length: usize, limit: usize| from / 2..((from + length).div_ceil(2)).min(limit);
        self.fill(&half(left, text_width, self.cb.width), &half(top, line_height, self.cb.height));
        self.luma.draw_line(text, (left + dot, top), dot, INK);
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
            planes.draw_words(&BBox::try_new(corner.0, corner.1, corner.2, corner.3).unwrap(), "car 叉");
            let pairs = planes.luma.samples.iter().zip(&before);
            let changed: Vec<u8> = pairs.filter(|(after, before)| after != before).map(|(after, _)| *after).collect();
            let dark = changed.iter().filter(|luma| **luma < 64).count();
            assert!(dark > 40 && changed.len() > 300, "{corner:?}: {dark} of {}", changed.len());
        }
    }

    #[test]
    fn the_letters_of_names_are_there_and_what_is_none_is_a_question_mark() {
        let unknown = glyph('?');
        for letter in "占道经营文一路 ÄñЖ가+08:00".chars().filter(|letter| *letter != ' ') {
            assert_ne!(glyph(letter), unknown, "{letter}");
        }
        assert_eq!(width_of("占 a"), 16 + 8 + 8);
        assert_eq!(glyph('\n'), unknown);
        assert_eq!(glyph('\u{10FFFF}'), unknown);
    }
}
