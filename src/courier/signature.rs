//! Requests signed with AWS Signature Version 4, as storages with the interface of S3 want it
//! ("Authenticating Requests: Using the Authorization Header", one chunk, in the Amazon S3 API reference).

use crate::sha256::sha256_hex;
use jiff::Timestamp;
use ring::hmac;
use std::fmt::Write;

/// Who signs, for which region.
pub(super) struct Signer<'a> {
    /// The key's public name.
    pub(super) access_key: &'a str,
    /// The key.
    pub(super) secret_key: &'a str,
    /// The region of the storage.
    pub(super) region: &'a str,
}

/// A request without query.
pub(super) struct Request<'a> {
    /// Its method.
    pub(super) method: &'a str,
    /// Its path, percent-encoded as it is sent.
    pub(super) path: &'a str,
    /// The headers that are signed: names in lower case, in the order of the names; `x-amz-content-sha256` and `x-amz-date` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// Digest of the body in lower-case hexadecimal.
    pub(super) sha256: &'a str,
}

impl Signer<'_> {
    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, request: &Request<'_>, now: Timestamp) -> String {
        let signed = request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let headers = request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim()));
        let Request { method, path, sha256, .. } = request;
        let canonical = format!("{method}\n{path}\n\n{}\n{signed}\n{sha256}", headers.collect::<String>());
        let day = now.strftime("%Y%m%d").to_string();
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", date(now), sha256_hex(canonical.as_bytes()));
        let key = [day.as_str(), self.region, "s3", "aws4_request"]
            .into_iter()
            .fold(secret(self.secret_key), |key, part| hmac::Key::new(hmac::HMAC_SHA256, sign(&key, part).as_ref()));
        let signature = hex(sign(&key, &text).as_ref());
        format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={signed},Signature={signature}", self.access_key)
    }
}

/// The value of the header `x-amz-date`.
pub(super) fn date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn secret(key: &str) -> hmac::Key {
    let key = secrecy::zeroize::Zeroizing::new(format!("AWS4{key}"));
    hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())
}

fn sign(key: &hmac::Key, text: &str) -> hmac::Tag {
    hmac::sign(key, text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "PUT Object" of the Amazon S3 API reference, "Signature Calculations for the Authorization Header".
    #[test]
    fn the_published_example_is_signed_as_published() {
        let signer = Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        let sha256 = sha256_hex(b"Welcome to Amazon S3.");
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", &sha256),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let request = Request { method: "PUT", path: "/test%24file.text", headers: &headers, sha256: &sha256 };
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        assert_eq!(date(now), "20130524T000000Z");
        assert_eq!(
            signer.authorization(&request, now),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\
             Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
    }
}
