//! Crates and rubbish bags that someone has left in the street: nothing that a common detector has a class for.

use super::sketch::{LEVEL, Sketch, UPRIGHT};
use super::{Actor, fading, pixels_per_metre};
use crate::config::RuleKind;
use crate::geometry::Point;
use crate::stage::Appearance;
use crate::stage::canvas::{Cutout, Picture, Placement, View};
use crate::stage::truth::Thing;
use std::time::Duration;

/// Where they stand by default: on the carriageway.
const PLACE: Point = Point { x: 452.0, y: 282.0 };
/// The drawing: metres left and right of the middle, above and below the ground.
const EXTENT: (f32, f32, f32) = (1.0, 1.2, 0.3);
/// What is not shadow of it.
const BODY: (f32, f32, f32) = (0.9, 1.1, 0.12);

/// A pile of goods.
pub struct Goods {
    view: View,
    appearance: Appearance,
    place: Point,
    drawing: Cutout,
}

impl Goods {
    /// Draws them for this view.
    pub fn new(view: &View, appearance: Appearance) -> Self {
        let place = appearance.at.map_or(PLACE, |at| view.street_from_frame(at));
        let drawing = drawing(pixels_per_metre(place.y) * view.scale());
        Self { view: *view, appearance, place, drawing }
    }

    /// A corner of the street so many metres from the place.
    fn corner(&self, right: f32, up: f32) -> Point {
        let metre = pixels_per_metre(self.place.y);
        Point { x: self.place.x + right * metre, y: self.place.y - up * metre }
    }
}

impl Actor for Goods {
    fn ground(&self, _: Duration) -> f32 {
        self.place.y
    }

    fn draw(&self, picture: &mut Picture, time: Duration) {
        let opacity = fading(time, self.appearance.from, self.appearance.to);
        if opacity > 0.0 {
            let corner = self.view.to_output(self.corner(-EXTENT.0, EXTENT.1));
            picture.lay(&self.drawing, &Placement { opacity, ..Placement::at(corner) });
        }
    }

    fn truth(&self) -> Thing {
        let (side, above, below) = BODY;
        Thing {
            id: "goods".to_owned(),
            kind: RuleKind::PiledGoods,
            what: "crates and rubbish bags that nobody attends".to_owned(),
            bbox: self.view.bbox(self.corner(-side, above), self.corner(side, -below)),
            objects: Vec::new(),
            from_secs: self.appearance.from.as_secs_f64(),
            to_secs: self.appearance.to.as_secs_f64(),
        }
    }
}

fn drawing(metre: f32) -> Cutout {
    let mut sketch = Sketch::new(metre, EXTENT);
    for step in 0..6 {
        let grow = 1.0 - step as f32 * 0.1;
        sketch.ellipse((0.0, 0.05), (0.98 * grow, 0.6 * LEVEL * grow), [10, 10, 16, 22]);
    }
    bag(&mut sketch, (0.62, 0.02), 0.28);
    crate_at(&mut sketch, (-0.85, 0.0), [168, 122, 70]);
    crate_at(&mut sketch, (-0.2, 0.04), [52, 104, 158]);
    crate_at(&mut sketch, (-0.5, -0.42), [186, 140, 84]);
    bag(&mut sketch, (0.36, 0.1), 0.24);
    sketch.into_cutout()
}

/// A slatted crate of 0.6 m by 0.4 m by 0.4 m with its lower left corner here.
fn crate_at(sketch: &mut Sketch, (left, bottom): (f32, f32), [r, g, b]: [u8; 3]) {
    let (width, height, depth) = (0.6, 0.4 * UPRIGHT, 0.4 * LEVEL);
    let top = bottom - height;
    sketch.fill(
        &[(left, top), (left + width, top), (left + width - 0.05, top - depth), (left + 0.05, top - depth)],
        [r / 3, g / 3, b / 3, 255],
    );
    sketch
        .fill(&[(left, bottom), (left + width, bottom), (left + width, top), (left, top)], [r / 2, g / 2, b / 2, 255]);
    for slat in 0..3 {
        let upper = top + 0.015 + slat as f32 * height / 3.0;
        let lower = upper + height / 3.0 - 0.04;
        sketch.fill(&[(left, lower), (left + width, lower), (left + width, upper), (left, upper)], [r, g, b, 255]);
    }
    for post in [left + 0.03, left + width - 0.03] {
        sketch.line((post, bottom), (post, top), 0.05, [r.saturating_sub(30), g.saturating_sub(30), b, 255]);
    }
}

/// A tied rubbish bag of this radius with its foot here.
fn bag(sketch: &mut Sketch, (x, bottom): (f32, f32), radius: f32) {
    let middle = bottom - radius;
    sketch.ellipse((x, middle), (radius, radius), [34, 34, 40, 255]);
    sketch.ellipse((x, bottom - 1.95 * radius), (0.3 * radius, 0.3 * radius), [26, 26, 30, 255]);
    for (fold, shine) in [(-0.5, 96), (-0.1, 150), (0.35, 70)] {
        let from = (x + fold * radius, middle - 0.7 * radius);
        sketch.line(from, (x + 1.2 * fold * radius, middle + 0.5 * radius), 0.16 * radius, [shine, shine, shine, 200]);
    }
}
