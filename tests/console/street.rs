//! A camera that shows a street with a stall, and a person at its console: what they see, say and draw.

use super::browser::Browser;
use super::{free_address, start, until};
use curbwatch::stage::{self, Footage, FrameSize, Scene, Truth};
use curbwatch::vcam::{Mount, Options, VirtualCamera};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// For how long the street plays before it begins again; the stall is away for the first two seconds of it only.
const LENGTH: Duration = Duration::from_secs(45);
const CAMERA: &str = "/console/api/cameras/market";
/// What nobody may see: the upper left corner.
const MASK: &str = "[[0, 0], [0.25, 0], [0.25, 0.25], [0, 0.25]]";

fn street(folder: &Path) -> (Mount, Truth) {
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let scene = Scene::quiet(LENGTH).with_stall(Duration::from_secs(2), LENGTH);
    let scene = scene.with_format(FrameSize::try_new(1280, 720).unwrap(), 4);
    let file = folder.join("market.mp4");
    let truth = stage::render(&scene, &footage, &file).unwrap();
    (Mount::for_file(&file).unwrap(), truth)
}

/// A configuration as people write it.
fn configuration(folder: &Path, url: &str, at: std::net::SocketAddr, truth: &Truth) -> String {
    let zones: Vec<String> = truth
        .zones
        .iter()
        .map(|zone| {
            let polygon = serde_json::to_string(&zone.polygon).unwrap();
            format!("      # drawn on site\n      - id: {}\n        polygon: {polygon}\n", zone.id)
        })
        .collect();
    let zones = zones.concat();
    let ids: Vec<&str> = truth.zones.iter().map(|zone| zone.id.as_str()).collect();
    format!(
        "# A market.\nagent: {{site: test, id: box-1, data_dir: {}}}\nhub: {{host: 127.0.0.1, port: {}}}\nweb: {{listen: \"{at}\"}}\ncameras:\n  - id: market\n    \
         privacy_masks: [{MASK}]\n    streams: {{detect: {{url: \"{url}\"}}}}\n    zones:\n{zones}    # what is reported\n    rules:\n      - {{id: stalls, kind: {}, zones: [{}], dwell_secs: 8}}\n",
        folder.join("data").display(),
        free_address().port(),
        truth.things[0].kind.as_str(),
        ids.join(", "),
    )
}

#[test]
fn a_person_at_the_console_sees_the_street_without_people_and_is_heard() {
    let (folder, at) = (tempfile::tempdir().unwrap(), free_address());
    let (mount, truth) = street(folder.path());
    let cameras = VirtualCamera::start(&Options::looping(vec![mount])).unwrap();
    let config = folder.path().join("edge.yaml");
    std::fs::write(&config, configuration(folder.path(), &cameras.url("market"), at, &truth)).unwrap();
    let (mut agent, mut browser) = start(&config, at);
    assert_eq!(browser.open()["user"], "local", "on the loopback nobody is asked");

    pictures_are_redacted_masked_and_small(&browser);
    the_scene_shows_things_and_no_people(&browser);
    let id = an_incident_opens_and_its_pictures_are_looked_at(&browser);
    what_is_asked_reaches_the_engine(&browser, &id);
    the_preview_says_what_would_have_been_reported(&browser, &truth);
    zones_are_written_into_the_file_and_taken_over(&browser, &config, &truth);
    what_people_did_is_on_record(&browser, &id);
    agent.stop();
}

fn pictures_are_redacted_masked_and_small(browser: &Browser) {
    let picture = until("a live picture", || {
        let answer = browser.get(&format!("{CAMERA}/picture"));
        assert!(answer.status == 200 || answer.status == 503, "{answer:?}");
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(picture.headers["content-type"], "image/jpeg");
    assert_eq!(picture.headers["cache-control"], "no-store");
    assert!(picture.headers["x-taken-at"].contains('T'));
    let luma = image::load_from_memory(&picture.body).unwrap().to_luma8();
    assert_eq!((luma.width(), luma.height()), (960, 540));
    // A block of the JPEG at the edge of the mask has some of what is beside it.
    let behind = || (0..120).flat_map(|y| (0..220).map(move |x| (x, y))).map(|(x, y)| luma.get_pixel(x, y).0[0]);
    let (darkest, brightest) = (behind().min().unwrap(), behind().max().unwrap());
    assert!(brightest - darkest <= 2, "what the mask covers is flat: {darkest} to {brightest}");
    assert!(luma.enumerate_pixels().any(|(x, y, pixel)| x > 300 && y > 200 && pixel.0[0].abs_diff(darkest) > 40));
    browser.get(&format!("{CAMERA}/picture"));
}

fn the_scene_shows_things_and_no_people(browser: &Browser) {
    let scene = until("something in the scene", || {
        let scene = browser.get(&format!("{CAMERA}/scene")).json();
        for object in scene["objects"].as_array().unwrap() {
            assert_ne!(object["class"], "person");
        }
        (!scene["rules"].as_array().unwrap().is_empty()).then_some(scene)
    });
    let case = &scene["rules"][0];
    assert_eq!((&case["rule"], &case["dwell_secs"]), (&json!("stalls"), &json!(8.0)));
    assert!(case["why"].is_string() && case["bbox"].as_array().unwrap().len() == 4);
    assert!(scene["at"].is_string() && !scene["objects"].as_array().unwrap().is_empty());
}

fn an_incident_opens_and_its_pictures_are_looked_at(browser: &Browser) -> String {
    let incident = until("an incident", || {
        let listed = browser.get("/console/api/incidents?state=open&camera=market").json();
        listed["incidents"].as_array().unwrap().first().cloned()
    });
    assert_eq!((&incident["state"], &incident["course"][0]["type"]), (&json!("open"), &json!("opened")));
    let overview = &incident["evidence"][0];
    assert_eq!((&overview["role"], &overview["view"]), (&json!("opened"), &json!("overview")));
    let picture = browser.get(&format!("/console/api/evidence/{}", overview["id"].as_str().unwrap()));
    assert_eq!((picture.status, &picture.body[..2]), (200, &b"\xff\xd8"[..]));
    let unknown = "/console/api/evidence/01a200a7-0000-7000-8000-000000000000";
    assert_eq!(browser.get(unknown).status, 404);
    incident["id"].as_str().unwrap().to_owned()
}

fn what_is_asked_reaches_the_engine(browser: &Browser, id: &str) {
    let path = |what: &str| format!("/console/api/incidents/{id}/{what}");
    assert_eq!(browser.post(&path("recheck"), &json!({"look_secs": 1})).status, 422, "too short");
    assert_eq!(browser.post(&path("recheck"), &json!({"look_secs": 2})).status, 202);
    let incident = |what: &str, is_so: &dyn Fn(&Value) -> bool| {
        until(what, || {
            let listed = browser.get("/console/api/incidents").json();
            let found = listed["incidents"].as_array().unwrap().iter().find(|incident| incident["id"] == id).cloned();
            found.filter(|incident| is_so(incident))
        })
    };
    incident("the answer of looking again", &|incident| {
        incident["course"].as_array().unwrap().iter().any(|step| step["type"] == "rechecked")
    });
    let said = browser.post(&path("feedback"), &json!({"verdict": "dismissed", "reason": null, "until": null}));
    assert_eq!((said.status, &said.json()["status"]), (200, &json!("ok")));
    let closed = incident("the end of what was dismissed", &|incident| incident["state"] == "closed");
    assert_eq!(closed["verdict"], "dismissed");
    assert_eq!(closed["course"].as_array().unwrap().last().unwrap()["text"], "dismissed");
    let unknown = "/console/api/incidents/01a200a7-0000-7000-8000-000000000000/recheck";
    assert_eq!(browser.post(unknown, &json!({"look_secs": 2})).status, 409);
}

/// The zones of the camera as the page has them.
fn zones(browser: &Browser) -> Vec<Value> {
    let scene = browser.get(&format!("{CAMERA}/scene")).json();
    scene["zones"].as_array().unwrap().clone()
}

fn the_preview_says_what_would_have_been_reported(browser: &Browser, truth: &Truth) {
    let path = format!("{CAMERA}/zones/preview");
    let preview = |zones: &[Value]| browser.post(&path, &json!({"zones": zones}));
    let now = zones(browser);
    let told = preview(&now).json();
    assert_eq!(told["would"][0]["rule"], "stalls", "{told}");
    assert!(told["window"]["from"].is_string() && told["yaml"].as_str().unwrap().starts_with("zones:\n  - id: "));
    assert!(told["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("attends")), "{told}");

    let mut elsewhere = now.clone();
    for zone in &mut elsewhere {
        zone["polygon"] = json!([[0.9, 0.0], [1.0, 0.0], [1.0, 0.1]]);
    }
    let told = preview(&elsewhere).json();
    assert_eq!(told["would"], json!([]), "nothing stands there");
    let thing = truth.things[0].bbox;
    let around = json!([[0.0, thing.top()], [1.0, thing.top()], [1.0, 1.0], [0.0, 1.0]]);
    elsewhere.push(json!({"id": "new", "polygon": around, "rules": ["stalls"]}));
    let told = preview(&elsewhere).json();
    assert_eq!((&told["would"][0]["zone"], &told["unused"]), (&json!("new"), &json!([])), "{told}");
    elsewhere.last_mut().unwrap()["rules"] = json!([]);
    assert_eq!(preview(&elsewhere).json()["unused"], json!(["new"]));

    let wrong = |zones: &[Value]| {
        let answer = preview(zones);
        (answer.status, answer.json()["at"].as_str().unwrap().to_owned())
    };
    let mut crossed = now.clone();
    crossed[0]["polygon"] = json!([[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]);
    assert_eq!(wrong(&crossed), (422, "zones[0].polygon".to_owned()));
    crossed[0]["polygon"] = json!([[0.1, 0.1], [0.9, 0.9]]);
    assert_eq!(wrong(&crossed), (422, "zones[0].polygon".to_owned()));
    let twice = [now.clone(), vec![now[0].clone()]].concat();
    assert_eq!(wrong(&twice), (422, format!("zones[{}].id", now.len())));
    assert_eq!(wrong(&now[1..]), (422, "zones".to_owned()), "the rule needs the first");
}

fn zones_are_written_into_the_file_and_taken_over(browser: &Browser, config: &Path, truth: &Truth) {
    let before = std::fs::read_to_string(config).unwrap();
    let mut wanted = zones(browser);
    wanted.push(json!({"id": "corner", "polygon": [[0.5, 0.5], [0.75, 0.5], [0.75, 0.75]], "rules": ["stalls"]}));
    let answer = browser.post(&format!("{CAMERA}/zones"), &json!({"zones": wanted}));
    assert_eq!((answer.status, &answer.json()["applied"]), (200, &json!(true)), "{answer:?}");
    let after = std::fs::read_to_string(config).unwrap();
    let added = "      - id: corner\n        polygon: [[0.5, 0.5], [0.75, 0.5], [0.75, 0.75]]\n";
    let last = truth.zones.last().unwrap().id.as_str();
    let expected = before.replace("    # what is reported\n", &format!("{added}    # what is reported\n"));
    assert_eq!(after, expected.replace(&format!("{last}], dwell"), &format!("{last}, corner], dwell")), "nothing else");
    until("the zones are taken over", || {
        let now = zones(browser);
        now.iter().any(|zone| zone["id"] == "corner" && zone["rules"] == json!(["stalls"])).then_some(())
    });

    // In the way of what is written beside it.
    std::fs::create_dir(config.with_file_name(".edge.yaml.new")).unwrap();
    wanted[0]["polygon"] = json!([[0.5, 0.5], [0.75, 0.5], [0.75, 0.75]]);
    let answer = browser.post(&format!("{CAMERA}/zones"), &json!({"zones": wanted}));
    assert_eq!(answer.status, 409);
    assert!(answer.json()["yaml"].as_str().unwrap().contains("- id: corner"), "{answer:?}");
    assert_eq!(std::fs::read_to_string(config).unwrap(), after);
}

fn what_people_did_is_on_record(browser: &Browser, incident: &str) {
    let audit = browser.get("/console/api/audit?limit=200").json();
    assert_eq!(audit["is_whole"], true);
    let records = audit["records"].as_array().unwrap();
    let by_me = |action: &str| -> Vec<&Value> {
        records.iter().filter(|record| record["actor"] == "console:local" && record["action"] == action).collect()
    };
    assert_eq!(by_me("live_view").len(), 1, "one record for all the pictures of a camera: {records:#?}");
    assert_eq!(by_me("live_view")[0]["detail"]["camera"], "market");
    assert_eq!(by_me("picture_opened").len(), 1);
    let verbs: Vec<&str> =
        by_me("command").iter().rev().filter_map(|record| record["detail"]["verb"].as_str()).collect();
    assert_eq!(verbs, ["recheck", "feedback", "recheck"]);
    assert_eq!(by_me("command").last().unwrap()["detail"]["args"]["incident"], incident);
    assert_eq!(by_me("zones_changed").len(), 1);
    let next = browser.get("/console/api/audit?limit=1").json();
    assert_eq!(next["next"], next["records"][0]["sequence"]);
}
