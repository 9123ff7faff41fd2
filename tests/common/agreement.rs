//! How close the agent must come to the independent reference.

use curbwatch::detect::Detection;
use curbwatch::geometry::BBox;

/// What a reference finds in a picture.
#[derive(serde::Deserialize)]
pub struct Expected {
    /// Width in pixels.
    pub width: f32,
    /// Height in pixels.
    pub height: f32,
    /// Best first.
    pub detections: Vec<ExpectedDetection>,
}

/// One of its objects.
#[derive(serde::Deserialize)]
pub struct ExpectedDetection {
    /// Index of the class.
    pub index: u16,
    /// Confidence, 0..=1.
    pub confidence: f32,
    /// Left, top, right, bottom, 0..1.
    pub bbox: [f32; 4],
}

/// Holds that every object of the reference is found within a pixel and 0.01 of confidence, and, from `limit` of confidence up,
/// no other.
pub fn assert_same(model: &str, found: &[Detection], expected: &Expected, limit: f32) {
    let pixels = [expected.width, expected.height, expected.width, expected.height];
    for wanted in &expected.detections {
        let [left, top, right, bottom] = wanted.bbox;
        let bbox = BBox::try_new(left, top, right, bottom).unwrap();
        let is_twin = |d: &&Detection| {
            let sides = <[f32; 4]>::from(d.bbox);
            d.class == wanted.index
                && sides.iter().zip(wanted.bbox).zip(pixels).all(|((a, b), size)| (a - b).abs() * size <= 1.0)
        };
        let Some(twin) = found.iter().find(is_twin) else {
            panic!("{model}: class {} is not within a pixel of {bbox:?}: {found:?}", wanted.index)
        };
        let difference = (twin.confidence - wanted.confidence).abs();
        assert!(difference <= 0.01, "{model}: {twin:?}, the reference says {}", wanted.confidence);
    }
    let clearly_more = found.iter().filter(|d| d.confidence >= limit + 0.01).count();
    assert!(clearly_more <= expected.detections.len(), "{model}: {found:?}");
}
