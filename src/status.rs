//! What the agent says of itself and its cameras, from internal state to the contract's messages. Pure.

use crate::analysis::PictureNews;
use crate::audit::AuditLog;
use crate::clock::Mono;
use crate::config::{CameraConfig, Config, Disclosure};
use crate::contract::{
    AuditHealth, Birth, BirthCamera, BirthDecoder, BirthModel, BirthPassedOver, BirthRule, BirthZone,
    CameraState as WireState, CameraStatus, ClockAlarm as WireAlarm, DeletedPictures, DeliveryAlarm, EventStage,
    EvidenceHealth, EvidenceStreamStatus, HostHealth, ImageHealth, MediaType, ModelIdentity, OutboxHealth,
    ProviderNodes, RuleVerdicts, SchemaVersion, StageLatency, StreamDecoding, StreamStatus, WallTime, WithheldEvents,
    WrittenEvidence, matter, schemas,
};
use crate::detect::manifest::Manifest;
use crate::detect::{Arrangement, ProviderInUse};
use crate::evidence::CustodyCounts;
use crate::health::{HostSample, Latencies, Stage};
use crate::ids::Name;
use crate::ingest::{CameraState, ClockAlarm, DecoderChoice, DecodingInUse, IngestStats, PassedOver};
use crate::mqtt::{Alarm, LinkStats};
use crate::picture::PictureState;
use crate::quality::{QualityStage, Tallies, Tally};
use crate::store::{Backlog, DeletionReason, EvidenceTotals, Losses, Verdicts, Withheld};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::Path;
use std::time::Duration;

/// A stream's state and since when it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamView {
    /// The state.
    pub state: CameraState,
    /// Wall time of the change.
    pub since: Timestamp,
    /// Since when no attempt to get pictures has succeeded, over changes of the reason.
    away: Option<(Mono, Timestamp)>,
}

impl StreamView {
    /// The state before the first attempt.
    #[must_use]
    pub fn new(state: CameraState, now: Timestamp) -> Self {
        Self { state, since: now, away: None }
    }

    /// Takes the next state.
    pub fn update(&mut self, state: CameraState, mono: Mono, now: Timestamp) {
        if !self.state.same_kind(&state) {
            self.since = now;
        }
        self.away = state.reason().is_some().then(|| self.away.unwrap_or((mono, now)));
        self.state = state;
    }

    /// Since when there have been no pictures, if that is at least `least` ago.
    #[must_use]
    pub fn away_for(&self, least: Duration, now: Mono) -> Option<Timestamp> {
        self.away.filter(|(from, _)| now.since(*from) >= least).map(|(_, since)| since)
    }
}

/// How a camera is.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraView {
    /// The stream that is analysed.
    pub detect: StreamView,
    /// The stream for pictures, if there is one.
    pub evidence: Option<StreamView>,
    /// How the picture is; none before the first frame.
    pub picture: Option<PictureState>,
}

impl CameraView {
    /// Both streams take the same next state: the camera is switched.
    pub fn update(&mut self, state: &CameraState, mono: Mono, now: Timestamp) {
        for stream in [Some(&mut self.detect), self.evidence.as_mut()].into_iter().flatten() {
            stream.update(state.clone(), mono, now);
        }
    }
}

/// The message about a camera.
#[must_use]
pub fn camera_status(
    camera: &Name,
    view: &CameraView,
    stats: &IngestStats,
    fps_analysed: f64,
    last_key_frame: Option<Timestamp>,
    time_zone: &TimeZone,
) -> CameraStatus {
    let written = |instant| WallTime::new(instant, time_zone);
    let last = stats.last_frame;
    let detect = &view.detect;
    let stream = match (&detect.state, last) {
        (CameraState::Online(info), Some(last)) => Some(StreamStatus {
            codec: info.codec.as_str().to_owned(),
            width: info.width,
            height: info.height,
            decoder: info.decoder.clone(),
            decoding: wire_decoding(stats.decoding),
            fps_in: tenths(stats.fps_in),
            fps_analysed: tenths(fps_analysed),
            clock_quality: last.clock_quality,
            clock_offset_ms: last.clock_offset.and_then(|offset| i64::try_from(offset.as_millis()).ok()),
            clock_alarm: stats.clock_alarm.map(|alarm| match alarm {
                ClockAlarm::Offset(_) => WireAlarm::Offset,
                ClockAlarm::Drift(_) => WireAlarm::Drift,
            }),
        }),
        _ => None,
    };
    CameraStatus {
        camera: camera.clone(),
        state: wire_state(&detect.state),
        since: written(detect.since),
        reason: detect.state.reason().map(ToString::to_string),
        stream,
        last_frame: last.map(|last| written(last.wall)),
        evidence: view.evidence.as_ref().map(|view| evidence_status(view, last_key_frame, time_zone)),
        reconnects: stats.connections.saturating_sub(1),
    }
}

fn evidence_status(view: &StreamView, last_key_frame: Option<Timestamp>, time_zone: &TimeZone) -> EvidenceStreamStatus {
    let written = |instant| WallTime::new(instant, time_zone);
    let info = match &view.state {
        CameraState::Online(info) => Some(info),
        CameraState::Connecting
        | CameraState::Stalled { .. }
        | CameraState::Offline { .. }
        | CameraState::Unauthorised { .. }
        | CameraState::Disabled => None,
    };
    EvidenceStreamStatus {
        state: wire_state(&view.state),
        since: written(view.since),
        reason: view.state.reason().map(ToString::to_string),
        codec: info.map(|info| info.codec.as_str().to_owned()),
        width: info.map(|info| info.width),
        height: info.map(|info| info.height),
        last_key_frame: last_key_frame.map(written),
    }
}

fn wire_decoding(decoding: DecodingInUse) -> StreamDecoding {
    match decoding {
        DecodingInUse::All => StreamDecoding::All,
        DecodingInUse::KeyFrames => StreamDecoding::KeyFrames,
        DecodingInUse::AllForLackOfKeyFrames => StreamDecoding::AllForLackOfKeyFrames,
    }
}

/// The message about a camera's picture.
#[must_use]
pub fn image_health(camera: &Name, news: &PictureNews, time_zone: &TimeZone) -> ImageHealth {
    ImageHealth {
        camera: camera.clone(),
        state: news.state,
        since: WallTime::new(news.since.wall, time_zone),
        previous: news.previous,
        rules_suspended: news.state.suspends_rules(),
    }
}

/// The message about a camera that is not run because of mistakes in its configuration.
#[must_use]
pub fn set_aside_status(camera: &Name, mistakes: usize, now: WallTime) -> CameraStatus {
    CameraStatus {
        camera: camera.clone(),
        state: WireState::Disabled,
        since: now,
        reason: Some(format!("its configuration has {mistakes} mistake(s): curbwatch check names them")),
        stream: None,
        last_frame: None,
        evidence: None,
        reconnects: 0,
    }
}

fn wire_state(state: &CameraState) -> WireState {
    match state {
        CameraState::Connecting => WireState::Connecting,
        CameraState::Online(_) => WireState::Online,
        CameraState::Stalled { .. } => WireState::Stalled,
        CameraState::Offline { .. } => WireState::Offline,
        CameraState::Unauthorised { .. } => WireState::Unauthorised,
        CameraState::Disabled => WireState::Disabled,
    }
}

/// How events name a model.
#[must_use]
pub fn model_identity(manifest: &Manifest, provider: &ProviderInUse) -> ModelIdentity {
    ModelIdentity {
        name: manifest.name.clone(),
        sha256: manifest.sha256.as_str().to_owned(),
        provider: provider.provider.as_str().to_owned(),
    }
}

/// How the birth message names a model.
#[must_use]
pub fn birth_model(manifest: &Manifest, provider: &ProviderInUse, arrangement: Arrangement) -> BirthModel {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let of_provider =
        |provider: &String, nodes: usize| ProviderNodes { provider: provider.clone(), count: count(nodes) };
    let ModelIdentity { name, sha256, provider: in_use } = model_identity(manifest, provider);
    BirthModel {
        name,
        sha256,
        provider: in_use,
        nodes: provider.nodes.iter().map(|(name, &nodes)| of_provider(name, nodes)).collect(),
        runners: count(arrangement.runners),
        threads: count(arrangement.threads),
    }
}

/// The message that says what the agent is and watches; without models while none could be loaded.
#[must_use]
pub fn birth(
    config: &Config,
    config_sha256: &str,
    started_at: WallTime,
    models: Vec<BirthModel>,
    decoders: &[DecoderChoice],
) -> Birth {
    let version =
        |message: &&str| SchemaVersion { message: (*message).to_owned(), version: crate::contract::SCHEMA_VERSION };
    Birth {
        agent: config.agent.id.clone(),
        site: config.agent.site.clone(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        time_zone: config.agent.time_zone.clone(),
        config_sha256: config_sha256.to_owned(),
        models,
        decoders: decoders.iter().map(birth_decoder).collect(),
        cameras: config.cameras.iter().map(|camera| birth_camera(camera, config.hub.disclosure)).collect(),
        schemas: schemas().keys().map(version).collect(),
    }
}

fn birth_decoder(choice: &DecoderChoice) -> BirthDecoder {
    let passed_over =
        |over: &PassedOver| BirthPassedOver { platform: over.platform.clone(), reason: over.reason.clone() };
    BirthDecoder {
        codec: choice.codec.as_str().to_owned(),
        platform: choice.platform.as_ref().map(|platform| platform.name.clone()),
        passed_over: choice.passed_over.iter().map(passed_over).collect(),
    }
}

fn birth_camera(camera: &CameraConfig, disclosure: Disclosure) -> BirthCamera {
    let are_named = disclosure.allows_names();
    let zone = |zone: &crate::config::ZoneConfig| BirthZone {
        id: zone.id.clone(),
        name: zone.name.clone().filter(|_| are_named),
        polygon: zone.polygon.0.corners().iter().map(|corner| [corner.x, corner.y]).collect(),
    };
    let rule = |rule: &crate::config::RuleConfig| BirthRule {
        id: rule.id.clone(),
        matter: matter(rule.kind).clone(),
        zones: rule.zones.clone(),
        dwell_secs: rule.dwell().as_secs_f64(),
    };
    BirthCamera {
        id: camera.id.clone(),
        name: camera.name.clone().filter(|_| are_named),
        gb28181_id: camera.gb28181_id.clone().filter(|_| disclosure.allows_official_ids()),
        enabled: camera.enabled,
        zones: camera.zones.iter().map(zone).collect(),
        rules: camera.rules.iter().map(rule).collect(),
    }
}

/// The host's part of the health message.
#[must_use]
pub fn host_health(sample: &HostSample) -> HostHealth {
    let share = |share: f32| (f64::from(share) * 1000.0).round() / 1000.0;
    HostHealth {
        cpu_share: Some(share(sample.host_cpu_share)),
        process_cpu_share: sample.process_cpu_share.map(share),
        process_memory_bytes: sample.process_memory_bytes,
        memory_available_bytes: Some(sample.memory_available_bytes),
        memory_total_bytes: Some(sample.memory_total_bytes),
        disk_free_bytes: sample.disk_free_bytes,
        disk_total_bytes: sample.disk_total_bytes,
        temperature_celsius: sample.temperature_celsius.map(f64::from).map(tenths),
    }
}

/// What waits for the hub, what was lost, and what a person must see to.
#[must_use]
pub fn outbox_health(
    backlog: Option<Backlog>,
    losses: Option<Losses>,
    withheld: Option<Withheld>,
    set_aside: Option<&Path>,
    link: &LinkStats,
    alarms: Vec<Alarm>,
    time_zone: &TimeZone,
) -> OutboxHealth {
    let written = |instant| WallTime::new(instant, time_zone);
    let alarm = |Alarm { kind, since, count, detail }: Alarm| DeliveryAlarm {
        alarm: kind,
        since: written(since),
        count,
        detail,
    };
    OutboxHealth {
        backlog: backlog.map_or(0, |backlog| backlog.rows),
        backlog_bytes: backlog.map_or(0, |backlog| backlog.bytes),
        oldest: backlog.and_then(|backlog| backlog.oldest).map(written),
        connects: link.connects,
        sent: link.sent,
        acknowledged: link.acknowledged,
        refused: link.refused,
        pictures_lost: link.pictures_lost,
        events_lost: losses.map_or(0, |losses| losses.count),
        withheld: withheld.map(|Withheld { count, reason }| WithheldEvents { count, reason }),
        database_set_aside: set_aside.map(|path| path.display().to_string()),
        alarms: alarms.into_iter().map(alarm).collect(),
    }
}

/// The pictures on the disk, and what was deleted.
#[must_use]
pub fn evidence_health(totals: EvidenceTotals, counts: &CustodyCounts, alarm: Option<String>) -> EvidenceHealth {
    let EvidenceTotals { pictures, bytes, held_incidents, held_pictures } = totals;
    let deleted = DeletedPictures {
        age: counts.deleted(DeletionReason::Age),
        bytes: counts.deleted(DeletionReason::Bytes),
        space: counts.deleted(DeletionReason::Space),
    };
    let undelivered = counts.undelivered();
    let written = WrittenEvidence { pictures: counts.written(MediaType::Jpeg), clips: counts.written(MediaType::WebM) };
    EvidenceHealth { pictures, bytes, held_incidents, held_pictures, written, deleted, undelivered, alarm }
}

/// The head of the audit log.
#[must_use]
pub fn audit_health(audit: &AuditLog) -> AuditHealth {
    let (sequence, hash) = audit.head().map(|head| (head.sequence, head.hash)).unzip();
    AuditHealth { sequence, hash, alarm: audit.failing() }
}

/// What the stages before an event leaves did.
#[must_use]
pub fn event_stages(tallies: &Tallies) -> Vec<EventStage> {
    let of_stage = |stage: QualityStage| {
        let Tally { passed, stopped, changed } = tallies.of(stage);
        EventStage { stage: stage.as_str().to_owned(), passed, stopped, changed }
    };
    QualityStage::ALL.into_iter().map(of_stage).collect()
}

/// What people at the hub found of the incidents of each rule.
#[must_use]
pub fn rule_verdicts(verdicts: Vec<Verdicts>) -> Vec<RuleVerdicts> {
    let of_rule = |Verdicts { camera, rule, confirmed, dismissed }: Verdicts| {
        let precision = confirmed as f64 / ((confirmed + dismissed).max(1)) as f64;
        RuleVerdicts { camera, rule, confirmed, dismissed, precision: (precision * 1e3).round() / 1e3 }
    };
    verdicts.into_iter().map(of_rule).collect()
}

/// Latencies of the stages that did something since the last call.
#[must_use]
pub fn stage_latencies(latencies: &Latencies) -> Vec<StageLatency> {
    let millis = |took: Duration| (took.as_secs_f64() * 1e6).round() / 1e3;
    let latency = |stage: Stage| {
        let summary = latencies.take(stage)?;
        Some(StageLatency {
            stage: stage.as_str().to_owned(),
            count: summary.count,
            p50_ms: millis(summary.p50),
            p99_ms: millis(summary.p99),
        })
    };
    Stage::ALL.into_iter().filter_map(latency).collect()
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Codec, Failure, StreamInfo};

    #[test]
    fn a_camera_is_away_from_its_first_failure_until_pictures_come_again() {
        let (at, minute) = (|secs: i64| Timestamp::from_second(1_795_307_000 + secs).unwrap(), Duration::from_mins(1));
        let mono = |secs: i64| Mono(Duration::from_secs(secs.unsigned_abs()));
        let offline = |reason| CameraState::Offline { reason, attempt: 1, retry_in: Duration::ZERO };
        let online = StreamInfo { codec: Codec::H264, profile: None, width: 640, height: 360, decoder: None };
        let mut view = StreamView::new(CameraState::Connecting, at(0));
        assert_eq!(view.away_for(minute, mono(500)), None, "it has not failed yet");
        view.update(CameraState::Online(online.clone()), mono(1), at(1));
        view.update(offline(Failure::Ended), mono(10), at(10));
        view.update(offline(Failure::Refused), mono(20), at(20));
        assert_eq!(view.away_for(minute, mono(69)), None);
        assert_eq!(view.away_for(minute, mono(70)), Some(at(10)), "whatever the reason is by now");
        view.update(CameraState::Online(online), mono(80), at(80));
        assert_eq!(view.away_for(minute, mono(500)), None);
    }
}
