//! Chromium without a window, driven as a person would: the part of WebDriver (W3C Recommendation) that the tests need, which is JSON
//! over HTTP, and of Chromium's own commands the sizes and pictures of the page.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Time within which the page must do what a test waits for.
const LIMIT: Duration = Duration::from_mins(2);
/// How long a page may take to become as it is waited for: less than the request that waits.
const WAIT: Duration = Duration::from_secs(110);
/// Key of an element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as WebDriver writes them.
pub mod key {
    pub const ENTER: &str = "\u{e007}";
    pub const DELETE: &str = "\u{e017}";
    pub const LEFT: &str = "\u{e012}";
    pub const UP: &str = "\u{e013}";
    pub const RIGHT: &str = "\u{e014}";
    pub const DOWN: &str = "\u{e015}";
}

/// A browser with one window; ended when dropped.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    profile: tempfile::TempDir,
}

impl Browser {
    /// A window of that size in pixels.
    pub fn start(width: u32, height: u32) -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("set-up installs chromium-driver");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_suffix('.')?.rsplit_once("successfully on port ")?.1.parse::<u16>().ok())
            .expect("chromedriver says its port");
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(2 * LIMIT)).build().into();
        let profile = tempfile::tempdir().unwrap();
        let base = format!("http://127.0.0.1:{port}/session");
        let mut browser = Self { driver, agent, session: base, profile };
        let folder = browser.profile.path().display();
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            &format!("--window-size={width},{height}"),
            &format!("--user-data-dir={folder}"),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": args}, "timeouts": {"script": LIMIT.as_millis() as u64},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let id = browser.post("", &wanted)["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Opens a page.
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Runs a script's body in the page and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression of the page is true for JavaScript, and gives it.
    pub fn until(&self, what: &str, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0], end = Date.now() + {};
             (function look() {{
                 let found = null;
                 try {{ found = {expression}; }} catch (error) {{ found = null; }}
                 if (found) done({{found}});
                 else if (Date.now() > end) done(null);
                 else setTimeout(look, 50);
             }})()",
            WAIT.as_millis()
        );
        let answer = self.post("/execute/async", &json!({"script": script, "args": []}));
        if answer.is_null() {
            let text = self.run("return document.body.innerText");
            panic!("the page never showed {what}; it shows: {}", text.as_str().unwrap_or_default());
        }
        answer["found"].clone()
    }

    /// Waits for an element that is displayed, and clicks it.
    pub fn click(&self, css: &str) {
        self.until(css, &format!("document.querySelector({css:?})?.checkVisibility()"));
        // Out from below the bars that stay where they are.
        self.run(&format!("document.querySelector({css:?}).scrollIntoView({{block: 'center'}})"));
        let element = self.post("/element", &json!({"using": "css selector", "value": css}));
        self.post(&format!("/element/{}/click", element[ELEMENT].as_str().unwrap()), &json!({}));
    }

    /// Presses and releases keys one after another, wherever the focus is.
    pub fn press(&self, keys: &[&str]) {
        let actions: Vec<_> =
            keys.iter().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key}))).collect();
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Clicks with the mouse at places of an element, 0..1 of its width and height.
    pub fn click_at(&self, css: &str, places: &[[f32; 2]]) {
        let at = self.places(css, places);
        let mut actions = Vec::new();
        for [x, y] in at {
            actions.push(json!({"type": "pointerMove", "duration": 0, "x": x, "y": y}));
            actions.push(json!({"type": "pointerDown", "button": 0}));
            actions.push(json!({"type": "pointerUp", "button": 0}));
        }
        self.mouse(&actions);
    }

    /// Drags with the mouse from one place of an element to another.
    pub fn drag(&self, css: &str, from: [f32; 2], to: [f32; 2]) {
        let [[from_x, from_y], [to_x, to_y]] = self.places(css, &[from, to])[..] else { panic!("two places") };
        self.mouse(&[
            json!({"type": "pointerMove", "duration": 0, "x": from_x, "y": from_y}),
            json!({"type": "pointerDown", "button": 0}),
            json!({"type": "pointerMove", "duration": 50, "x": to_x, "y": to_y}),
            json!({"type": "pointerUp", "button": 0}),
        ]);
    }

    /// The names by which assistive technology knows the elements of a selector that are displayed.
    pub fn names(&self, css: &str) -> Vec<String> {
        let elements = self.post("/elements", &json!({"using": "css selector", "value": css}));
        let displayed = elements.as_array().unwrap().iter().filter_map(|element| {
            let path = format!("/element/{}", element[ELEMENT].as_str()?);
            let is_displayed = self.get(&format!("{path}/displayed")).as_bool()?;
            is_displayed.then(|| self.get(&format!("{path}/computedlabel")).as_str().unwrap_or_default().to_owned())
        });
        displayed.collect()
    }

    /// Gives the page the size of a telephone's screen.
    pub fn be_a_phone(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": true});
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Has pages think that the reader prefers dark ones.
    pub fn prefer_dark(&self) {
        let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
        self.chromium("Emulation.setEmulatedMedia", &dark);
    }

    /// Writes what the window shows as a JPEG, without what is empty below the page.
    pub fn picture(&self, file: &Path) {
        use base64::Engine as _;
        let size = self.run(
            "return [innerWidth, Math.min(innerHeight, document.querySelector('.view').getBoundingClientRect().bottom)]",
        );
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let taken = self.chromium("Page.captureScreenshot", &json!({"format": "jpeg", "quality": 72, "clip": clip}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// What pages and the browser have complained of since the last call.
    pub fn complaints(&self) -> Vec<Value> {
        self.log("browser")
    }

    /// Addresses that pages have asked for since the last call.
    pub fn requested(&self) -> Vec<String> {
        let urls = self.log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            (event["method"] == "Network.requestWillBeSent")
                .then(|| event["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        urls.collect()
    }

    fn places(&self, css: &str, places: &[[f32; 2]]) -> Vec<[i64; 2]> {
        let script = format!(
            "const element = document.querySelector({css:?});
             element.scrollIntoView({{block: 'center'}});
             const box = element.getBoundingClientRect();
             return {}.map(([x, y]) => [Math.round(box.left + x * box.width), Math.round(box.top + y * box.height)])",
            json!(places)
        );
        serde_json::from_value(self.run(&script)).unwrap()
    }

    fn mouse(&self, actions: &[Value]) {
        let mouse =
            json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions});
        self.post("/actions", &json!({"actions": [mouse]}));
    }

    fn chromium(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.post("/se/log", &json!({"type": kind})).as_array().unwrap().clone()
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.agent.get(format!("{}{path}", self.session)).call();
        value_of(path, answer.unwrap())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.session)).content_type("application/json");
        value_of(path, request.send(body.to_string()).unwrap())
    }
}

fn value_of(path: &str, mut answer: ureq::http::Response<ureq::Body>) -> Value {
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    assert!(answer.status().is_success(), "the browser refused {path}: {text}");
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["value"].take()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium too; a driver that is gone has ended it already.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
