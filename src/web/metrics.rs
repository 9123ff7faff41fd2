//! What is on the board, as metrics.
//!
//! Text of `OpenMetrics` 1.0, which Prometheus reads. Names follow its conventions: base units in the name, `_total` for what only grows. What has
//! one of several states is a state set: one series per state, 1 for the one that holds.

use super::board::{CameraFacts, Facts};
use crate::contract::{CameraState, DeliveryAlarmKind, Health, HostHealth, HttpHealth, HttpTroubleKind};
use crate::picture::PictureState;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Error;
use std::sync::atomic::AtomicU64;

/// The media type of what [`render`] writes.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A share of one, in the singular of Prometheus's conventions.
const RATIO: &str = "ratio";

/// Labels and value of one series.
type Series<'a, V> = (Vec<(&'a str, &'a str)>, V);
type Labels = Vec<(String, String)>;

/// The metrics of one answer.
struct Pages(Registry);

impl Pages {
    /// What may rise and fall. Without a series it is left out.
    fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        series: impl IntoIterator<Item = Series<'a, f64>>,
    ) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        let mut is_empty = true;
        for (labels, value) in series {
            is_empty = false;
            family.get_or_create(&owned(&labels)).set(value);
        }
        match unit {
            _ if is_empty => {}
            Some(unit) => self.0.register_with_unit(name, help, unit, family),
            None => self.0.register(name, help, family),
        }
    }

    /// What only grows, since the program started; `_total` is added to the name.
    fn counter<'a>(&mut self, name: &str, help: &str, series: impl IntoIterator<Item = Series<'a, u64>>) {
        let family = Family::<Labels, Counter>::default();
        let mut is_empty = true;
        for (labels, value) in series {
            is_empty = false;
            family.get_or_create(&owned(&labels)).inc_by(value);
        }
        if !is_empty {
            self.0.register(name, help, family);
        }
    }

    fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Everything on the board as text.
pub(super) fn render(facts: &Facts) -> Result<String, Error> {
    let mut pages = Pages(Registry::with_prefix("curbwatch"));
    if let Some(health) = &facts.health {
        of_agent(&mut pages, health);
        of_host(&mut pages, &health.host);
        of_hub(&mut pages, health);
        of_evidence(&mut pages, health);
        of_couriers(&mut pages, &[("webhook", health.webhook.as_ref()), ("storage", health.storage.as_ref())]);
    }
    of_cameras(&mut pages, &facts.cameras);
    of_incidents(&mut pages, facts);
    pages.text()
}

fn of_agent(pages: &mut Pages, health: &Health) {
    pages.gauge("build_info", "The running program", None, [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)]);
    pages.gauge("uptime", "Time since the program started", Some(Unit::Seconds), one(health.uptime_secs as f64));
    pages.gauge("model_loaded", "Whether frames can be analysed", None, one(flag(health.model.is_loaded)));
    let alarm = flag(health.model.alarm.is_some());
    pages.gauge("model_alarm", "Whether the model runs otherwise than the site prefers", None, one(alarm));
    if let Some(configuration) = &health.configuration {
        let refused = flag(configuration.refused.is_some());
        pages.gauge(
            "configuration_refused",
            "Whether the files as they are now cannot be taken over",
            None,
            one(refused),
        );
        let restart = flag(!configuration.needs_restart.is_empty());
        pages.gauge("configuration_needs_restart", "Whether something of them waits for a restart", None, one(restart));
    }
    let quantiles = health.stages.iter().flat_map(|stage| {
        let series =
            |quantile, millis: f64| (vec![("stage", stage.stage.as_str()), ("quantile", quantile)], millis / 1e3);
        [series("0.5", stage.p50_ms), series("0.99", stage.p99_ms)]
    });
    pages.gauge("stage_latency", "Time that a stage took in the last ten seconds", Some(Unit::Seconds), quantiles);
    let dropped = health.queues.iter().map(|queue| {
        let camera = queue.camera.as_ref().map_or("", |camera| camera.as_str());
        (vec![("queue", queue.queue.as_str()), ("camera", camera)], queue.dropped)
    });
    pages.counter("queue_dropped", "What a queue dropped for want of room", dropped);
}

fn of_host(pages: &mut Pages, host: &HostHealth) {
    let ratio = |share: Option<f64>| share.into_iter().flat_map(one);
    let bytes = |bytes: Option<u64>| bytes.into_iter().flat_map(|bytes| one(bytes as f64));
    pages.gauge("host_cpu", "Share of all cores in use", Some(Unit::Other(RATIO.to_owned())), ratio(host.cpu_share));
    pages.gauge(
        "process_cpu",
        "Share of all cores in use by the agent",
        Some(Unit::Other(RATIO.to_owned())),
        ratio(host.process_cpu_share),
    );
    let resident = bytes(host.process_memory_bytes);
    pages.gauge("process_resident_memory", "Resident memory of the agent", Some(Unit::Bytes), resident);
    let available = bytes(host.memory_available_bytes);
    pages.gauge("host_memory_available", "Memory that could be used without swapping", Some(Unit::Bytes), available);
    pages.gauge("host_memory", "Memory of the box", Some(Unit::Bytes), bytes(host.memory_total_bytes));
    pages.gauge("disk_free", "Free space where the data is", Some(Unit::Bytes), bytes(host.disk_free_bytes));
    pages.gauge("disk_size", "Size of the disk with the data", Some(Unit::Bytes), bytes(host.disk_total_bytes));
    let celsius = host.temperature_celsius.into_iter().flat_map(one);
    pages.gauge("host_temperature", "Highest temperature that can be read", Some(Unit::Celsius), celsius);
}

fn of_hub(pages: &mut Pages, health: &Health) {
    let outbox = &health.outbox;
    pages.gauge(
        "outbox_messages",
        "Messages on disk that the broker has not acknowledged",
        None,
        one(outbox.backlog as f64),
    );
    let oldest = outbox.oldest.iter().flat_map(|oldest| one(oldest.instant().as_millisecond() as f64 / 1e3));
    pages.gauge("outbox_oldest_timestamp", "Since when the oldest of them waits", Some(Unit::Seconds), oldest);
    pages.counter("hub_connects", "Connections made to the broker", one(outbox.connects));
    pages.counter(
        "hub_messages_sent",
        "Messages from disk handed to the broker, repetitions included",
        one(outbox.sent),
    );
    pages.counter("hub_messages_acknowledged", "Messages that the broker acknowledged", one(outbox.acknowledged));
    pages.counter("hub_messages_refused", "Messages that the broker refused; they are sent again", one(outbox.refused));
    pages.gauge(
        "outbox_size",
        "Bytes of the messages on disk, pictures included",
        Some(Unit::Bytes),
        one(outbox.backlog_bytes as f64),
    );
    pages.counter("events_lost", "Events dropped since the outbox was full, ever", one(outbox.events_lost));
    pages.counter(
        "events_withheld",
        "Events kept back for a defect, ever",
        one(outbox.withheld.as_ref().map_or(0, |withheld| withheld.count)),
    );
    let set_aside = flag(outbox.database_set_aside.is_some());
    pages.gauge("database_set_aside", "Whether a damaged database was set aside at the start", None, one(set_aside));
    let alarms = DeliveryAlarmKind::ALL.map(|kind| {
        let is_raised = outbox.alarms.iter().any(|alarm| alarm.alarm == kind);
        (vec![("alarm", kind.as_str())], flag(is_raised))
    });
    pages.gauge("hub_alarm", "What is wrong with the delivery although there is a connection", None, alarms);
    let commands = &health.commands;
    let outcomes = [
        ("ok", commands.ok),
        ("rejected", commands.rejected),
        ("failed", commands.failed),
        ("expired", commands.expired),
        ("repeated", commands.repeated),
        ("dropped", commands.dropped),
    ];
    let outcomes = outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count));
    pages.counter("commands", "Commands of the hub, by what came of them", outcomes);
    let stages = health.event_stages.iter().flat_map(|stage| {
        let series = |outcome, count| (vec![("stage", stage.stage.as_str()), ("outcome", outcome)], count);
        [series("passed", stage.passed), series("stopped", stage.stopped), series("changed", stage.changed)]
    });
    pages.counter("event_stage", "What each stage before an event leaves did", stages);
    pages.counter("evidence_lost", "Pictures whose file had gone before they were sent", one(outbox.pictures_lost));
}

/// What is kept of pictures and clips, and whether what is done with them is on record.
fn of_evidence(pages: &mut Pages, health: &Health) {
    if let Some(evidence) = &health.evidence {
        pages.gauge("evidence_files", "Pictures and clips on disk", None, one(evidence.pictures as f64));
        pages.gauge("evidence_size", "Bytes of these", Some(Unit::Bytes), one(evidence.bytes as f64));
        pages.gauge("evidence_held_files", "Those that the hub holds", None, one(evidence.held_pictures as f64));
        let holds = one(evidence.held_incidents as f64);
        pages.gauge("evidence_holds", "Incidents whose pictures and clips the hub holds", None, holds);
        let written = [("picture", evidence.written.pictures), ("clip", evidence.written.clips)];
        let written = written.map(|(kind, count)| (vec![("kind", kind)], count));
        pages.counter("evidence_written", "Pictures and clips written", written);
        let deleted = &evidence.deleted;
        let deleted = [("age", deleted.age), ("bytes", deleted.bytes), ("space", deleted.space)];
        let deleted = deleted.map(|(reason, count)| (vec![("reason", reason)], count));
        pages.counter("evidence_deleted", "Pictures and clips deleted, by the reason", deleted);
        let undelivered = one(evidence.undelivered);
        pages.counter("evidence_deleted_undelivered", "Those of them that somebody was still to have", undelivered);
        let alarm = one(flag(evidence.alarm.is_some()));
        pages.gauge("evidence_alarm", "Whether no picture can be kept, since a key cannot be read", None, alarm);
    }
    if let Some(audit) = &health.audit {
        pages.counter("audit_records", "Records of the audit log, ever", one(audit.sequence.unwrap_or(0)));
        let alarm = one(flag(audit.alarm.is_some()));
        pages.gauge("audit_alarm", "Whether the audit log cannot be written", None, alarm);
    }
}

/// What goes by HTTP to servers besides the hub.
fn of_couriers(pages: &mut Pages, couriers: &[(&str, Option<&HttpHealth>)]) {
    let known = || couriers.iter().filter_map(|(name, health)| Some((*name, (*health)?)));
    let of = |name| vec![("destination", name)];
    let waiting = known().map(|(name, health)| (of(name), health.backlog as f64));
    pages.gauge("http_messages", "Messages on disk that the server has not taken", None, waiting);
    let oldest =
        known().filter_map(|(name, health)| Some((of(name), health.oldest?.instant().as_millisecond() as f64 / 1e3)));
    pages.gauge("http_oldest_timestamp", "Since when the oldest of them waits", Some(Unit::Seconds), oldest);
    pages.counter("http_requests", "Requests made", known().map(|(name, health)| (of(name), health.requests)));
    let taken = known().map(|(name, health)| (of(name), health.taken));
    pages.counter("http_messages_taken", "Messages that the server took", taken);
    let rejected =
        known().map(|(name, health)| (of(name), health.rejected.as_ref().map_or(0, |rejected| rejected.count)));
    pages.counter("http_messages_rejected", "Messages that the server refused for good, ever", rejected);
    let lost = known().map(|(name, health)| (of(name), health.events_lost.as_ref().map_or(0, |lost| lost.count)));
    pages.counter("http_events_lost", "Events dropped before the server had them, ever", lost);
    let troubles = known().flat_map(|(name, health)| {
        HttpTroubleKind::ALL.map(|kind| {
            let holds = health.trouble.as_ref().is_some_and(|trouble| trouble.trouble == kind);
            (vec![("destination", name), ("trouble", kind.as_str())], flag(holds))
        })
    });
    pages.gauge("http_trouble", "Why the server takes nothing", None, troubles);
}

fn of_cameras(pages: &mut Pages, cameras: &[CameraFacts]) {
    let states = cameras.iter().flat_map(|camera| {
        let series = |state: CameraState| {
            (vec![("camera", id(camera)), ("state", state.as_str())], flag(camera.status.state == state))
        };
        CameraState::ALL.map(series)
    });
    pages.gauge("camera_state", "How a camera's connection is", None, states);
    let pictures = cameras.iter().filter_map(|camera| Some((camera, camera.picture?))).flat_map(|(camera, picture)| {
        PictureState::ALL.map(|state| (vec![("camera", id(camera)), ("state", state.as_str())], flag(picture == state)))
    });
    pages.gauge("camera_picture_state", "How a camera's picture is", None, pictures);
    let evidence = cameras.iter().filter_map(|camera| Some((camera, camera.status.evidence.as_ref()?))).flat_map(
        |(camera, evidence)| {
            CameraState::ALL
                .map(|state| (vec![("camera", id(camera)), ("state", state.as_str())], flag(evidence.state == state)))
        },
    );
    pages.gauge("camera_evidence_state", "How the connection to the stream for pictures is", None, evidence);
    counts(pages, cameras);
    let streams = || cameras.iter().filter_map(|camera| Some((camera, camera.status.stream.as_ref()?)));
    let fps = streams().map(|(camera, stream)| (of(camera), stream.fps_in));
    pages.gauge("camera_frames_per_second", "Pictures that a camera sends each second", None, fps);
    let offsets = streams().filter_map(|(camera, stream)| Some((of(camera), stream.clock_offset_ms? as f64 / 1e3)));
    pages.gauge(
        "camera_clock_offset",
        "By how much a camera's clock is ahead of the box's",
        Some(Unit::Seconds),
        offsets,
    );
    let alarms = streams().map(|(camera, stream)| (of(camera), flag(stream.clock_alarm.is_some())));
    pages.gauge("camera_clock_alarm", "Whether a camera's clock is not to be relied on", None, alarms);
    let last = cameras
        .iter()
        .filter_map(|camera| Some((of(camera), camera.stats.last_frame?.wall.as_millisecond() as f64 / 1e3)));
    pages.gauge("camera_last_frame_timestamp", "When the last frame was taken", Some(Unit::Seconds), last);
}

/// What of a camera only grows.
fn counts(pages: &mut Pages, cameras: &[CameraFacts]) {
    let mut counter = |name, help, count: fn(&CameraFacts) -> u64| {
        pages.counter(name, help, cameras.iter().map(|camera| (of(camera), count(camera))));
    };
    counter("camera_units_received", "Compressed pictures that a camera sent", |camera| camera.stats.units_received);
    counter("camera_units_lost", "Compressed pictures not decoded after a loss", |camera| camera.stats.units_lost);
    counter("camera_units_held", "Compressed pictures held back while idle", |camera| camera.stats.units_held);
    counter("camera_frames_decoded", "Pictures that the decoder gave", |camera| camera.stats.frames_decoded);
    counter("camera_frames_corrupt", "Pictures that the decoder marked as damaged", |camera| {
        camera.stats.frames_corrupt
    });
    counter("camera_frames_judged", "Frames judged, inferred or found unchanged", |camera| camera.judged);
    counter("camera_frames_inferred", "Frames inferred", |camera| camera.inferred);
    counter("camera_connections", "Connections that gave a picture", |camera| camera.stats.connections);
    counter("camera_failures", "Attempts and connections that failed", |camera| camera.stats.failures);
    counter("camera_timeline_jumps", "Jumps of a stream's own clock", |camera| camera.stats.timeline_jumps);
}

fn of_incidents(pages: &mut Pages, facts: &Facts) {
    let open = facts.open.iter().map(|open| {
        let stale = if open.is_stale { "true" } else { "false" };
        (vec![("camera", open.camera.as_str()), ("rule", open.rule.as_str()), ("stale", stale)], open.count as f64)
    });
    pages.gauge("incidents_open", "Incidents that are open; stale where the camera gives no pictures", None, open);
    let verdicts = || facts.health.iter().flat_map(|health| &health.verdicts);
    let counted = verdicts().flat_map(|of_rule| {
        let series = |verdict, count: u64| {
            (
                vec![("camera", of_rule.camera.as_str()), ("rule", of_rule.rule.as_str()), ("verdict", verdict)],
                count as f64,
            )
        };
        [series("confirmed", of_rule.confirmed), series("dismissed", of_rule.dismissed)]
    });
    pages.gauge("rule_verdicts", "Incidents of the last year on which the hub gave a verdict", None, counted);
    let precision = verdicts()
        .map(|of_rule| (vec![("camera", of_rule.camera.as_str()), ("rule", of_rule.rule.as_str())], of_rule.precision));
    pages.gauge(
        "rule_precision",
        "Share of those that were as reported",
        Some(Unit::Other(RATIO.to_owned())),
        precision,
    );
}

fn id(camera: &CameraFacts) -> &str {
    camera.status.camera.as_str()
}

fn of(camera: &CameraFacts) -> Vec<(&str, &str)> {
    vec![("camera", id(camera))]
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn one<V>(value: V) -> [Series<'static, V>; 1] {
    [(vec![], value)]
}
