//! The canopy of a parasol or an umbrella.

use super::sketch::{LEVEL, Sketch, UPRIGHT, rgba};
use std::f32::consts::{PI, TAU};
use tiny_skia::{GradientStop, LinearGradient, PathBuilder, Shader, SpreadMode, Transform};

const PANELS: usize = 8;

/// Eight panels in two colours around the tip, the farthest first, with a valance at the rim: the rim's middle is `x` metres to the right
/// and `rim_height` above the foot, `radius` wide, and the tip `rise` higher.
pub(super) fn parasol(
    sketch: &mut Sketch,
    (x, rim_height): (f32, f32),
    (radius, rise): (f32, f32),
    colors: [[u8; 3]; 2],
) {
    let tip = (x, -(rim_height + rise) * UPRIGHT);
    let middle = -rim_height * UPRIGHT;
    let rim = |angle: f32| (x + radius * angle.cos(), middle + radius * LEVEL * angle.sin());
    // The underside, seen below the near rim.
    let under = colors[0].map(|channel| channel / 3);
    sketch.ellipse((x, middle), (radius, radius * LEVEL), [under[0], under[1], under[2], 255]);
    let mut panels: Vec<usize> = (0..PANELS).collect();
    let angles =
        |panel: usize| (panel as f32 * TAU / PANELS as f32 + 0.2, (panel + 1) as f32 * TAU / PANELS as f32 + 0.2);
    let facing = |panel: usize| f32::midpoint(angles(panel).0, angles(panel).1);
    panels.sort_by(|&a, &b| facing(a).sin().total_cmp(&facing(b).sin()));
    for panel in panels {
        let (start, end) = angles(panel);
        // Light from the upper left, behind the camera.
        let light = 0.80 + 0.16 * (facing(panel) - PI * 0.9).cos() + 0.06 * facing(panel).sin();
        let color = colors[panel % 2].map(f32::from);
        let lit = |factor: f32| {
            let [r, g, b] = color.map(|channel: f32| (channel * light * factor).clamp(0.0, 255.0) as u8);
            rgba([r, g, b, 255])
        };
        let mut path = PathBuilder::new();
        let (from, to) = (rim(start), rim(end));
        let swell = 0.1 * radius;
        let bulge = |point: (f32, f32)| (tip.0 + (point.0 - tip.0) * 0.58, f32::midpoint(tip.1, point.1) - swell);
        path.move_to(tip.0, tip.1);
        path.quad_to(bulge(from).0, bulge(from).1, from.0, from.1);
        let sag = rim(f32::midpoint(start, end));
        path.quad_to(sag.0, sag.1, to.0, to.1);
        path.quad_to(bulge(to).0, bulge(to).1, tip.0, tip.1);
        path.close();
        let shade = LinearGradient::new(
            tiny_skia::Point::from_xy(tip.0, tip.1),
            tiny_skia::Point::from_xy(sag.0, sag.1),
            vec![GradientStop::new(0.0, lit(1.06)), GradientStop::new(1.0, lit(0.88))],
            SpreadMode::Pad,
            Transform::identity(),
        );
        sketch.fill_path(path, shade.unwrap_or(Shader::SolidColor(lit(1.0))));
        if facing(panel).sin() > -0.2 {
            let drop = 0.104 * radius;
            let hanging =
                [from, to, (to.0, to.1 + drop * 0.8), (sag.0, sag.1 + drop * 1.3), (from.0, from.1 + drop * 0.8)];
            let [r, g, b] = color.map(|channel: f32| (channel * light * 0.72) as u8);
            sketch.fill(&hanging, [r, g, b, 255]);
        }
    }
    sketch.line(tip, (tip.0, tip.1 - 0.064 * radius), 0.048 * radius, [120, 120, 122, 255]);
}
