//! How close the agent must come to the independent reference.

use curbwatch::detect::Detection;

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

impl Expected {
    fn is_within_a_pixel(&self, found: &Detection, wanted: &ExpectedDetection) -> bool {
        let pixels = [self.width, self.height, self.width, self.height];
        let sides = <[f32; 4]>::from(found.bbox);
        found.class == wanted.index
            && sides.iter().zip(wanted.bbox).zip(pixels).all(|((a, b), size)| (a - b).abs() * size <= 1.0)
    }
}

/// Holds that every object of the reference is found within a pixel and `most` of confidence, and, from `limit` of confidence up, no
/// other. Gives the differences in confidence.
pub fn assert_same(model: &str, found: &[Detection], expected: &Expected, limit: f32, most: f32) -> Vec<f32> {
    let mut differences = Vec::new();
    for wanted in &expected.detections {
        let Some(twin) = found.iter().find(|d| expected.is_within_a_pixel(d, wanted)) else {
            panic!("{model}: class {} is not within a pixel of {:?}: {found:?}", wanted.index, wanted.bbox)
        };
        let difference = (twin.confidence - wanted.confidence).abs();
        assert!(difference <= most, "{model}: {twin:?}, the reference says {}", wanted.confidence);
        differences.push(difference);
    }
    let clearly_more = found.iter().filter(|d| d.confidence >= limit + 0.01).count();
    assert!(clearly_more <= expected.detections.len(), "{model}: {found:?}");
    differences
}
