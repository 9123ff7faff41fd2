//! A configuration of several files, and what `config show` says of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use assert_cmd::Command;
use curbwatch::config;
use std::path::{Path, PathBuf};

const MAIN: &str = "\
agent: {site: yuhang, id: box-1}
hub: {host: mqtt.example, username: box, password: {file: /run/secrets/hub}, webhook: {url: \"http://c/x?token=hunter2\"}}
place: {grid_id: '330110001003005'}
include: [north.yaml, cameras.d]
";

/// Cameras of an included file, each with one rule.
fn cameras(ids: &[&str]) -> String {
    let camera = |id: &&str| {
        format!(
            "  - id: {id}\n    streams: {{detect: {{url: 'rtsp://192.0.2.1/{id}'}}}}\n    zones: [{{id: lane, polygon: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}}]\n    rules: [{{id: vending, kind: street_vending, zones: [lane], gap_secs: 5}}]\n"
        )
    };
    format!("cameras:\n{}", ids.iter().map(camera).collect::<String>())
}

/// A folder with these files.
fn site(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("cameras.d")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let main = folder.path().join("edge.yaml");
    (folder, main)
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that config::load asks for")]
fn classes(_: &str) -> Result<Vec<String>, String> {
    Ok(["person", "umbrella"].map(str::to_owned).to_vec())
}

/// Every mistake of a configuration, its folder left out.
fn mistakes(main: &Path) -> Vec<String> {
    let folder = format!("{}/", main.parent().unwrap().display());
    let findings = config::check(main, &classes).unwrap();
    findings.errors.iter().map(|mistake| mistake.to_string().replace(&folder, "")).collect()
}

#[test]
fn cameras_come_from_files_and_from_every_yaml_file_of_a_folder_in_order() {
    let (_folder, main) = site(&[
        ("edge.yaml", MAIN),
        ("north.yaml", &cameras(&["north"])),
        ("cameras.d/2.yaml", &cameras(&["west", "south"])),
        ("cameras.d/1.yaml", &cameras(&["east"])),
        ("cameras.d/1.yaml.bak", "not: read"),
    ]);
    let loaded = config::load(&main, &classes).unwrap();
    let ids: Vec<&str> = loaded.config.cameras.iter().map(|camera| camera.id.as_str()).collect();
    assert_eq!(ids, ["north", "east", "west", "south"]);
    assert_eq!(loaded.files.len(), 5, "three included files, the folder and the file itself: {:?}", loaded.files);
    std::fs::write(main.with_file_name("cameras.d/1.yaml"), cameras(&["east-2"])).unwrap();
    let changed = config::load(&main, &classes).unwrap();
    assert_ne!(changed.digest_sha256, loaded.digest_sha256, "an included file is part of the configuration");
}

#[test]
fn a_mistake_in_an_included_file_is_told_with_its_file_line_and_column() {
    let (_folder, main) = site(&[
        ("edge.yaml", &MAIN.replace("include: [", "include: [none.yaml, ")),
        ("north.yaml", &cameras(&["north"])),
        ("cameras.d/1.yaml", &cameras(&["north"]).replace("gap_secs: 5", "gap_sec: 5")),
        ("cameras.d/2.yaml", "cameras: []\nhub: {host: other}\n"),
        ("cameras.d/3.yaml", "cameras: [\n"),
    ]);
    let told = mistakes(&main);
    for expected in [
        "edge.yaml:4:11: include[0] is none.yaml, which cannot be read: No such file or directory",
        "cameras.d/2.yaml:2:1: hub cannot stand in an included file; allowed: a list of cameras, under the key cameras",
        "cameras.d/3.yaml:1:10: this is not YAML",
        "cameras.d/1.yaml:5:64: cameras[1].rules[0].gap_sec is not known here",
        "cameras.d/1.yaml:2:9: cameras[1].id is \"north\", the id of another camera; allowed: one that is not in use (first used at north.yaml:2:9)",
    ] {
        assert!(told.iter().any(|mistake| mistake.starts_with(expected)), "{expected}\n{told:#?}");
    }
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(config::load(&main, &classes).is_err(), "nobody knows which cameras the broken file has");
}

#[test]
fn a_wrong_camera_of_an_included_file_is_set_aside_and_the_others_run() {
    let wrong = cameras(&["north", "east"]).replacen("kind: street_vending", "kind: selling", 1);
    let (_folder, main) = site(&[("edge.yaml", MAIN), ("north.yaml", &wrong)]);
    let loaded = config::load(&main, &classes).unwrap();
    assert_eq!(loaded.set_aside.iter().map(|camera| camera.id.as_deref()).collect::<Vec<_>>(), [Some("north")]);
    assert_eq!(loaded.config.cameras.len(), 1);
}

#[test]
fn the_effective_configuration_names_where_each_value_is_from_and_can_be_loaded_again() {
    let (folder, main) = site(&[("edge.yaml", MAIN), ("north.yaml", &cameras(&["north"]))]);
    let show =
        || Command::cargo_bin("curbwatch").unwrap().args(["config", "show", "edge.yaml"]).current_dir(&folder).assert();
    let shown = String::from_utf8(show().success().get_output().stdout.clone()).unwrap();
    for line in [
        "  site: \"yuhang\"  # edge.yaml:1",
        "  time_zone: \"Asia/Shanghai\"  # default",
        "    file: \"/run/secrets/hub\"  # edge.yaml:2",
        "    url: \"http://c/x?***\"  # edge.yaml:2",
        "  - id: \"north\"  # north.yaml:2",
        "      grid_id: \"330110001003005\"  # edge.yaml:3",
        "        polygon: [[0.1,0.1],[0.9,0.1],[0.5,0.9]]  # north.yaml:4",
        "        dwell_secs: 180.0  # default of street_vending",
        "        gap_secs: 5  # north.yaml:5",
        "        merge_secs: 600.0  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    std::fs::write(folder.path().join("shown.yaml"), &shown).unwrap();
    let again = config::load(&folder.path().join("shown.yaml"), &classes).unwrap();
    assert_eq!((again.set_aside, again.config.cameras[0].rules[0].dwell_secs), (vec![], Some(180.0)));

    std::fs::write(&main, MAIN.replace("site: yuhang", "site: Yu Hang")).unwrap();
    let refused = show().code(78).get_output().clone();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("edge.yaml:1:15: agent.site"), "{refused:?}");
}
