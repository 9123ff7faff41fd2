//! A thing at its place: whether it is there, and what else is a part of it.

use super::StaticObject;
use super::backgrounds::Backgrounds;
use super::grid::{CellRect, Grid};
use super::patch::Patch;
use super::regions::JOINED_GAP;
use crate::geometry::BBox;
use crate::track::TrackId;
use std::time::Duration;

/// Share of a region in a thing's place from which the region is about that thing.
const SAME_PLACE: f32 = 0.3;
/// Share of a region in a thing's place from which it is nothing but that thing.
const OWN_PLACE: f32 = 0.8;
/// A thing is gone when the place without it leaves less unexplained than this share of what the place with it does; in so many
/// reviews on end.
const WITHOUT: f32 = 0.7;
const GONE_REVIEWS: u32 = 2;
/// Where the place without it is not known: when what is seen there is less like it than this. The picture of it follows what is
/// seen when that is more like it than the second.
const UNLIKE: f32 = 0.4;
const LIKE: f32 = 0.7;
/// Share by which the picture of a thing follows what is seen of it, per review.
const FOLLOW: f32 = 0.05;

/// What comes within so much time of each other, no farther apart than the greater side of both, is put down together: laundry and
/// the feet of its rack, the boxes of one load.
const TOGETHER: Duration = Duration::from_secs(15);
/// How far apart two things are at most, in sides of the greater one, that may yet turn out to be one; and the share of what lies
/// between them that must be seen to be ground for them to be two.
const MAY_BE_ONE: usize = 2;
const GROUND_BETWEEN: f32 = 0.5;

/// A thing at its place.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) object: StaticObject,
    /// None until the picture's size is known.
    pub(super) rect: Option<CellRect>,
    /// The place with it, and without it where that is known.
    with: Option<Patch>,
    without: Option<Patch>,
    pub(super) reviews_without: u32,
    /// The thing near by as a part of which it is told; none: it is told on its own, from then on.
    pub(super) whole: Option<TrackId>,
}

impl Held {
    /// A thing of which only the place is known.
    pub(super) fn at(object: StaticObject) -> Self {
        Self { object, rect: None, with: None, without: None, reviews_without: 0, whole: None }
    }

    /// A thing that was found, with what its place looks like.
    pub(super) fn found(object: StaticObject, rect: CellRect, with: Option<Patch>, without: Option<Patch>) -> Self {
        Self { object, rect: Some(rect), with, without, reviews_without: 0, whole: None }
    }

    /// Whether another thing near by is a part of the same: they were put down together, or they may be two ends of it, as what lies
    /// between them is hidden or does not look like ground.
    pub(super) fn is_one_with(&self, other: &Self, backgrounds: &Backgrounds, columns: usize) -> bool {
        let (Some(a), Some(b)) = (&self.rect, &other.rect) else { return false };
        let greatest = a.width().max(a.height()).max(b.width()).max(b.height());
        let gap = a.gap(b);
        if gap <= greatest && self.object.standing.abs_diff(other.object.standing) <= TOGETHER {
            return true;
        }
        if gap > MAY_BE_ONE * greatest {
            return false;
        }
        let between = a.between(b);
        let cells =
            (between.top..between.bottom).flat_map(|row| row * columns + between.left..row * columns + between.right);
        let ground = cells.filter(|&cell| backgrounds.shows_ground(cell)).count();
        (ground as f32) < GROUND_BETWEEN * between.area() as f32
    }

    /// Forgets what its place looked like: what is seen there next is it.
    pub(super) fn forget(&mut self, rect: Option<CellRect>) {
        (self.rect, self.with, self.without, self.reviews_without) = (rect, None, None, 0);
    }

    /// Takes what lies in this box for a part of it.
    pub(super) fn grow(&mut self, bbox: &BBox, grid: &Grid) {
        self.object.bbox = self.object.bbox.union(bbox);
        self.forget(grid.rect(&self.object.bbox));
    }

    /// Takes another thing for a part of it.
    pub(super) fn take_in(&mut self, part: StaticObject, grid: &Grid) {
        let standing = self.object.standing.max(part.standing);
        self.object = StaticObject { id: self.object.id.min(part.id), standing, ..self.object };
        self.grow(&part.bbox, grid);
    }

    /// Whether a region shows this thing, or more of it.
    pub(super) fn is_about(&self, region: &CellRect) -> bool {
        self.is_at(region) || self.is_beside(region)
    }

    /// Whether a region lies at the place of this thing.
    pub(super) fn is_at(&self, region: &CellRect) -> bool {
        let Some(rect) = &self.rect else { return false };
        rect.intersection(region) as f32 >= SAME_PLACE * rect.area().min(region.area()) as f32
    }

    /// Whether a region is within this thing's place: what changes there is the thing's own until it is gone.
    pub(super) fn contains(&self, region: &CellRect) -> bool {
        self.rect.is_some_and(|rect| rect.intersection(region) as f32 >= OWN_PLACE * region.area() as f32)
    }

    /// Whether a region is so near to this thing that it is more of it: the parts of a rack or a barrier settle one after the other.
    fn is_beside(&self, region: &CellRect) -> bool {
        self.rect.is_some_and(|rect| rect.gap(region) <= JOINED_GAP)
    }

    /// Looks at its place once more; whether it is gone.
    pub(super) fn is_gone(&mut self, backgrounds: &Backgrounds, columns: usize) -> bool {
        let seen = self.rect.and_then(|rect| Patch::seen(backgrounds, columns, &rect));
        let Some(seen) = seen else { return false };
        let Some(with) = &mut self.with else {
            self.with = Some(seen);
            return false;
        };
        let likeness = with.likeness(&seen);
        let looks_without = match &self.without {
            Some(without) => without.unexplained(&seen) < WITHOUT * with.unexplained(&seen),
            None => likeness < UNLIKE,
        };
        if looks_without {
            self.reviews_without += 1;
        } else {
            self.reviews_without = 0;
            if likeness > LIKE {
                with.follow(&seen, FOLLOW);
            }
        }
        self.reviews_without >= GONE_REVIEWS
    }
}
