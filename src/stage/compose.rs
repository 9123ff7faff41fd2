//! From a scene to its frames.

use super::actors::prop::{Figure, Prop, PropActor};
use super::actors::{Actor, lane, stall::Stall, vehicle::Vehicle};
use super::canvas::{Picture, Placement, View};
use super::footage::{FOOTAGE_FPS, Footage};
use super::label::Label;
use super::weather::Atmosphere;
use super::{Appearance, Scene, StageError, Weather};
use crate::evaluate::truth::{Thing, Truth, TruthZone};
use crate::geometry::Point;
use std::collections::BTreeMap;
use std::time::Duration;

/// Corners of the road in the street, clear of the kerbs and of the vehicles that are parked in the footage.
const CARRIAGEWAY: [[f32; 2]; 12] = [
    [0.0, 196.0],
    [250.0, 215.0],
    [470.0, 203.0],
    [575.0, 170.0],
    [688.0, 122.0],
    [745.0, 128.0],
    [690.0, 185.0],
    [695.0, 235.0],
    [768.0, 300.0],
    [768.0, 455.0],
    [420.0, 345.0],
    [0.0, 236.0],
];

/// Makes a scene's frames, in any order.
pub struct Composer<'a> {
    scene: Scene,
    footage: &'a Footage,
    view: View,
    background: Picture,
    actors: Vec<Box<dyn Actor>>,
    atmosphere: Atmosphere,
    label: Label,
    /// The frame before the weather; kept to be written over.
    clean: Picture,
}

impl<'a> Composer<'a> {
    /// Checks the scene and draws what does not move.
    pub fn try_new(scene: &Scene, footage: &'a Footage) -> Result<Self, StageError> {
        check(scene)?;
        let view = View::covering(scene.size, scene.lens);
        let mut background = footage.background().seen_through(&view);
        if scene.fire_lane {
            background.lay(&lane::markings(&view), &Placement::at(Point { x: 0.0, y: 0.0 }));
        }
        let actors = cast(scene, &view, footage)?;
        let atmosphere = Atmosphere::new(scene.weather, scene.seed, view.scale());
        let label = Label::for_size(scene.size);
        let clean = background.clone();
        Ok(Self { scene: scene.clone(), footage, view, background, actors, atmosphere, label, clean })
    }

    /// Bytes of one frame: planar I420, rows without padding.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.scene.size.width() as usize * self.scene.size.height() as usize * 3 / 2
    }

    /// Composes the frame of this index into `out`.
    ///
    /// # Panics
    /// If `out` is not [`Self::frame_bytes`] long.
    pub fn compose(&mut self, index: u64, out: &mut [u8]) {
        assert_eq!(out.len(), self.frame_bytes(), "a frame of another size");
        let time = Duration::from_secs_f64(index as f64 / f64::from(self.scene.fps));
        for (clean, still) in self.clean.planes.iter_mut().zip(&self.background.planes) {
            clean.samples.copy_from_slice(&still.samples);
        }
        let walkers = if self.scene.pedestrians {
            let begun = (self.scene.pedestrians_from.as_secs_f64() * f64::from(FOOTAGE_FPS)).round() as u64;
            self.footage.walkers(begun + index * u64::from(FOOTAGE_FPS) / u64::from(self.scene.fps))
        } else {
            &[]
        };
        let mut waiting = walkers.iter().collect::<Vec<_>>();
        waiting.sort_by_key(|walker| walker.ground);
        let mut actors = self.actors.iter().map(|actor| (actor.ground(time), actor)).collect::<Vec<_>>();
        actors.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut waiting = waiting.into_iter().peekable();
        for (ground, actor) in actors {
            while let Some(walker) = waiting.next_if(|walker| (walker.ground as f32) < ground) {
                lay_walker(&mut self.clean, &self.view, walker);
            }
            actor.draw(&mut self.clean, time);
        }
        for walker in waiting {
            lay_walker(&mut self.clean, &self.view, walker);
        }
        self.atmosphere.apply(&self.clean, index, time, out);
        self.label.burn(self.scene.size, out);
    }

    /// Columns and rows of the frame that the label covers, in pixels.
    #[must_use]
    pub fn label_extent(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        self.label.extent(self.scene.size)
    }

    /// What the frames show.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let zone = |id: &str, corners: &[[f32; 2]]| TruthZone {
            id: id.to_owned(),
            polygon: corners
                .iter()
                .map(|&[x, y]| self.view.frame_from_street(Point { x, y }))
                .map(|Point { x, y }| [x, y])
                .collect(),
        };
        let mut zones = vec![zone("carriageway", &CARRIAGEWAY)];
        if self.scene.fire_lane {
            zones.push(zone("fire-lane", &lane::CORNERS));
        }
        let mut things: Vec<_> = self.actors.iter().filter_map(|actor| actor.truth()).collect();
        things.sort_by(|a, b| a.from_secs.total_cmp(&b.from_secs));
        tell_apart(&mut things);
        Truth {
            schema: 1,
            staged: true,
            width: self.scene.size.width(),
            height: self.scene.size.height(),
            fps: self.scene.fps,
            duration_secs: self.scene.duration.as_secs_f64(),
            seed: self.scene.seed,
            things,
            zones,
        }
    }
}

impl std::fmt::Debug for Composer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composer").field("scene", &self.scene).finish_non_exhaustive()
    }
}

/// Where goods stand by default, in the street: on the carriageway.
const GOODS_PLACE: Point = Point { x: 452.0, y: 282.0 };

/// Everything that the scene puts into the street.
fn cast(scene: &Scene, view: &View, footage: &Footage) -> Result<Vec<Box<dyn Actor>>, StageError> {
    let mut actors: Vec<Box<dyn Actor>> = Vec::new();
    if let Some(appearance) = scene.stall {
        actors.push(Box::new(Stall::try_new(view, appearance, footage)?));
    }
    if let Some(Appearance { from, to, at }) = scene.goods {
        let place = at.unwrap_or_else(|| view.frame_from_street(GOODS_PLACE));
        let goods = Prop::standing(Figure::Crates, from, to, place);
        actors.push(Box::new(PropActor::try_new(view, &goods, footage)?));
    }
    if let Some(appearance) = scene.van {
        actors.push(Box::new(Vehicle::van(view, appearance, footage)));
    }
    for prop in &scene.props {
        actors.push(match prop.appearance() {
            Some(appearance) if prop.figure == Figure::Stall => Box::new(Stall::try_new(view, appearance, footage)?),
            Some(appearance) if prop.figure == Figure::Van => Box::new(Vehicle::van(view, appearance, footage)),
            Some(_) | None => Box::new(PropActor::try_new(view, prop, footage)?),
        });
    }
    Ok(actors)
}

/// Numbers the things of one name.
fn tell_apart(things: &mut [Thing]) {
    let mut known = BTreeMap::new();
    for thing in things {
        let count: &mut u32 = known.entry(thing.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            thing.id = format!("{}-{count}", thing.id);
        }
    }
}

fn lay_walker(picture: &mut Picture, view: &View, walker: &super::pedestrians::Walker) {
    let left_top = view.to_output(Point { x: walker.left as f32, y: walker.top as f32 });
    picture.lay(&walker.cutout, &Placement { scale: view.scale(), ..Placement::at(left_top) });
}

/// Refuses what cannot be composed.
fn check(scene: &Scene) -> Result<(), StageError> {
    let outside = |field, found: String, allowed| Err(StageError::Scene { field, found, allowed });
    if !(1..=60).contains(&scene.fps) {
        return outside("frame rate", scene.fps.to_string(), "it may be 1 to 60");
    }
    if !(1..=600).contains(&scene.gop) {
        return outside("GOP", scene.gop.to_string(), "it may be 1 to 600 frames");
    }
    if scene.frame_count() == 0 || scene.duration > Duration::from_hours(24) {
        return outside("duration", format!("{:?}", scene.duration), "it may be one frame to one day");
    }
    let Weather { light, noise, shake, rain, haze, leaves, .. } = scene.weather;
    let weather = [("light", light, 0.04), ("noise", noise, 20.0), ("shake", shake, 5.0)];
    for (field, found, most) in
        weather.into_iter().chain([("rain", rain, 1.0), ("haze", haze, 0.9), ("leaves", leaves, 1.0)])
    {
        if !(0.0..=most).contains(&found) {
            let allowed = "it may be 0 to 0.04 (light), 20 (noise), 5 (shake), 1 (rain, leaves), 0.9 (haze)";
            return outside(field, found.to_string(), allowed);
        }
    }
    if !(1.0..=3.0).contains(&scene.lens.zoom) || !(0.0..=1.0).contains(&scene.lens.cut_above) {
        return outside("lens", format!("{:?}", scene.lens), "it may zoom 1 to 3 times and cut 0 to 1 above");
    }
    let goes = |prop: &Prop| prop.way.len() > 1 && prop.way.windows(2).all(|step| step[0].at < step[1].at);
    if let Some(prop) = scene.props.iter().find(|prop| !goes(prop)) {
        return outside("props", format!("{prop:?}"), "its way needs two waypoints at least, in the order of time");
    }
    for (field, appearance) in [("stall", scene.stall), ("van", scene.van), ("goods", scene.goods)] {
        let Some(Appearance { from, to, at }) = appearance else { continue };
        if to <= from {
            return outside(field, format!("{from:?} to {to:?}"), "it must leave after it came");
        }
        if at.is_some_and(|at| !(0.0..=1.0).contains(&at.x) || !(0.0..=1.0).contains(&at.y)) {
            return outside(field, format!("{at:?}"), "it must stand in the frame, 0..1");
        }
    }
    Ok(())
}
