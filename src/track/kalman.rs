//! A constant-velocity Kalman filter per box coordinate, with real time steps.
//!
//! Centre and size are four independent position–velocity filters. Noise scales with the box, as in SORT (Bewley et al.
//! 2016) and DeepSORT, but per second instead of per frame, so that 0.2 s and 4 s between frames are both right.

use crate::geometry::BBox;

/// Standard deviation of a measured coordinate as a share of the box's size.
const MEASUREMENT_SHARE: f32 = 0.05;
/// Standard deviation of the change of velocity in one second, as a share of the box's size per second. Half of it costs three more
/// identity switches at five frames per second on the sequences of docs/accuracy.md, and gains nothing at 25.
const ACCELERATION_SHARE: f32 = 0.60;
/// Standard deviation of the velocity of a new object, as a share of the box's size per second.
const INITIAL_VELOCITY_SHARE: f32 = 1.0;

/// One coordinate: position and velocity with their covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    position: f32,
    velocity: f32,
    /// Variance of the position, covariance, variance of the velocity.
    covariance: [f32; 3],
}

impl Axis {
    fn new(position: f32, size: f32) -> Self {
        let position_variance = (MEASUREMENT_SHARE * size).powi(2);
        let velocity_variance = (INITIAL_VELOCITY_SHARE * size).powi(2);
        Self { position, velocity: 0.0, covariance: [position_variance, 0.0, velocity_variance] }
    }

    /// Moves `dt` seconds ahead under white noise of the acceleration (discrete form, Bar-Shalom et al. 2001, §6.2).
    fn predict(&mut self, dt: f32, size: f32) {
        let density = (ACCELERATION_SHARE * size).powi(2);
        let [pp, pv, vv] = self.covariance;
        self.position += self.velocity * dt;
        self.covariance = [
            pp + dt * (2.0 * pv + dt * vv) + density * dt.powi(3) / 3.0,
            pv + dt * vv + density * dt.powi(2) / 2.0,
            vv + density * dt,
        ];
    }

    fn correct(&mut self, measured: f32, size: f32) {
        let [pp, pv, vv] = self.covariance;
        let innovation_variance = pp + (MEASUREMENT_SHARE * size).powi(2);
        // Boxes of no size carry no information; they never reach a track.
        let (gain_p, gain_v) = (pp / innovation_variance, pv / innovation_variance);
        let innovation = measured - self.position;
        self.position += gain_p * innovation;
        self.velocity += gain_v * innovation;
        self.covariance = [(1.0 - gain_p) * pp, (1.0 - gain_p) * pv, vv - gain_v * pv];
    }
}

/// The filtered place, size and motion of one object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxFilter {
    cx: Axis,
    cy: Axis,
    width: Axis,
    height: Axis,
}

impl BoxFilter {
    /// Starts at a detection, at rest.
    #[must_use]
    pub fn new(bbox: &BBox) -> Self {
        let (center, w, h) = (bbox.center(), bbox.width(), bbox.height());
        Self { cx: Axis::new(center.x, w), cy: Axis::new(center.y, h), width: Axis::new(w, w), height: Axis::new(h, h) }
    }

    /// Moves `dt_secs` ahead.
    pub fn predict(&mut self, dt_secs: f32) {
        let (w, h) = self.size();
        self.cx.predict(dt_secs, w);
        self.cy.predict(dt_secs, h);
        self.width.predict(dt_secs, w);
        self.height.predict(dt_secs, h);
    }

    /// Takes in a detection of this object.
    pub fn correct(&mut self, bbox: &BBox) {
        let (center, (w, h)) = (bbox.center(), self.size());
        self.cx.correct(center.x, w);
        self.cy.correct(center.y, h);
        self.width.correct(bbox.width(), w);
        self.height.correct(bbox.height(), h);
    }

    /// Forgets the motion: after an interruption, the last speed says nothing.
    pub fn stop(&mut self) {
        for axis in [&mut self.cx, &mut self.cy, &mut self.width, &mut self.height] {
            axis.velocity = 0.0;
        }
    }

    /// Forgets how its size changed: a detector that sees now more and now less of a thing does not see it grow.
    pub fn stop_growing(&mut self) {
        for axis in [&mut self.width, &mut self.height] {
            axis.velocity = 0.0;
        }
    }

    /// The filtered box, clipped to the frame.
    #[must_use]
    pub fn bbox(&self) -> BBox {
        let (w, h) = self.size();
        BBox::try_from_center(self.cx.position, self.cy.position, w, h)
            .expect("sizes are positive and sums of finite numbers")
    }

    /// Speed of the centre in box heights (y) and widths (x) per second.
    #[must_use]
    pub fn relative_speed(&self) -> f32 {
        let (w, h) = self.size();
        (self.cx.velocity / w).hypot(self.cy.velocity / h)
    }

    fn size(&self) -> (f32, f32) {
        (self.width.position.max(1e-4), self.height.position.max(1e-4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_constant_walk_at_any_frame_interval() {
        for dt in [0.2f32, 1.0, 4.0] {
            let at = |t: f32| BBox::try_from_center(0.1 + 0.02 * t, 0.5, 0.05, 0.2).unwrap();
            let mut filter = BoxFilter::new(&at(0.0));
            for step in 1..8 {
                filter.predict(dt);
                filter.correct(&at(step as f32 * dt));
            }
            filter.predict(dt);
            assert!(filter.bbox().iou(&at(8.0 * dt)) > 0.8, "interval of {dt} s");
        }
    }

    #[test]
    fn a_parked_thing_does_not_drift_away_while_unseen() {
        let parked = BBox::try_from_center(0.5, 0.5, 0.2, 0.1).unwrap();
        let mut filter = BoxFilter::new(&parked);
        for _ in 0..20 {
            filter.predict(0.5);
            filter.correct(&parked);
        }
        filter.predict(30.0);
        assert!(filter.bbox().iou(&parked) > 0.95);
        assert!(filter.relative_speed() < 0.01);
    }
}
