use super::super::load_bytes;
use super::*;

const CLASSES: [&str; 3] = ["person", "car", "umbrella"];

#[expect(clippy::unnecessary_wraps, reason = "classes may be unknown elsewhere")]
fn classes_of(_: &str) -> Result<Vec<String>, String> {
    Ok(CLASSES.map(str::to_owned).to_vec())
}

const SITE: &str = r#"# The corner of Wenyi road.
agent: {site: s, id: box}
hub: {host: h}
cameras:
  - id: west
    streams: {detect: {url: "rtsp://192.0.2.1/west"}}
  - id: east   # 文一路
    streams:
      detect: {url: "rtsp://192.0.2.1/east"}
    zones:
      # drawn in November
      - id: kerb
        name: 路缘
        polygon: [[0.1, 0.1], [0.9, 0.1],   # along the kerb
                  [0.9, 0.9]]
      - id: lane
        polygon:
          - [0.0, 0.5]
          - [0.5, 0.5]
          - [0.5, 1.0]
    # after the zones
    rules:
      - id: stalls
        kind: street_vending
        zones: [kerb]   # and no other
      - id: lorries
        kind: fire_lane_blocked
        zones:
          - lane
          # more to come
"#;

fn polygon(corners: &[[f32; 2]]) -> super::super::ZonePolygon {
    super::super::ZonePolygon(crate::geometry::Polygon::try_new(corners).unwrap())
}

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

const TRIANGLE: [[f32; 2]; 3] = [[0.25, 0.25], [0.75, 0.25], [0.75, 1.0]];

fn zone(id: &str) -> ZoneConfig {
    ZoneConfig { id: name(id), name: None, polygon: polygon(&TRIANGLE) }
}

/// The camera `east` of a text, as it runs.
fn east(text: &str) -> CameraConfig {
    let config = load_bytes(Path::new("edge.yaml"), text.as_bytes(), &classes_of).unwrap().config;
    config.cameras.into_iter().find(|camera| camera.id.as_str() == "east").unwrap()
}

fn edited(text: &str, change: impl FnOnce(&mut CameraConfig)) -> Result<String, EditError> {
    let mut camera = east(text);
    change(&mut camera);
    with_zones(Path::new("edge.yaml"), text, &camera)
}

/// The lines in which two texts differ: those of the first, and those of the second in their place.
fn difference<'t>(before: &'t str, after: &'t str) -> (Vec<&'t str>, Vec<&'t str>) {
    let (mut a, mut b): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    while !a.is_empty() && a.first() == b.first() {
        (a, b) = (a[1..].to_vec(), b[1..].to_vec());
    }
    while !a.is_empty() && a.last() == b.last() {
        a.pop();
        b.pop();
    }
    (a, b)
}

const KERB: usize = 0;
const LANE: usize = 1;

#[test]
fn what_is_not_changed_stays_byte_for_byte() {
    assert_eq!(edited(SITE, |_| {}).unwrap(), SITE);
}

#[test]
fn a_polygon_is_replaced_where_it_stands() {
    let after = edited(SITE, |camera| camera.zones[KERB].polygon = polygon(&TRIANGLE)).unwrap();
    let (_, new) = difference(SITE, &after);
    assert_eq!(new, ["        polygon: [[0.25, 0.25], [0.75, 0.25], [0.75, 1]]"]);
    let after = edited(SITE, |camera| camera.zones[LANE].polygon = polygon(&TRIANGLE)).unwrap();
    let (_, new) = difference(SITE, &after);
    assert_eq!(new, ["          [[0.25, 0.25], [0.75, 0.25], [0.75, 1]]"]);
}

#[test]
fn a_zone_is_added_with_its_rules_and_taken_out() {
    let after = edited(SITE, |camera| {
        camera.zones.push(ZoneConfig { name: Some("新 \"区\"".to_owned()), ..zone("corner") });
        camera.rules[0].zones.push(name("corner"));
        camera.rules[1].zones.push(name("corner"));
    })
    .unwrap();
    assert!(
        after.contains("- [0.5, 1.0]\n      - id: corner\n        name: \"新 \\\"区\\\"\"\n        polygon: [["),
        "{after}"
    );
    assert!(after.contains("zones: [kerb, corner]   # and no other\n"), "{after}");
    assert!(after.contains("          - lane\n          - corner\n          # more to come\n"), "{after}");
    let back = edited(&after, |camera| {
        camera.zones.retain(|zone| zone.id != name("corner"));
        camera.rules.iter_mut().for_each(|rule| rule.zones.retain(|zone| *zone != name("corner")));
    });
    let left = back.unwrap();
    assert!(!left.contains("- id: corner") && left.contains("# after the zones\n"), "{left}");
}

#[test]
fn the_first_zone_of_a_camera_is_put_behind_its_id_or_into_its_empty_list() {
    let bare = "agent: {site: s, id: box}\nhub: {host: h}\ncameras:\n- id: east # it\n  streams: {detect: {url: \"rtsp://192.0.2.1/\"}}\n";
    let after = edited(bare, |camera| camera.zones.push(zone("kerb"))).unwrap();
    let (old, new) = difference(bare, &after);
    assert_eq!((old.len(), new.len()), (0, 3), "{after}");
    let empty = format!("{bare}  zones: []  # none yet\n");
    let after = edited(&empty, |camera| camera.zones.push(zone("kerb"))).unwrap();
    assert!(after.contains("    - id: kerb\n"), "{after}");
    let none = edited(&after, |camera| camera.zones.clear()).unwrap();
    assert!(none.contains("zones: []"), "{none}");
    assert_eq!(edited(bare, |_| {}).unwrap(), bare);
}

#[test]
fn what_stands_in_brackets_or_behind_an_anchor_is_not_edited_where_that_could_touch_more() {
    let json = r#"{"agent": {"site": "s", "id": "box"}, "hub": {"host": "h"}, "cameras": [{"id": "east",
        "streams": {"detect": {"url": "rtsp://192.0.2.1/"}}, "zones": [{"id": "kerb", "polygon": [[0, 0], [1, 0], [1, 1]]}]}]}"#;
    let moved = edited(json, |camera| camera.zones[KERB].polygon = polygon(&TRIANGLE)).unwrap();
    assert!(moved.contains(r#""polygon": [[0.25, 0.25], [0.75, 0.25], [0.75, 1]]}]}]}"#), "{moved}");
    assert!(matches!(edited(json, |camera| camera.zones.push(zone("new"))), Err(EditError::Form { .. })));
    let anchored = SITE
        .replace("polygon: [[0.1, 0.1]", "polygon: &kerb [[0.1, 0.1]")
        .replace("polygon:\n          - [0.0, 0.5]\n          - [0.5, 0.5]\n          - [0.5, 1.0]", "polygon: *kerb");
    let moved = edited(&anchored, |camera| camera.zones[KERB].polygon = polygon(&TRIANGLE));
    assert!(matches!(moved, Err(EditError::Form { .. })), "the other would move with it");
    let moved = edited(&anchored, |camera| camera.zones[LANE].polygon = polygon(&TRIANGLE));
    assert!(matches!(moved, Err(EditError::Form { .. })));
}

#[test]
fn a_file_is_written_whole_with_its_mode_and_only_if_all_is_right() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (main, more) = (folder.path().join("edge.yaml"), folder.path().join("more.yaml"));
    fs::write(&main, "agent: {site: s, id: box}\nhub: {host: h}\ninclude: [more.yaml]\n").unwrap();
    let cameras = format!("# More cameras.\n{}", &SITE[SITE.find("cameras:").unwrap()..]);
    fs::write(&more, &cameras).unwrap();
    fs::set_permissions(&more, fs::Permissions::from_mode(0o640)).unwrap();
    let mut camera = east(SITE);
    camera.zones[KERB].polygon = polygon(&TRIANGLE);
    let written = write_zones(&main, &camera, &classes_of).unwrap();
    let after = fs::read_to_string(&more).unwrap();
    assert_eq!((&written.path, written.sha256), (&more, sha256_hex(&after)));
    assert!(after.starts_with("# More cameras.\n") && after.contains("[0.75, 0.25]"));
    assert_eq!(fs::metadata(&more).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");

    // A rule whose zone is gone makes the whole of it wrong.
    camera.zones.remove(LANE);
    assert!(matches!(write_zones(&main, &camera, &classes_of), Err(EditError::Wrong(_))));
    assert_eq!(fs::read_to_string(&more).unwrap(), after);
    camera.id = name("gone");
    assert!(matches!(write_zones(&main, &camera, &classes_of), Err(EditError::NoCamera(_))));
}
