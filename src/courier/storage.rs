//! Redacted pictures, put as objects into a storage with the interface of S3, or any that takes PUT.

use super::client::{Client, NotReady};
use super::signature::{self, Request, Signer};
use super::{Errand, Outcome};
use crate::clock::Clocks;
use crate::config::{SecretError, StorageConfig};
use crate::evidence::{FileError, Keyring, read_picture};
use crate::sha256::sha256_hex;
use crate::store::{Body, Destination, OutboxRow};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// Puts pictures.
pub(super) struct Storage {
    config: StorageConfig,
    client: Client,
    /// The keys of pictures on the disk.
    keys: Keyring,
    clocks: Arc<dyn Clocks>,
}

impl Storage {
    pub(super) fn new(config: StorageConfig, keys: Keyring, clocks: Arc<dyn Clocks>) -> Self {
        let timeout = Duration::from_secs(u64::from(config.timeout_secs));
        let client = Client::new(config.tls.clone(), timeout, Arc::clone(&clocks));
        // A server that repeats the request's address repeats the secret that its query may be.
        let client = if config.query().is_some() { client.without_words() } else { client };
        Self { config, client, keys, clocks }
    }

    fn put(&mut self, name: &str, content_type: &str, content: &[u8]) -> Outcome {
        let keys = match self.access() {
            Ok(keys) => keys,
            Err(reason) => return NotReady::from(reason).into(),
        };
        let now = self.clocks.wall();
        let (sha256, date) = (sha256_hex(content), signature::date(now));
        let object = self.config.object(name);
        let (host, path) = host_and_path(&object);
        let headers = [
            ("content-type", content_type),
            ("host", host),
            ("x-amz-content-sha256", sha256.as_str()),
            ("x-amz-date", date.as_str()),
        ];
        let authorization = keys.as_ref().map(|(access_key, secret_key)| {
            let (access_key, secret_key) = (access_key.expose_secret(), secret_key.expose_secret());
            let signer = Signer { access_key, secret_key, region: &self.config.region };
            signer.authorization(&Request { method: "PUT", path, headers: &headers, sha256: &sha256 }, now)
        });
        let address = match self.config.query() {
            Some(query) => format!("{object}?{query}"),
            None => object.clone(),
        };
        self.client.ask(|agent| {
            let mut request = agent.put(&address);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            request.send(content)
        })
    }

    /// Both keys, read at every request; none if the storage wants none.
    fn access(&self) -> Result<Option<(SecretString, SecretString)>, SecretError> {
        let (Some(access), Some(secret)) = (&self.config.access_key, &self.config.secret_key) else { return Ok(None) };
        Ok(Some((access.read()?, secret.read()?)))
    }
}

impl Errand for Storage {
    fn destination(&self) -> Destination {
        Destination::Storage
    }

    fn send(&mut self, row: &OutboxRow, _: bool) -> Outcome {
        let Body::File(path) = &row.body else {
            return Outcome::Rejected { reason: "it is no picture".to_owned() };
        };
        match read_picture(path, &self.keys) {
            Ok(content) => self.put(&row.topic, &row.content_type, &content),
            Err(error) if error.is_final() => Outcome::Rejected { reason: told(&error) },
            Err(error) => Outcome::Failed { detail: told(&error) },
        }
    }
}

/// An error with its cause, in words.
fn told(error: &FileError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// Host with port, and path, of an address that the configuration's schema has let pass.
fn host_and_path(address: &str) -> (&str, &str) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        assert_eq!(host_and_path("https://s3.example:9000/bucket/a.jpg"), ("s3.example:9000", "/bucket/a.jpg"));
        assert_eq!(host_and_path("http://[2001:db8::1]/a.jpg"), ("[2001:db8::1]", "/a.jpg"));
    }
}
