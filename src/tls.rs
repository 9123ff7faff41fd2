//! Whom a connection trusts and who it is: certificates, read from their files at every connect, so that renewed ones are used without
//! a restart.

use crate::config::TlsConfig;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A certificate that expires within this time is an alarm.
pub(crate) const EXPIRY_NOTICE: Duration = Duration::from_hours(24 * 30);

/// Why there are no certificates to connect with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("failed to read {path}: {source}")]
    Pem { path: PathBuf, source: PemError },
    #[error("failed to find a certificate in {0}")]
    Empty(PathBuf),
    #[error("failed to find a private key in {0}")]
    NoKey(PathBuf),
    #[error("failed to use the certificates: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What a connection needs of the files.
pub(crate) struct Identity {
    pub(crate) config: Arc<ClientConfig>,
    /// The first certificate of the files to expire, and when; none if that cannot be read.
    pub(crate) expires: Option<(PathBuf, Timestamp)>,
}

/// Reads the files.
pub(crate) fn read(files: &TlsConfig) -> Result<Identity, TlsError> {
    let mut expiries = Vec::new();
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca)? {
        expiries.extend(not_after(&certificate).map(|at| (files.ca.clone(), at)));
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            expiries.extend(chain.iter().filter_map(|own| not_after(own)).map(|at| (certificate.clone(), at)));
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| pem(key, source))?;
            builder.with_client_auth_cert(chain, key)?
        }
        (_, _) => builder.with_no_client_auth(),
    };
    Ok(Identity { config: Arc::new(config), expires: expiries.into_iter().min_by_key(|(_, at)| *at) })
}

/// The bytes of a PEM file.
pub(crate) fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| pem(path, PemError::Io(error)))
}

fn pem(path: &Path, source: PemError) -> TlsError {
    TlsError::Pem { path: path.to_owned(), source }
}

/// The certificates of a PEM file; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|source| pem(path, source))?.collect();
    let found = found.map_err(|source| pem(path, source))?;
    if found.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(found) }
}

/// When a certificate expires (X.509, RFC 5280 4.1: `tbsCertificate.validity.notAfter`).
fn not_after(der: &[u8]) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(der)?;
    let (_, tbs, _) = element(certificate)?;
    // Version (left out in version 1), serial number, signature, issuer, validity.
    let (tag, _, after_first) = element(tbs)?;
    let mut rest = if tag == VERSION { element(after_first)?.2 } else { after_first };
    for _ in 0..2 {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (kind, time, _) = element(rest)?;
    if tag == SEQUENCE { read_time(kind, std::str::from_utf8(time).ok()?) } else { None }
}

/// Tag, contents and what follows of the first element (DER, X.690).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// `UTCTime` (two digits for the year, from 1950 on) or `GeneralizedTime`, both in UTC.
fn read_time(kind: u8, text: &str) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let full = match kind {
        UTC_TIME => {
            let century = if text.get(..2)?.parse::<u8>().ok()? >= 50 { "19" } else { "20" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", full).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(read_time(0x17, "271122083000Z"), at("2027-11-22T08:30:00Z"));
        assert_eq!(read_time(0x17, "991122083000Z"), at("1999-11-22T08:30:00Z"));
        assert_eq!(read_time(0x18, "20601122083000Z"), at("2060-11-22T08:30:00Z"));
        assert_eq!((read_time(0x17, "tomorrow"), read_time(0x04, "271122083000Z")), (None, None));
    }

    #[test]
    fn what_is_no_certificate_has_no_expiry() {
        for der in [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x02, 0x30, 0x00]] {
            assert_eq!(not_after(der), None);
        }
    }
}
