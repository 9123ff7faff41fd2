//! Lines for a terminal: what a person at the hub wants to know, one line per thing that happened.

use super::ledger::{Ledger, Sighting};
use super::pictures::{Picture, PictureOutcome, Pictures};
use super::watcher::{Content, HubMessage, Sight};
use crate::contract::{
    AgentState, AgentStatus, CameraState, CameraStatus, EventType, EventsLost, ImageHealth, IncidentEvent, LostRange,
};
use crate::incident::Phase;
use crate::picture::PictureState;
use crate::sha256::sha256_hex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const CYAN: u8 = 36;

/// Turns what the watcher sees into lines for people or machines; counts the incidents.
#[derive(Debug)]
pub struct View {
    ledger: Ledger,
    pictures: Pictures,
    /// The last line about each camera: its status is renewed with figures that people need not read.
    camera_lines: BTreeMap<String, String>,
    /// Why there is no connection, while there is none: it is tried twice a second.
    no_connection: Option<String>,
    coloured: bool,
    opened: u64,
    closed: u64,
}

impl View {
    /// Saves pictures into `evidence`, if given.
    #[must_use]
    pub fn new(evidence: Option<PathBuf>, coloured: bool) -> Self {
        Self {
            ledger: Ledger::default(),
            pictures: Pictures::new(evidence),
            camera_lines: BTreeMap::new(),
            no_connection: None,
            coloured,
            opened: 0,
            closed: 0,
        }
    }

    /// Incidents seen in this phase, each once.
    #[must_use]
    pub fn count(&self, phase: Phase) -> u64 {
        match phase {
            Phase::Opened => self.opened,
            Phase::Closed => self.closed,
            Phase::Updated | Phase::Rechecked | Phase::Withdrawn => 0,
        }
    }

    /// Lines for people; none for what they need not know (heartbeats, health, repetitions).
    pub fn lines(&mut self, sight: &Sight) -> Vec<String> {
        match sight {
            Sight::Connected => {
                self.no_connection = None;
                vec![self.paint(GREEN, "connected to the broker")]
            }
            Sight::Disconnected { reason } => {
                if self.no_connection.replace(reason.clone()).as_ref() == Some(reason) {
                    return Vec::new();
                }
                vec![self.paint(RED, &format!("no connection to the broker: {reason}"))]
            }
            Sight::Message(message) => self.message_lines(message),
        }
    }

    /// One JSON object for machines.
    pub fn json(&mut self, sight: &Sight) -> Value {
        match sight {
            Sight::Connected => json!({"connected": true}),
            Sight::Disconnected { reason } => json!({"connected": false, "reason": reason}),
            Sight::Message(message) => self.message_json(message),
        }
    }

    fn message_lines(&mut self, message: &HubMessage) -> Vec<String> {
        let who = match (&message.site, &message.agent) {
            (Some(site), Some(agent)) => format!("{site}/{agent}"),
            (_, _) => message.topic.clone(),
        };
        match &message.content {
            Content::Status(status) => vec![self.agent_line(&who, status)],
            Content::CameraStatus(status) => self.new_camera_line(&who, status),
            Content::CameraImage(image) => self.image_line(&who, image).into_iter().collect(),
            Content::Birth(birth) => {
                let models: Vec<_> = birth.models.iter().map(|m| format!("{} on {}", m.name, m.provider)).collect();
                let models = if models.is_empty() { "no detector loaded yet".to_owned() } else { models.join(", ") };
                let (time, version) = (birth.started_at.time_of_day(), &birth.agent_version);
                vec![format!("{time}  agent   {who}  version {version}, {} cameras, {models}", birth.cameras.len())]
            }
            Content::Incident(event) => self.incident_lines(event),
            Content::Evidence { evidence, .. } | Content::Snapshot { evidence } => {
                self.pictures.keep(*evidence, message.payload.clone());
                vec![]
            }
            Content::EventsLost(lost) => vec![self.lost_line(&who, lost)],
            Content::Unreadable { reason } => {
                vec![self.paint(RED, &format!("{}: not of the contract: {reason}", message.topic))]
            }
            Content::Heartbeat(_) | Content::Health(_) | Content::Active(_) | Content::Reply(_) | Content::ToAgent => {
                vec![]
            }
        }
    }

    fn agent_line(&self, who: &str, AgentStatus { status, session, time }: &AgentStatus) -> String {
        let (colour, word) = match status {
            AgentState::Online => (GREEN, "online"),
            AgentState::Stopping => (YELLOW, "stopping"),
            AgentState::Offline => (YELLOW, "offline"),
            AgentState::Lost => (RED, "lost"),
        };
        format!("{}  agent   {who}  {} (session {session})", time.time_of_day(), self.paint(colour, word))
    }

    /// The line about a camera, unless it says what the last one said.
    fn new_camera_line(&mut self, who: &str, status: &CameraStatus) -> Vec<String> {
        let line = self.camera_line(who, status);
        let last = self.camera_lines.insert(format!("{who}/{}", status.camera), line.clone());
        if last.as_ref() == Some(&line) { vec![] } else { vec![line] }
    }

    fn camera_line(&self, who: &str, status: &CameraStatus) -> String {
        let colour = match status.state {
            CameraState::Connecting => CYAN,
            CameraState::Online => GREEN,
            CameraState::Stalled | CameraState::Disabled => YELLOW,
            CameraState::Offline | CameraState::Unauthorised => RED,
        };
        let stream = status.stream.as_ref().map(|s| format!("  {} {}x{}", s.codec, s.width, s.height));
        let reason = status.reason.as_ref().map(|reason| format!("  {reason}"));
        format!(
            "{}  camera  {who}/{}  {}{}{}",
            status.since.time_of_day(),
            status.camera,
            self.paint(colour, status.state.as_str()),
            stream.unwrap_or_default(),
            reason.unwrap_or_default()
        )
    }

    fn lost_line(&self, who: &str, lost: &EventsLost) -> String {
        let range = |range: &LostRange| format!("{} to {}", range.first.0, range.last.0);
        let ranges = lost.ranges.iter().map(range).collect::<Vec<_>>().join(", ");
        let text = format!("{} events were dropped before the hub had them: {ranges}", lost.count);
        format!("{}  agent   {who}  {}", lost.time.time_of_day(), self.paint(RED, &text))
    }

    /// A picture that was well from the start is no news.
    fn image_line(&self, who: &str, image: &ImageHealth) -> Option<String> {
        let colour = if image.state == PictureState::Ok { GREEN } else { YELLOW };
        image.previous?;
        let rest = if image.rules_suspended { "  its rules rest" } else { "" };
        let (time, camera, state) = (image.since.time_of_day(), &image.camera, image.state.as_str());
        Some(format!("{time}  picture {who}/{camera}  {}{rest}", self.paint(colour, state)))
    }

    fn incident_lines(&mut self, event: &IncidentEvent) -> Vec<String> {
        let (sighting, pictures) = self.enter(event);
        let mut lines = vec![];
        match &sighting {
            Sighting::Duplicate => return lines,
            Sighting::AfterGap(missing) => {
                let text = format!("{}: events {} to {} are missing", event.source, missing.start(), missing.end());
                lines.push(self.paint(RED, &text));
            }
            Sighting::New | Sighting::Late => {}
        }
        let data = &event.data;
        let (colour, word) = match event.event_type {
            EventType::Opened => (RED, "OPENED"),
            EventType::Updated => (YELLOW, "UPDATED"),
            EventType::Rechecked => (CYAN, "RECHECKED"),
            EventType::Closed => (GREEN, "CLOSED"),
            EventType::Withdrawn => (YELLOW, "WITHDRAWN"),
        };
        let camera = data.camera.name.as_deref().unwrap_or(data.camera.id.as_str());
        let zone = data.zone.name.as_deref().unwrap_or(data.zone.id.as_str());
        let replayed = if data.replayed { "  (sent later)" } else { "" };
        lines.push(format!(
            "{}  {:9}  {camera}  {} ({} {})  {zone}  {:.0} s  {}{replayed}",
            event.time.time_of_day(),
            self.paint(colour, word),
            data.matter.name,
            data.matter.kind.as_str(),
            data.matter.code.as_deref().unwrap_or("without a code"),
            data.timing.dwell_secs,
            data.incident_id,
        ));
        lines.extend(pictures.iter().map(|picture| format!("          {}", picture_text(picture))));
        lines
    }

    fn message_json(&mut self, message: &HubMessage) -> Value {
        let mut line = json!({"topic": message.topic, "retained": message.retained});
        match &message.content {
            Content::Evidence { evidence, .. } | Content::Snapshot { evidence } => {
                self.pictures.keep(*evidence, message.payload.clone());
                line["size_bytes"] = message.payload.len().into();
                line["sha256"] = sha256_hex(&message.payload).into();
                return line;
            }
            Content::Incident(event) => {
                let (sighting, pictures) = self.enter(event);
                line["duplicate"] = (sighting == Sighting::Duplicate).into();
                if let Sighting::AfterGap(missing) = sighting {
                    line["missing"] = json!([missing.start(), missing.end()]);
                }
                let text = |picture: &Picture| json!({"id": picture.id, "outcome": picture_text(picture)});
                line["pictures"] = pictures.iter().map(text).collect();
            }
            Content::Unreadable { reason } => line["unreadable"] = reason.as_str().into(),
            Content::Status(_)
            | Content::Birth(_)
            | Content::Heartbeat(_)
            | Content::Health(_)
            | Content::CameraStatus(_)
            | Content::CameraImage(_)
            | Content::EventsLost(_)
            | Content::Reply(_)
            | Content::ToAgent
            | Content::Active(_) => {}
        }
        line["payload"] = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
        line
    }

    /// Enters an event, counts it, and settles its pictures, if it is seen for the first time.
    fn enter(&mut self, event: &IncidentEvent) -> (Sighting, Vec<Picture>) {
        let sighting = self.ledger.enter(event);
        if sighting == Sighting::Duplicate {
            return (sighting, vec![]);
        }
        match event.data.phase {
            Phase::Opened => self.opened += 1,
            Phase::Closed => self.closed += 1,
            Phase::Updated | Phase::Rechecked | Phase::Withdrawn => {}
        }
        (sighting, self.pictures.settle(event))
    }

    fn paint(&self, colour: u8, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn picture_text(picture: &Picture) -> String {
    match &picture.outcome {
        PictureOutcome::Saved(path) => format!("picture saved: {}", path.display()),
        PictureOutcome::Right => "picture received".to_owned(),
        PictureOutcome::Wrong => format!("picture {} is not the one that the event names", picture.id),
        PictureOutcome::Absent => format!("picture {} has not arrived", picture.id),
        PictureOutcome::InStorage(address) => format!("picture at {address}"),
        PictureOutcome::OnTheBox => "picture stays on the box".to_owned(),
        PictureOutcome::NotSaved(reason) => format!("picture not saved: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::event;
    use crate::contract::{StreamDecoding, StreamStatus, to_json};
    use crate::ids::Name;
    use bytes::Bytes;

    fn sight(event: &IncidentEvent) -> Sight {
        let name = |text| Some(Name::try_new(text).unwrap());
        Sight::Message(Box::new(HubMessage {
            topic: "curbwatch/v1/yuhang/yuhang-03/camera/wenyi-road-east/event/street_vending".into(),
            retained: false,
            site: name("yuhang"),
            agent: name("yuhang-03"),
            payload: Bytes::from(to_json(event)),
            content: Content::Incident(event.clone()),
        }))
    }

    #[test]
    fn a_camera_is_named_again_only_when_something_about_it_changed() {
        let message = |fps_in: f64, state: CameraState| {
            let stream = StreamStatus {
                codec: "h264".into(),
                width: 1280,
                height: 720,
                decoder: Some("software".into()),
                decoding: StreamDecoding::All,
                fps_in,
                fps_analysed: 4.0,
                clock_quality: crate::clock::ClockQuality::Arrival,
                clock_offset_ms: None,
                clock_alarm: None,
            };
            let status = CameraStatus {
                camera: Name::try_new("east").unwrap(),
                state,
                since: "2026-11-21T15:29:41.120+08:00".parse().unwrap(),
                reason: None,
                stream: Some(stream),
                last_frame: None,
                evidence: None,
                reconnects: 0,
            };
            Sight::Message(Box::new(HubMessage {
                topic: "curbwatch/v1/a/b/camera/east/status".into(),
                retained: false,
                site: None,
                agent: None,
                payload: Bytes::new(),
                content: Content::CameraStatus(status),
            }))
        };
        let mut view = View::new(None, false);
        let count = |lines: Vec<String>| lines.len();
        assert_eq!(count(view.lines(&message(24.9, CameraState::Online))), 1);
        assert_eq!(count(view.lines(&message(25.1, CameraState::Online))), 0);
        assert_eq!(count(view.lines(&message(25.1, CameraState::Stalled))), 1);
    }

    #[test]
    fn an_incident_is_told_once_in_a_readable_line() {
        let mut view = View::new(None, false);
        let event = event(Phase::Opened, 1);
        let opened = sight(&event);
        let lines = view.lines(&opened);
        let told = "15:29:41  OPENED     文一路东口  占道经营 (street_vending 09006)  机动车道  183 s";
        assert_eq!(lines[0], format!("{told}  {}", event.data.incident_id));
        assert!(lines[1].contains("has not arrived"), "{lines:?}");
        assert_eq!(view.lines(&opened), Vec::<String>::new(), "told twice");
        assert_eq!((view.count(Phase::Opened), view.count(Phase::Closed)), (1, 0));
    }

    #[test]
    fn a_gap_is_told() {
        let mut view = View::new(None, false);
        view.lines(&sight(&event(Phase::Opened, 1)));
        let lines = view.lines(&sight(&event(Phase::Closed, 4)));
        assert_eq!(lines[0], "urn:curbwatch:yuhang-03: events 2 to 3 are missing");
        assert_eq!(view.json(&sight(&event(Phase::Closed, 9)))["missing"], json!([5, 8]));
    }

    #[test]
    fn colours_are_only_for_terminals() {
        let line = |coloured| View::new(None, coloured).lines(&Sight::Connected).remove(0);
        assert!(!line(false).contains('\x1b') && line(true).contains('\x1b'));
    }
}
