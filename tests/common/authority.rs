//! An authority of certificates.

use curbwatch::config::TlsConfig;
use std::path::PathBuf;
use std::process::Command;

/// An authority with a server's certificate (`broker`), made by OpenSSL.
pub struct Authority(tempfile::TempDir);

impl Authority {
    pub fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem \
                         -subj /CN=test-authority -days 3650";
        authority.openssl(arguments);
        std::fs::write(authority.path("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        authority.certify("broker", 365);
        authority
    }

    /// One of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes `{name}.pem` and `{name}.key`.
    pub fn certify(&self, name: &str, days: i32) {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days {days} -extfile names"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let made = Command::new("openssl").args(arguments.split_whitespace()).current_dir(self.0.path()).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Whom to trust.
    pub fn tls(&self) -> TlsConfig {
        TlsConfig { ca: self.path("ca.pem"), certificate: None, key: None }
    }

    /// The same, and who the agent is: `box`, to be certified before.
    pub fn mutual(&self) -> TlsConfig {
        TlsConfig { certificate: Some(self.path("box.pem")), key: Some(self.path("box.key")), ..self.tls() }
    }
}
