//! What a thing looks like, and when it has changed so much that it must be told again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Observed time for which a class must be there, or the extent be larger, before that is a change: a detector sees things now and then
/// that are not there.
const SETTLED: Duration = Duration::from_secs(30);
/// Observed time without a class after which it has left for good: a table is hidden by customers for minutes.
const LEFT: Duration = Duration::from_mins(10);
/// Growth of the area that is a change.
const GROWN: f32 = 1.5;

/// The looks that were told last, and the evidence that they are no longer true.
///
/// Extent only grows and a class leaves after [`LEFT`], so that the changes of a flickering thing are few: at most one per class and
/// [`LEFT`], and one per growth by half.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Looks {
    /// Association groups of its classes: a van that flickers to a car has not changed.
    groups: BTreeSet<u16>,
    /// Area, as a share of the frame.
    extent: f32,
    /// For how long each group has been seen that was not told of; runs back while it is not seen.
    joining: BTreeMap<u16, Duration>,
    /// For how long each group has not been seen that was told of.
    leaving: BTreeMap<u16, Duration>,
    /// For how long it has been larger by half; runs back while it is not.
    growing: Duration,
}

impl Looks {
    pub fn new(groups: BTreeSet<u16>, extent: f32) -> Self {
        Self { groups, extent, ..Self::default() }
    }

    pub fn groups(&self) -> &BTreeSet<u16> {
        &self.groups
    }

    pub fn extent(&self) -> f32 {
        self.extent
    }

    /// Takes in what is seen `elapsed` after the last sight. True if it is a material change from what was told; that is then what was
    /// told.
    pub fn observe(&mut self, seen: &BTreeSet<u16>, extent: f32, elapsed: Duration) -> bool {
        let mut has_changed = false;
        for group in seen {
            self.leaving.remove(group);
            if !self.groups.contains(group) {
                *self.joining.entry(*group).or_default() += elapsed;
            }
        }
        self.joining.retain(|group, held| {
            if !seen.contains(group) {
                *held = held.saturating_sub(elapsed);
            } else if *held >= SETTLED {
                has_changed |= self.groups.insert(*group);
            }
            !held.is_zero() && !self.groups.contains(group)
        });
        for group in self.groups.difference(seen) {
            *self.leaving.entry(*group).or_default() += elapsed;
        }
        self.leaving.retain(|group, missed| {
            let has_left = *missed >= LEFT;
            has_changed |= has_left && self.groups.remove(group);
            !has_left
        });
        self.growing =
            if extent >= GROWN * self.extent { self.growing + elapsed } else { self.growing.saturating_sub(elapsed) };
        if self.growing >= SETTLED {
            (self.extent, self.growing, has_changed) = (extent, Duration::ZERO, true);
        }
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARASOL: u16 = 1;
    const TABLE: u16 = 2;
    const NONE: [u32; 0] = [];

    /// The seconds, one look each, at which a change was found.
    fn changes(looks: &mut Looks, secs: u32, seen: impl Fn(u32) -> (Vec<u16>, f32)) -> Vec<u32> {
        let changed = |second: &u32| {
            let (groups, extent) = seen(*second);
            looks.observe(&groups.into_iter().collect(), extent, Duration::from_secs(1))
        };
        (1..=secs).filter(changed).collect()
    }

    fn parasol() -> Looks {
        Looks::new([PARASOL].into(), 0.1)
    }

    #[test]
    fn what_flickers_is_no_change() {
        let flickering = |second: u32| {
            let groups = if second.is_multiple_of(3) { vec![PARASOL, TABLE] } else { vec![PARASOL] };
            (groups, if second.is_multiple_of(2) { 0.1 } else { 0.3 })
        };
        assert_eq!(changes(&mut parasol(), 3_600, flickering), NONE);
    }

    #[test]
    fn a_class_that_joins_or_leaves_for_good_is_told_once() {
        let mut looks = parasol();
        assert_eq!(changes(&mut looks, 300, |_| (vec![PARASOL, TABLE], 0.1)), [30]);
        assert_eq!(changes(&mut looks, 590, |_| (vec![TABLE], 0.1)), NONE, "hidden for long");
        assert_eq!(changes(&mut looks, 10, |_| (vec![PARASOL, TABLE], 0.1)), NONE);
        assert_eq!(changes(&mut looks, 1_000, |_| (vec![TABLE], 0.1)), [600]);
    }

    #[test]
    fn growth_by_half_is_told_and_shrinking_is_not() {
        let mut looks = parasol();
        assert_eq!(changes(&mut looks, 100, |_| (vec![PARASOL], 0.14)), NONE);
        assert_eq!(changes(&mut looks, 100, |_| (vec![PARASOL], 0.16)), [30]);
        assert_eq!(changes(&mut looks, 100, |_| (vec![PARASOL], 0.05)), NONE);
        assert_eq!(changes(&mut looks, 100, |_| (vec![PARASOL], 0.16)), NONE, "as told");
    }
}
