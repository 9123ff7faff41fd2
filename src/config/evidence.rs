//! How long pictures are kept, how many, and by which key they are encrypted.

use super::bytes::ByteSize;
use super::document::{Document, join, quoted};
use super::meaning::{check_secret, text};
use super::report::{Draft, Report, suggestion};
use super::{EvidenceConfig, RuleKind, SecretSource};
use crate::ids::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Encryption of the pictures on the disk, by AES-256-GCM. A key is 32 bytes in base64, as `openssl rand -base64 32` prints them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfig {
    /// The one of `keys` that pictures are written with. While it cannot be read no picture is kept, and events go without.
    pub key: Name,
    /// Keys by an id of your choice, which stands in each file. To change the key, add one and name it in `key`; leave the old one until
    /// the last picture of its time is deleted.
    #[schemars(extend("minProperties" = 1))]
    pub keys: BTreeMap<Name, SecretSource>,
}

impl EvidenceConfig {
    /// How long a picture is kept; without a kind, one that the hub asked for.
    #[must_use]
    pub fn keep(&self, kind: Option<RuleKind>) -> Duration {
        let days = match kind {
            Some(kind) => self.keep_days_of.get(&kind).copied(),
            None => self.snapshot_keep_days,
        };
        days_long(days.unwrap_or(self.keep_days))
    }

    /// How long a picture of which nothing is known is kept.
    #[must_use]
    pub fn keep_default(&self) -> Duration {
        days_long(self.keep_days)
    }

    /// How long the longest kept ones are.
    #[must_use]
    pub fn longest_keep(&self) -> Duration {
        let kinds = self.keep_days_of.keys().map(|kind| self.keep(Some(*kind)));
        kinds.chain([self.keep(None), self.keep_default()]).max().unwrap_or_default()
    }
}

pub(super) fn days_long(days: u16) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

/// The default of [`EvidenceConfig::max_bytes`].
pub(super) const MAX_BYTES: ByteSize = ByteSize::mib(20 << 10);
/// The default of [`EvidenceConfig::min_free`].
pub(super) const MIN_FREE: ByteSize = ByteSize::mib(1 << 10);

/// Reports what the keys of the pictures' keeping mean together.
pub(super) fn check(document: &Document, evidence: &str, report: &mut Report) {
    super::clips::check(document, evidence, report);
    let encryption = join(evidence, "encryption");
    let keys = join(&encryption, "keys");
    let known: Vec<&String> =
        document.get(&keys).and_then(Value::as_object).into_iter().flat_map(|keys| keys.keys()).collect();
    for id in &known {
        check_secret(document, &join(&keys, id), report);
    }
    let Some(key) = text(document, &encryption, "key") else { return };
    if !known.is_empty() && !known.iter().any(|id| *id == key) {
        let draft = Draft::at_value(join(&encryption, "key"), format!("is {}, which keys does not have", quoted(key)));
        let names = known.iter().map(|id| id.as_str());
        let help = suggestion(key, names.clone());
        report.error(draft.allowed(names.collect::<Vec<_>>().join(", ")).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::super::load_bytes;
    use std::path::Path;

    /// What is said of a configuration with that section.
    fn said(evidence: &str) -> String {
        let text = format!(
            r#"{{"agent": {{"site": "s", "id": "box"}}, "hub": {{"host": "h"}}, "evidence": {evidence},
                "cameras": [{{"id": "c", "streams": {{"detect": {{"url": "rtsp://192.0.2.1/"}}}}}}]}}"#
        );
        let classes = |_: &str| Ok(vec!["person".to_owned()]);
        match load_bytes(Path::new("edge.yaml"), text.as_bytes(), &classes) {
            Ok(loaded) => loaded.warnings.iter().map(|warning| warning.sentence() + "\n").collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn slips_in_keeping_and_keys_are_named_with_what_is_allowed() {
        for (evidence, told) in [
            (r#"{"max_bytes": "20 GB"}"#, "a whole number of MiB, GiB or TiB"),
            (r#"{"max_bytes": 20}"#, "a whole number of MiB, GiB or TiB"),
            (r#"{"keep_days_of": {"vehicle_parkin": 7}}"#, "vehicle_parking"),
            (r#"{"keep_days_of": {"vehicle_parking": 0}}"#, "from 1 to 3650"),
            (r#"{"encryption": {"key": "b", "keys": {"a": {"env": "A"}}}}"#, "which keys does not have"),
            (r#"{"encryption": {"key": "a", "keys": {}}}"#, "keys"),
            (r#"{"encryption": {"key": "a", "keys": {"a": {"credential": "../a"}}}}"#, "the name of a credential"),
            (r#"{"encryption": {"key": "a", "keys": {"a": {"credential": "a"}}}}"#, "CREDENTIALS_DIRECTORY is not set"),
        ] {
            assert!(said(evidence).contains(told), "{evidence}: {}", said(evidence));
        }
        let fine = said(r#"{"max_bytes": "20 GiB", "keep_days_of": {"vehicle_parking": 7}, "snapshot_keep_days": 2}"#);
        assert!(!fine.contains("evidence"), "{fine}");
    }
}
