//! A frame's picture in memory, from its redaction to its encoding.

use super::areas::{self, HiddenArea, PixelRect};
use super::encoder::JpegEncoder;
use super::planes::JfifPlanes;
use super::{JpegLimits, Mark, RedactError, RedactedJpeg, RedactionSummary, SensitiveObject, crop, jpeg, mosaic};
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::sha256::sha256_hex;

/// A copy of a frame in which whoever must not be recognised is hidden already. Nothing but an encoded picture can be had of it.
///
/// It has the frame's size, 4:2:0 chroma and JFIF colours (full-range BT.601) whatever the frame's were. What is drawn is drawn after
/// redaction: it is never part of what a cell averages.
pub struct RedactedPicture {
    planes: JfifPlanes,
    areas: Vec<HiddenArea>,
    shown: BBox,
    strip_height: u16,
}

impl RedactedPicture {
    /// Copies the frame's planes and hides the sensitive areas in the copy.
    #[must_use]
    pub fn from_frame(frame: &Frame, sensitive: &[SensitiveObject]) -> Self {
        let mut planes = JfifPlanes::from_frame(frame);
        let areas = areas::to_hide(sensitive, planes.width(), planes.height());
        for area in &areas {
            mosaic::apply(&mut planes, area);
        }
        Self { planes, areas, shown: BBox::FRAME, strip_height: 0 }
    }

    /// The surroundings of something in the frame, with what is drawn so far; none if they are most of the picture.
    #[must_use]
    pub fn crop(&self, extent: &BBox) -> Option<Self> {
        let (width, height) = (self.planes.luma.width, self.planes.luma.height);
        let rect = crop::around(extent, width, height)?;
        let share = |pixels: usize, of: usize| pixels as f32 / of as f32;
        let shown = BBox::try_new(
            share(rect.left, width),
            share(rect.top, height),
            share(rect.right, width),
            share(rect.bottom, height),
        );
        let areas = self.areas.iter().filter(|area| area.rect.intersection(&rect) > 0).copied().collect();
        let shown = shown.expect("edges within the picture are finite shares in order");
        Some(Self { planes: self.planes.part(&rect), areas, shown, strip_height: 0 })
    }

    /// The same picture at this width at most, what is hidden in it included.
    #[must_use]
    pub fn scaled_to(self, max_width: u16) -> Self {
        Self { planes: self.planes.scaled_to(usize::from(max_width)), ..self }
    }

    /// Draws a thin amber rectangle around each of these things in the frame.
    #[must_use]
    pub fn outlined(mut self, extents: &[BBox]) -> Self {
        for extent in extents {
            self.planes.draw_outline(extent);
        }
        self
    }

    /// Draws an outline and a few words for each of several things.
    #[must_use]
    pub fn marked(mut self, marks: &[Mark]) -> Self {
        for mark in marks {
            self.planes.draw_outline(&mark.bbox);
        }
        // Words last, so that no outline crosses them.
        for mark in marks {
            self.planes.draw_words(&mark.bbox, &mark.text);
        }
        self
    }

    /// Adds a strip below the picture in which these facts are written, so that it says what it is without its event. No pixel of the
    /// picture is covered.
    #[must_use]
    pub fn with_strip(mut self, facts: &[String]) -> Self {
        self.strip_height += self.planes.append_strip(facts);
        self
    }

    /// Encodes it at the wanted quality, or at the best lower one that fits.
    pub fn encode(&self, encoder: &mut JpegEncoder, limits: JpegLimits) -> Result<RedactedJpeg, RedactError> {
        let bytes = jpeg::encode(&self.planes, encoder, limits)?;
        Ok(RedactedJpeg {
            sha256: sha256_hex(&bytes),
            width: self.planes.width(),
            height: self.planes.height(),
            bytes: bytes.into(),
            shown: self.shown,
            strip_height: self.strip_height,
            redaction: self.summary(),
        })
    }

    /// What an encoder of clips needs: the redacted planes with all that is drawn, the hidden areas, and the height of the strip.
    pub(super) fn into_parts(self) -> (JfifPlanes, Vec<HiddenArea>, u16) {
        (self.planes, self.areas, self.strip_height)
    }

    /// What was hidden.
    pub(super) fn summary(&self) -> RedactionSummary {
        let mut classes: Vec<_> = self.areas.iter().map(|area| area.class).collect();
        classes.sort_unstable();
        classes.dedup();
        RedactionSummary { classes, area_count: self.areas.len() }
    }
}

impl JfifPlanes {
    /// A copy of a part of the planes.
    fn part(&self, rect: &PixelRect) -> Self {
        let PixelRect { left, top, right, bottom } = *rect;
        let (across, down) = (left / 2..right.div_ceil(2), top / 2..bottom.div_ceil(2));
        Self {
            luma: self.luma.part(left..right, top..bottom),
            cb: self.cb.part(across.clone(), down.clone()),
            cr: self.cr.part(across, down),
        }
    }
}
