//! The client of HTTP: connections that are kept, certificates of our choice, no redirects.

use super::{Outcome, answer};
use crate::clock::Clocks;
use crate::config::{SecretError, TlsConfig};
use crate::contract::HttpTroubleKind as Kind;
use crate::tls::{self, TlsError};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts};
use ureq::{Agent, Body};

/// Of an answer this much is read; a longer one costs its connection.
const MAX_ANSWER_BYTES: u64 = 16 << 10;

/// Why a request cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<NotReady> for Outcome {
    fn from(reason: NotReady) -> Self {
        Self::Unavailable { kind: Kind::Unready, detail: reason.to_string(), retry_after: None }
    }
}

/// Makes requests; reads its certificates anew after every failure, so that renewed ones are used without a restart.
pub(super) struct Client {
    tls: Option<TlsConfig>,
    timeout: Duration,
    clocks: Arc<dyn Clocks>,
    /// Whether words of the server are repeated; not where they may have a secret of the address.
    repeats_words: bool,
    /// None before the first request, and after a failure.
    agent: Option<Agent>,
}

impl Client {
    pub(super) fn new(tls: Option<TlsConfig>, timeout: Duration, clocks: Arc<dyn Clocks>) -> Self {
        Self { tls, timeout, clocks, repeats_words: true, agent: None }
    }

    /// Of an answer only the status is repeated in messages.
    pub(super) fn without_words(self) -> Self {
        Self { repeats_words: false, ..self }
    }

    /// Makes a request and judges its answer.
    pub(super) fn ask(&mut self, request: impl FnOnce(&Agent) -> Result<Response<Body>, ureq::Error>) -> Outcome {
        let agent = match &self.agent {
            Some(agent) => agent,
            None => match connectable(self.tls.as_ref(), self.timeout) {
                Ok(agent) => self.agent.insert(agent),
                Err(reason) => return NotReady::from(reason).into(),
            },
        };
        match request(agent) {
            Ok(response) => self.judge(response),
            Err(error) => {
                self.agent = None;
                unanswered(&error)
            }
        }
    }

    fn judge(&self, mut response: Response<Body>) -> Outcome {
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|header| answer::retry_after(header, self.clocks.wall()));
        // Read to its end, so that the connection can be used again. The status has said all; a text that breaks off changes nothing.
        let said = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().unwrap_or_default();
        let said = if self.repeats_words { String::from_utf8_lossy(&said) } else { "".into() };
        answer::judge(response.status().as_u16(), retry_after, &said)
    }
}

fn connectable(files: Option<&TlsConfig>, timeout: Duration) -> Result<Agent, TlsError> {
    let mut tls = ureq::tls::TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&[]));
    if let Some(files) = files {
        tls = tls.root_certs(RootCerts::new_with_certs(&read(&files.ca)?));
        if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
            let key = PrivateKey::from_pem(&tls::contents(key)?).map_err(|_| TlsError::NoKey(key.clone()))?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&read(certificate)?, key)));
        }
    }
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(timeout))
        .user_agent(concat!("curbwatch/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build());
    Ok(config.build().new_agent())
}

fn read(path: &std::path::Path) -> Result<Vec<Certificate<'static>>, TlsError> {
    Ok(tls::certificates(path)?.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect())
}

/// What it means that there was no answer.
fn unanswered(error: &ureq::Error) -> Outcome {
    // The texts of the first two may repeat a part of the address or of a header.
    let (kind, detail) = if matches!(error, ureq::Error::BadUri(_)) {
        (Kind::Unready, "the address cannot be used".to_owned())
    } else if matches!(error, ureq::Error::Http(_)) {
        (Kind::Unready, "address or header cannot be sent as they are".to_owned())
    } else {
        (Kind::Unreachable, error.to_string())
    };
    Outcome::Unavailable { kind, detail, retry_after: None }
}
