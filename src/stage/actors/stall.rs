//! A stall: a parasol over a table with goods, boxes on the ground, and someone who attends it.
//!
//! Stall and shadow are drawn; the attendant is a pedestrian of the footage who stands still for us. Proportions are metres, seen from
//! a camera that looks down by about 20 degrees, as the footage's does.

use super::parasol::parasol;
use super::person::{HEIGHT, Person};
use super::sketch::{LEVEL, Sketch, UPRIGHT, rgba};
use super::{Actor, fading, pixels_per_metre};
use crate::config::RuleKind;
use crate::evaluate::truth::{Thing, ThingObject};
use crate::geometry::Point;
use crate::stage::canvas::{Cutout, Picture, Placement, View};
use crate::stage::footage::Footage;
use crate::stage::{Appearance, StageError};
use std::f32::consts::TAU;
use std::time::Duration;
use tiny_skia::{GradientStop, LinearGradient, PathBuilder, Rect, SpreadMode, Transform};

/// Where the parasol's foot stands by default.
const PLACE: Point = Point { x: 572.0, y: 318.0 };
/// Parasol: radius, height of its rim and of its tip.
const RADIUS: f32 = 1.25;
const RIM: f32 = 1.95;
const TIP: f32 = 2.5;
/// The drawing: metres left and right of the foot, above and below it.
const EXTENT: (f32, f32, f32) = (1.9, 2.75, 0.75);

/// Where the attendant stands beside the parasol's foot, in metres.
const ATTENDANT_BESIDE: f32 = 1.5;
/// Sway of the attendant's head in metres, and its period.
const SWAY: f32 = 0.05;
const SWAY_SECS: f32 = 3.7;

/// A stall.
pub struct Stall {
    view: View,
    appearance: Appearance,
    place: Point,
    drawing: Cutout,
    attendant: Person,
}

impl Stall {
    /// Draws the stall for this view.
    pub fn try_new(view: &View, appearance: Appearance, footage: &Footage) -> Result<Self, StageError> {
        let place = appearance.at.map_or(PLACE, |at| view.street_from_frame(at));
        let metre = pixels_per_metre(place.y) * view.scale();
        let attendant = Person::find(footage)?;
        Ok(Self { view: *view, appearance, place, drawing: drawing(metre), attendant })
    }

    /// Pixels of the street per metre.
    fn metre(&self) -> f32 {
        pixels_per_metre(self.place.y)
    }

    /// Scale of the attendant's cut-out to the street, and where its left upper corner is.
    fn attendant_stance(&self) -> (f32, Point) {
        let [left, top, right, bottom] = self.attendant.body;
        let scale = HEIGHT * self.metre() / (bottom - top);
        let x = self.place.x + ATTENDANT_BESIDE * self.metre() - f32::midpoint(left, right) * scale;
        (scale, Point { x, y: self.place.y + 4.0 - bottom * scale })
    }
}

impl Actor for Stall {
    fn ground(&self, _: Duration) -> f32 {
        self.place.y
    }

    fn draw(&self, picture: &mut Picture, time: Duration) {
        let opacity = fading(time, self.appearance.from, self.appearance.to);
        if opacity <= 0.0 {
            return;
        }
        let (side, above, _) = EXTENT;
        let corner = Point { x: self.place.x - side * self.metre(), y: self.place.y - above * self.metre() };
        picture.lay(&self.drawing, &Placement { opacity, ..Placement::at(self.view.to_output(corner)) });
        let (scale, corner) = self.attendant_stance();
        let metre = self.metre() * self.view.scale();
        let placement = Placement {
            left_top: self.view.to_output(corner),
            scale: scale * self.view.scale(),
            lean: SWAY * metre * (TAU * time.as_secs_f32() / SWAY_SECS).sin(),
            opacity,
        };
        picture.lay(&self.attendant.cutout, &placement);
    }

    fn truth(&self) -> Option<Thing> {
        let (metre, foot) = (self.metre(), self.place);
        let corner = |x: f32, up: f32| Point { x: foot.x + x * metre, y: foot.y - up * metre };
        let parasol =
            self.view.bbox(corner(-RADIUS, TIP * UPRIGHT), corner(RADIUS, RIM * UPRIGHT - RADIUS * LEVEL - 0.12));
        let (scale, origin) = self.attendant_stance();
        let [left, top, right, bottom] = self.attendant.body.map(|edge| edge * scale);
        let person = self
            .view
            .bbox(Point { x: origin.x + left, y: origin.y + top }, Point { x: origin.x + right, y: origin.y + bottom });
        let stand = self.view.bbox(corner(-1.3, TIP * UPRIGHT), corner(RADIUS, -0.3));
        Some(Thing {
            id: "stall".to_owned(),
            kind: RuleKind::StreetVending,
            what: "a stall with a parasol, a table with goods, and someone who attends it".to_owned(),
            bbox: stand.union(&person),
            objects: vec![
                ThingObject { classes: vec!["umbrella".to_owned()], bbox: parasol },
                ThingObject { classes: vec!["person".to_owned()], bbox: person },
            ],
            from_secs: self.appearance.from.as_secs_f64(),
            to_secs: self.appearance.to.as_secs_f64(),
            is_reportable: true,
        })
    }
}

/// Draws parasol, table, goods, boxes and shadow at so many output pixels per metre.
fn drawing(metre: f32) -> Cutout {
    let mut sketch = Sketch::new(metre, EXTENT);
    shadow(&mut sketch);
    pole(&mut sketch);
    table(&mut sketch);
    boxes(&mut sketch);
    parasol(&mut sketch, (0.0, RIM), (RADIUS, TIP - RIM), [[206, 38, 40], [240, 236, 226]]);
    sketch.into_cutout()
}

/// The light is diffuse, as in the footage: a soft dark patch.
fn shadow(sketch: &mut Sketch) {
    for step in 0..8 {
        let grow = 1.0 - step as f32 * 0.09;
        sketch.ellipse((0.05, 0.08), (1.45 * grow, 1.45 * LEVEL * grow), [10, 10, 16, 16]);
    }
}

fn pole(sketch: &mut Sketch) {
    sketch.ellipse((0.0, 0.0), (0.22, 0.22 * LEVEL), [60, 60, 62, 255]);
    sketch.ellipse((0.0, -0.05), (0.2, 0.2 * LEVEL), [92, 92, 94, 255]);
    sketch.line((0.0, -0.04), (0.0, -TIP * UPRIGHT), 0.07, [150, 150, 152, 255]);
    sketch.line((0.015, -0.04), (0.015, -TIP * UPRIGHT), 0.025, [205, 205, 208, 255]);
}

/// A table of 1.9 m by 0.7 m, 0.75 m high, with a cloth to the ground, before the pole.
fn table(sketch: &mut Sketch) {
    let (left, right) = (-1.2, 0.75);
    let (front, depth, height) = (0.18, 0.7 * LEVEL, 0.75 * UPRIGHT);
    let top = front - height;
    let mut cloth = PathBuilder::new();
    cloth.push_rect(Rect::from_ltrb(left, top, right, front).expect("a constant extent"));
    let shade = LinearGradient::new(
        tiny_skia::Point::from_xy(0.0, top),
        tiny_skia::Point::from_xy(0.0, front),
        vec![GradientStop::new(0.0, rgba([58, 92, 150, 255])), GradientStop::new(1.0, rgba([30, 48, 84, 255]))],
        SpreadMode::Pad,
        Transform::identity(),
    );
    sketch.fill_path(cloth, shade.expect("two different stops"));
    for fold in 0..7 {
        let x = left + 0.15 + fold as f32 * 0.28;
        sketch.line((x, top + 0.05), (x + 0.02, front - 0.03), 0.03, [24, 40, 74, 110]);
    }
    sketch.fill(
        &[(left, top), (right, top), (right - 0.08, top - depth), (left + 0.08, top - depth)],
        [150, 112, 76, 255],
    );
    let crates = [([222, 120, 30], -1.12), ([186, 34, 40], -0.66), ([92, 148, 48], -0.2), ([232, 190, 60], 0.26)];
    for (fruit, x) in crates {
        goods(sketch, (x, top - 0.02), fruit);
    }
}

/// A crate of round fruit on the table.
fn goods(sketch: &mut Sketch, (left, bottom): (f32, f32), [r, g, b]: [u8; 3]) {
    let (width, depth) = (0.42, 0.2);
    sketch.fill(
        &[
            (left, bottom),
            (left + width, bottom),
            (left + width - 0.02, bottom - depth - 0.06),
            (left + 0.02, bottom - depth - 0.06),
        ],
        [110, 80, 50, 255],
    );
    for row in 0..3 {
        for column in 0..5 {
            let shift = if row == 1 { 0.03 } else { 0.0 };
            let center = (left + 0.06 + column as f32 * 0.075 + shift, bottom - 0.2 + row as f32 * 0.065);
            sketch.ellipse(center, (0.045, 0.045), [r / 2, g / 2, b / 2, 255]);
            sketch.ellipse((center.0 - 0.005, center.1 - 0.008), (0.038, 0.036), [r, g, b, 255]);
            sketch.ellipse((center.0 - 0.014, center.1 - 0.018), (0.012, 0.01), [255, 255, 240, 120]);
        }
    }
}

/// Two cardboard boxes on the ground beside the table.
fn boxes(sketch: &mut Sketch) {
    for (x, y, size) in [(-1.62, 0.02, 0.42), (-1.5, 0.22, 0.36)] {
        let height = size * 0.8;
        sketch.ellipse((x + size / 2.0, y), (size * 0.62, 0.08), [10, 10, 14, 90]);
        sketch.fill(&[(x, y), (x + size, y), (x + size, y - height), (x, y - height)], [160, 122, 78, 255]);
        let back = y - height - size * LEVEL;
        sketch.fill(
            &[(x, y - height), (x + size, y - height), (x + size - 0.03, back), (x + 0.03, back)],
            [196, 158, 108, 255],
        );
        sketch.line((x + size / 2.0, y - height), (x + size / 2.0, back), 0.03, [214, 184, 140, 255]);
    }
}
