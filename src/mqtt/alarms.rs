//! What is wrong with the delivery although there is a connection. Every alarm has a clear.

use jiff::Timestamp;
use std::collections::BTreeMap;

pub use crate::contract::DeliveryAlarmKind as AlarmKind;

/// Something that a person must see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What.
    pub kind: AlarmKind,
    /// Since when.
    pub since: Timestamp,
    /// How often it was noticed.
    pub count: u64,
    /// The last time, in words.
    pub detail: String,
}

/// The alarms of a link.
#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeMap<AlarmKind, Alarm>);

impl Alarms {
    /// Raises an alarm; true if it is new.
    pub(super) fn raise(&mut self, kind: AlarmKind, now: Timestamp, detail: String) -> bool {
        let is_new = !self.0.contains_key(&kind);
        let alarm = self.0.entry(kind).or_insert(Alarm { kind, since: now, count: 0, detail: String::new() });
        alarm.count += 1;
        alarm.detail = detail;
        is_new
    }

    /// Ends an alarm; true if there was one.
    pub(super) fn clear(&mut self, kind: AlarmKind) -> bool {
        self.0.remove(&kind).is_some()
    }

    pub(super) fn all(&self) -> Vec<Alarm> {
        self.0.values().cloned().collect()
    }
}
