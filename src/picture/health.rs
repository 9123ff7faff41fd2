//! What is wrong with a camera's picture, and since when.

use super::condition::{Condition, Delays, Evidence};
use super::sample::{CELLS, LumaSample};
use super::structure::{EdgeField, Reference, Registration, sharpness};
use crate::frame::FrameStamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a camera's picture is. Of several troubles the one that stands first here after `ok` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureState {
    /// Usable.
    Ok,
    /// Damaged: the decoder reports it again and again, or large areas are the grey of a missing reference picture.
    Corrupt,
    /// Most of the scene's structure is gone at once and stays away.
    Covered,
    /// Too dark to see anything.
    Dark,
    /// Too bright to see anything.
    Bright,
    /// Frames arrive, and all show exactly the same. Where there is nothing to see, that is no wonder, and the states above are told.
    Frozen,
    /// The camera looks elsewhere: its zones are not where they were drawn.
    Moved,
    /// Out of focus or dirty.
    Blurred,
}

impl PictureState {
    /// Every state.
    pub const ALL: [Self; 8] =
        [Self::Ok, Self::Corrupt, Self::Covered, Self::Dark, Self::Bright, Self::Frozen, Self::Moved, Self::Blurred];

    /// The state's name in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Corrupt => "corrupt",
            Self::Covered => "covered",
            Self::Dark => "dark",
            Self::Bright => "bright",
            Self::Frozen => "frozen",
            Self::Moved => "moved",
            Self::Blurred => "blurred",
        }
    }

    /// Whether nothing can be said of the zones, so that the camera's rules rest. A damaged picture is not among these: what is
    /// damaged is not analysed, and what lies between is whole.
    #[must_use]
    pub fn suspends_rules(self) -> bool {
        matches!(self, Self::Covered | Self::Dark | Self::Bright | Self::Frozen | Self::Moved)
    }
}

/// A change of the picture's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// How the picture is now.
    pub state: PictureState,
    /// The first frame that showed it; earlier than the frame at which it was certain.
    pub since: FrameStamp,
    /// How it was before.
    pub previous: PictureState,
}

/// What a site may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After how long without the least difference a picture is frozen. A real sensor's noise differs in every frame.
    pub frozen_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frozen_after: Duration::from_secs(30) }
    }
}

/// A picture is judged at most this often; between, it is only compared with the one before.
const JUDGE_EVERY: Duration = Duration::from_millis(450);

const fn delays(enter: u64, leave: u64) -> Delays {
    Delays { enter: Duration::from_secs(enter), leave: Duration::from_secs(leave) }
}
/// An infrared switch blacks the picture out for up to 3 s.
const COVERED: Delays = delays(10, 5);
/// Clouds, headlights and the exposure after them settle within 10 s.
const DARK_OR_BRIGHT: Delays = delays(20, 10);
/// The largest vehicle in front of the camera is gone, or has been found to hide the scene in part only.
const MOVED: Delays = delays(20, 10);
/// A lens hunts for focus for some seconds after dusk.
const BLURRED: Delays = delays(30, 15);
/// Damage is itself a mean over time; see [`DAMAGE_FADES`].
const CORRUPT: Delays = delays(0, 10);
const FROZEN_LEAVES: Duration = Duration::from_secs(1);

/// Dark: mean level, and level that 98 % of the picture do not reach. A street with lamps has some bright places.
const DARK_MEAN: (f32, f32) = (0.09, 0.12);
const DARK_HIGH: (f32, f32) = (0.20, 0.28);
/// Bright: mean level, and level that 98 % of the picture exceed.
const BRIGHT_MEAN: (f32, f32) = (0.90, 0.85);
const BRIGHT_LOW: (f32, f32) = (0.75, 0.65);
/// Mean level from which it is day: what goes black then was covered, what goes black by night lost its lamps.
const DAY_FROM: f32 = 0.20;
/// Share of the structured blocks that lost their structure: covered from, intact up to.
const LOST: (f32, f32) = (0.70, 0.40);
/// A loss of structure within this is sudden; dusk and fog take minutes.
const SUDDEN: Duration = Duration::from_secs(15);
/// Edges as a share of the picture below which it is uniform, for a camera whose scene is not known yet.
const UNIFORM_EDGES: f32 = 0.002;
/// Agreement with the known scene, relative to the usual, from which the view is the known one.
const SAME_VIEW_FROM: f32 = 0.70;
/// How much better a displaced view must fit than the known one.
const DISPLACED_GAIN: f32 = 1.3;
/// Fit, relative to the usual, below which the view is not found at any displacement.
const OTHER_VIEW_BELOW: f32 = 0.30;
/// Edges relative to the usual from which a view that is not found is another one, and not just night.
const OTHER_VIEW_EDGES: f32 = 0.40;
/// Displacement, as a share of the frame, up to which zones still lie where they should.
const TOLERATED_SHIFT: f32 = 0.02;
/// The search for a displacement is the one part that takes milliseconds.
const REGISTER_EVERY: Duration = Duration::from_secs(2);
/// Sharpness relative to the usual. On the staged street at 640x360 a mean over 7x7 pixels gives 0.73, over 11x11 0.59, over
/// 17x17 0.48; night, with four times the noise, gives 0.81 and rain 1.0.
const BLURRED_SHARPNESS: (f32, f32) = (0.62, 0.75);
/// Damage: pictures with it, each fading within [`DAMAGE_FADES`].
const DAMAGE: (f32, f32) = (2.5, 0.5);
const DAMAGE_FADES: Duration = Duration::from_secs(15);
/// Damage counts no higher, so that it is forgotten within a minute however long it lasted.
const MAX_DAMAGE: f32 = 4.0;
/// Luma of the grey that decoders paint where a reference is missing, give or take one step, and the share of a picture from
/// which it is no coincidence.
const MISSING_GREY: u8 = 128;
const MISSING_GREY_SHARE: f32 = 0.25;
/// The scene is known after this much of usable picture.
const LEARNED_AFTER: Duration = Duration::from_secs(30);
const LEARNED_PICTURES: u32 = 8;
/// How slowly the known scene follows the seen one: parked cars and seasons.
const SCENE_FOLLOWS: Duration = Duration::from_hours(1);
/// How slowly the usual sharpness follows: slower than a night is long.
const SHARPNESS_FOLLOWS: Duration = Duration::from_hours(12);

/// Mean and extremes of a picture's level, 0..=1.
#[derive(Debug, Clone, Copy)]
struct Levels {
    mean: f32,
    low: f32,
    high: f32,
    missing_grey_share: f32,
}

impl Levels {
    fn of(sample: &LumaSample) -> Self {
        let mut counts = [0_u32; 256];
        sample.luma().iter().for_each(|&luma| counts[usize::from(luma)] += 1);
        let sum: u32 = counts.iter().zip(0..).map(|(count, luma)| count * luma).sum();
        let percentile = |share: f32| {
            let (wanted, mut below) = ((share * CELLS as f32) as u32, 0);
            let reached = counts.iter().position(|count| {
                below += count;
                below > wanted
            });
            sample.level(reached.unwrap_or(255) as f32)
        };
        let is_missing = |(luma, step): (&u8, &u8)| luma.abs_diff(MISSING_GREY) <= 1 && *step <= 1;
        let missing = sample.luma().iter().zip(sample.steps()).filter(|&cell| is_missing(cell)).count();
        Self {
            mean: sample.level(sum as f32 / CELLS as f32),
            low: percentile(0.02),
            high: percentile(0.98),
            missing_grey_share: missing as f32 / CELLS as f32,
        }
    }

    fn dark(self) -> Evidence {
        if self.mean <= DARK_MEAN.0 && self.high <= DARK_HIGH.0 {
            Evidence::For
        } else if self.mean >= DARK_MEAN.1 || self.high >= DARK_HIGH.1 {
            Evidence::Against
        } else {
            Evidence::Unclear
        }
    }

    fn bright(self) -> Evidence {
        if self.mean >= BRIGHT_MEAN.0 && self.low >= BRIGHT_LOW.0 {
            Evidence::For
        } else if self.mean <= BRIGHT_MEAN.1 || self.low <= BRIGHT_LOW.1 {
            Evidence::Against
        } else {
            Evidence::Unclear
        }
    }
}

/// Whether the scene's structure is in sight.
#[derive(Debug, Clone, Copy)]
enum Sight {
    /// Last seen intact at this frame, by this mean level.
    Intact { at: FrameStamp, level: f32 },
    /// Lost from one moment to the next; the mean level before.
    LostAtOnce { level_before: f32 },
    /// It faded, or was never seen.
    Faded,
}

/// What is known of a camera's scene when all is well.
#[derive(Debug)]
struct Scene {
    reference: Reference,
    sharpness: Option<f32>,
    learned: Duration,
    pictures: u32,
    last: Option<FrameStamp>,
}

impl Scene {
    fn new() -> Self {
        Self { reference: Reference::new(), sharpness: None, learned: Duration::ZERO, pictures: 0, last: None }
    }

    fn is_known(&self) -> bool {
        self.learned >= LEARNED_AFTER && self.pictures >= LEARNED_PICTURES
    }

    fn learn(&mut self, stamp: &FrameStamp, field: &EdgeField, seen_sharpness: Option<f32>) {
        let elapsed = self.last.and_then(|last| stamp.observed_since(&last)).unwrap_or_default().min(SUDDEN);
        self.learned += elapsed;
        self.pictures = self.pictures.saturating_add(1);
        self.last = Some(*stamp);
        let while_new = if self.is_known() { 0.0 } else { 1.0 / self.pictures as f32 };
        let share = |follows: Duration| (elapsed.as_secs_f32() / follows.as_secs_f32()).max(while_new);
        self.reference.learn(field, share(SCENE_FOLLOWS));
        if let Some(seen) = seen_sharpness {
            let usual = self.sharpness.unwrap_or(seen);
            self.sharpness = Some(usual + (seen - usual) * share(SHARPNESS_FOLLOWS));
        }
    }
}

/// Judges the picture of one camera.
///
/// What it cannot see: a camera that was moved while the agent was not running, and one that sags slower than its scene is
/// learned (an hour).
#[derive(Debug)]
pub struct Health {
    scene: Scene,
    sight: Sight,
    field: EdgeField,
    still: LumaSample,
    judged: Option<FrameStamp>,
    registered: Option<(FrameStamp, Evidence)>,
    corrupt_frames: u64,
    damage: f32,
    state: PictureState,
    corrupt: Condition,
    frozen: Condition,
    covered: Condition,
    dark: Condition,
    bright: Condition,
    moved: Condition,
    blurred: Condition,
}

impl Health {
    /// Begins with a picture that is `ok` and a scene that is not known; it is after half a minute of usable picture.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            scene: Scene::new(),
            sight: Sight::Faded,
            field: EdgeField::new(),
            still: LumaSample::new(),
            judged: None,
            registered: None,
            corrupt_frames: 0,
            damage: 0.0,
            state: PictureState::Ok,
            corrupt: Condition::new(CORRUPT),
            frozen: Condition::new(Delays { enter: limits.frozen_after, leave: FROZEN_LEAVES }),
            covered: Condition::new(COVERED),
            dark: Condition::new(DARK_OR_BRIGHT),
            bright: Condition::new(DARK_OR_BRIGHT),
            moved: Condition::new(MOVED),
            blurred: Condition::new(BLURRED),
        }
    }

    /// How the picture is.
    #[must_use]
    pub fn state(&self) -> PictureState {
        self.state
    }

    /// Whether the camera's zones are not where they were drawn, so that its rules must rest, whatever else is wrong besides.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.moved.holds()
    }

    /// Whether something hides the scene or it is not where it was, for so short a time that it is not certain yet: what is not
    /// seen now may be there all the same.
    #[must_use]
    pub fn is_view_in_doubt(&self) -> bool {
        self.moved.is_suspected() || self.covered.is_suspected()
    }

    /// Someone says that the camera looks where it should: the present view becomes the known one. A change of state that follows
    /// is returned by the next [`Self::observe`].
    pub fn acknowledge(&mut self) {
        (self.scene, self.sight, self.registered) = (Scene::new(), Sight::Faded, None);
        self.moved.reset();
        self.blurred.reset();
        self.covered.reset();
    }

    /// Takes a frame: its time, its sample, and how many damaged pictures the decoder has reported so far in all.
    pub fn observe(&mut self, stamp: &FrameStamp, sample: &LumaSample, corrupt_frames: u64) -> Option<Change> {
        if self.still.frame_size() != sample.frame_size() {
            self.resize(sample);
        }
        if self.still.shows_the_same_as(sample) {
            self.frozen.observe(stamp, Evidence::For);
        } else {
            self.frozen.observe(stamp, Evidence::Against);
            self.still.copy_from(sample);
        }
        let since_judged = self.judged.and_then(|judged| stamp.observed_since(&judged));
        if since_judged.is_none_or(|elapsed| elapsed >= JUDGE_EVERY) {
            self.judged = Some(*stamp);
            self.judge(stamp, sample, corrupt_frames, since_judged.unwrap_or_default());
        }
        self.tell(stamp)
    }

    /// Another resolution has another sharpness, and another shape shows another part of the scene.
    fn resize(&mut self, sample: &LumaSample) {
        let shape = |(width, height): (u32, u32)| width as f32 / height.max(1) as f32;
        let (before, now) = (shape(self.still.frame_size()), shape(sample.frame_size()));
        self.scene.sharpness = None;
        self.blurred.reset();
        if (before / now - 1.0).abs() > TOLERATED_SHIFT {
            self.acknowledge();
        }
    }

    fn judge(&mut self, stamp: &FrameStamp, sample: &LumaSample, corrupt_frames: u64, elapsed: Duration) {
        let levels = Levels::of(sample);
        let (dark, bright) = (levels.dark(), levels.bright());
        self.field.take(sample);
        self.judge_damage(stamp, &levels, corrupt_frames, elapsed);
        self.dark.observe(stamp, dark);
        self.bright.observe(stamp, bright);
        let lost_share = self.scene.reference.lost_share(&self.field);
        self.judge_cover(stamp, &levels, lost_share);
        if self.covered.holds() {
            // It is dark under a cover: no second trouble.
            self.dark.reset();
        }
        let is_visible = dark != Evidence::For
            && bright != Evidence::For
            && lost_share < LOST.1
            && !self.covered.is_suspected()
            && !self.corrupt.holds()
            && !self.frozen.holds();
        if !is_visible {
            return;
        }
        let seen_sharpness = sharpness(sample);
        if self.scene.is_known() {
            let evidence = self.view_moved(stamp);
            self.moved.observe(stamp, evidence);
            if let (Some(seen), Some(usual), false) = (seen_sharpness, self.scene.sharpness, self.moved.is_suspected())
            {
                let (enter, leave) = BLURRED_SHARPNESS;
                self.blurred.observe(stamp, Evidence::when_below(seen / usual, enter, leave));
            }
        }
        if !self.moved.is_suspected() && !self.blurred.is_suspected() {
            self.scene.learn(stamp, &self.field, seen_sharpness);
        }
    }

    fn judge_damage(&mut self, stamp: &FrameStamp, levels: &Levels, corrupt_frames: u64, elapsed: Duration) {
        self.damage *= (-elapsed.as_secs_f32() / DAMAGE_FADES.as_secs_f32()).exp();
        if corrupt_frames > self.corrupt_frames || levels.missing_grey_share >= MISSING_GREY_SHARE {
            self.damage = (self.damage + 1.0).min(MAX_DAMAGE);
        }
        self.corrupt_frames = corrupt_frames;
        self.corrupt.observe(stamp, Evidence::when_above(self.damage, DAMAGE.0, DAMAGE.1));
    }

    fn judge_cover(&mut self, stamp: &FrameStamp, levels: &Levels, lost_share: f32) {
        let (is_dark, is_bright) = (levels.dark() == Evidence::For, levels.bright() == Evidence::For);
        if !self.scene.is_known() {
            let is_uniform = self.field.edge_share() < UNIFORM_EDGES && !is_dark && !is_bright;
            self.covered.observe(stamp, if is_uniform { Evidence::For } else { Evidence::Against });
            return;
        }
        if lost_share <= LOST.1 {
            self.sight = Sight::Intact { at: *stamp, level: levels.mean };
        } else if let (true, Sight::Intact { at, level }) = (lost_share >= LOST.0, self.sight) {
            // Across an interruption of the stream nobody saw how it came: that counts as sudden.
            let is_sudden = stamp.elapsed_since(&at).is_none_or(|elapsed| elapsed <= SUDDEN);
            self.sight = if is_sudden { Sight::LostAtOnce { level_before: level } } else { Sight::Faded };
        }
        let evidence = match self.sight {
            Sight::Intact { .. } if lost_share <= LOST.1 => Evidence::Against,
            Sight::LostAtOnce { level_before } => {
                let lamps_went_out = is_dark && level_before < DAY_FROM;
                if is_bright || lamps_went_out { Evidence::Against } else { Evidence::For }
            }
            Sight::Intact { .. } | Sight::Faded => Evidence::Unclear,
        };
        self.covered.observe(stamp, evidence);
    }

    /// Whether the view is another than the known one.
    fn view_moved(&mut self, stamp: &FrameStamp) -> Evidence {
        let reference = &self.scene.reference;
        let has_edges = self.field.edge_share() >= OTHER_VIEW_EDGES * reference.edge_share();
        match reference.relative_agreement(&self.field) {
            Some(agreement) if agreement >= SAME_VIEW_FROM => {
                self.registered = None;
                return Evidence::Against;
            }
            None if !has_edges => return Evidence::Unclear,
            Some(_) | None => {}
        }
        let recent = self.registered.filter(|(at, _)| stamp.observed_since(at).is_some_and(|t| t < REGISTER_EVERY));
        if let Some((_, evidence)) = recent {
            return evidence;
        }
        let evidence = verdict(&reference.register(&self.field), reference.usual_score(), has_edges);
        self.registered = Some((*stamp, evidence));
        evidence
    }

    /// The change of state, if there is one.
    fn tell(&mut self, stamp: &FrameStamp) -> Option<Change> {
        let previous = self.state;
        let by_precedence = [
            (PictureState::Corrupt, &self.corrupt),
            (PictureState::Covered, &self.covered),
            (PictureState::Dark, &self.dark),
            (PictureState::Bright, &self.bright),
            (PictureState::Frozen, &self.frozen),
            (PictureState::Moved, &self.moved),
            (PictureState::Blurred, &self.blurred),
        ];
        let holding = by_precedence.iter().find(|(_, condition)| condition.holds());
        self.state = holding.map_or(PictureState::Ok, |(state, _)| *state);
        if self.state == previous {
            return None;
        }
        let ended = by_precedence.iter().find(|(state, _)| *state == previous);
        let since = holding.or(ended).and_then(|(_, condition)| condition.since()).unwrap_or(stamp);
        Some(Change { state: self.state, since: *since, previous })
    }
}

/// What the best displacement says about a picture that does not agree with the known scene.
fn verdict(found: &Registration, usual_score: f32, has_edges: bool) -> Evidence {
    let is_tolerated = found.across.abs() <= TOLERATED_SHIFT && found.down.abs() <= TOLERATED_SHIFT;
    if found.score < OTHER_VIEW_BELOW * usual_score {
        return if has_edges { Evidence::For } else { Evidence::Unclear };
    }
    if is_tolerated {
        return Evidence::Against;
    }
    if found.score >= DISPLACED_GAIN * found.score_in_place { Evidence::For } else { Evidence::Unclear }
}

#[cfg(test)]
mod tests;
