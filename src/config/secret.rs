//! Reading secrets from where the configuration says they are. Their values stay out of messages and `Debug`.

use super::SecretSource;
use secrecy::SecretString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Names the folder of the credentials that systemd gives to a service (systemd.exec(5), `LoadCredential`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Largest secret file that is read; passwords and tokens are far below.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// A secret cannot be read. Names the place, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is absent or not readable.
    #[error("failed to read the secret file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file's first line is empty.
    #[error("the first line of the secret file {} is empty", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// The environment variable is absent.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// The service manager gave no credentials.
    #[error("the credential {name} is not given: CREDENTIALS_DIRECTORY is not set")]
    NoCredentials {
        /// The credential.
        name: String,
    },
    /// The environment variable is empty or not UTF-8.
    #[error("the environment variable {name} holds no text")]
    NoText {
        /// The variable.
        name: String,
    },
}

impl SecretSource {
    /// Reads the secret: the first line of the file or credential without its line end, or the variable's whole value.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::File(path) => first_line(path),
            Self::Credential(name) => match std::env::var_os(CREDENTIALS) {
                Some(folder) => first_line(&Path::new(&folder).join(name)),
                None => Err(SecretError::NoCredentials { name: name.clone() }),
            },
            Self::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(SecretString::from(value)),
                Ok(_) | Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NoText { name: name.clone() }),
                Err(std::env::VarError::NotPresent) => Err(SecretError::Unset { name: name.clone() }),
            },
        }
    }
}

fn first_line(path: &Path) -> Result<SecretString, SecretError> {
    let fail = |source| SecretError::File { path: path.to_owned(), source };
    let mut text = String::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut text)).map_err(fail)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(SecretString::from(line)),
        _ => Err(SecretError::EmptyFile { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_file_gives_its_first_line_with_spaces_and_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        for (text, secret) in [(" p:@ss/ w#rd \r\nsecond\n", " p:@ss/ w#rd "), ("one", "one")] {
            let path = dir.path().join("secret");
            std::fs::write(&path, text).unwrap();
            assert_eq!(SecretSource::File(path).read().unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn an_absent_or_empty_source_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::write(&path, "\nsecret below\n").unwrap();
        let empty = SecretSource::File(path).read().unwrap_err().to_string();
        assert!(empty.contains("empty") && !empty.contains("secret below"), "{empty}");
        let absent = SecretSource::File(dir.path().join("absent")).read().unwrap_err();
        assert!(absent.to_string().contains("absent"));
        let unset = SecretSource::Env("CURBWATCH_TEST_NEVER_SET".to_owned()).read().unwrap_err();
        assert_eq!(unset.to_string(), "the environment variable CURBWATCH_TEST_NEVER_SET is not set");
    }

    #[test]
    fn a_variable_gives_its_value() {
        assert_eq!(
            SecretSource::Env("PATH".to_owned()).read().unwrap().expose_secret(),
            std::env::var("PATH").unwrap()
        );
    }
}
