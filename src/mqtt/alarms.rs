//! What is wrong with the delivery although there is a connection. Every alarm has a clear.

use crate::tls::EXPIRY_NOTICE;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

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
pub(super) struct Alarms {
    raised: BTreeMap<AlarmKind, Alarm>,
    /// The certificate that expires first, and when.
    expiry: Option<(PathBuf, Timestamp)>,
}

impl Alarms {
    /// Raises an alarm; true if it is new.
    pub(super) fn raise(&mut self, kind: AlarmKind, now: Timestamp, detail: String) -> bool {
        let is_new = !self.raised.contains_key(&kind);
        let alarm = self.raised.entry(kind).or_insert(Alarm { kind, since: now, count: 0, detail: String::new() });
        alarm.count += 1;
        alarm.detail = detail;
        is_new
    }

    /// Ends an alarm; true if there was one.
    pub(super) fn clear(&mut self, kind: AlarmKind) -> bool {
        self.raised.remove(&kind).is_some()
    }

    /// Which certificate expires first.
    pub(super) fn set_expiry(&mut self, expiry: Option<(PathBuf, Timestamp)>) {
        self.expiry = expiry;
    }

    pub(super) fn all(&self, now: Timestamp) -> Vec<Alarm> {
        self.raised.values().cloned().chain(self.expiring(now)).collect()
    }

    fn expiring(&self, now: Timestamp) -> Option<Alarm> {
        let (path, at) = self.expiry.as_ref()?;
        let since = *at - EXPIRY_NOTICE;
        let detail = format!("{} expires at {at:.0}", path.display());
        (since <= now).then_some(Alarm { kind: AlarmKind::CertificateExpires, since, count: 1, detail })
    }
}
