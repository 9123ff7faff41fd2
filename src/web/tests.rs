use super::*;
use crate::clock::{Mono, SystemClocks};
use crate::contract::{self, CameraState, CameraStatus, Health};
use crate::frame::FrameStamp;
use crate::ids::Name;
use crate::ingest::IngestStats;
use crate::picture::PictureState;
use axum::body::Body;
use axum::http::Request;

fn health(is_loaded: bool) -> Health {
    serde_json::from_value(serde_json::json!({
        "time": "2026-11-21T15:29:41.120+08:00",
        "uptime_secs": 3600,
        "host": {
            "cpu_share": 0.25, "process_cpu_share": 0.125, "process_memory_bytes": 209_715_200, "memory_available_bytes": 1_000_000_000,
            "memory_total_bytes": 2_000_000_000, "disk_free_bytes": 30_000_000_000u64, "disk_total_bytes": 60_000_000_000u64,
            "temperature_celsius": 61.5
        },
        "model": {"is_loaded": is_loaded, "reason": "model.onnx is missing"},
        "stages": [{"stage": "detect", "count": 40, "p50_ms": 84.0, "p99_ms": 121.5}],
        "outbox": {
            "backlog": 3, "oldest": "2026-11-21T15:29:31.000+08:00",
            "backlog_bytes": 4096, "events_lost": 5, "withheld": {"count": 1, "reason": "the event has 70000 bytes"},
            "alarms": [{"alarm": "quota", "since": "2026-11-21T15:29:31.000+08:00", "count": 2, "detail": "enough"}],
            "connects": 2, "sent": 17, "acknowledged": 14, "refused": 0, "pictures_lost": 0
        },
        "commands": {"ok": 7, "rejected": 1, "failed": 0, "expired": 2, "repeated": 3, "dropped": 0},
        "event_stages": [{"stage": "duplicates", "passed": 4, "stopped": 9, "changed": 0}],
        "webhook": {
            "backlog": 4, "backlog_bytes": 9000, "requests": 21, "taken": 12, "failures": 9, "rejected": {"count": 2, "reason": "status 400"},
            "trouble": {"trouble": "busy", "since": "2026-11-21T15:29:31.000+08:00", "count": 3, "detail": "status 503"}
        },
        "evidence": {
            "pictures": 12, "bytes": 2_400_000, "held_incidents": 1, "held_pictures": 2, "written": {"pictures": 14, "clips": 3},
            "deleted": {"age": 4, "bytes": 1, "space": 0}, "undelivered": 1, "alarm": "failed to read the key"
        },
        "audit": {"sequence": 77, "hash": "ab".repeat(32)},
        "configuration": {"sha256": "ab", "since": "2026-11-21T15:29:41.120+08:00", "refused": "edge.yaml:3:7: hub.port is 0"},
        "queues": [{"queue": "mailbox", "camera": "east", "dropped": 5}],
        "verdicts": [{"camera": "east", "rule": "vending", "confirmed": 9, "dismissed": 1, "precision": 0.9}]
    }))
    .unwrap()
}

fn board() -> Board {
    let board = Board::default();
    let status: CameraStatus = serde_json::from_value(serde_json::json!({
        "camera": "east", "state": "stalled", "since": "2026-11-21T15:29:00.000+08:00", "reason": "no picture for 10 s", "reconnects": 2,
        "stream": {
            "codec": "h264", "width": 1920, "height": 1080, "decoding": "key_frames", "fps_in": 25.0, "fps_analysed": 4.0,
            "clock_quality": "camera_ntp", "clock_offset_ms": 12
        },
        "evidence": {"state": "online", "since": "2026-11-21T15:29:00.000+08:00"}
    }))
    .unwrap();
    let stamp = FrameStamp::of_recording(Duration::from_secs(30), jiff::Timestamp::UNIX_EPOCH, 0);
    let counted = IngestStats {
        units_received: 1500,
        units_lost: 7,
        connections: 3,
        last_frame: Some(stamp),
        ..IngestStats::default()
    };
    board.set_cameras(vec![CameraFacts {
        status,
        picture: Some(PictureState::Covered),
        stats: counted,
        judged: 400,
        inferred: 60,
    }]);
    board
}

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

fn open() -> Vec<OpenIncidents> {
    vec![OpenIncidents { camera: name("east"), rule: name("vending"), count: 2, is_stale: true }]
}

async fn get(board: Board, path: &str) -> (u16, String) {
    let mut routes = routes(Arc::new(board), Arc::new(SystemClocks::new()));
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = tower_service::Service::call(&mut routes, request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn every_fact_has_its_metric_with_name_unit_and_labels() {
    let board = board();
    board.set_health(health(true), open(), Mono::default());
    let (status, text) = get(board, "/metrics").await;
    assert_eq!(status, 200);
    // Families come in the order in which they are written; the series of one in any.
    let mut series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    series.sort_unstable();
    insta::assert_snapshot!(series.join("\n"));
    assert!(text.ends_with("# EOF\n"), "the end of OpenMetrics text");
}

#[tokio::test]
async fn a_state_set_has_one_for_the_state_that_holds_and_zero_for_the_others() {
    let (_, text) = get(board(), "/metrics").await;
    for state in CameraState::ALL {
        let value = if state == CameraState::Stalled { "1.0" } else { "0.0" };
        let line = format!("curbwatch_camera_state{{camera=\"east\",state=\"{}\"}} {value}", state.as_str());
        assert!(text.contains(&line), "{line} in {text}");
        assert_eq!(contract::to_json(&state), format!("\"{}\"", state.as_str()).into_bytes(), "as in messages");
    }
}

#[tokio::test]
async fn it_is_alive_while_facts_are_fresh_and_ready_once_the_model_is_loaded() {
    assert_eq!(get(Board::default(), "/live").await, (503, "starting\n".to_owned()));
    assert_eq!(get(Board::default(), "/ready").await.0, 503);
    let told = |is_loaded, at| {
        let board = board();
        board.set_health(health(is_loaded), vec![], at);
        board
    };
    assert_eq!(get(told(false, Mono::default()), "/live").await.0, 200);
    assert_eq!(get(told(false, Mono::default()), "/ready").await, (503, "model.onnx is missing\n".to_owned()));
    assert_eq!(get(told(true, Mono::default()), "/ready").await.0, 200);
    assert_eq!(get(Board::default(), "/secret").await.0, 404);
}
