//! The agent's process; it does not outlive its test.

use std::process::{Child, Command};

pub struct Agent(pub Child);

impl Agent {
    /// Ends it as a service manager does.
    pub fn stop(&mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is installed").success());
        assert!(self.0.wait().expect("it is a child").success(), "a stop in order is a success");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
