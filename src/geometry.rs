//! Points, boxes and polygons in the frame's normalised coordinates.
//!
//! Everything here is 0..1 with the origin at the top left, x to the right, y down, unless a name says otherwise.
//! Pure arithmetic: no I/O, no clock, no panic on finite input.

use serde::{Deserialize, Serialize};

/// A point in the frame, 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Horizontal position, 0 at the left edge.
    pub x: f32,
    /// Vertical position, 0 at the top edge.
    pub y: f32,
}

/// An axis-aligned box as left, top, right, bottom (ltrb), 0..1 in the frame.
///
/// Always finite, inside the frame, and with `left <= right`, `top <= bottom`: see [`BBox::try_new`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f32; 4]", try_from = "[f32; 4]")]
pub struct BBox {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

/// Why four numbers are not a box.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum BBoxError {
    /// A coordinate is NaN or infinite.
    #[error("a coordinate is not finite")]
    NotFinite,
    /// Right is left of left, or bottom above top.
    #[error("the corners are in the wrong order")]
    Inverted,
}

impl BBox {
    /// The whole frame.
    pub const FRAME: Self = Self { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

    /// Makes a box from ltrb, clipped to the frame.
    pub fn try_new(left: f32, top: f32, right: f32, bottom: f32) -> Result<Self, BBoxError> {
        if ![left, top, right, bottom].iter().all(|v| v.is_finite()) {
            return Err(BBoxError::NotFinite);
        }
        if right < left || bottom < top {
            return Err(BBoxError::Inverted);
        }
        let clip = |v: f32| v.clamp(0.0, 1.0);
        Ok(Self { left: clip(left), top: clip(top), right: clip(right), bottom: clip(bottom) })
    }

    /// Makes a box from its centre and size, clipped to the frame.
    pub fn try_from_center(cx: f32, cy: f32, width: f32, height: f32) -> Result<Self, BBoxError> {
        Self::try_new(cx - width / 2.0, cy - height / 2.0, cx + width / 2.0, cy + height / 2.0)
    }

    /// Left edge.
    #[must_use]
    pub fn left(&self) -> f32 {
        self.left
    }
    /// Top edge.
    #[must_use]
    pub fn top(&self) -> f32 {
        self.top
    }
    /// Right edge.
    #[must_use]
    pub fn right(&self) -> f32 {
        self.right
    }
    /// Bottom edge.
    #[must_use]
    pub fn bottom(&self) -> f32 {
        self.bottom
    }
    /// Width, 0..1.
    #[must_use]
    pub fn width(&self) -> f32 {
        self.right - self.left
    }
    /// Height, 0..1.
    #[must_use]
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }
    /// Area as a share of the frame.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }
    /// Centre of the box.
    #[must_use]
    pub fn center(&self) -> Point {
        Point { x: f32::midpoint(self.left, self.right), y: f32::midpoint(self.top, self.bottom) }
    }
    /// The triggering anchor of zones: the middle of the lower edge, where a thing stands on the ground.
    #[must_use]
    pub fn bottom_center(&self) -> Point {
        Point { x: f32::midpoint(self.left, self.right), y: self.bottom }
    }

    /// Area shared with `other`, never negative.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = (self.right.min(other.right) - self.left.max(other.left)).max(0.0);
        let height = (self.bottom.min(other.bottom) - self.top.max(other.top)).max(0.0);
        width * height
    }

    /// Intersection over union, 0..=1; 0 for two empty boxes.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// The smallest box that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Grows each side by `share` of the box's own width or height, clipped to the frame.
    #[must_use]
    pub fn dilate(&self, share: f32) -> Self {
        let (dx, dy) = (self.width() * share, self.height() * share);
        let clip = |v: f32| v.clamp(0.0, 1.0);
        Self {
            left: clip(self.left - dx),
            top: clip(self.top - dy),
            right: clip(self.right + dx),
            bottom: clip(self.bottom + dy),
        }
    }
}

impl From<BBox> for [f32; 4] {
    fn from(b: BBox) -> Self {
        [b.left, b.top, b.right, b.bottom]
    }
}

impl TryFrom<[f32; 4]> for BBox {
    type Error = BBoxError;
    fn try_from([l, t, r, b]: [f32; 4]) -> Result<Self, BBoxError> {
        Self::try_new(l, t, r, b)
    }
}

/// A simple polygon: at least three corners inside the frame, no edge crossing another, a positive area.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<Point>);

/// Why a list of corners is not a zone.
#[derive(Debug, thiserror::Error, Clone, PartialEq)]
pub enum PolygonError {
    /// Fewer than three corners.
    #[error("{0} corner(s); a polygon needs at least 3")]
    TooFewCorners(usize),
    /// A corner lies outside the frame or is not a number.
    #[error("corner {index} is [{x}, {y}]; both must be between 0 and 1")]
    OutsideFrame {
        /// Index of the corner, from 0.
        index: usize,
        /// Its x.
        x: f32,
        /// Its y.
        y: f32,
    },
    /// Two edges cross, or a corner lies on another edge.
    #[error("the edge from corner {first} crosses the edge from corner {second}")]
    CrossesItself {
        /// Index of the corner where the first edge begins.
        first: usize,
        /// Index of the corner where the second edge begins.
        second: usize,
    },
    /// The corners lie on one line.
    #[error("the corners enclose no area")]
    NoArea,
}

impl Polygon {
    /// Makes a polygon from its corners in order, without repeating the first at the end.
    pub fn try_new(corners: &[[f32; 2]]) -> Result<Self, PolygonError> {
        if corners.len() < 3 {
            return Err(PolygonError::TooFewCorners(corners.len()));
        }
        for (index, &[x, y]) in corners.iter().enumerate() {
            if !(0.0..=1.0).contains(&x) || !(0.0..=1.0).contains(&y) {
                return Err(PolygonError::OutsideFrame { index, x, y });
            }
        }
        let points: Vec<Point> = corners.iter().map(|&[x, y]| Point { x, y }).collect();
        let count = points.len();
        for first in 0..count {
            for second in first + 1..count {
                let adjacent = second == first + 1 || (first == 0 && second == count - 1);
                let [a, b] = [points[first], points[(first + 1) % count]];
                let [c, d] = [points[second], points[(second + 1) % count]];
                if !adjacent && segments_touch(a, b, c, d) {
                    return Err(PolygonError::CrossesItself { first, second });
                }
            }
        }
        let polygon = Self(points);
        if polygon.area() < 1e-6 {
            return Err(PolygonError::NoArea);
        }
        Ok(polygon)
    }

    /// The corners in order.
    #[must_use]
    pub fn corners(&self) -> &[Point] {
        &self.0
    }

    /// Enclosed area as a share of the frame (shoelace formula).
    #[must_use]
    pub fn area(&self) -> f32 {
        let next = self.0.iter().cycle().skip(1);
        let twice: f32 = self.0.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
        twice.abs() / 2.0
    }

    /// Whether the point lies inside (even-odd rule; a point on the left or top edge counts as inside).
    #[must_use]
    pub fn contains(&self, p: Point) -> bool {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().zip(next).fold(false, |inside, (a, b)| {
            let spans = (a.y > p.y) != (b.y > p.y);
            let crosses = spans && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x;
            inside != crosses
        })
    }

    /// The smallest box around the polygon.
    #[must_use]
    pub fn bounds(&self) -> BBox {
        let fold =
            |pick: fn(&Point) -> f32, by: fn(f32, f32) -> f32, start: f32| self.0.iter().map(pick).fold(start, by);
        BBox {
            left: fold(|p| p.x, f32::min, 1.0),
            top: fold(|p| p.y, f32::min, 1.0),
            right: fold(|p| p.x, f32::max, 0.0),
            bottom: fold(|p| p.y, f32::max, 0.0),
        }
    }
}

/// Whether the closed segments ab and cd share a point.
fn segments_touch(a: Point, b: Point, c: Point, d: Point) -> bool {
    let side = |p: Point, q: Point, r: Point| (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    let on = |p: Point, q: Point, r: Point| {
        (p.x.min(q.x)..=p.x.max(q.x)).contains(&r.x) && (p.y.min(q.y)..=p.y.max(q.y)).contains(&r.y)
    };
    let (c_side, d_side) = (side(a, b, c), side(a, b, d));
    let (a_side, b_side) = (side(c, d, a), side(c, d, b));
    if ((c_side > 0.0 && d_side < 0.0) || (c_side < 0.0 && d_side > 0.0))
        && ((a_side > 0.0 && b_side < 0.0) || (a_side < 0.0 && b_side > 0.0))
    {
        return true;
    }
    (c_side == 0.0 && on(a, b, c))
        || (d_side == 0.0 && on(a, b, d))
        || (a_side == 0.0 && on(c, d, a))
        || (b_side == 0.0 && on(c, d, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_bbox() -> impl Strategy<Value = BBox> {
        (0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0)
            .prop_map(|(a, b, c, d)| BBox::try_new(a.min(c), b.min(d), a.max(c), b.max(d)).unwrap())
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_between_0_and_1(a in any_bbox(), b in any_bbox()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0 + 1e-5).contains(&iou));
            prop_assert!((iou - b.iou(&a)).abs() < 1e-6);
        }

        #[test]
        fn disjoint_boxes_do_not_overlap(a in any_bbox()) {
            // Both axes apart: unclamped, two negatives would multiply to a positive overlap.
            prop_assume!(a.right < 0.9 && a.bottom < 0.9);
            let apart = BBox::try_new(a.right + 0.05, a.bottom + 0.05, 1.0, 1.0).unwrap();
            prop_assert!(a.iou(&apart) <= 0.0);
        }

        #[test]
        fn union_holds_both(a in any_bbox(), b in any_bbox()) {
            let u = a.union(&b);
            prop_assert!((u.intersection(&a) - a.area()).abs() < 1e-6);
            prop_assert!((u.intersection(&b) - b.area()).abs() < 1e-6);
        }

        #[test]
        fn a_convex_polygon_contains_its_own_mixtures(weights in proptest::collection::vec(0.01f32..1.0, 4)) {
            let polygon = Polygon::try_new(&[[0.1, 0.2], [0.8, 0.1], [0.9, 0.9], [0.2, 0.7]]).unwrap();
            let total: f32 = weights.iter().sum();
            let mix = |pick: fn(&Point) -> f32| polygon.corners().iter().zip(&weights).map(|(p, w)| pick(p) * w / total).sum();
            let inside = Point { x: mix(|p| p.x), y: mix(|p| p.y) };
            prop_assert!(polygon.contains(inside));
            let outside = Point { x: inside.x + 1.0, y: inside.y };
            prop_assert!(!polygon.contains(outside));
        }
    }

    #[test]
    fn a_bow_tie_is_refused_with_its_edges_named() {
        let bow_tie = Polygon::try_new(&[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]);
        assert_eq!(bow_tie, Err(PolygonError::CrossesItself { first: 0, second: 2 }));
    }

    #[test]
    fn a_line_and_a_pair_and_a_stray_corner_are_refused() {
        assert_eq!(Polygon::try_new(&[[0.1, 0.1], [0.2, 0.2]]), Err(PolygonError::TooFewCorners(2)));
        assert_eq!(Polygon::try_new(&[[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]), Err(PolygonError::NoArea));
        assert!(matches!(
            Polygon::try_new(&[[0.1, 0.1], [f32::NAN, 0.2], [0.3, 0.1]]),
            Err(PolygonError::OutsideFrame { index: 1, .. })
        ));
    }

    #[test]
    fn a_concave_zone_excludes_its_notch() {
        let notch = Polygon::try_new(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.3], [0.0, 1.0]]).unwrap();
        assert!(notch.contains(Point { x: 0.1, y: 0.5 }));
        assert!(!notch.contains(Point { x: 0.5, y: 0.8 }));
    }

    #[test]
    fn boxes_that_are_not_finite_or_inverted_are_refused() {
        assert_eq!(BBox::try_new(0.0, f32::NAN, 1.0, 1.0), Err(BBoxError::NotFinite));
        assert_eq!(BBox::try_new(0.5, 0.0, 0.4, 1.0), Err(BBoxError::Inverted));
    }
}
