//! Which access units are decoded, and when. Pure decisions; the pipeline carries them out.

use std::time::Duration;

/// How much of a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// Every unit.
    All,
    /// Key frames only, while nothing is going on: a tenth of the cost. The units between are held, compressed, and
    /// decoded after all when [`Decoding::All`] is asked for, so that what led to it is seen too.
    KeyFrames,
}

/// What is known of an access unit before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnitFlags {
    /// It cannot be decoded without the units before it.
    pub(super) delta: bool,
    /// Something is missing between the unit before and this one.
    pub(super) after_loss: bool,
    /// It is itself damaged.
    pub(super) corrupt: bool,
}

/// An access unit at the gate; `U` is its data, which the gate only keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<U> {
    pub(super) flags: UnitFlags,
    pub(super) pts: Duration,
    pub(super) size_bytes: usize,
    pub(super) data: U,
}

/// What becomes of a unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<U> {
    /// Decode it.
    Decode,
    /// Drop it: its references are not whole.
    Lost,
    /// Decode this key frame and let the decoder give it out at once, without waiting for the units that follow.
    DecodeAlone,
    /// It is held: do nothing.
    Held,
    /// Decode these, which were held and begin with a key frame, and then the unit at hand.
    Replay(Vec<U>),
}

/// How much the gate holds of one camera's stream. A group of pictures that is more than that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HoldLimits {
    /// Compressed bytes.
    pub(super) size_bytes: usize,
    /// Time from a key frame on.
    pub(super) duration: Duration,
}

impl HoldLimits {
    /// For a stream of which everything is let through.
    pub(super) const NOTHING: Self = Self { size_bytes: 0, duration: Duration::ZERO };

    fn admit(&self, extent: Extent, until: Duration) -> bool {
        extent.size_bytes <= self.size_bytes && until.saturating_sub(extent.since) <= self.duration
    }
}

/// Beginning and size of a group of pictures.
#[derive(Debug, Clone, Copy)]
struct Extent {
    since: Duration,
    size_bytes: usize,
}

impl Extent {
    fn of<U>(key: &Unit<U>) -> Self {
        Self { since: key.pts, size_bytes: key.size_bytes }
    }
}

/// A key frame and the units after it.
#[derive(Debug)]
struct Group<U> {
    units: Vec<U>,
    extent: Extent,
}

/// Lets units through to the decoder only while their references are whole: from a clean key frame until the next loss.
///
/// A unit decoded without its references gives a grey or smeared picture, in which a detector sees things.
///
/// While only key frames are decoded, it holds the group of pictures so far and the one before it: what a key frame shows for the
/// first time began after the key frame before.
#[derive(Debug)]
pub(super) struct UnitGate<U> {
    limits: HoldLimits,
    waits_for_key: bool,
    /// The group so far.
    held: Option<Group<U>>,
    /// The group before it, as long as both fit.
    before: Option<Group<U>>,
    /// While key frames come too rarely to decode nothing else: the group so far, which is decoded.
    long: Option<Extent>,
}

impl<U: Clone> UnitGate<U> {
    /// A new connection begins with a key frame.
    pub(super) fn new(limits: HoldLimits) -> Self {
        Self { limits, waits_for_key: true, held: None, before: None, long: None }
    }

    /// Whether everything is decoded though key frames would do, since they come too rarely.
    pub(super) fn lacks_key_frames(&self) -> bool {
        self.long.is_some()
    }

    /// What becomes of the next unit of the stream. A change to key frames only takes effect at the next key frame.
    pub(super) fn admit(&mut self, unit: &Unit<U>, decoding: Decoding) -> Verdict<U> {
        let UnitFlags { delta, after_loss, corrupt } = unit.flags;
        if corrupt || (delta && after_loss) {
            self.close();
        } else if !delta {
            self.waits_for_key = false;
        }
        if decoding == Decoding::All {
            self.long = None;
        }
        match (self.waits_for_key, delta, decoding) {
            (true, _, _) => Verdict::Lost,
            (false, _, Decoding::All) => self.replay_all(),
            (false, false, Decoding::KeyFrames) => self.admit_key(unit),
            (false, true, Decoding::KeyFrames) => self.admit_delta(unit),
        }
    }

    /// Everything is asked for: what is held comes first.
    fn replay_all(&mut self) -> Verdict<U> {
        let Some(held) = self.held.take() else { return Verdict::Decode };
        let mut units = self.before.take().map(|before| before.units).unwrap_or_default();
        units.extend(held.units);
        Verdict::Replay(units)
    }

    fn admit_key(&mut self, unit: &Unit<U>) -> Verdict<U> {
        if let Some(long) = self.long.take()
            && !self.limits.admit(long, unit.pts)
        {
            self.long = Some(Extent::of(unit));
            return Verdict::Decode;
        }
        self.before = self.held.take();
        self.held = Some(Group { units: vec![unit.data.clone()], extent: Extent::of(unit) });
        self.keep_to_limit();
        Verdict::DecodeAlone
    }

    fn admit_delta(&mut self, unit: &Unit<U>) -> Verdict<U> {
        if let Some(long) = &mut self.long {
            long.size_bytes += unit.size_bytes;
        }
        let Some(group) = &mut self.held else { return Verdict::Decode };
        group.extent.size_bytes += unit.size_bytes;
        if self.limits.admit(group.extent, unit.pts) {
            group.units.push(unit.data.clone());
            self.keep_to_limit();
            return Verdict::Held;
        }
        self.long = Some(group.extent);
        self.before = None;
        self.replay_all()
    }

    /// Lets the older group go when both are more than may be held.
    fn keep_to_limit(&mut self) {
        let size_of = |group: &Option<Group<U>>| group.as_ref().map_or(0, |group| group.extent.size_bytes);
        if size_of(&self.before) + size_of(&self.held) > self.limits.size_bytes {
            self.before = None;
        }
    }

    /// The decoder found damage that the flags did not show, or lost its references.
    pub(super) fn close(&mut self) {
        self.waits_for_key = true;
        (self.held, self.before) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decoding::{All, KeyFrames};
    use proptest::prelude::*;

    const KEY: UnitFlags = UnitFlags { delta: false, after_loss: false, corrupt: false };
    const DELTA: UnitFlags = UnitFlags { delta: true, after_loss: false, corrupt: false };
    const AFTER_LOSS: UnitFlags = UnitFlags { after_loss: true, ..DELTA };

    /// A gate that holds up to ten units of 1 byte, 100 ms apart, and numbers what it is given.
    struct Stream {
        gate: UnitGate<u32>,
        next: u32,
    }

    impl Stream {
        fn new() -> Self {
            let limits = HoldLimits { size_bytes: 10, duration: Duration::from_millis(950) };
            Self { gate: UnitGate::new(limits), next: 0 }
        }

        fn push(&mut self, flags: UnitFlags, decoding: Decoding) -> Verdict<u32> {
            let pts = Duration::from_millis(100) * self.next;
            let unit = Unit { flags, pts, size_bytes: 1, data: self.next };
            self.next += 1;
            self.gate.admit(&unit, decoding)
        }

        fn replayed(first: u32, end: u32) -> Verdict<u32> {
            Verdict::Replay((first..end).collect())
        }

        fn decoded<const N: usize>(&mut self, units: [UnitFlags; N]) -> [bool; N] {
            units.map(|flags| self.push(flags, All) == Verdict::Decode)
        }
    }

    #[test]
    fn decoding_begins_with_a_key_frame() {
        assert_eq!(Stream::new().decoded([DELTA, DELTA, KEY, DELTA]), [false, false, true, true]);
    }

    #[test]
    fn nothing_is_decoded_between_a_loss_and_the_next_clean_key_frame() {
        let damaged_key = UnitFlags { corrupt: true, ..KEY };
        let units = [KEY, DELTA, AFTER_LOSS, DELTA, damaged_key, DELTA, KEY, DELTA];
        assert_eq!(Stream::new().decoded(units), [true, true, false, false, false, false, true, true]);
    }

    #[test]
    fn a_whole_key_frame_after_a_loss_is_decoded_at_once() {
        assert_eq!(Stream::new().decoded([KEY, DELTA, UnitFlags { after_loss: true, ..KEY }]), [true; 3]);
    }

    #[test]
    fn damage_found_by_the_decoder_closes_the_gate() {
        let mut stream = Stream::new();
        stream.push(KEY, All);
        stream.gate.close();
        assert_eq!(stream.decoded([DELTA, KEY]), [false, true]);
    }

    #[test]
    fn while_idle_only_key_frames_are_decoded() {
        let mut stream = Stream::new();
        let verdicts = [KEY, DELTA, DELTA, KEY, DELTA].map(|flags| stream.push(flags, KeyFrames));
        assert_eq!(verdicts, [Verdict::DecodeAlone, Verdict::Held, Verdict::Held, Verdict::DecodeAlone, Verdict::Held]);
    }

    #[test]
    fn the_group_so_far_and_the_one_before_are_decoded_when_all_is_asked_for() {
        let mut stream = Stream::new();
        for flags in [KEY, DELTA, KEY, DELTA, KEY, DELTA, DELTA] {
            stream.push(flags, KeyFrames);
        }
        assert_eq!(stream.push(DELTA, All), Stream::replayed(2, 7));
        assert_eq!(stream.push(DELTA, All), Verdict::Decode);
    }

    #[test]
    fn what_is_held_is_decoded_even_if_a_key_frame_comes_next() {
        let mut stream = Stream::new();
        stream.push(KEY, KeyFrames);
        stream.push(DELTA, KeyFrames);
        assert_eq!(stream.push(KEY, All), Stream::replayed(0, 2));
        assert_eq!(stream.push(DELTA, All), Verdict::Decode);
    }

    #[test]
    fn of_two_groups_that_are_too_much_the_older_goes() {
        let mut stream = Stream::new();
        for index in 0..12 {
            stream.push(if index % 6 == 0 { KEY } else { DELTA }, KeyFrames);
        }
        assert_eq!(stream.push(DELTA, All), Stream::replayed(6, 12));
    }

    #[test]
    fn idling_begins_at_a_key_frame() {
        let mut stream = Stream::new();
        stream.push(KEY, All);
        assert_eq!(stream.push(DELTA, KeyFrames), Verdict::Decode);
        assert_eq!(stream.push(KEY, KeyFrames), Verdict::DecodeAlone);
    }

    #[test]
    fn a_group_longer_than_is_held_is_decoded_after_all() {
        let mut stream = Stream::new();
        stream.push(KEY, KeyFrames);
        for _ in 0..9 {
            assert_eq!(stream.push(DELTA, KeyFrames), Verdict::Held);
        }
        assert!(!stream.gate.lacks_key_frames());
        assert_eq!(stream.push(DELTA, KeyFrames), Stream::replayed(0, 10));
        assert_eq!(stream.push(DELTA, KeyFrames), Verdict::Decode);
        assert!(stream.gate.lacks_key_frames());
    }

    #[test]
    fn rare_key_frames_are_waited_for_no_more_until_they_come_often_again() {
        let mut stream = Stream::new();
        let mut group = |deltas: usize| {
            let key = stream.push(KEY, KeyFrames);
            (0..deltas).for_each(|_| drop(stream.push(DELTA, KeyFrames)));
            (key, stream.gate.lacks_key_frames())
        };
        assert_eq!(group(20), (Verdict::DecodeAlone, true));
        assert_eq!(group(20), (Verdict::Decode, true));
        assert_eq!(group(5), (Verdict::Decode, true));
        assert_eq!(group(5), (Verdict::DecodeAlone, false));
    }

    #[test]
    fn a_loss_while_idle_ends_what_can_be_decoded_later() {
        let mut stream = Stream::new();
        stream.push(KEY, KeyFrames);
        assert_eq!(stream.push(AFTER_LOSS, KeyFrames), Verdict::Lost);
        assert_eq!(stream.push(DELTA, All), Verdict::Lost);
    }

    proptest! {
        /// What reaches the decoder is always a run of whole groups, from their key frames on and without a hole.
        #[test]
        fn the_decoder_never_sees_a_unit_without_its_references(
            units in prop::collection::vec((any::<bool>(), prop::bool::weighted(0.1), any::<bool>()), 1..200)
        ) {
            let mut stream = Stream::new();
            let (mut reached, mut keys, mut losses) = (None::<u32>, Vec::new(), Vec::new());
            for (delta, after_loss, all) in units {
                let number = stream.next;
                if !delta { keys.push(number); }
                if after_loss { losses.push(number); }
                let flags = UnitFlags { delta, after_loss, corrupt: false };
                let fed = match stream.push(flags, if all { All } else { KeyFrames }) {
                    Verdict::Decode | Verdict::DecodeAlone => vec![number],
                    Verdict::Replay(mut units) => { units.push(number); units }
                    Verdict::Held | Verdict::Lost => vec![],
                };
                let holds = |group: &Option<Group<u32>>| group.as_ref().map_or(0, |group| group.units.len());
                prop_assert!(holds(&stream.gate.held) + holds(&stream.gate.before) <= 10);
                for unit in fed {
                    let whole = keys.contains(&unit) || (reached == Some(unit - 1) && !losses.contains(&unit));
                    prop_assert!(whole, "unit {unit} after {reached:?}");
                    reached = Some(unit);
                }
            }
        }
    }
}
