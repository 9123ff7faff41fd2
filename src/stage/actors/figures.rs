//! The drawings of figures, in metres from the middle of the foot, x to the right, y down.

use super::parasol::parasol;
use super::prop::{Figure, HELD_AT, Matter, Part};
use super::sketch::{LEVEL, Sketch, UPRIGHT};
use crate::config::RuleKind;
use std::f32::consts::TAU;

/// A figure, drawn.
pub(super) struct Drawing {
    /// None of what is a person alone, or an actor of its own.
    pub(super) sketch: Option<Part>,
    /// None of what is no thing.
    pub(super) matter: Option<Matter>,
}

/// Draws a figure at so many output pixels per metre.
pub(super) fn drawing(figure: Figure, metre: f32) -> Drawing {
    let draw = |extent: (f32, f32, f32), draw: fn(&mut Sketch)| {
        let mut sketch = Sketch::new(metre, extent);
        draw(&mut sketch);
        let (side, above, _) = extent;
        Part { cutout: sketch.into_cutout(), metre, foot: (side * metre, above * metre), is_alive: false }
    };
    let thing = |id, kind, what, body| Some(Matter { id, kind, what, classes: &[], body });
    let (sketch, matter) = match figure {
        Figure::Crates => (
            draw((1.0, 1.2, 0.3), crates),
            thing("goods", RuleKind::PiledGoods, "crates and rubbish bags that nobody attends", (0.9, 1.1, 0.12)),
        ),
        Figure::Bags => (
            draw((1.2, 1.2, 0.3), bags),
            thing("bags", RuleKind::ExposedWaste, "a heap of rubbish bags", (1.0, 0.95, 0.12)),
        ),
        Figure::Rubble => (
            draw((1.5, 1.1, 0.4), rubble),
            thing("rubble", RuleKind::AccumulatedDebris, "a heap of rubble", (1.3, 0.85, 0.25)),
        ),
        Figure::RoadWorks => (
            draw((1.8, 1.2, 0.3), road_works),
            thing("works", RuleKind::RoadWorksOccupation, "cones and a barrier board", (1.6, 1.05, 0.1)),
        ),
        Figure::Laundry => (
            draw((1.5, 1.9, 0.3), laundry),
            thing("laundry", RuleKind::StreetDrying, "laundry on a rack", (1.35, 1.65, 0.1)),
        ),
        Figure::Grill => (
            draw((0.9, 1.3, 0.3), grill),
            thing("grill", RuleKind::OpenAirBarbecue, "a grill that someone tends", (0.7, 1.05, 0.1)),
        ),
        Figure::Bicycle => {
            let matter = Matter {
                id: "bicycle",
                kind: RuleKind::BicycleParking,
                what: "a bicycle on its stand",
                classes: &["bicycle"],
                body: (0.92, 1.02, 0.05),
            };
            (draw((1.1, 1.2, 0.25), bicycle), Some(matter))
        }
        Figure::UmbrellaCarrier => (draw((0.8, 2.6, 0.2), carried_umbrella), None),
        Figure::Bus => (draw((5.4, 4.2, 0.6), bus), None),
        Figure::Lorry => (draw((3.6, 3.8, 0.6), lorry), None),
        Figure::Sweeper => (draw((2.6, 3.0, 0.5), sweeper), None),
        Figure::Person | Figure::Stall | Figure::Van => return Drawing { sketch: None, matter: None },
    };
    Drawing { sketch: Some(sketch), matter }
}

/// The soft dark patch under a thing so wide.
fn shade(sketch: &mut Sketch, (x, y): (f32, f32), radius: f32) {
    for step in 0..6 {
        let grow = 1.0 - step as f32 * 0.1;
        sketch.ellipse((x, y), (radius * grow, 0.6 * radius * LEVEL * grow), [10, 10, 16, 22]);
    }
}

fn quad(sketch: &mut Sketch, (left, top, right, bottom): (f32, f32, f32, f32), color: [u8; 4]) {
    sketch.fill(&[(left, bottom), (right, bottom), (right, top), (left, top)], color);
}

fn crates(sketch: &mut Sketch) {
    shade(sketch, (0.0, 0.05), 0.98);
    bag(sketch, (0.62, 0.02), 0.28);
    crate_at(sketch, (-0.85, 0.0), [168, 122, 70]);
    crate_at(sketch, (-0.2, 0.04), [52, 104, 158]);
    crate_at(sketch, (-0.5, -0.42), [186, 140, 84]);
    bag(sketch, (0.36, 0.1), 0.24);
}

fn bags(sketch: &mut Sketch) {
    shade(sketch, (0.0, 0.05), 1.1);
    for (x, y, radius) in
        [(-0.3, -0.3, 0.3), (0.32, -0.28, 0.3), (-0.68, 0.02, 0.3), (0.7, 0.04, 0.28), (0.02, 0.08, 0.34)]
    {
        bag(sketch, (x, y), radius);
    }
}

/// A slatted crate of 0.6 m by 0.4 m by 0.4 m with its lower left corner here.
fn crate_at(sketch: &mut Sketch, (left, bottom): (f32, f32), [r, g, b]: [u8; 3]) {
    let (width, height, depth) = (0.6, 0.4 * UPRIGHT, 0.4 * LEVEL);
    let top = bottom - height;
    sketch.fill(
        &[(left, top), (left + width, top), (left + width - 0.05, top - depth), (left + 0.05, top - depth)],
        [r / 3, g / 3, b / 3, 255],
    );
    quad(sketch, (left, top, left + width, bottom), [r / 2, g / 2, b / 2, 255]);
    for slat in 0..3 {
        let upper = top + 0.015 + slat as f32 * height / 3.0;
        quad(sketch, (left, upper, left + width, upper + height / 3.0 - 0.04), [r, g, b, 255]);
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

fn rubble(sketch: &mut Sketch) {
    shade(sketch, (0.0, 0.05), 1.4);
    // A cone of stones, the farthest first; where each lies follows from its number.
    for stone in 0..70_u32 {
        let spread = |prime: u32| (stone * prime % 97) as f32 / 97.0 - 0.5;
        let up = 1.0 - stone as f32 / 70.0;
        let (x, y) = (2.3 * spread(37) * (1.0 - 0.75 * up), 0.15 - 0.8 * up + 0.1 * spread(53));
        let radius = 0.1 + 0.07 * (spread(71) + 0.5);
        let tone = (105.0 + 90.0 * spread(29)) as u8;
        sketch.ellipse((x, y), (radius * 1.2, radius), [tone / 2, tone / 2, tone / 3, 255]);
        sketch.ellipse(
            (x - 0.02, y - 0.03),
            (radius, 0.7 * radius),
            [tone, tone.saturating_sub(12), tone / 2 + 20, 255],
        );
    }
}

fn road_works(sketch: &mut Sketch) {
    for x in [-1.3, 1.3] {
        cone(sketch, (x, 0.05));
    }
    for post in [-0.7, 0.7] {
        sketch.line((post, 0.0), (post, -0.95), 0.06, [90, 90, 92, 255]);
        sketch.line((post - 0.25, 0.05), (post + 0.25, -0.05), 0.06, [60, 60, 62, 255]);
    }
    for board in 0..2 {
        let top = -0.98 + board as f32 * 0.4;
        for stripe in 0..6 {
            let left = -0.9 + stripe as f32 * 0.3;
            let color = if stripe % 2 == 0 { [206, 40, 36, 255] } else { [238, 238, 232, 255] };
            sketch.fill(&[(left, top + 0.25), (left + 0.3, top + 0.25), (left + 0.3, top), (left, top)], color);
        }
    }
}

fn cone(sketch: &mut Sketch, (x, y): (f32, f32)) {
    shade(sketch, (x, y), 0.3);
    quad(sketch, (x - 0.2, y - 0.06, x + 0.2, y + 0.04), [36, 34, 34, 255]);
    sketch.fill(
        &[(x - 0.16, y - 0.05), (x + 0.16, y - 0.05), (x + 0.03, y - 0.7), (x - 0.03, y - 0.7)],
        [232, 88, 24, 255],
    );
    for (at, half) in [(0.25, 0.115), (0.47, 0.075)] {
        quad(sketch, (x - half, y - at - 0.1, x + half, y - at), [244, 244, 240, 255]);
    }
}

fn laundry(sketch: &mut Sketch) {
    shade(sketch, (0.0, 0.05), 1.3);
    let top = -1.75 * UPRIGHT;
    for post in [-1.3, 1.3] {
        sketch.line((post - 0.2, 0.05), (post, top), 0.05, [170, 170, 174, 255]);
        sketch.line((post + 0.2, -0.05), (post, top), 0.05, [150, 150, 154, 255]);
    }
    sketch.line((-1.3, top), (1.3, top), 0.04, [190, 190, 194, 255]);
    let sheets = [
        (-1.2, 0.7, 1.1, [230, 228, 220]),
        (-0.45, 0.5, 0.8, [64, 110, 170]),
        (0.1, 0.55, 1.0, [196, 70, 80]),
        (0.7, 0.5, 0.7, [236, 196, 90]),
    ];
    for (left, width, length, [r, g, b]) in sheets {
        quad(sketch, (left, top, left + width, top + length), [r, g, b, 255]);
        for fold in 1..4 {
            let x = left + width * fold as f32 / 4.0;
            sketch.line((x, top + 0.05), (x + 0.02, top + length - 0.03), 0.03, [r / 2, g / 2, b / 2, 120]);
        }
    }
}

fn grill(sketch: &mut Sketch) {
    shade(sketch, (0.0, 0.05), 0.8);
    for post in [-0.5, 0.5] {
        sketch.line((post, 0.05), (post, -0.7), 0.06, [50, 50, 52, 255]);
    }
    quad(sketch, (-0.65, -0.95, 0.65, -0.65), [44, 44, 48, 255]);
    quad(sketch, (-0.62, -1.05, 0.62, -0.92), [120, 60, 40, 255]);
    for skewer in 0..9 {
        let x = -0.55 + skewer as f32 * 0.135;
        sketch.line((x, -1.08), (x, -0.8), 0.05, [150, 96, 52, 255]);
    }
}

/// Side view: wheels, a diamond frame, saddle and handlebars.
fn bicycle(sketch: &mut Sketch) {
    shade(sketch, (0.0, 0.0), 0.95);
    let (rear, front) = ((-0.54, -0.34), (0.54, -0.34));
    let (tyre, metal, paint) = ([24, 24, 26, 255], [170, 172, 176, 255], [176, 30, 36, 255]);
    for (x, y) in [rear, front] {
        let rim = |step: usize| {
            let angle = step as f32 * TAU / 28.0;
            (x + 0.33 * angle.cos(), y + 0.31 * angle.sin())
        };
        for spoke in (0..28).step_by(2) {
            sketch.line((x, y), rim(spoke), 0.012, [150, 150, 152, 160]);
        }
        for step in 0..28 {
            sketch.line(rim(step), rim(step + 1), 0.055, tyre);
        }
        sketch.ellipse((x, y), (0.05, 0.05), metal);
    }
    let (pedals, seat, head) = ((-0.08, -0.3), (-0.22, -0.82), (0.36, -0.84));
    for (from, to) in
        [(rear, pedals), (rear, seat), (seat, pedals), (seat, head), (pedals, (0.39, -0.76)), (head, front)]
    {
        sketch.line(from, to, 0.05, paint);
    }
    sketch.line(seat, (-0.24, -0.92), 0.04, metal);
    sketch.line((-0.36, -0.94), (-0.1, -0.93), 0.09, tyre);
    sketch.line(head, (0.34, -0.96), 0.04, metal);
    sketch.line((0.34, -0.97), (0.52, -0.93), 0.045, tyre);
    sketch.ellipse(pedals, (0.1, 0.1), [60, 60, 64, 255]);
    sketch.line((-0.16, -0.2), (0.0, -0.4), 0.03, metal);
    // A basket before the handlebars, a carrier with mudguard behind.
    quad(sketch, (0.44, -0.88, 0.74, -0.66), [90, 92, 96, 200]);
    sketch.line((-0.26, -0.7), (-0.74, -0.7), 0.04, [70, 70, 74, 255]);
}

fn carried_umbrella(sketch: &mut Sketch) {
    sketch.line((0.08, -1.1), (0.08, -HELD_AT - 0.1), 0.03, [120, 120, 122, 255]);
    parasol(sketch, (0.05, HELD_AT - 0.05), (0.58, 0.34), [[30, 52, 96], [36, 60, 108]]);
}

fn wheel(sketch: &mut Sketch, x: f32, radius: f32) {
    sketch.ellipse((x, -radius), (radius, radius), [22, 22, 24, 255]);
    sketch.ellipse((x, -radius), (0.55 * radius, 0.55 * radius), [120, 122, 126, 255]);
}

/// A box on wheels: from left to right, its height and the depth of its roof, with the shade below it.
fn body(sketch: &mut Sketch, (left, right): (f32, f32), (foot, height, depth): (f32, f32, f32), [r, g, b]: [u8; 3]) {
    let (low, top, back) = (-foot, -height * UPRIGHT, -height * UPRIGHT - depth * LEVEL);
    quad(sketch, (left, -0.1, right, 0.12), [16, 16, 20, 150]);
    sketch.fill(&[(left, top), (right, top), (right - 0.1, back), (left + 0.1, back)], [lit(r), lit(g), lit(b), 255]);
    quad(sketch, (left, top, right, low), [r, g, b, 255]);
    quad(sketch, (left, low - 0.25, right, low), [r / 2, g / 2, b / 2, 255]);
}

fn lit(channel: u8) -> u8 {
    channel.saturating_add(28)
}

const GLASS: [u8; 4] = [40, 48, 58, 255];

fn bus(sketch: &mut Sketch) {
    body(sketch, (-5.2, 5.2), (0.3, 3.0, 2.5), [46, 130, 92]);
    quad(sketch, (-5.2, -1.35, 5.2, -1.2), [236, 236, 230, 255]);
    for window in 0..6 {
        let left = -4.9 + window as f32 * 1.6;
        quad(sketch, (left, -2.5, left + 1.4, -1.45), GLASS);
        sketch.line((left + 0.2, -2.4), (left + 0.9, -1.5), 0.06, [120, 132, 142, 120]);
    }
    for door in [-3.2, 3.4] {
        quad(sketch, (door, -2.45, door + 1.1, -0.4), [30, 38, 46, 255]);
        sketch.line((door + 0.55, -2.45), (door + 0.55, -0.4), 0.05, [150, 156, 160, 255]);
    }
    quad(sketch, (4.75, -2.5, 5.2, -1.4), GLASS);
    for x in [-3.9, 2.4] {
        wheel(sketch, x, 0.5);
    }
}

fn lorry(sketch: &mut Sketch) {
    body(sketch, (-3.4, 1.6), (0.6, 3.1, 2.3), [196, 198, 200]);
    for rib in 0..6 {
        let x = -3.1 + rib as f32 * 0.9;
        sketch.line((x, -2.85), (x, -0.9), 0.04, [150, 152, 156, 255]);
    }
    body(sketch, (1.7, 3.3), (0.4, 2.3, 2.1), [40, 82, 150]);
    sketch.fill(&[(2.2, -1.2), (3.25, -1.2), (3.05, -2.0), (2.2, -2.0)], GLASS);
    for x in [-2.4, -1.5, 2.5] {
        wheel(sketch, x, 0.48);
    }
}

fn sweeper(sketch: &mut Sketch) {
    body(sketch, (-2.2, 0.7), (0.4, 1.9, 1.7), [226, 226, 220]);
    quad(sketch, (-2.2, -1.0, 0.7, -0.8), [230, 120, 30, 255]);
    body(sketch, (0.75, 2.2), (0.4, 2.1, 1.7), [232, 124, 32]);
    sketch.fill(&[(1.0, -1.0), (2.15, -1.0), (2.0, -1.8), (1.0, -1.8)], GLASS);
    sketch.ellipse((1.4, -2.5), (0.14, 0.12), [255, 176, 40, 255]);
    for x in [-1.5, 1.5] {
        wheel(sketch, x, 0.36);
    }
    for brush in [-0.3, 2.2] {
        sketch.ellipse((brush, 0.02), (0.4, 0.4 * LEVEL), [70, 84, 60, 255]);
    }
}
