//! People and vehicles → the pixel areas that are hidden, and how coarsely.
//!
//! The shares come from the proportions of bodies and cars, taken generously, because a detector's box is itself wrong
//! by a tenth: a head is an eighth of a standing person's height and a third of the width; a face is 0.16 m wide, a
//! plate 0.44 × 0.14 m on a car 1.5 m high.

use super::{RedactedClass, SensitiveKind, SensitiveObject};

/// Smallest cell: what is hidden in it is less than a face of 12 px, which no one and no known network recognises.
const MIN_CELL_PX: f32 = 12.0;
/// Cells across the estimated width of a head, at most.
const CELLS_PER_HEAD: f32 = 4.0;
/// People lower than this are hidden whole: the error of their box is as large as their head.
const SMALL_PERSON_PX: f32 = 80.0;
/// People wider than this share of their height do not stand upright, are cut or are two: hidden whole.
const UPRIGHT_ASPECT: f32 = 0.6;
/// Boxes that end in this lowest share of the frame are cut by its edge, so that shares of their height say nothing.
const CUT_AT: f32 = 0.98;
/// Share of an upright person's box, from the top, that is the head region.
const HEAD_SHARE: f32 = 0.35;
/// Margin around the head region: shares of the box's width and height.
const PERSON_MARGIN: (f32, f32) = (0.15, 0.10);
/// Margin around a face or head: shares of the box's width and height. A face detector's box ends at the eyebrows and the chin, or at the
/// ears: the whole head is half as wide and half as high again.
const HEAD_MARGIN: (f32, f32) = (0.25, 0.30);
/// Share of a vehicle's box, from the bottom, that holds its plates.
const PLATE_SHARE: f32 = 0.45;
/// Margin around the regions of a vehicle: shares of the box's width and height.
const VEHICLE_MARGIN: (f32, f32) = (0.10, 0.10);
/// Vehicles at least this high show the heads of their occupants: a head is a seventh of a car's height.
const OCCUPANTS_FROM_PX: f32 = 100.0;
/// Areas of one class that overlap at least this much (intersection over union) are joined.
const JOIN_IOU: f32 = 0.6;

/// A rectangle of luma pixels inside the picture. Its edges lie on even pixels or on the edge of the picture, so that it
/// holds whole chroma samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelRect {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl PixelRect {
    /// Width in pixels, at least 1.
    pub(super) fn width(&self) -> usize {
        self.right - self.left
    }

    /// Height in pixels, at least 1.
    pub(super) fn height(&self) -> usize {
        self.bottom - self.top
    }

    fn area(&self) -> usize {
        self.width() * self.height()
    }

    /// Pixels that both hold.
    pub(super) fn intersection(&self, other: &Self) -> usize {
        let width = self.right.min(other.right).saturating_sub(self.left.max(other.left));
        let height = self.bottom.min(other.bottom).saturating_sub(self.top.max(other.top));
        width * height
    }

    fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// An area to hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HiddenArea {
    pub(super) rect: PixelRect,
    /// Least width and height of a cell in luma pixels.
    pub(super) cell_px: usize,
    pub(super) class: RedactedClass,
}

/// All areas to hide in a picture of the given size; those that nearly coincide (the same person in several frames of
/// the last second) are joined.
pub(super) fn to_hide(sensitive: &[SensitiveObject], width: u16, height: u16) -> Vec<HiddenArea> {
    let picture = Picture { width: f32::from(width), height: f32::from(height) };
    let mut joined: Vec<HiddenArea> = Vec::new();
    for object in sensitive {
        let in_pixels = Region {
            left: object.bbox.left() * picture.width,
            top: object.bbox.top() * picture.height,
            right: object.bbox.right() * picture.width,
            bottom: object.bbox.bottom() * picture.height,
        };
        let areas = match object.kind {
            SensitiveKind::Person => [Some(picture.head_of(in_pixels)), None],
            SensitiveKind::Head => [Some(picture.head(in_pixels)), None],
            SensitiveKind::Vehicle => [Some(picture.plates(in_pixels)), picture.occupants(in_pixels)],
        };
        for area in areas.into_iter().flatten() {
            join(&mut joined, area);
        }
    }
    joined
}

/// Adds an area, or widens the first that nearly coincides with it or holds it.
fn join(areas: &mut Vec<HiddenArea>, new: HiddenArea) {
    let coincides = |old: &&mut HiddenArea| {
        let shared = old.rect.intersection(&new.rect);
        let union = old.rect.area() + new.rect.area() - shared;
        old.class == new.class && (shared == new.rect.area() || shared as f32 >= JOIN_IOU * union as f32)
    };
    if let Some(old) = areas.iter_mut().find(coincides) {
        old.rect = old.rect.union(&new.rect);
        old.cell_px = old.cell_px.max(new.cell_px);
    } else {
        areas.push(new);
    }
}

/// A part of a box in pixels, not yet clipped or aligned.
#[derive(Clone, Copy)]
struct Region {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Region {
    fn width(&self) -> f32 {
        self.right - self.left
    }

    fn height(&self) -> f32 {
        self.bottom - self.top
    }

    fn grown(&self, by_x: f32, by_y: f32) -> Self {
        Self { left: self.left - by_x, top: self.top - by_y, right: self.right + by_x, bottom: self.bottom + by_y }
    }
}

/// Size of the picture in pixels.
struct Picture {
    width: f32,
    height: f32,
}

impl Picture {
    /// The whole box, whatever its shape: all of it is what must not be seen.
    fn head(&self, head: Region) -> HiddenArea {
        let (width, height) = (head.width(), head.height());
        let (margin_x, margin_y) = HEAD_MARGIN;
        let region = head.grown(margin_x * width, margin_y * height);
        self.area(region, width.max(height) / CELLS_PER_HEAD, RedactedClass::PersonHead)
    }

    fn head_of(&self, person: Region) -> HiddenArea {
        let (width, height) = (person.width(), person.height());
        let is_cut = person.bottom >= CUT_AT * self.height;
        let whole = height < SMALL_PERSON_PX || width > UPRIGHT_ASPECT * height || is_cut;
        let region = if whole { person } else { Region { bottom: person.top + HEAD_SHARE * height, ..person } };
        let head_width = (width / 2.0).max(height / 8.0);
        let (margin_x, margin_y) = PERSON_MARGIN;
        let region = region.grown(margin_x * width, margin_y * height);
        self.area(region, head_width / CELLS_PER_HEAD, RedactedClass::PersonHead)
    }

    fn plates(&self, vehicle: Region) -> HiddenArea {
        let (width, height) = (vehicle.width(), vehicle.height());
        let (margin_x, margin_y) = VEHICLE_MARGIN;
        let region = Region { top: vehicle.bottom - PLATE_SHARE * height, ..vehicle };
        let region = region.grown(margin_x * width, margin_y * height);
        // A tenth of the height is a plate's height on a car and more on anything larger; the share of the width holds
        // for vehicles of which the frame's edge leaves only a low strip.
        self.area(region, (height / 10.0).max(width / 20.0), RedactedClass::VehiclePlateArea)
    }

    fn occupants(&self, vehicle: Region) -> Option<HiddenArea> {
        let (width, height) = (vehicle.width(), vehicle.height());
        let (margin_x, margin_y) = VEHICLE_MARGIN;
        let region = Region { bottom: vehicle.bottom - PLATE_SHARE * height, ..vehicle };
        let region = region.grown(margin_x * width, margin_y * height);
        // A face is an eighth of a car's height: two to three cells across it.
        (height >= OCCUPANTS_FROM_PX).then(|| self.area(region, height / 20.0, RedactedClass::PersonHead))
    }

    /// Clips a region to the picture, grows it to at least one cell and aligns it outwards to chroma samples.
    fn area(&self, region: Region, cell_px: f32, class: RedactedClass) -> HiddenArea {
        let cell = cell_px.max(MIN_CELL_PX).ceil();
        let region = region.grown((cell - region.width()).max(0.0) / 2.0, (cell - region.height()).max(0.0) / 2.0);
        let (left, right) = aligned(region.left, region.right, self.width);
        let (top, bottom) = aligned(region.top, region.bottom, self.height);
        HiddenArea { rect: PixelRect { left, top, right, bottom }, cell_px: cell as usize, class }
    }
}

/// Rounds outwards to even pixels inside `0..length`.
fn aligned(from: f32, to: f32, length: f32) -> (usize, usize) {
    let start = (from.clamp(0.0, length - 1.0) / 2.0).floor() as usize * 2;
    let end = (to.clamp(0.0, length) / 2.0).ceil() as usize * 2;
    (start, end.clamp(start + 1, length as usize))
}
