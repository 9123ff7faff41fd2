//! Something in the street that stands, or goes its way: drawn once, placed for every frame.

use super::figures::{Drawing, drawing};
use super::person::{HEIGHT, Person};
use super::{Actor, fading, pixels_per_metre};
use crate::config::RuleKind;
use crate::evaluate::truth::{Thing, ThingObject};
use crate::geometry::Point;
use crate::stage::canvas::{Cutout, Picture, Placement, View};
use crate::stage::footage::Footage;
use crate::stage::{Appearance, StageError};
use std::f32::consts::TAU;
use std::time::Duration;

/// Sway of a person's head in metres, and its period.
const SWAY: f32 = 0.05;
const SWAY_SECS: f32 = 3.7;

/// What is in the street.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// A stall of its own, besides [`Scene::stall`](crate::stage::Scene::stall); stands at its first place.
    Stall,
    /// A van of its own, besides [`Scene::van`](crate::stage::Scene::van); stands at its first place.
    Van,
    /// Crates and rubbish bags.
    Crates,
    /// A heap of rubbish bags.
    Bags,
    /// A heap of rubble.
    Rubble,
    /// Cones and a barrier board.
    RoadWorks,
    /// Laundry on a rack.
    Laundry,
    /// A grill, and the one who tends it.
    Grill,
    /// A bicycle on its stand.
    Bicycle,
    /// A person.
    Person,
    /// A person under an umbrella.
    UmbrellaCarrier,
    /// A city bus, seen from its side.
    Bus,
    /// A lorry, seen from its side.
    Lorry,
    /// A street sweeper, seen from its side.
    Sweeper,
}

/// A time and where the thing then is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waypoint {
    /// Since the beginning of the video.
    pub at: Duration,
    /// The place on the ground, 0..1 in the frame; it may lie outside, for what comes from there.
    pub place: Point,
}

/// A figure and its way: it is there from the first waypoint to the last, and moves evenly between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Prop {
    /// What it is.
    pub figure: Figure,
    /// At least one more than one, in the order of time.
    pub way: Vec<Waypoint>,
}

impl Prop {
    /// It stands at a place of the frame.
    #[must_use]
    pub fn standing(figure: Figure, from: Duration, to: Duration, place: Point) -> Self {
        Self { figure, way: [from, to].map(|at| Waypoint { at, place }).to_vec() }
    }

    /// When it is there, and where it begins.
    pub(in crate::stage) fn appearance(&self) -> Option<Appearance> {
        let (first, last) = (self.way.first()?, self.way.last()?);
        Some(Appearance { from: first.at, to: last.at, at: Some(first.place) })
    }
}

/// A piece of a figure.
pub(super) struct Part {
    pub(super) cutout: Cutout,
    /// Pixels of the cut-out per metre.
    pub(super) metre: f32,
    /// Where the figure's foot is, in the cut-out's pixels.
    pub(super) foot: (f32, f32),
    /// Whether it sways, as people do.
    pub(super) is_alive: bool,
}

/// What there is to report of a figure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matter {
    pub(super) id: &'static str,
    pub(super) kind: RuleKind,
    pub(super) what: &'static str,
    /// Classes that a detector should see; none of what has no class.
    pub(super) classes: &'static [&'static str],
    /// Metres left and right of the foot, above and below it; shadows are no part of it.
    pub(super) body: (f32, f32, f32),
}

/// A figure on its way.
pub(in crate::stage) struct PropActor {
    view: View,
    /// In the street's pixels.
    way: Vec<(Duration, Point)>,
    parts: Vec<Part>,
    matter: Option<Matter>,
}

impl PropActor {
    /// Draws it for this view; its way has two waypoints at least.
    pub(in crate::stage) fn try_new(view: &View, prop: &Prop, footage: &Footage) -> Result<Self, StageError> {
        let way: Vec<_> = prop.way.iter().map(|point| (point.at, view.street_from_frame(point.place))).collect();
        let nearest = way.iter().map(|(_, place)| place.y).fold(0.0, f32::max);
        let Drawing { sketch, matter } = drawing(prop.figure, pixels_per_metre(nearest) * view.scale());
        let person = match prop.figure {
            Figure::Person | Figure::UmbrellaCarrier => Some(0.0),
            Figure::Grill => Some(0.9),
            Figure::Stall
            | Figure::Van
            | Figure::Crates
            | Figure::Bags
            | Figure::Rubble
            | Figure::RoadWorks
            | Figure::Laundry
            | Figure::Bicycle
            | Figure::Bus
            | Figure::Lorry
            | Figure::Sweeper => None,
        };
        // Behind what was drawn: an umbrella is held before the head.
        let person = person.map(|right| Person::find(footage).map(|person| person.into_part(right))).transpose()?;
        let parts = person.into_iter().chain(sketch).collect();
        Ok(Self { view: *view, way, parts, matter })
    }

    fn place(&self, time: Duration) -> Point {
        let next = self.way.iter().position(|(at, _)| *at > time).unwrap_or(self.way.len() - 1).max(1);
        let ((from, a), (to, b)) = (self.way[next - 1], self.way[next]);
        let share = time.saturating_sub(from).as_secs_f32() / to.saturating_sub(from).as_secs_f32().max(0.001);
        let share = share.clamp(0.0, 1.0);
        Point { x: a.x + share * (b.x - a.x), y: a.y + share * (b.y - a.y) }
    }

    fn span(&self) -> (Duration, Duration) {
        (self.way[0].0, self.way[self.way.len() - 1].0)
    }
}

impl Actor for PropActor {
    fn ground(&self, time: Duration) -> f32 {
        self.place(time).y
    }

    fn draw(&self, picture: &mut Picture, time: Duration) {
        let (from, to) = self.span();
        let opacity = fading(time, from, to);
        if opacity <= 0.0 {
            return;
        }
        let place = self.place(time);
        let metre = pixels_per_metre(place.y) * self.view.scale();
        let foot = self.view.to_output(place);
        for part in &self.parts {
            let scale = metre / part.metre;
            let left_top = Point { x: foot.x - part.foot.0 * scale, y: foot.y - part.foot.1 * scale };
            let sway = if part.is_alive { SWAY * metre * (TAU * time.as_secs_f32() / SWAY_SECS).sin() } else { 0.0 };
            picture.lay(&part.cutout, &Placement { left_top, scale, lean: sway, opacity });
        }
    }

    fn truth(&self) -> Option<Thing> {
        let matter = self.matter?;
        let (from, to) = self.span();
        let foot = self.way[0].1;
        let metre = pixels_per_metre(foot.y);
        let (side, above, below) = matter.body;
        let corner = |right: f32, up: f32| Point { x: foot.x + right * metre, y: foot.y - up * metre };
        let bbox = self.view.bbox(corner(-side, above), corner(side, -below));
        let objects = if matter.classes.is_empty() {
            Vec::new()
        } else {
            vec![ThingObject { classes: matter.classes.iter().map(|class| (*class).to_owned()).collect(), bbox }]
        };
        Some(Thing {
            id: matter.id.to_owned(),
            kind: matter.kind,
            what: matter.what.to_owned(),
            bbox,
            objects,
            from_secs: from.as_secs_f64(),
            to_secs: to.as_secs_f64(),
            is_reportable: true,
        })
    }
}

/// Height at which an umbrella is held, in metres.
pub(super) const HELD_AT: f32 = HEIGHT + 0.15;
