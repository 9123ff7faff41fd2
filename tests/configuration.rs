//! The configuration as its reader meets it: the binary's exit status and words, the committed examples, schema and reference.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use assert_cmd::Command;
use curbwatch::{config, install};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// Some of COCO's classes.
const MODEL_CLASSES: [&str; 12] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "truck",
    "bench",
    "umbrella",
    "handbag",
    "suitcase",
    "chair",
    "dining table",
];

#[expect(clippy::unnecessary_wraps, reason = "the shape that config::load asks for")]
fn model_classes(_manifest: &str) -> Result<Vec<String>, String> {
    Ok(MODEL_CLASSES.map(str::to_owned).to_vec())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("edge-config")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// What is said of a configuration; nothing, if nothing is wrong.
fn findings_of(text: &str) -> String {
    config::check(&Site::with(text).path(), &model_classes).unwrap().to_string()
}

/// A folder with `edge.yaml` and the model's class names, in which the binary runs.
struct Site(tempfile::TempDir);

impl Site {
    fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("edge.yaml"), text).unwrap();
        std::fs::write(dir.path().join("classes.txt"), MODEL_CLASSES.join("\n")).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("edge.yaml")
    }

    fn check(&self, extra: &[&str]) -> Command {
        let mut command = Command::cargo_bin("curbwatch").unwrap();
        command.current_dir(self.0.path()).args(["check", "edge.yaml", "--model-classes", "classes.txt"]).args(extra);
        command
    }
}

const GOOD: &str = "\
agent: {site: yuhang, id: box-1}
hub: {host: mqtt.example}
cameras:
  - id: east
    streams: {detect: {url: \"rtsp://192.0.2.1/1\"}}
    zones: [{id: lane, polygon: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}]
    rules: [{id: vending, kind: street_vending, zones: [lane]}]
";

const WRONG: &str = include_str!("data/wrong.yaml");

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_what_is_allowed() {
    let site = Site::with(WRONG);
    let output = site.check(&[]).assert().code(78).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("hunter2"), "a password was printed:\n{told}");
    insta::assert_snapshot!("wrong", told);
}

#[test]
fn machines_get_the_same_findings_as_json() {
    let site = Site::with(WRONG);
    let output = site.check(&["--json"]).assert().code(78).get_output().clone();
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let strict = config::check(&site.path(), &model_classes).unwrap();
    assert_eq!(findings["errors"].as_array().unwrap().len(), strict.errors.len());
    let first = &findings["errors"][0];
    assert!(first["line"].is_u64() && first["column"].is_u64() && first["problem"].is_string(), "{first}");
}

#[test]
fn the_rules_of_an_example_are_explained_in_plain_words() {
    let explain = |file: &Path| Command::cargo_bin("curbwatch").unwrap().args(["rules", "explain"]).arg(file).assert();
    let output = explain(&repository().join("edge-config/permitted-hours.yaml")).success().get_output().clone();
    insta::assert_snapshot!("explained", String::from_utf8(output.stdout).unwrap());
    explain(&Site::with(WRONG).path()).code(78);
}

#[test]
fn doubtful_and_wrong_conditions_of_rules_are_told() {
    let told = |rule: &str, zones: &str| {
        let text = GOOD
            .replace("kind: street_vending, zones: [lane]}", &format!("kind: {rule}}}"))
            .replace("0.9]]}]", &format!("0.9]]}}{zones}]"));
        let findings = config::check(&Site::with(&text).path(), &model_classes).unwrap();
        findings.to_string()
    };
    let whole = ", {id: market, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}";
    for (rule, zones, expected) in [
        (
            "smoke_fire, zones: [lane]",
            "",
            "is \"smoke_fire\", and the model has no class of the group \"fire\" (fire, flame, smoke); give the rule `classes`",
        ),
        (
            "street_vending, zones: [lane], only: [{hours: \"06:00-06:01\"}]",
            "",
            "lasts 60 s at most, and the dwell is 180 s: nothing is reported [warning]",
        ),
        ("street_vending, zones: [lane], permitted: [{hours: \"06:00-06:00\"}]", "", "which ends when it begins"),
        (
            "street_vending, zones: [lane], permitted: [{dates: [2026-02-30]}]",
            "",
            "which is not a date of the calendar",
        ),
        ("street_vending, zones: [lane], permitted: [{}]", "", "is empty; allowed: days, dates, hours"),
        (
            "street_vending, zones: [lane], permitted: [{hours: \"00:00-24:00\"}]",
            "",
            "is always: the rule never applies [warning]",
        ),
        ("street_vending, zones: [lane], permitted: [{hours: \"6-7\"}]", "", "allowed: hours as 06:00-08:30"),
        (
            "street_vending, zones: [lane], escalate: [{after_secs: 60, to: low}]",
            "",
            "is low, no graver than normal before it [warning]",
        ),
        ("street_vending, zones: [lane], except_zones: [lane]", "", "a zone in which the rule applies too"),
        (
            "street_vending, zones: [lane], except_zones: [market]",
            whole,
            "leaves nothing of the zone \"lane\": nothing is reported there [warning]",
        ),
        ("street_vending, zones: [lane]", whole, "is a zone that no rule of this camera names [warning]"),
        (
            "street_vending, zones: [lane], near: {classes: [trolley]}",
            "",
            "\"trolley\", neither a group nor a class of the model",
        ),
        ("piled_goods, zones: [lane], classes: [static, person]", "", "a person is context"),
    ] {
        let told = told(rule, zones);
        assert!(told.contains(expected), "{rule}: {told}");
    }
    for right in [
        "piled_goods, zones: [lane]",
        "smoke_fire, zones: [lane], classes: [static]",
        "vehicle_parking, zones: [lane], near: {classes: [person]}",
    ] {
        assert_eq!(told(right, ""), "", "{right}");
    }
}

#[test]
fn a_privacy_mask_is_an_area_and_leaves_something_of_each_zone() {
    let told = |masks: &str| {
        let text = GOOD.replace("    zones:", &format!("    privacy_masks: {masks}\n    zones:"));
        findings_of(&text)
    };
    assert_eq!(told("[[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]]"), "");
    for (masks, expected) in [
        ("[[[0.0, 0.0], [0.1, 0.0]]]", "cameras[0].privacy_masks[0] has 2 corners"),
        ("[[[0.0, 0.0], [1.1, 0.0], [0.1, 0.1]]]", "cameras[0].privacy_masks[0][1][0]"),
        (
            "[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]",
            "lies behind the privacy masks of its camera: nothing is seen there [warning]",
        ),
    ] {
        let told = told(masks);
        assert!(told.contains(expected), "{masks}: {told}");
    }
}

#[test]
fn thresholds_are_of_classes_and_groups_that_the_model_has() {
    let told = |thresholds: &str| {
        let text = format!("{GOOD}classes: {{wheels: [car, bicycle]}}\nmodel: {{thresholds: {thresholds}}}\n");
        findings_of(&text)
    };
    for (thresholds, expected) in [
        ("{umbrela: {day: 0.4}}", "is neither a class of the model nor a group of which it has one; allowed: "),
        ("{umbrela: {day: 0.4}}", "did you mean umbrella?"),
        ("{fire: {day: 0.4}}", "nor a group of which it has one"),
        ("{static: {day: 0.4}}", "is neither a class of the model"),
        ("{stall: {night: 0.4}}", "model.thresholds.stall.day is missing"),
        ("{stall: {day: 0.05}}", "is 0.05; allowed: a number from 0.1 to 0.99"),
        ("{vehicle: {day: 0.4}, wheels: {day: 0.5}}", "and vehicle both hold car: it cannot have two thresholds"),
    ] {
        let told = told(thresholds);
        assert!(told.contains(expected), "{thresholds}: {told}");
    }
    for right in ["{}", "{stall: {day: 0.4, night: 0.5}, dining table: {day: 0.3}}", "{person: {day: 0.4}}"] {
        assert_eq!(told(right), "", "{right}");
    }
    assert_eq!(told("{vehicle: {day: 0.4}, wheels: {day: 0.5}, car: {day: 0.6}}"), "", "the class's own decides");
}

#[test]
fn options_are_of_providers_that_are_tried() {
    let told = |options: &str| {
        let text = format!("{GOOD}model: {{providers: [openvino, cpu], provider_options: {options}}}\n");
        findings_of(&text)
    };
    for (options, expected) in [
        ("{npu.device_type: GPU}", "is \"npu.device_type\"; allowed: provider.option, of tensorrt, cuda, openvino"),
        ("{device_type: GPU}", "allowed: provider.option"),
        ("{cpu.threads: '2'}", "allowed: provider.option"),
        ("{cuda.device_id: '0'}", "is an option of cuda, which model.providers does not name"),
        ("{openvino.num_streams: 2}", "is 2; allowed: text; put it in quotes"),
    ] {
        let told = told(options);
        assert!(told.contains(expected), "{options}: {told}");
    }
    assert_eq!(told("{openvino.device_type: GPU}"), "");
}

#[test]
fn the_confidences_of_a_configuration_are_explained() {
    let text = format!(
        "{GOOD}model: {{min_confidence: 0.35, min_confidence_night: 0.5, thresholds: {{stall: {{day: 0.4, night: 0.55}}}}}}\n"
    );
    let site = Site::with(&text);
    let output = Command::cargo_bin("curbwatch").unwrap().args(["rules", "explain"]).arg(site.path()).assert();
    let told = String::from_utf8(output.success().get_output().stdout.clone()).unwrap();
    let expected =
        "A detection counts from 0.35 by day and 0.5 by night; stall from 0.4 by day and 0.55 by night. It is night";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_model_that_calls_a_class_static_is_refused() {
    let with_static = |_: &str| Ok(vec!["person".to_owned(), "umbrella".to_owned(), "static".to_owned()]);
    let findings = config::check(&Site::with(GOOD).path(), &with_static).unwrap();
    assert!(findings.errors[0].problem.contains("has a class static"), "{findings}");
}

#[test]
fn a_good_file_passes_and_an_absent_one_does_not() {
    Site::with(GOOD).check(&[]).assert().success().stdout("edge.yaml: no mistakes, no warnings\n");
    let absent = Command::cargo_bin("curbwatch").unwrap().args(["check", "no-such-file.yaml"]).assert().code(78);
    assert!(String::from_utf8_lossy(&absent.get_output().stderr).contains("no-such-file.yaml"));
}

#[test]
fn text_that_is_not_yaml_is_told_with_its_place() {
    let output = Site::with("agent: {site: yuhang\nhub: [").check(&[]).assert().code(78).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("edge.yaml:2:"), "{told}");
}

#[test]
fn a_camera_with_mistakes_is_set_aside_and_the_others_run() {
    let two = format!("{GOOD}  - id: west\n    streams: {{detect: {{url: \"rtsp://192.0.2.2/1\"}}}}\n    zoness: []\n");
    let loaded = config::load(&Site::with(&two).path(), &model_classes).unwrap();
    assert_eq!(loaded.config.cameras.iter().map(|camera| camera.id.as_str()).collect::<Vec<_>>(), ["east"]);
    let [west] = &loaded.set_aside[..] else { panic!("{:?}", loaded.set_aside) };
    assert_eq!((west.index, west.id.as_deref(), west.mistakes.len()), (1, Some("west"), 1));
    assert!(west.mistakes[0].to_string().contains("did you mean zones?"), "{}", west.mistakes[0]);
    assert_eq!(loaded.digest_sha256.len(), 64);
}

#[test]
fn the_host_of_a_broker_is_a_name_or_an_address_without_a_port() {
    let cases = [
        ("mqtt.example", 0),
        ("192.0.2.7", 0),
        ("'2001:db8::7'", 0),
        ("'::ffff:192.0.2.7'", 0),
        ("mqtt.example:1883", 78),
        ("192.0.2.7:1883", 78),
        ("mqtt://mqtt.example", 78),
    ];
    for (host, status) in cases {
        let site = Site::with(&GOOD.replace("mqtt.example", host));
        site.check(&[]).assert().code(status);
    }
}

#[test]
fn a_mistake_outside_the_cameras_or_in_all_of_them_stops_the_agent() {
    for wrong in [GOOD.replace("mqtt.example", "mqtt://x/"), GOOD.replace("kind: street_vending", "kind: vending")] {
        let error = config::load(&Site::with(&wrong).path(), &model_classes).unwrap_err();
        assert!(matches!(error, config::LoadError::Wrong(ref findings) if findings.errors.len() == 1), "{error}");
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_a_warning_because_the_agent_runs_without_it() {
    let text = GOOD.replace("hub: {", "hub: {username: u, password: {file: /no/such/secret}, ");
    let findings = config::check(&Site::with(&text).path(), &model_classes).unwrap();
    assert_eq!(findings.errors, []);
    assert!(findings.warnings[0].to_string().contains("/no/such/secret"), "{findings}");
}

#[test]
fn a_webhook_names_values_that_events_have_and_each_field_once() {
    let check = |webhook: &str| {
        let text = GOOD.replace("hub: {", &format!("hub: {{webhook: {webhook}, "));
        config::check(&Site::with(&text).path(), &model_classes).unwrap()
    };
    let good = "{url: \"https://c/x?y=1\", tls: {ca: /ca.pem}, fields: {code: data.matter.code, what: data.objects.1.class}, picture_field: p}";
    assert_eq!((check(good).errors, check(good).warnings), (vec![], vec![]));
    let all = "{url: \"http://c/\", authentication: {value: {env: CURBWATCH_TEST_NEVER_SET}}}";
    let warned: Vec<String> = check(all).warnings.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&warned[..], [clear, unset] if clear.contains("in the clear") && unset.contains("NEVER_SET")),
        "{warned:?}"
    );
    for (webhook, said) in [
        ("{url: \"ftp://c/\"}", "http(s)://host"),
        ("{url: \"https://user:word@c/\", tls: {ca: /ca.pem}}", "without user and password"),
        ("{url: \"https://c/\"}", "whom to trust"),
        ("{url: \"http://c/\", fields: {code: data.matter.cod}}", "did you mean data.matter.code?"),
        ("{url: \"http://c/\", fields: {all: data.objects}}", "which no event has"),
        ("{url: \"http://c/\", constants: {caseCode: x}}", "is the name of a field too"),
        ("{url: \"http://c/\", constants: {p: x}, picture_field: p}", "a name that is not in use"),
    ] {
        let findings = check(webhook);
        assert!(matches!(&findings.errors[..], [one] if one.to_string().contains(said)), "{webhook}: {findings}");
    }
}

#[test]
fn classes_are_checked_against_the_manifest_that_the_configuration_names() {
    let site = Site::with(&GOOD.replace("zones: [lane]}", "zones: [lane], classes: [umbrela]}"));
    let output =
        Command::cargo_bin("curbwatch").unwrap().arg("check").arg(site.path()).assert().code(78).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("toothbrush") && told.contains("did you mean umbrella?"), "{told}");
    let absent = Site::with(&(GOOD.to_owned() + "model: {manifest: no-such-model}\n"));
    let output = Command::cargo_bin("curbwatch")
        .unwrap()
        .arg("check")
        .arg(absent.path())
        .assert()
        .success()
        .get_output()
        .clone();
    assert!(String::from_utf8_lossy(&output.stderr).contains("classes were not checked"));
}

#[test]
fn a_rule_about_persons_is_refused_by_class_and_by_group() {
    for classes in ["[person]", "[stall, person]", "[walkers]"] {
        let text = GOOD.replace("zones: [lane]}", &format!("zones: [lane], classes: {classes}}}"))
            + "classes: {walkers: [person]}\n";
        let findings = config::check(&Site::with(&text).path(), &model_classes).unwrap();
        assert!(findings.errors.len() == 1 && findings.errors[0].problem.contains("a person is context"), "{findings}");
    }
}

#[test]
fn classes_that_are_not_known_are_a_warning_not_a_guess() {
    let site = Site::with(&GOOD.replace("zones: [lane]}", "zones: [lane], classes: [trolley]}"));
    let unknown = |_: &str| Err("no manifest".to_owned());
    let findings = config::check(&site.path(), &unknown).unwrap();
    assert!(findings.errors.is_empty() && findings.warnings[0].problem.contains("no manifest"), "{findings}");
    let refused = config::check(&site.path(), &model_classes).unwrap();
    assert!(refused.errors[0].to_string().contains("dining table"), "{refused}");
}

#[test]
fn every_example_loads_strictly() {
    let examples = examples();
    assert!(examples.len() >= 3);
    for file in examples {
        let built_in =
            |name: &str| install::manifest(name).map(|model| model.classes).map_err(|error| error.to_string());
        let findings = config::check(&file, &built_in).unwrap();
        assert!(findings.errors.is_empty(), "{findings}");
        // The secrets of the examples are not on this machine; nothing else may be doubtful in them.
        let doubts = findings.warnings.iter().filter(|warning| !warning.problem.starts_with("cannot be read now"));
        assert_eq!(doubts.count(), 0, "{findings}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=./curbwatch.schema.json\n"), "{}", file.display());
    }
}

/// What an editor's slip may leave behind.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, u8, String)> {
    let scrap = prop_oneof![
        Just(String::new()),
        "[ \\t\\n:,\\[\\]{}&*!|>'\"#%@-]{1,4}",
        "[a-z_]{1,8}: ",
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?",
        Just("null".to_owned()),
        Just(".nan".to_owned()),
        Just("1e999".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    (any::<prop::sample::Index>(), 0u8..24, scrap)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the file, the loader answers: with a configuration, or with mistakes that have a place; and what
    /// passes the checks fits the types.
    #[test]
    fn the_loader_never_panics_on_mutated_text(
        market in any::<bool>(), mutations in prop::collection::vec(mutation(), 1..4)
    ) {
        let mut text = if market { include_str!("../edge-config/market-street.yaml").to_owned() } else { GOOD.to_owned() };
        for (at, length, scrap) in mutations {
            let boundaries: Vec<usize> = text.char_indices().map(|(index, _)| index).chain([text.len()]).collect();
            let start = at.index(boundaries.len());
            let end = (start + length as usize).min(boundaries.len() - 1);
            text.replace_range(boundaries[start]..boundaries[end], &scrap);
        }
        let site = Site::with(&text);
        let findings = config::check(&site.path(), &model_classes).unwrap();
        for finding in &findings.errors {
            prop_assert!(finding.position.line >= 1 && finding.position.column >= 1);
            prop_assert!(!finding.problem.contains("the configuration cannot be used"), "{finding}\n{text}");
        }
        match config::load(&site.path(), &model_classes) {
            Ok(loaded) => prop_assert_eq!(loaded.set_aside.is_empty(), findings.errors.is_empty()),
            Err(error) => prop_assert!(!findings.errors.is_empty(), "{}", error),
        }
    }
}
