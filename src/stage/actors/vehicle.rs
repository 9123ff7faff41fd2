//! The van that is parked in the footage, cut out once more, drives up and stands somewhere else.

use super::{Actor, pixels_per_metre};
use crate::config::RuleKind;
use crate::evaluate::truth::{Thing, ThingObject};
use crate::geometry::Point;
use crate::stage::Appearance;
use crate::stage::canvas::{Cutout, Picture, Placement, Plane, View};
use crate::stage::footage::Footage;
use std::time::Duration;
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Transform};

/// Outline of the parked van in the footage.
const OUTLINE: [[f32; 2]; 24] = [
    [657.3, 48.0],
    [659.5, 46.6],
    [677.0, 44.6],
    [708.0, 45.0],
    [712.5, 48.0],
    [714.8, 53.5],
    [717.0, 63.4],
    [722.5, 62.8],
    [724.5, 66.0],
    [721.5, 68.0],
    [722.8, 78.0],
    [722.4, 89.0],
    [720.0, 92.8],
    [717.0, 92.6],
    [714.0, 91.0],
    [703.5, 94.5],
    [700.5, 100.0],
    [697.0, 100.4],
    [694.0, 96.0],
    [690.0, 92.5],
    [656.0, 91.5],
    [652.3, 88.0],
    [652.2, 75.0],
    [654.5, 58.0],
];
/// Corner of the piece that is cut out, and its size; even, as chroma is halved.
const CUT: (usize, usize) = (646, 38);
const CUT_SIZE: (usize, usize) = (84, 68);
/// The row on which the parked van stands.
const PARKED_ROW: f32 = 100.4;
/// The middle of the parked van's lower edge.
const PARKED_MIDDLE: f32 = 687.5;

/// Where the middle of its lower edge stands by default: in the fire lane.
const PLACE: Point = Point { x: 626.0, y: 203.0 };
/// The way it comes from its place backwards, and goes forwards: along the kerb.
const DIRECTION: (f32, f32) = (0.92, -0.385);
const COMES_FROM: f32 = -95.0;
const GOES_TO: f32 = 80.0;
/// How long it drives before it stands, and after.
const DRIVE: Duration = Duration::from_millis(1500);

/// A van.
pub struct Vehicle {
    view: View,
    appearance: Appearance,
    place: Point,
    body: Cutout,
    shadow: Cutout,
}

impl Vehicle {
    /// The footage's van, where and when it is wanted.
    pub fn van(view: &View, appearance: Appearance, footage: &Footage) -> Self {
        let place = appearance.at.map_or(PLACE, |at| view.street_from_frame(at));
        Self { view: *view, appearance, place, body: body(footage.background()), shadow: shadow() }
    }

    /// How far along its way it is, in pixels of the street, and how visible; `None` when it is not there.
    fn way(&self, time: Duration) -> Option<(f32, f32)> {
        let Appearance { from, to, .. } = self.appearance;
        let (left, gone) = if time < from {
            (from.saturating_sub(time).as_secs_f32(), COMES_FROM)
        } else if time < to {
            return Some((0.0, 1.0));
        } else {
            (time.saturating_sub(to).as_secs_f32(), GOES_TO)
        };
        let share = left / DRIVE.as_secs_f32();
        // It brakes and speeds up evenly, so its way is a square of the time; it comes into view over the last quarter.
        (share < 1.0).then(|| (gone * share * share, ((1.0 - share) * 4.0).min(1.0)))
    }

    /// Scale, and where its left upper corner is in the street, that far along its way.
    fn stance(&self, way: f32) -> (f32, Point) {
        let foot = Point { x: self.place.x + DIRECTION.0 * way, y: self.place.y + DIRECTION.1 * way };
        let scale = pixels_per_metre(foot.y) / pixels_per_metre(PARKED_ROW);
        let left = foot.x - (PARKED_MIDDLE - CUT.0 as f32) * scale;
        let top = foot.y - (PARKED_ROW - CUT.1 as f32) * scale;
        (scale, Point { x: left, y: top })
    }
}

impl Actor for Vehicle {
    fn ground(&self, time: Duration) -> f32 {
        let (way, _) = self.way(time).unwrap_or_default();
        self.place.y + DIRECTION.1 * way
    }

    fn draw(&self, picture: &mut Picture, time: Duration) {
        let Some((way, opacity)) = self.way(time) else { return };
        let (scale, left_top) = self.stance(way);
        let placement =
            Placement { left_top: self.view.to_output(left_top), scale: scale * self.view.scale(), lean: 0.0, opacity };
        picture.lay(&self.shadow, &placement);
        picture.lay(&self.body, &placement);
    }

    fn truth(&self) -> Option<Thing> {
        let (scale, corner) = self.stance(0.0);
        let edge = |pick: fn(&[f32; 2]) -> f32, by: fn(f32, f32) -> f32| OUTLINE.iter().map(pick).reduce(by);
        let across = |x: Option<f32>| corner.x + (x.unwrap_or_default() - CUT.0 as f32) * scale;
        let down = |y: Option<f32>| corner.y + (y.unwrap_or_default() - CUT.1 as f32) * scale;
        let bbox = self.view.bbox(
            Point { x: across(edge(|p| p[0], f32::min)), y: down(edge(|p| p[1], f32::min)) },
            Point { x: across(edge(|p| p[0], f32::max)), y: down(edge(|p| p[1], f32::max)) },
        );
        Some(Thing {
            id: "van".to_owned(),
            kind: RuleKind::FireLaneBlocked,
            what: "a van stands in the lane".to_owned(),
            bbox,
            objects: vec![ThingObject { classes: ["car", "truck", "bus"].map(str::to_owned).to_vec(), bbox }],
            from_secs: self.appearance.from.as_secs_f64(),
            to_secs: self.appearance.to.as_secs_f64(),
            is_reportable: true,
        })
    }
}

/// The van without its surroundings.
fn body(street: &Picture) -> Cutout {
    let mut picture = Picture::grey(CUT_SIZE.0, CUT_SIZE.1);
    for (index, (target, source)) in picture.planes.iter_mut().zip(&street.planes).enumerate() {
        let halves = if index == 0 { 1 } else { 2 };
        for (y, row) in target.samples.chunks_exact_mut(target.width).enumerate() {
            let from = (CUT.1 / halves + y) * source.width + CUT.0 / halves;
            row.copy_from_slice(&source.samples[from..from + row.len()]);
        }
    }
    Cutout { picture, alpha: coverage(&OUTLINE, 255) }
}

/// The shade on the ground below it.
fn shadow() -> Cutout {
    const GROUND: [[f32; 2]; 6] =
        [[651.0, 90.0], [668.0, 97.0], [697.0, 102.0], [724.0, 93.0], [721.0, 88.0], [660.0, 84.0]];
    let picture = {
        let mut dark = Picture::grey(CUT_SIZE.0, CUT_SIZE.1);
        dark.planes[0].samples.fill(30);
        dark
    };
    Cutout { picture, alpha: coverage(&GROUND, 190) }
}

/// Alpha of a polygon given in the street, in the piece that is cut out.
fn coverage(corners: &[[f32; 2]], opaque: u8) -> Plane {
    let (width, height) = CUT_SIZE;
    let mut drawing = Pixmap::new(width as u32, height as u32).expect("a constant, small size");
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(255, 255, 255, opaque));
    let mut path = PathBuilder::new();
    for (index, [x, y]) in corners.iter().enumerate() {
        let (x, y) = (x - CUT.0 as f32, y - CUT.1 as f32);
        if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.close();
    let path = path.finish().expect("a polygon of constant, finite corners");
    drawing.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    Plane { width, height, samples: drawing.pixels().iter().map(|pixel| pixel.alpha()).collect() }
}
