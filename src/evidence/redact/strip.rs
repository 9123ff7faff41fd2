//! The strip below a picture, in which is written what it shows: light letters on a dark ground, as many lines as the facts need.

use super::planes::JfifPlanes;
use super::text::{LETTER_HEIGHT, glyph, width_of};

/// A dot of a letter is one pixel per so many of the picture's width: letters are 16 pixels high at 640 and 1280, 32 at 1920.
const PX_PER_DOT: usize = 960;
/// Dots around the text and between its lines.
const MARGIN: usize = 4;
/// Between two facts in one line.
const GAP: &str = "   ";
/// Lines at most; what a site named at such length is cut.
const MAX_LINES: usize = 8;
/// Luma of the ground and of the letters.
const GROUND: u8 = 24;
const INK: u8 = 255;
const NO_COLOUR: u8 = 128;

impl JfifPlanes {
    /// Appends a strip with these facts; its height in pixels, 0 if the picture is too narrow for a letter.
    pub(super) fn append_strip(&mut self, facts: &[String]) -> u16 {
        let dot = (self.luma.width / PX_PER_DOT).max(1);
        let room = (self.luma.width / dot).saturating_sub(2 * MARGIN);
        let lines = lines(facts, room);
        if lines.is_empty() {
            return 0;
        }
        // An even number of pixels, so that it holds whole chroma samples.
        let line_height = (LETTER_HEIGHT + MARGIN) * dot;
        let height = lines.len() * line_height + MARGIN * dot;
        let top = self.luma.height;
        self.luma.extend(height, GROUND);
        self.cb.extend(height / 2, NO_COLOUR);
        self.cr.extend(height / 2, NO_COLOUR);
        for (index, line) in lines.iter().enumerate() {
            self.luma.draw_line(line, (MARGIN * dot, top + MARGIN * dot + index * line_height), dot, INK);
        }
        u16::try_from(height).expect("a few lines are lower than any picture")
    }
}

/// Facts in lines of so many dots; a fact that is longer than a line is broken.
fn lines(facts: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if width_of(line) + width_of(GAP) + width_of(fact) <= room => {
                line.push_str(GAP);
                line.push_str(fact);
            }
            _ => lines.extend(broken(fact, room)),
        }
    }
    lines.truncate(MAX_LINES);
    lines
}

fn broken(fact: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for letter in fact.chars().filter(|letter| glyph(*letter).get_width() <= room) {
        let width = glyph(letter).get_width();
        if used + width > room {
            lines.push(String::new());
            used = 0;
        }
        used += width;
        lines.last_mut().expect("one from the beginning").push(letter);
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::redact::test_pictures;
    use crate::frame::{ColorMatrix, ColorRange, PixelFormat};

    fn grey(width: u32, height: u32) -> JfifPlanes {
        let colours = (ColorMatrix::Bt601, ColorRange::Full);
        JfifPlanes::from_frame(&test_pictures::frame((width, height), PixelFormat::I420, colours, 0, |_, _, _| 128))
    }

    #[test]
    fn facts_fill_lines_in_order_and_a_long_one_is_broken() {
        let facts = ["2026", "文一路东口", "0123456789abcdef"].map(str::to_owned);
        assert_eq!(lines(&facts, 8 * 40), ["2026   文一路东口   0123456789abcdef"]);
        assert_eq!(lines(&facts, 8 * 17), ["2026   文一路东口", "0123456789abcdef"]);
        assert_eq!(lines(&facts, 8 * 10), ["2026", "文一路东口", "0123456789", "abcdef"]);
        assert_eq!(lines(&facts, 7), [] as [&str; 0]);
        assert_eq!(lines(&["长".repeat(1000)], 16).len(), MAX_LINES);
    }

    #[test]
    fn the_strip_lies_below_an_untouched_picture_and_its_letters_are_those_of_the_font() {
        for (width, height, dot) in [(1920, 1080, 2), (640, 360, 1), (333, 241, 1)] {
            let mut planes = grey(width, height);
            let before = planes.luma.samples.clone();
            let added = usize::from(planes.append_strip(&["占".to_owned()]));
            assert_eq!(planes.luma.height, height as usize + added);
            assert_eq!(planes.cb.height, planes.luma.height.div_ceil(2));
            assert_eq!(planes.cb.samples.len(), planes.cb.width * planes.cb.height);
            assert_eq!(planes.luma.samples[..before.len()], before);
            let is_ink = |x: usize, y: usize| {
                let row = planes.luma.row(height as usize + (MARGIN + y) * dot);
                row[(MARGIN + x) * dot] == INK
            };
            let letter = glyph('占');
            for (x, y) in (0..16).flat_map(|x| (0..16).map(move |y| (x, y))) {
                assert_eq!(is_ink(x, y), letter.get_pixel(x, y), "({x}, {y}) at {width}");
            }
        }
    }

    #[test]
    fn a_picture_too_narrow_for_a_letter_gets_no_strip() {
        assert_eq!(grey(12, 40).append_strip(&["2026".to_owned()]), 0);
    }
}
