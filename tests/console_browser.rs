//! The console in a browser, with a real agent, a camera over RTSP and the real detector behind it: a zone is drawn with the mouse on the
//! live picture, tried on what the camera saw, applied, and what stands in it becomes an incident with pictures, which is dismissed.
//! `UPDATE_SCREENSHOTS=1` writes the pictures of `docs/images/`.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/browser.rs"]
mod browser;
#[expect(dead_code, reason = "this test neither reloads the broker nor reads its folder")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use agent::Agent;
use browser::{Browser, key};
use curbwatch::geometry::BBox;
use curbwatch::stage::{self, Footage, FrameSize, Scene};
use curbwatch::vcam::{Mount, Options, VirtualCamera};
use mosquitto::Mosquitto;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// For how long the street plays before it begins again; the van stands there from the second second on.
const LENGTH: Duration = Duration::from_mins(1);
/// Controls that a finger must hit.
const TARGETS: &str = "button:not(.between), select, input[type=text], a.button, summary, .nav-link, label.check";

/// A street in which something stands, with where it does.
fn street(folder: &Path, footage: &Footage, name: &str, scene: Scene) -> (Mount, BBox) {
    let file = folder.join(format!("{name}.mp4"));
    let truth = stage::render(&scene.with_format(FrameSize::try_new(960, 544).unwrap(), 5), footage, &file).unwrap();
    (Mount::for_file(&file).unwrap(), truth.things[0].bbox)
}

/// A lane with a zone over all of it, in which nothing is looked for that is there, and a rule for vans that watches a far corner; a market;
/// and a camera that is not there.
fn configuration(folder: &Path, broker: u16, cameras: &VirtualCamera) -> String {
    format!(
        "# The street of the test.
agent: {{id: box-1, site: wenyi-road, data_dir: {data}}}
hub: {{host: 127.0.0.1, port: {broker}}}
web: {{listen: '127.0.0.1:0'}}
cameras:
  - id: lane
    name: Wenyi Road, east
    streams: {{detect: {{url: '{lane}'}}}}
    zones:
      - id: street
        polygon: [[0.01, 0.01], [0.99, 0.01], [0.99, 0.99], [0.01, 0.99]]
      - id: corner
        polygon: [[0.02, 0.86], [0.1, 0.86], [0.1, 0.98], [0.02, 0.98]]
    rules:
      - id: bicycles
        kind: bicycle_parking
        zones: [street]
      - id: vans
        kind: vehicle_parking
        zones: [corner]  # The fire lane comes later.
        dwell_secs: 6
  - id: market
    name: People's Square
    streams: {{detect: {{url: '{market}'}}}}
    zones:
      - id: square
        polygon: [[0.05, 0.4], [0.95, 0.4], [0.95, 0.98], [0.05, 0.98]]
    rules:
      - id: stalls
        kind: street_vending
        zones: [square]
        dwell_secs: 30
  - id: gate
    name: South gate
    streams: {{detect: {{url: 'rtsp://127.0.0.1:9/gate'}}}}
",
        data = folder.join("data").display(),
        lane = cameras.url("lane"),
        market = cameras.url("market"),
    )
}

/// The agent and the address of its console, which it writes into its log.
fn start(config: &Path) -> (Agent, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_curbwatch"))
        .args(["run", "--config"])
        .arg(config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let agent = Agent(child);
    let mut log = std::fs::File::create(config.with_extension("log")).unwrap();
    let mut copy = move |line: &str| writeln!(log, "{line}").unwrap();
    let address = lines
        .by_ref()
        .inspect(|line| copy(line))
        .find_map(|line| Some(line.split_once("http://")?.1.split_once('/')?.0.to_owned()))
        .expect("it says where it serves");
    // Nothing may wait for a reader of the log.
    let rest = move || lines.for_each(|line| copy(&line));
    std::thread::Builder::new().name("log".to_owned()).spawn(rest).unwrap();
    (agent, format!("http://{address}/console/"))
}

/// Corners around what stands there.
fn around(bbox: &BBox) -> [[f32; 2]; 4] {
    let at = |value: f32| value.clamp(0.02, 0.98);
    let (left, right) = (at(bbox.left() - 0.03), at(bbox.right() + 0.03));
    let (top, bottom) = (at(bbox.top() + bbox.height() / 2.0), at(bbox.bottom() + 0.05));
    [[left, top], [right, top], [right, bottom], [left, bottom]]
}

/// Writes a picture for the documents if that is asked for.
fn document(browser: &Browser, name: &str) {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
        browser.run("document.activeElement?.blur(); window.scrollTo(0, 0)");
        browser.picture(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/images/console-{name}.jpg")));
    }
}

#[test]
fn a_zone_drawn_with_the_mouse_finds_what_stands_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let begin = Duration::from_secs(2);
    let (lane, van) = street(folder.path(), &footage, "lane", Scene::quiet(LENGTH).with_van(begin, LENGTH));
    let (market, _) =
        street(folder.path(), &footage, "market", Scene::quiet(LENGTH).with_stall(begin, LENGTH).with_seed(2));
    let broker = Mosquitto::anonymous();
    let cameras = VirtualCamera::start(&Options::looping(vec![lane, market])).unwrap();
    let config = folder.path().join("edge.yaml");
    std::fs::write(&config, configuration(folder.path(), broker.port(), &cameras)).unwrap();
    let (mut agent, console) = start(&config);
    let browser = Browser::start(1440, 1000);

    browser.go(&console);
    polygons_are_judged(&browser);
    the_camera_is_live(&browser);
    browser.go(&format!("{console}#/cameras/lane/zones"));
    a_zone_is_drawn_by_mouse(&browser, &van);
    a_corner_is_moved_by_keyboard(&browser);
    the_zone_is_tried_and_applied(&browser, &config);
    a_zone_is_drawn_by_keyboard(&browser);
    the_incident_has_pictures_and_is_dismissed(&browser, &console);
    the_system_is_told(&browser, &console);
    every_control_has_a_name(&browser, &console);
    it_speaks_chinese(&browser, &console);
    it_fits_a_telephone(&browser, &console);
    nothing_is_amiss(&browser, &console);
    agent.stop();
    a_lost_connection_is_told(&browser);
}

/// The page's geometry, which has no other judge.
fn polygons_are_judged(browser: &Browser) {
    let found = browser.until(
        "the module",
        "(window.found ?? (import('/console/polygon.js').then(({flawOf, contains}) => {
            window.found = [
                flawOf([[0, 0], [1, 0], [1, 1], [0, 1]]), flawOf([[0, 0], [1, 1]]), flawOf([[0, 0], [1, 1], [1, 0], [0, 1]]),
                flawOf([[0, 0], [0.5, 0], [0.5, 0.5], [0.5, 0], [1, 0], [0, 1]]), flawOf([[0, 0], [0.001, 0], [0, 0.001]]),
                contains([[0, 0], [1, 0], [0, 1]], [0.2, 0.2]), contains([[0, 0], [1, 0], [0, 1]], [0.8, 0.8]),
            ];
        }), null))",
    );
    let expected =
        serde_json::json!([null, "zone.too_few", "zone.crosses", "zone.crosses", "zone.too_small", true, false]);
    assert_eq!(found, expected);
}

fn the_camera_is_live(browser: &Browser) {
    let tile = "document.querySelector('.tile[data-camera=lane]')";
    browser.until("a live picture", &format!("{tile}.querySelector('.live-image').naturalWidth > 300"));
    browser.until("what the camera is called", &format!("{tile}.innerText.includes('Wenyi Road, east')"));
    browser.until("its state", &format!("{tile}.innerText.includes('online')"));
    browser.until("the van's box", &format!("[...{tile}.querySelectorAll('.label.object')].length > 0"));
    let first = browser.run(&format!("return {tile}.querySelector('.live-image').src"));
    browser.until("the next picture", &format!("{tile}.querySelector('.live-image').src !== {first}"));
    document(browser, "cameras");
}

fn a_zone_is_drawn_by_mouse(browser: &Browser, van: &BBox) {
    browser.until("the picture", "document.querySelector('.live-image')?.naturalWidth > 300");
    browser.click("[data-tool=draw]");
    let corners = around(van);
    browser.click_at(".surface", &corners);
    browser.until("four corners", "document.querySelectorAll('.surface .dot').length === 4");
    // A click on the first corner ends.
    browser.click_at(".surface", &corners[..1]);
    browser.until("the zone in the list", "document.querySelector('.zone-item[data-zone=zone-1]')");
    assert_eq!(browser.names(".handle.corner").len(), 4);
    browser.until(
        "the warning that no rule watches it",
        "document.querySelector('[data-zone=zone-1] .is-warn').checkVisibility()",
    );

    let top = "parseFloat(document.querySelector('.corner').style.top)";
    let before = browser.run(&format!("return {top}"));
    browser.drag(".surface", corners[0], [corners[0][0], corners[0][1] - 0.05]);
    browser.until("the corner where it was dragged to", &format!("Math.abs({top} - ({before} - 5)) < 0.5"));
    browser.click("[data-tool=undo]");
    browser.until("the corner back", &format!("{top} === {before}"));
}

fn a_corner_is_moved_by_keyboard(browser: &Browser) {
    browser.run("document.querySelector('.corner').focus()");
    let before = browser.run("return document.querySelector('.corner').offsetLeft").as_f64().unwrap();
    browser.press(&[key::LEFT, key::LEFT]);
    browser.until("the corner farther left", &format!("document.querySelector('.corner').offsetLeft < {before}"));
    browser.until("the place in words", "document.querySelector('#announcer').textContent.startsWith('Corner 1')");
    let is_there = browser.run("return document.activeElement === document.querySelector('.corner')");
    assert_eq!(is_there, Value::Bool(true), "the corner keeps the focus while it moves");
    browser.press(&[key::DELETE]);
    browser.until("a corner less", "document.querySelectorAll('.corner').length === 3");
    browser.click("[data-tool=undo]");
    browser.until("the corner back", "document.querySelectorAll('.corner').length === 4");
}

fn the_zone_is_tried_and_applied(browser: &Browser, config: &Path) {
    let item = "document.querySelector('.zone-item[data-zone=zone-1]')";
    browser.run(&format!("{item}.querySelector('input[value=vans]').click()"));
    browser.until(
        "what would have been reported",
        "document.querySelector('.would-item[data-zone=zone-1][data-rule=vans]')",
    );
    browser.until("its box on the picture", "document.querySelector('.overlay .would')");
    browser.until("the YAML", "document.querySelector('.yaml pre').textContent.includes('zone-1')");
    document(browser, "zones");
    browser.click("[data-tool=apply]");
    browser.until("that it is applied", "document.querySelector('.answer.is-good')?.innerText.includes('edge.yaml')");
    let written = std::fs::read_to_string(config).unwrap();
    assert!(written.contains("zone-1") && written.contains("# The street of the test."), "{written}");
}

/// Three corners with the keyboard alone, and given up; then a zone that crosses itself, which cannot be applied.
fn a_zone_is_drawn_by_keyboard(browser: &Browser) {
    browser.run("document.querySelector('[data-tool=draw]').focus()");
    browser.press(&[key::ENTER, key::RIGHT, " ", key::DOWN, key::DOWN, key::DOWN, key::DOWN, " "]);
    browser.press(&[key::LEFT, key::LEFT, key::LEFT, key::LEFT, key::LEFT, " ", key::UP, key::ENTER]);
    browser.until("the second zone", "document.querySelector('.zone-item[data-zone=zone-2]')");
    let refused = "document.querySelector('.zone-item.is-selected .answer.is-bad')";
    browser.run("document.querySelector('.zone-item[data-zone=zone-2] input[type=text]').select()");
    browser.press(&["z", "o", "n", "e", "-", "1"]);
    browser.until("the mistake beside the zone", &format!("{refused}.checkVisibility()"));
    assert_eq!(browser.run("return document.querySelector('[data-tool=apply]').disabled"), Value::Bool(true));
    browser.run("[...document.querySelectorAll('.zone-item.is-selected button')].at(-1).click()");
    browser.until("one zone less", "!document.querySelector('.zone-item[data-zone=zone-2]') && document.querySelectorAll('.zone-item').length === 3");
}

fn the_incident_has_pictures_and_is_dismissed(browser: &Browser, console: &str) {
    browser.go(&format!("{console}#/incidents"));
    let item = "document.querySelector('.incident[data-zone=zone-1]')";
    browser.until("the incident", item);
    browser.click(".incident[data-zone=zone-1] .incident-head");
    for view in ["overview", "crop"] {
        browser.until(view, &format!("{item}.querySelector('[data-view={view}] img').naturalWidth > 50"));
    }
    document(browser, "incidents");
    browser.click(".incident[data-zone=zone-1] [data-view=overview]");
    browser.until("the picture enlarged", "document.querySelector('dialog[open] img').naturalWidth > 300");
    browser.click("dialog[open] button");
    browser.click(".incident[data-zone=zone-1] [data-action=recheck]");
    let answer = format!("{item}.querySelector('.answer')");
    browser.until("that it looks again", &format!("{answer}.innerText.includes('looks again')"));
    browser.click(".incident[data-zone=zone-1] [data-action=dismiss]");
    browser.click(".incident[data-zone=zone-1] [data-action=dismiss-submit]");
    browser.until("that it is dismissed", &format!("{answer}.innerText.includes('Dismissed')"));
    browser.until("that it is closed", "document.querySelector('.incident[data-zone=zone-1][data-state=closed]')");
    browser.until("the verdict", &format!("{item}.querySelector('.incident-head').innerText.includes('dismissed')"));
}

fn the_system_is_told(browser: &Browser, console: &str) {
    browser.go(&format!("{console}#/system"));
    browser.until("a chart", "document.querySelectorAll('.chart-box .line').length > 3");
    browser.until("its table", "document.querySelectorAll('.chart-box td').length > 3");
    browser.until("a whole audit log", "document.querySelector('.audit .chip.is-good')");
    browser.until("who looked at the picture", "document.querySelectorAll('.audit tbody tr').length > 2");
}

fn every_control_has_a_name(browser: &Browser, console: &str) {
    for view in ["cameras", "cameras/lane", "cameras/lane/zones", "incidents", "system"] {
        show(browser, console, view);
        let names = browser
            .names("a, button, input, select, summary, [role=application], [role=region], nav, img:not([alt=''])");
        assert!(names.len() > 4, "{view}: {names:?}");
        assert!(names.iter().all(|name| !name.trim().is_empty()), "{view}: {names:?}");
        let headings =
            browser.run("return [document.querySelectorAll('h1').length, document.querySelectorAll('main').length]");
        assert_eq!(headings, serde_json::json!([1, 1]), "{view}");
    }
}

fn it_speaks_chinese(browser: &Browser, console: &str) {
    show(browser, console, "cameras");
    browser.click(".top-actions button[lang=zh-CN]");
    browser.until(
        "the heading in Chinese",
        "document.querySelector('h1').innerText === '摄像机' && document.documentElement.lang === 'zh-CN'",
    );
    // As a page that is opened anew.
    browser.go("about:blank");
    browser.go(&format!("{console}#/incidents"));
    browser.until(
        "the choice that was kept",
        "document.querySelector('.incident[data-zone=zone-1]')?.innerText.includes('机动车乱停放')",
    );
    show(browser, console, "cameras/lane");
    browser.until("a live picture", "document.querySelector('.live-image').naturalWidth > 300");
    document(browser, "chinese");
}

fn it_fits_a_telephone(browser: &Browser, console: &str) {
    browser.be_a_phone(360, 740);
    for view in ["cameras", "cameras/lane", "cameras/lane/zones", "incidents", "system"] {
        show(browser, console, view);
        let width = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(width <= 360, "{view} is {width} pixels wide");
        let small = browser.run(&format!(
            "return [...document.querySelectorAll('{TARGETS}')].filter((element) => element.checkVisibility())
                 .filter((element) => element.getBoundingClientRect().height < 43.5).map((element) => element.outerHTML)"
        ));
        assert_eq!(small, serde_json::json!([]), "{view}: too small for a finger");
    }
    browser.prefer_dark();
    browser.click(".top-actions button[lang=en]");
    show(browser, console, "cameras/lane/zones");
    browser.until("the picture", "document.querySelector('.live-image').naturalWidth > 300");
    browser.run("document.querySelector('.zone-item[data-zone=zone-1] button').click()");
    document(browser, "phone");
}

/// No complaint but that there was no picture yet at the beginning, and no request to anywhere else.
fn nothing_is_amiss(browser: &Browser, console: &str) {
    let complaints: Vec<_> = browser
        .complaints()
        .into_iter()
        .filter(|entry| {
            let text = entry["message"].as_str().unwrap_or_default();
            !(entry["source"] == "network" && text.contains("/picture") && text.contains("503"))
        })
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let origin = console.strip_suffix("console/").unwrap();
    let requested = browser.requested();
    assert!(requested.iter().any(|url| url.contains("/console/api/overview")), "{requested:?}");
    let elsewhere: Vec<_> = requested
        .iter()
        .filter(|url| {
            !url.starts_with(origin) && !["blob:", "data:", "about:", "chrome:"].iter().any(|own| url.starts_with(own))
        })
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

fn a_lost_connection_is_told(browser: &Browser) {
    browser.until("that the connection is lost", "document.querySelector('.banner.is-bad')?.checkVisibility()");
    browser.until("what can be done", "document.querySelector('.banner.is-bad button')");
}

fn show(browser: &Browser, console: &str, view: &str) {
    browser.go(&format!("{console}#/{view}"));
    // The view's own answer has come: its heading is there and nothing is loading.
    browser.until(view, &format!("location.hash === '#/{view}' && document.querySelector('main h1') && !/(Loading|加载中)…/.test(document.body.innerText)"));
}
