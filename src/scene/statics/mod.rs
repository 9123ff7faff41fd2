//! Static objects: what came into the scene and stays, whatever it is.
//!
//! In: frames with the time observed between them, and the boxes of whoever moves by himself. Out: [`StaticObject`]s. No detector class
//! is needed: goods, crates, rubbish bags, a stall. The idea is that of two backgrounds learned at different rates (Porikli 2007,
//! "Detection of temporarily static regions by processing video at different frame rates"): what shows for seconds and differs from
//! the ground of minutes has come and stays. Each region that differs is judged once by its structure:
//!
//! - **light** (a shadow, a lamp, dusk) keeps the slopes of the ground that it falls on, and becomes ground;
//! - a **ghost**, the ground where a thing stood that had been taken for ground, has its outline in the older picture, and becomes ground;
//! - a **thing** has an outline and structure of its own. Its place is remembered with what the place looks like with it and without it;
//!   it is there until the place looks more like it did without. What passes in front hides it and changes nothing.
//!
//! People and vehicles never become static objects: where one is tracked, nothing is learned, and nothing of it is kept. What stands
//! in the first frames is ground. A change of most of the scene at once (infrared, a lamp post switched on) is learned anew; things
//! stay at their places, and are gone when what is there has changed once more.
//!
//! Pure: no clock, no I/O. Memory: 10 bytes a cell of the watched part, 1.3 MiB for a whole 1080p frame at 480 x 270 cells, and 5 KiB
//! for each of at most [`MAX_OBJECTS`]. A thing is seen from about 8 x 8 cells, 32 x 32 pixels at 1080p; about 11 s after it came.

mod backgrounds;
mod grid;
mod held;
mod patch;
mod regions;

use crate::frame::Frame;
use crate::geometry::{BBox, Polygon};
use crate::track::TrackId;
use backgrounds::{Backgrounds, MAX_VOTES, SETTLED};
use grid::{CellRect, Grid};
use held::Held;
use patch::Patch;
use regions::{Region, Regions, Verdict};
use std::time::Duration;

/// Most things at once per camera; the rest of a flood is taken for ground.
pub const MAX_OBJECTS: usize = 64;
/// How far above and beside the zones things that stand in them are looked for, as a share of the frame.
const ABOVE: f32 = 0.25;
const BESIDE: f32 = 0.08;
/// How long after it came a thing is noticed, as a rule.
pub const NOTICED_AFTER: Duration = Duration::from_secs(13);
/// Observed time between two looks at the regions.
const REVIEW_EVERY: Duration = Duration::from_secs(1);
/// Reviews for which a region keeps its extent before it is judged, and the overlap that is the same extent.
const STEADY_REVIEWS: u32 = 2;
const STEADY_IOU: f32 = 0.7;
/// Share of the known cells from which a change is one of the whole scene.
const SCENE_CHANGED: f32 = 0.4;
/// For how long what changes further in a place that was taken for ground is ground too: its cells do not settle all at once. And the
/// share of it that lies in that place.
const AFTERMATH: Duration = Duration::from_secs(15);
const AFTERMATH_WITHIN: f32 = 0.6;
/// Share of the place of somebody who is looked for that shows what it showed before him, from which he has left.
const HAS_LEFT: f32 = 0.7;

/// Somebody or something that moves by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mover {
    /// Where.
    pub bbox: BBox,
    /// Whether this frame shows it; else it is looked for there.
    pub is_seen: bool,
}

/// A thing that came and stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaticObject {
    /// Its number, never that of a track.
    pub id: TrackId,
    /// Where it stands, 0..1 in the frame.
    pub bbox: BBox,
    /// For how long, observed; from before it was noticed.
    pub standing: Duration,
    /// How clearly its outline stands out against the ground, 0.5..=1.
    pub strength: f32,
}

/// A region that is not judged yet.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    rect: CellRect,
    reviews: u32,
    standing: Duration,
}

/// What depends on the size of the frames.
#[derive(Debug)]
struct Canvas {
    grid: Grid,
    backgrounds: Backgrounds,
    regions: Regions,
}

/// Finds the static objects of one camera.
#[derive(Debug)]
pub struct Statics {
    zones: Vec<Polygon>,
    /// The part of the frame that is looked at.
    part: BBox,
    canvas: Option<Canvas>,
    /// Whether a frame was seen since the last step, and its black.
    seen: Option<f32>,
    since_review: Duration,
    candidates: Vec<Candidate>,
    /// Places that were taken for ground, and for how much longer the rest of them is; at most [`MAX_OBJECTS`].
    cleared: Vec<(CellRect, Duration)>,
    held: Vec<Held>,
    objects: Vec<StaticObject>,
    next_id: u64,
}

impl Statics {
    /// Looks for things that stand in these zones.
    #[must_use]
    pub fn new(zones: Vec<Polygon>) -> Self {
        let corners = || zones.iter().flat_map(Polygon::corners);
        let least = |of: fn(&crate::geometry::Point) -> f32| corners().map(of).fold(1.0, f32::min);
        let most = |of: fn(&crate::geometry::Point) -> f32| corners().map(of).fold(0.0, f32::max);
        let (left, right) = (least(|p| p.x) - BESIDE, most(|p| p.x) + BESIDE);
        let (top, bottom) = (least(|p| p.y) - ABOVE, most(|p| p.y) + BESIDE);
        let part = BBox::try_new(left.min(right), top.min(bottom), right, bottom).expect("corners are finite");
        Self {
            zones,
            part,
            canvas: None,
            seen: None,
            since_review: Duration::ZERO,
            candidates: Vec::new(),
            cleared: Vec::new(),
            held: Vec::new(),
            objects: Vec::new(),
            next_id: 0,
        }
    }

    /// Takes up a thing that was reported before a restart: what stands at its place is that thing.
    pub fn restore(&mut self, bbox: BBox, standing: Duration) {
        let object = StaticObject { id: self.take_id(), bbox, standing, strength: 0.5 };
        self.hold(Held::at(object));
    }

    /// Samples a frame; it is judged at the next [`Self::advance`].
    pub fn see(&mut self, frame: &Frame) {
        let layout = frame.layout();
        let size = (layout.width, layout.height);
        if self.canvas.as_ref().is_none_or(|canvas| canvas.grid.frame_size() != size) {
            self.begin_canvas(size);
        }
        let Some(canvas) = &mut self.canvas else { return };
        canvas.grid.sample(frame, &mut canvas.backgrounds.current);
        self.seen = Some(match layout.range {
            crate::frame::ColorRange::Limited => 16.0,
            crate::frame::ColorRange::Full => 0.0,
        });
    }

    /// Judges the frame seen last, `observed` after the one before (`None`: nothing is known of the time between). `movers` are the
    /// people and vehicles of the frame.
    pub fn advance(&mut self, observed: Option<Duration>, movers: impl Iterator<Item = Mover>) -> &[StaticObject] {
        let observed = observed.unwrap_or_default();
        if let (Some(canvas), Some(black)) = (&mut self.canvas, self.seen.take()) {
            canvas.cover(movers);
            canvas.backgrounds.observe(observed, black);
            self.since_review += observed;
            if self.since_review >= REVIEW_EVERY {
                let since = std::mem::take(&mut self.since_review);
                self.review(since);
            }
        }
        for held in &mut self.held {
            held.object.standing += observed;
        }
        self.objects.clear();
        self.objects.extend(self.held.iter().filter(|held| held.whole.is_none()).map(|held| held.object));
        for part in &self.held {
            if let Some(object) = self.objects.iter_mut().find(|object| part.whole == Some(object.id)) {
                object.bbox = object.bbox.union(&part.object.bbox);
            }
        }
        &self.objects
    }

    /// What stands as of the last frame.
    #[must_use]
    pub fn objects(&self) -> &[StaticObject] {
        &self.objects
    }

    /// Frames of another size: everything is learned anew, and things stay at their places.
    fn begin_canvas(&mut self, size: (u32, u32)) {
        let grid = Grid::covering(size, &self.part);
        self.held.iter_mut().for_each(|held| held.forget(grid.rect(&held.object.bbox)));
        self.candidates.clear();
        let (columns, rows) = (grid.columns, grid.rows);
        let (backgrounds, regions) = (Backgrounds::new(columns, rows), Regions::new(columns, rows));
        self.canvas = Some(Canvas { grid, backgrounds, regions });
    }

    fn take_id(&mut self) -> TrackId {
        self.next_id += 1;
        TrackId::of_place(self.next_id)
    }

    fn hold(&mut self, held: Held) {
        if self.held.len() < MAX_OBJECTS {
            self.held.push(held);
        }
    }

    fn review(&mut self, since: Duration) {
        let Some(canvas) = &mut self.canvas else { return };
        let changed_share = canvas.backgrounds.compare();
        if changed_share > SCENE_CHANGED {
            canvas.backgrounds.begin_anew();
            self.held.iter_mut().for_each(|held| held.forget(held.rect));
            self.candidates.clear();
            return;
        }
        let columns = canvas.grid.columns;
        self.cleared.retain_mut(|(_, left)| {
            *left = left.saturating_sub(since);
            !left.is_zero()
        });
        let cleared = &mut self.cleared;
        self.held.retain_mut(|held| {
            let is_gone = held.is_gone(&canvas.backgrounds, columns);
            if let (true, Some(rect)) = (is_gone, held.rect) {
                cleared.push((rect.grown(canvas.grid.columns, canvas.grid.rows), AFTERMATH));
            }
            !is_gone
        });
        let regions = canvas.regions.find(&canvas.backgrounds);
        let before = std::mem::take(&mut self.candidates);
        for region in regions {
            let same = before.iter().find(|candidate| candidate.rect.iou(&region.rect) >= STEADY_IOU);
            // It became recent after it had outvoted the ground, and settled after that.
            let candidate = match same {
                Some(same) => {
                    Candidate { rect: region.rect, reviews: same.reviews + 1, standing: same.standing + since }
                }
                None => Candidate { rect: region.rect, reviews: 1, standing: MAX_VOTES + SETTLED },
            };
            if candidate.reviews >= STEADY_REVIEWS && !self.is_undecided(&region) {
                self.settle(&region, candidate.standing);
            } else {
                self.candidates.push(candidate);
            }
        }
        self.tell_parts_apart();
        if let Some(canvas) = &mut self.canvas {
            canvas.backgrounds.learn(since);
        }
    }

    /// Looks once more whether what is told as a part of something near by is one.
    fn tell_parts_apart(&mut self) {
        for index in 0..self.held.len() {
            if self.held[index].whole.is_some() {
                self.held[index].whole = self.whole_of(&self.held[index]);
            }
        }
    }

    /// The thing of which this one is a part, as far as can be seen.
    fn whole_of(&self, part: &Held) -> Option<TrackId> {
        let canvas = self.canvas.as_ref()?;
        let is_one = |other: &&Held| {
            other.object.id != part.object.id
                && other.whole.is_none()
                && other.is_one_with(part, &canvas.backgrounds, canvas.grid.columns)
        };
        self.held.iter().find(is_one).map(|other| other.object.id)
    }

    /// Whether nothing can be decided about a place: somebody is there, too little of it shows the same for a while, the thing there is about to
    /// be gone, or the picture shows the ground again: a bus has left that stood so long that it was nearly taken for a thing.
    fn is_undecided(&self, region: &Region) -> bool {
        let rect = &region.rect;
        if self.held.iter().any(|held| held.reviews_without > 0 && held.is_at(rect)) {
            return true;
        }
        let Some(canvas) = &self.canvas else { return true };
        let columns = canvas.grid.columns;
        let covered = (rect.top..rect.bottom)
            .flat_map(|row| &canvas.backgrounds.covered[row * columns + rect.left..row * columns + rect.right])
            .filter(|&&is_covered| is_covered)
            .count();
        let cells = || canvas.regions.cells(region, &canvas.backgrounds.changed);
        let ground = cells().filter(|&cell| canvas.backgrounds.shows_ground(cell)).count();
        let is_in_sight = Patch::seen(&canvas.backgrounds, columns, rect).is_some();
        !is_in_sight || 5 * covered > rect.area() || 2 * ground > cells().count()
    }

    /// Decides what a steady region is; in any case it is ground from now on.
    fn settle(&mut self, region: &Region, standing: Duration) {
        let Self { canvas: Some(canvas), held, cleared, .. } = self else { return };
        let columns = canvas.grid.columns;
        let rect = region.rect;
        let places = held.iter().filter_map(|held| held.rect);
        let places: Vec<CellRect> = places.chain(cleared.iter().map(|(place, _)| *place)).collect();
        let is_doubtful = |column: usize, row: usize| places.iter().any(|place| place.holds(column, row));
        let verdict = canvas.regions.judge(region, &canvas.backgrounds, is_doubtful);
        let without = Patch::ground(&canvas.backgrounds, columns, &rect);
        let cells: Vec<usize> = canvas.regions.cells(region, &canvas.backgrounds.changed).collect();
        for cell in cells {
            canvas.backgrounds.absorb(cell);
        }
        if self.held.iter().any(|held| held.contains(&rect)) {
            return;
        }
        let is_aftermath = self
            .cleared
            .iter()
            .any(|(place, _)| place.intersection(&rect) as f32 >= AFTERMATH_WITHIN * rect.area() as f32);
        let strength = match verdict {
            Verdict::Thing(_) if is_aftermath => return,
            Verdict::Thing(strength) => strength,
            Verdict::Light | Verdict::Ghost => {
                if self.cleared.len() < MAX_OBJECTS {
                    self.cleared.push((rect, AFTERMATH));
                }
                return;
            }
        };
        let bbox = canvas.grid.bbox(&rect);
        let with = Patch::seen(&canvas.backgrounds, columns, &rect);
        if let Some(index) = self.held.iter().position(|held| held.is_about(&rect)) {
            // More was put beside it, or it was moved a little.
            self.held[index].grow(&bbox, &canvas.grid);
            self.unite(index);
        } else if self.zones.iter().any(|zone| zone.contains(bbox.bottom_center())) {
            let object = StaticObject { id: self.take_id(), bbox, standing, strength };
            let mut found = Held::found(object, rect, with, without);
            found.whole = self.whole_of(&found);
            self.hold(found);
        }
    }

    /// Takes the things up to which this one has grown for parts of it: they settled before what lies between them.
    fn unite(&mut self, index: usize) {
        let Some(canvas) = &self.canvas else { return };
        let mut whole = self.held.remove(index);
        while let Some(part) = self.held.iter().position(|held| whole.rect.is_some_and(|rect| held.is_about(&rect))) {
            let part = self.held.remove(part);
            whole.take_in(part.object, &canvas.grid);
            whole.whole = whole.whole.and(part.whole);
        }
        self.held.push(whole);
    }
}

impl Canvas {
    /// Marks the cells of whoever moves by himself.
    fn cover(&mut self, movers: impl Iterator<Item = Mover>) {
        self.backgrounds.covered.fill(false);
        for mover in movers {
            let Some(rect) = self.grid.rect(&mover.bbox) else { continue };
            if !mover.is_seen && self.backgrounds.share_as_before(&rect) > HAS_LEFT {
                continue;
            }
            for row in rect.top..rect.bottom {
                let row = row * self.grid.columns;
                self.backgrounds.covered[row + rect.left..row + rect.right].fill(true);
            }
        }
    }
}

#[cfg(test)]
mod tests;
