//! Running the scripts of `tests/reference/` in set-up's Python.

use std::process::Command;

/// Runs a script of the reference and gives what it prints.
pub fn run(script: &str, arguments: &[&str]) -> Vec<u8> {
    let python = dirs::cache_dir().unwrap().join("curbwatch/python/bin/python");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
