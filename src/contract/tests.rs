//! Every message against its published schema; the event as a snapshot.

use super::*;
use crate::clock::{ClockQuality, MediaTime, Mono};
use crate::config::{CameraConfig, PlaceConfig};
use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::ids::Name;
use crate::incident::{
    CannotSee, ClosedReason, Incident, IncidentObject, Phase, Recheck, RecheckOutcome, Severity, Told, Transition,
};
use crate::picture::PictureState;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

pub(crate) fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

/// A camera of a market street with one zone and one rule.
pub(crate) fn camera() -> CameraConfig {
    serde_json::from_value(json!({
        "id": "wenyi-road-east", "name": "文一路东口", "gb28181_id": "33011000001320000017",
        "place": {"address": "文一路 12 号", "point": {"lon": 119.98, "lat": 30.27, "crs": "CGCS2000", "accuracy_m": 15.0}},
        "streams": {"detect": {"url": "rtsp://192.0.2.7/main"}},
        "zones": [{"id": "carriageway", "name": "机动车道", "polygon": [[0.1, 0.4], [0.9, 0.4], [0.9, 0.9]]}],
        "rules": [{"id": "vending-carriageway", "kind": "street_vending", "zones": ["carriageway"]}]
    }))
    .unwrap()
}

pub(crate) fn transition(phase: Phase) -> Transition {
    let at = |text: &str| text.parse().unwrap();
    let bbox = BBox::try_new(0.41, 0.52, 0.55, 0.7).unwrap();
    let closed_at = (phase == Phase::Closed).then(|| at("2026-11-21T07:40:00Z"));
    Transition {
        phase,
        at: FrameStamp {
            media: MediaTime(Duration::from_secs(190)),
            mono: Mono(Duration::from_secs(200)),
            wall: at("2026-11-21T07:29:41.120Z"),
            clock_quality: ClockQuality::CameraNtp,
            clock_offset: Some(jiff::SignedDuration::from_millis(12)),
            segment: 0,
        },
        incident: Incident {
            id: Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001),
            rule: name("vending-carriageway"),
            zone: name("carriageway"),
            revision: 0,
            first_seen: at("2026-11-21T07:26:37.700Z"),
            confirmed_at: at("2026-11-21T07:29:41.120Z"),
            last_seen: at("2026-11-21T07:29:41.120Z"),
            closed_at,
            dwell_secs: 183.42,
            bbox,
            objects: vec![IncidentObject {
                class: "umbrella".into(),
                confidence: 0.8701,
                bbox,
                stationary_secs: 181.0,
            }],
            suppressed: 3,
            closed_reason: (phase == Phase::Closed).then_some(ClosedReason::Gone),
            severity: Severity::Normal,
            continues: None,
            told: Told { classes: vec!["umbrella".into()], extent: bbox.area() },
        },
        recheck: (phase == Phase::Rechecked)
            .then_some(Recheck { outcome: RecheckOutcome::CannotSee, reason: Some(CannotSee::Dark) }),
    }
}

fn model() -> ModelIdentity {
    ModelIdentity { name: "yolov4-tiny-416".into(), sha256: "ab".repeat(32), provider: "cpu".into() }
}

pub(crate) fn evidence(incident: Uuid) -> Evidence {
    let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
    let id = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002);
    Evidence {
        id,
        role: EvidenceRole::Opened,
        view: EvidenceView::Overview,
        shown: BBox::FRAME,
        media_type: MediaType::Jpeg,
        sha256: "cd".repeat(32),
        size_bytes: 183_422,
        width: 1920,
        height: 1128,
        strip_height: 48,
        captured_at: WallTime::new("2026-11-21T07:29:41.120Z".parse().unwrap(), &shanghai),
        duration_secs: None,
        frame_count: None,
        expires_at: WallTime::new("2026-12-21T07:29:41.120Z".parse().unwrap(), &shanghai),
        delivery: Delivery { via: DeliveryVia::Mqtt, reference: Some(Topics::evidence_ref(incident, id)) },
        redaction: Redaction {
            applied: true,
            classes: vec!["person_head".into(), "vehicle_plate_area".into()],
            version: 1,
        },
    }
}

/// An event of [`transition`] as the agent would send it.
pub(crate) fn event(phase: Phase, sequence: u64) -> IncidentEvent {
    let transition = transition(phase);
    let camera = camera();
    let parts = EventParts {
        agent: &name("yuhang-03"),
        time_zone: &TimeZone::get("Asia/Shanghai").unwrap(),
        camera: &camera,
        rule: &camera.rules[0],
        frame: FrameSize { width: 1920, height: 1080 },
        evidence: &[evidence(transition.incident.id)],
        model: &model(),
        config_sha256: &"ef".repeat(32),
    };
    incident_event(
        Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + u128::from(sequence)),
        sequence,
        &transition,
        &parts,
    )
}

fn mistakes(message: &str, payload: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schemas()[message]).unwrap();
    validator.iter_errors(payload).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn camera_status(time: WallTime) -> CameraStatus {
    let stream = StreamStatus {
        codec: "H264".into(),
        width: 1920,
        height: 1080,
        decoder: Some("software".into()),
        decoding: StreamDecoding::KeyFrames,
        fps_in: 25.0,
        fps_analysed: 4.0,
        clock_quality: ClockQuality::Arrival,
        clock_offset_ms: None,
        clock_alarm: None,
    };
    CameraStatus {
        camera: name("east"),
        state: CameraState::Online,
        since: time,
        reason: None,
        stream: Some(stream),
        last_frame: Some(time),
        evidence: Some(EvidenceStreamStatus {
            state: CameraState::Online,
            since: time,
            reason: None,
            codec: Some("h265".into()),
            width: Some(2560),
            height: Some(1440),
            last_key_frame: Some(time),
        }),
        reconnects: 0,
    }
}

fn http_health(time: WallTime) -> HttpHealth {
    let lost = LostRange { first: Sequence(1), last: Sequence(3), reason: LossReason::Age };
    HttpHealth {
        backlog: 1,
        backlog_bytes: 2048,
        oldest: Some(time),
        requests: 9,
        taken: 4,
        failures: 4,
        rejected: Some(RejectedMessages { count: 1, reason: "status 400: unknown caseCode".into() }),
        events_lost: Some(EventsLost { time, count: 3, ranges: vec![lost] }),
        trouble: Some(HttpTrouble {
            trouble: HttpTroubleKind::Busy,
            since: time,
            count: 2,
            detail: "status 503".into(),
        }),
    }
}

fn image_health(time: WallTime) -> ImageHealth {
    ImageHealth {
        camera: name("east"),
        state: PictureState::Covered,
        since: time,
        previous: Some(PictureState::Ok),
        rules_suspended: true,
    }
}

fn outbox_health(time: WallTime) -> OutboxHealth {
    OutboxHealth {
        backlog: 2,
        backlog_bytes: 4096,
        oldest: Some(time),
        connects: 1,
        sent: 3,
        acknowledged: 1,
        refused: 0,
        pictures_lost: 0,
        events_lost: 0,
        database_set_aside: Some("/var/lib/curbwatch/curbwatch.db.damaged-20261121T072941Z".into()),
        withheld: Some(WithheldEvents { count: 1, reason: "the event has 70000 bytes".into() }),
        alarms: vec![DeliveryAlarm {
            alarm: DeliveryAlarmKind::Quota,
            since: time,
            count: 2,
            detail: "the broker has had enough".into(),
        }],
    }
}

fn health(time: WallTime) -> Health {
    Health {
        time,
        uptime_secs: 60,
        host: HostHealth {
            cpu_share: Some(0.5),
            process_cpu_share: Some(0.4),
            process_memory_bytes: Some(200_000_000),
            memory_available_bytes: None,
            memory_total_bytes: None,
            disk_free_bytes: None,
            disk_total_bytes: None,
            temperature_celsius: Some(51.5),
        },
        model: ModelHealth { is_loaded: true, reason: None, alarm: None },
        stages: vec![StageLatency { stage: "detect".into(), count: 9, p50_ms: 83.0, p99_ms: 95.0 }],
        outbox: outbox_health(time),
        commands: CommandHealth { ok: 1, ..CommandHealth::default() },
        event_stages: vec![EventStage { stage: "duplicates".into(), passed: 3, stopped: 2, changed: 0 }],
        webhook: Some(http_health(time)),
        storage: Some(http_health(time)),
        evidence: Some(EvidenceHealth {
            pictures: 812,
            bytes: 96_000_000,
            held_incidents: 1,
            held_pictures: 3,
            written: WrittenEvidence { pictures: 14, clips: 3 },
            deleted: DeletedPictures { age: 40, bytes: 2, space: 0 },
            undelivered: 0,
            alarm: Some("the key is gone".into()),
        }),
        audit: Some(AuditHealth {
            sequence: Some(912),
            hash: Some("ab".repeat(32)),
            alarm: Some("cannot write audit/000000000001_2026-11.jsonl".into()),
        }),
        configuration: Some(ConfigurationHealth {
            sha256: "5f3a".repeat(16),
            since: time,
            refused: Some("edge.yaml:3:7: hub.port is 0; allowed: a whole number from 1 to 65535".into()),
            needs_restart: vec!["agent.data_dir".into()],
        }),
        queues: vec![QueueDrops { queue: "mailbox".into(), camera: Some(name("east")), dropped: 4 }],
        verdicts: vec![RuleVerdicts {
            camera: name("east"),
            rule: name("fire"),
            confirmed: 7,
            dismissed: 1,
            precision: 0.875,
        }],
    }
}

fn samples() -> Vec<(&'static str, Value)> {
    let time = WallTime::new("2026-11-21T07:29:41.120Z".parse().unwrap(), &TimeZone::get("Asia/Shanghai").unwrap());
    let status = AgentStatus { status: AgentState::Online, session: 7, time };
    let birth = Birth {
        agent: name("yuhang-03"),
        site: name("yuhang"),
        agent_version: "0.1.0".into(),
        started_at: time,
        time_zone: "Asia/Shanghai".into(),
        config_sha256: "ef".repeat(32),
        models: vec![BirthModel {
            name: "yolov4-tiny-416".into(),
            sha256: "ab".repeat(32),
            provider: "cpu".into(),
            nodes: vec![ProviderNodes { provider: "CPUExecutionProvider".into(), count: 60 }],
            runners: 2,
            threads: 1,
        }],
        decoders: vec![BirthDecoder {
            codec: "h264".into(),
            platform: Some("software".into()),
            passed_over: vec![BirthPassedOver { platform: "vaapi".into(), reason: "no element \"vah264dec\"".into() }],
        }],
        cameras: vec![BirthCamera {
            id: name("wenyi-road-east"),
            name: None,
            gb28181_id: None,
            enabled: true,
            zones: vec![BirthZone { id: name("lane"), name: None, polygon: vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]] }],
            rules: vec![BirthRule {
                id: name("fire"),
                matter: matter(crate::config::RuleKind::FireLaneBlocked).clone(),
                zones: vec![name("lane")],
                dwell_secs: 45.0,
            }],
        }],
        schemas: vec![SchemaVersion { message: "incident".into(), version: SCHEMA_VERSION }],
    };
    let active =
        Active { camera: name("east"), rule: name("fire"), incidents: vec![Uuid::from_u128(1)], stale: Some(time) };
    let value = |message: &dyn Fn() -> Vec<u8>| serde_json::from_slice(&message()).unwrap();
    let mut samples = samples_of_commands(time);
    samples.extend([
        ("status", value(&|| to_json(&status))),
        ("birth", value(&|| to_json(&birth))),
        ("heartbeat", value(&|| to_json(&Heartbeat { session: 7, time }))),
        ("health", value(&|| to_json(&health(time)))),
        ("camera-status", value(&|| to_json(&camera_status(time)))),
        ("image", value(&|| to_json(&image_health(time)))),
        ("active", value(&|| to_json(&active))),
        ("incident", value(&|| to_json(&event(Phase::Opened, 4217)))),
        ("incident", value(&|| to_json(&event(Phase::Rechecked, 4218)))),
        ("incident", value(&|| to_json(&event(Phase::Closed, 4219)))),
    ]);
    samples
}

fn samples_of_commands(time: WallTime) -> Vec<(&'static str, Value)> {
    let lost = EventsLost {
        time,
        count: 3,
        ranges: vec![LostRange { first: Sequence(1), last: Sequence(3), reason: LossReason::Size }],
    };
    let reply = Reply {
        id: Some("r-1".to_owned().try_into().unwrap()),
        verb: Some(Verb::Replay),
        status: ReplyStatus::Ok,
        reason: None,
        repeated: false,
        time,
        evidence: Some(evidence(Uuid::from_u128(1))),
        replay: Some(Replayed { events: 3, first: Some(1), last: Some(3) }),
        hold: Some(HeldPictures { pictures: 2 }),
    };
    let incident = Uuid::from_u128(1);
    let command =
        |args: Value| json!({"id": "r-1", "client": "hub", "issued_at": time, "expires_at": time, "args": args});
    let value = |message: &dyn Fn() -> Vec<u8>| serde_json::from_slice(&message()).unwrap();
    vec![
        ("events-lost", value(&|| to_json(&lost))),
        ("reply", value(&|| to_json(&reply))),
        ("case", json!({"status": "filed", "time": time, "number": "A-7"})),
        ("signed-message", json!({"key": "hub", "text": "{}", "signature": format!("{}==", "A".repeat(86))})),
        ("command-camera", command(json!({"camera": "east", "enabled": false}))),
        ("command-feedback", command(json!({"incident": incident, "verdict": "confirmed"}))),
        ("command-hold", command(json!({"incident": incident, "until": time}))),
        ("command-release", command(json!({"incident": incident}))),
        ("command-recheck", command(json!({"incident": incident, "look_secs": 5}))),
        ("command-reload", command(json!({}))),
        ("command-replay", command(json!({"from": 1, "to": 2}))),
        ("command-rule", command(json!({"camera": "east", "rule": "fire", "muted_until": time}))),
        ("command-snapshot", command(json!({"camera": "east", "incident": incident}))),
        ("command-status", command(json!({}))),
    ]
}

#[test]
fn every_message_is_valid_against_its_schema() {
    let samples = samples();
    for (message, payload) in &samples {
        assert_eq!(mistakes(message, payload), Vec::<String>::new(), "{message}: {payload:#}");
    }
    for message in schemas().keys() {
        assert!(samples.iter().any(|(sampled, _)| sampled == message), "{message} was not checked");
    }
}

#[test]
fn no_object_of_any_message_takes_a_further_property() {
    fn objects<'a>(value: &'a mut Value, visit: &mut dyn FnMut(&mut serde_json::Map<String, Value>)) {
        match value {
            Value::Object(map) => {
                visit(map);
                map.values_mut().for_each(|inner| objects(inner, visit));
            }
            Value::Array(items) => items.iter_mut().for_each(|inner| objects(inner, visit)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for (message, payload) in samples() {
        let mut count = 0;
        objects(&mut payload.clone(), &mut |_| count += 1);
        for nth in 0..count {
            let (mut spoilt, mut index) = (payload.clone(), 0);
            objects(&mut spoilt, &mut |map| {
                if index == nth {
                    map.insert("person_id".into(), json!(1));
                }
                index += 1;
            });
            assert!(!mistakes(message, &spoilt).is_empty(), "{message}: object {nth} took a further property");
        }
    }
}

#[test]
fn an_event_is_as_the_contract_says() {
    let mut event = event(Phase::Opened, 4217);
    event.data.trace.agent_version = "[version]".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap());
}

#[test]
fn what_the_site_did_not_configure_is_left_out() {
    let mut camera = camera();
    (camera.name, camera.gb28181_id, camera.place) = (None, None, PlaceConfig::default());
    camera.zones[0].name = None;
    let transition = transition(Phase::Opened);
    let parts = EventParts {
        agent: &name("yuhang-03"),
        time_zone: &TimeZone::UTC,
        camera: &camera,
        rule: &camera.rules[0],
        frame: FrameSize { width: 2, height: 2 },
        evidence: &[],
        model: &model(),
        config_sha256: &"ef".repeat(32),
    };
    let event = serde_json::to_value(incident_event(Uuid::from_u128(9), 1, &transition, &parts)).unwrap();
    assert_eq!(event["data"]["camera"], json!({"id": "wenyi-road-east"}));
    assert_eq!(event["data"]["zone"], json!({"id": "carriageway"}));
    assert_eq!(event["data"].get("place"), None);
    assert_eq!(mistakes("incident", &event), Vec::<String>::new());
}

#[test]
fn marking_as_replayed_changes_nothing_else() {
    let original = event(Phase::Opened, 4217);
    let marked: IncidentEvent = serde_json::from_slice(&mark_replayed(&to_json(&original)).unwrap()).unwrap();
    assert!(marked.data.replayed && !original.data.replayed);
    let mut expected = original;
    expected.data.replayed = true;
    assert_eq!(marked, expected);
}

/// `UPDATE_GENERATED=1` writes the files instead of comparing them.
#[test]
fn the_published_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    for (message, schema) in schemas() {
        let path = folder.join(format!("{message}.schema.json"));
        let generated = format!("{schema:#}\n");
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &generated).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(published, generated, "{} is stale: UPDATE_GENERATED=1 cargo test schemas", path.display());
    }
}

/// `UPDATE_GENERATED=1` writes the file instead of comparing it.
#[test]
fn the_published_asyncapi_document_is_that_of_the_topics() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/asyncapi.json");
    let generated = format!("{:#}\n", asyncapi());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(published, generated, "{} is stale: UPDATE_GENERATED=1 cargo test asyncapi", path.display());
}

#[test]
fn the_asyncapi_document_has_every_message_and_its_topics_are_those_that_are_built() {
    let document = asyncapi();
    for message in schemas().keys() {
        let file = &document["components"]["messages"][message]["payload"]["schema"]["$ref"];
        assert_eq!(file, &format!("schemas/{message}.schema.json"));
    }
    for (channel, is_of) in document["channels"].as_object().unwrap() {
        let address = is_of["address"].as_str().unwrap();
        let example = |level: &str| match level.strip_prefix('{').and_then(|level| level.strip_suffix('}')) {
            Some("incident" | "evidence") => Uuid::from_u128(1).to_string(),
            Some(parameter) => {
                assert!(is_of["parameters"].get(parameter).is_some(), "{address}");
                parameter.to_owned()
            }
            None => level.to_owned(),
        };
        let topic = address.split('/').map(example).collect::<Vec<_>>().join("/");
        let (_, _, what) = Topic::parse(&name("prefix"), &topic).unwrap_or_else(|| panic!("{topic}"));
        assert_ne!(what, Topic::Command { verb: None }, "{channel}");
    }
}

/// What of a schema a hub that was made for an earlier one would not understand; `old` is that one. Words for people do not count.
fn breaches(at: &str, old: &Value, new: &Value) -> Vec<String> {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else {
        return if old == new { vec![] } else { vec![format!("{at}: {old} became {new}")] };
    };
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let counts = |key: &&&String| !["description", "title", "$id"].contains(&key.as_str());
    let breaches_at = |key: &String| match (key.as_str(), before.get(key), after.get(key)) {
        ("properties" | "$defs", Some(Value::Object(old)), Some(Value::Object(new))) => {
            let of_one = |(name, old): (&String, &Value)| match new.get(name) {
                Some(new) => breaches(&format!("{at}/{key}/{name}"), old, new),
                None => vec![format!("{at}/{key}/{name}: gone")],
            };
            old.iter().flat_map(of_one).collect()
        }
        ("properties" | "$defs", None, Some(_)) => vec![],
        (_, Some(old), Some(new)) => breaches(&format!("{at}/{key}"), old, new),
        (_, _, _) => vec![format!("{at}/{key}: {:?} became {:?}", before.get(key), after.get(key))],
    };
    keys.iter().filter(counts).flat_map(|key| breaches_at(key)).collect()
}

/// The schemas of each version are frozen when it is released. `UPDATE_GENERATED=1` adds those of messages that are new.
#[test]
fn the_messages_are_compatible_with_those_of_their_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/frozen/{SCHEMA_VERSION}"));
    for (message, schema) in schemas() {
        let path = folder.join(format!("{message}.schema.json"));
        if std::env::var_os("UPDATE_GENERATED").is_some() && !path.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, format!("{schema:#}\n")).unwrap();
        }
        let frozen = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let breaches = breaches(message, &serde_json::from_str(&frozen).unwrap(), &schema);
        assert_eq!(breaches, [] as [String; 0], "raise SCHEMA_VERSION, or take it back");
    }
}

#[test]
fn only_a_further_optional_field_is_compatible() {
    let old = json!({"type": "object", "properties": {"a": {"type": "string", "description": "x"}}, "required": ["a"]});
    let changed = |pointer: &str, value: Value| {
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        new
    };
    let further = json!({"a": {"type": "string"}, "b": {"type": "integer"}});
    let fine = [old.clone(), changed("/properties", further.clone()), changed("/properties/a/description", json!("y"))];
    for new in fine {
        assert_eq!(breaches("m", &old, &new), [] as [String; 0]);
    }
    let mut required = changed("/properties", further);
    required["required"] = json!(["a", "b"]);
    let wrong = [
        required,
        changed("/properties", json!({})),
        changed("/properties/a/type", json!("integer")),
        changed("/required", json!([])),
        changed("/properties/a", json!({"type": "string", "enum": ["x"]})),
    ];
    for new in wrong {
        assert_ne!(breaches("m", &old, &new), [] as [String; 0], "{new}");
    }
}
