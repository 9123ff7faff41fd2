//! The markings of a fire lane on the road.

use crate::geometry::Point;
use crate::stage::canvas::{Cutout, View};
use font8x8::UnicodeFonts;
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Transform};

/// Corners of the lane in the street: along the left kerb of the road that leads away.
pub const CORNERS: [[f32; 2]; 4] = [[540.0, 190.0], [668.0, 132.0], [728.0, 146.0], [632.0, 224.0]];

const TEXT: &str = "FIRE LANE";
/// Width of the lines as a share of the lane's length and width.
const LINE: (f32, f32) = (0.018, 0.035);

/// The markings as the view shows them, as large as the output.
pub fn markings(view: &View) -> Cutout {
    let mut drawing =
        Pixmap::new(view.size().width(), view.size().height()).expect("a frame size is neither zero nor huge");
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(226, 190, 48, 200));
    let (along, across) = LINE;
    let mut fill = |left: f32, top: f32, right: f32, bottom: f32| {
        let mut path = PathBuilder::new();
        for (index, (u, v)) in [(left, top), (right, top), (right, bottom), (left, bottom)].into_iter().enumerate() {
            let Point { x, y } = view.to_output(on_lane(u, v));
            if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path.close();
        if let Some(path) = path.finish() {
            drawing.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    };
    fill(0.0, 0.0, 1.0, across);
    fill(0.0, 1.0 - across, 1.0, 1.0);
    fill(0.0, across, along, 1.0 - across);
    fill(1.0 - along, across, 1.0, 1.0 - across);
    let (dot_u, dot_v) = (0.86 / (8 * TEXT.len()) as f32, 0.5 / 8.0);
    for (position, letter) in TEXT.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(letter).expect("the font holds every ASCII letter");
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..8).filter(|column| bits & (1 << column) != 0) {
                let (u, v) = (0.08 + dot_u * (8 * position + column) as f32, 0.28 + dot_v * row as f32);
                fill(u, v, u + dot_u * 1.05, v + dot_v * 1.05);
            }
        }
    }
    Cutout::from_drawing(&drawing)
}

/// A place on the lane, 0..1 along and across it, in the street.
fn on_lane(along: f32, across: f32) -> Point {
    let [a, b, c, d] = CORNERS;
    let mix = |axis: usize| {
        let near = a[axis] + (b[axis] - a[axis]) * along;
        let far = d[axis] + (c[axis] - d[axis]) * along;
        near + (far - near) * across
    };
    Point { x: mix(0), y: mix(1) }
}
