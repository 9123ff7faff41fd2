//! A storage that takes pictures by HTTP.

use super::document::{Document, join};
use super::meaning::{check_secret, text};
use super::report::{Draft, Report};
use super::{EvidenceConfig, EvidenceDelivery, SecretSource, TlsConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A storage that takes each picture by HTTP PUT: a bucket with the interface of S3 (Ceph, OSS, OBS and the like), or any server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// Address below which pictures are put, as `{incident}/{evidence}.jpg` or `snapshot/{evidence}.jpg`. A query, as of an access token, is
    /// sent with every request and told to nobody. Redirects are not followed.
    #[schemars(
        regex(pattern = r"^https?://[A-Za-z0-9.\[\]:_-]+(/([A-Za-z0-9._~/-]|%[0-9A-F]{2})*)?(\?[^\s#]+)?$"),
        extend("x-allowed" = "http(s)://host[:port]/bucket/prefix, without user and password, other characters percent-encoded")
    )]
    pub url: String,
    /// The region that signatures are made for.
    #[serde(default = "default_region")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]+$"), extend("x-allowed" = "the name of a region"))]
    pub region: String,
    /// The access key's id. With both keys each request is signed (AWS Signature Version 4); without, it is not.
    #[serde(default)]
    pub access_key: Option<SecretSource>,
    /// The secret that belongs to it.
    #[serde(default)]
    pub secret_key: Option<SecretSource>,
    /// Encryption, where the address begins with `https`.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Seconds that a request may take.
    #[serde(default = "default_timeout_secs")]
    #[schemars(range(min = 1, max = 120))]
    pub timeout_secs: u16,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}
fn default_timeout_secs() -> u16 {
    30
}

impl StorageConfig {
    /// Where an object is found, for everybody to know: without the query, which may be a secret.
    #[must_use]
    pub fn object(&self, name: &str) -> String {
        let base = self.url.split('?').next().unwrap_or_default();
        format!("{}/{name}", base.trim_end_matches('/'))
    }

    /// What follows the question mark; nothing that may be told.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.url.split_once('?').map(|(_, query)| query)
    }
}

impl EvidenceConfig {
    /// The storage, if pictures go there.
    #[must_use]
    pub fn storage_in_use(&self) -> Option<&StorageConfig> {
        self.storage.as_ref().filter(|_| self.delivery == EvidenceDelivery::Http)
    }
}

/// Reports what the keys of the pictures' delivery mean together.
pub(super) fn check(document: &Document, evidence: &str, report: &mut Report) {
    let storage = join(evidence, "storage");
    let is_http = text(document, evidence, "delivery") == Some("http");
    match (is_http, document.get(&storage).is_some()) {
        (true, false) => {
            let draft = Draft::at_value(join(evidence, "delivery"), "is http, and storage does not say where to");
            return report.error(draft.allowed("storage beside it, with a url"));
        }
        (false, true) => report.warning(Draft::at_key(storage.clone(), "is of use only with delivery: http")),
        (true, true) | (false, false) => {}
    }
    let (access, secret) = (join(&storage, "access_key"), join(&storage, "secret_key"));
    for (given, other) in [(&access, &secret), (&secret, &access)] {
        if document.get(given).is_some() && document.get(other).is_none() {
            report.error(Draft::at_key(given.clone(), "is given alone").allowed("both keys, or none"));
        }
        check_secret(document, given, report);
    }
    let Some(url) = text(document, &storage, "url") else { return };
    let (is_encrypted, has_query) = (url.starts_with("https:"), url.contains('?'));
    if is_encrypted && document.get(&join(&storage, "tls")).is_none() {
        let draft = Draft::at_value(join(&storage, "url"), "is encrypted, and tls does not say whom to trust");
        report.error(draft.allowed("tls beside it; for public authorities {ca: /etc/ssl/certs/ca-certificates.crt}"));
    }
    if has_query && document.get(&access).is_some() {
        let draft = Draft::at_key(access, "is given, and the address has a query");
        report.error(draft.allowed("one of the two: requests are signed, or carry a token"));
    }
    if !is_encrypted && has_query {
        report.warning(Draft::at_key(join(&storage, "url"), "has a query, which goes in the clear"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(url: &str) -> StorageConfig {
        serde_json::from_value(serde_json::json!({"url": url})).unwrap()
    }

    #[test]
    fn the_query_is_no_part_of_what_everybody_may_know() {
        for url in ["https://s/bucket/a?token=x/y", "https://s/bucket/a/?token=x/y"] {
            assert_eq!(storage(url).object("b/c.jpg"), "https://s/bucket/a/b/c.jpg");
            assert_eq!(storage(url).query(), Some("token=x/y"));
        }
        assert_eq!(storage("https://s").object("b.jpg"), "https://s/b.jpg");
        assert_eq!(storage("https://s").query(), None);
    }
}
