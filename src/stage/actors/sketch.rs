//! Drawing things in metres, as a camera sees them that looks down by about 20 degrees, as the footage's does.

use crate::stage::canvas::Cutout;
use tiny_skia::{Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, Rect, Shader, Stroke, Transform};

/// Share of a level length that shows upright, and of an upright one: sine and cosine of the camera's pitch.
pub(super) const LEVEL: f32 = 0.36;
pub(super) const UPRIGHT: f32 = 0.93;

/// A drawing in metres from the foot of the thing, x to the right, y down.
pub(super) struct Sketch {
    pixmap: Pixmap,
    origin: Transform,
}

impl Sketch {
    /// An empty drawing at so many output pixels per metre: metres left and right of the foot, above and below it.
    pub(super) fn new(metre: f32, (side, above, below): (f32, f32, f32)) -> Self {
        let pixels = |metres: f32| ((metres * metre).ceil() as u32).next_multiple_of(2);
        let pixmap = Pixmap::new(pixels(2.0 * side), pixels(above + below)).expect("a street's scale is bounded");
        Self { pixmap, origin: Transform::from_row(metre, 0.0, 0.0, metre, side * metre, above * metre) }
    }

    pub(super) fn into_cutout(self) -> Cutout {
        Cutout::from_drawing(&self.pixmap)
    }

    pub(super) fn fill(&mut self, corners: &[(f32, f32)], color: [u8; 4]) {
        let mut path = PathBuilder::new();
        for (index, &(x, y)) in corners.iter().enumerate() {
            if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path.close();
        self.fill_path(path, Shader::SolidColor(rgba(color)));
    }

    pub(super) fn ellipse(&mut self, center: (f32, f32), radius: (f32, f32), color: [u8; 4]) {
        let bounds = Rect::from_xywh(center.0 - radius.0, center.1 - radius.1, 2.0 * radius.0, 2.0 * radius.1);
        let mut path = PathBuilder::new();
        path.push_oval(bounds.expect("positive radii"));
        self.fill_path(path, Shader::SolidColor(rgba(color)));
    }

    pub(super) fn fill_path(&mut self, path: PathBuilder, shader: Shader) {
        let paint = Paint { shader, ..Paint::default() };
        // A path without area draws nothing.
        if let Some(path) = path.finish() {
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, self.origin, None);
        }
    }

    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, color: [u8; 4]) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        path.line_to(to.0, to.1);
        let paint = Paint { shader: Shader::SolidColor(rgba(color)), ..Paint::default() };
        let stroke = Stroke { width, line_cap: LineCap::Round, ..Stroke::default() };
        if let Some(path) = path.finish() {
            self.pixmap.stroke_path(&path, &paint, &stroke, self.origin, None);
        }
    }
}

pub(super) fn rgba([r, g, b, a]: [u8; 4]) -> Color {
    Color::from_rgba8(r, g, b, a)
}
