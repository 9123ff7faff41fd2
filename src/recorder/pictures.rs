//! The pictures of a change: redacted, encoded, and on disk before the row that names them.
//!
//! A change with a picture has two of the same redacted pixels: the overview, and a crop unless that would be most of the overview. Both have
//! the strip, if it is wanted, and a file beside them that says what they are.

use super::Recorder;
use super::sidecar::Sidecar;
use crate::analysis::{Finding, Still};
use crate::clips::ClipNews;
use crate::config::{CameraConfig, Config, EvidenceDelivery, RuleConfig};
use crate::contract::{self, Delivery, DeliveryVia, Evidence, EvidenceRole, EvidenceView, Redaction, Topics, WallTime};
use crate::evidence::{
    Caption, FileError, JpegLimits, MAX_MQTT_BYTES, RedactError, Redacted, RedactedPicture, SensitiveObject,
};
use crate::faces::FacesError;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::health::Queue;
use crate::store::{Destination, EvidenceFile};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// Why a picture is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error("the picture is withheld")]
    Faces(#[from] FacesError),
    #[error(transparent)]
    Redact(#[from] RedactError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("making the picture panicked")]
    Panicked,
}

/// The pictures of a finding.
#[derive(Default)]
pub(super) struct Pictures {
    /// Those on disk, the overview first.
    pub(super) files: Vec<EvidenceFile>,
    /// Whether one that was wanted could not be made or kept.
    pub(super) has_failed: bool,
}

/// What a picture is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) role: EvidenceRole,
    pub(super) camera: &'a CameraConfig,
    pub(super) rule: Option<&'a RuleConfig>,
    pub(super) incident: Option<(Uuid, BBox)>,
    /// When the frame was taken.
    pub(super) captured_at: Timestamp,
    /// When that was decided for which it is taken.
    pub(super) taken_at: Timestamp,
}

impl<'a> Subject<'a> {
    fn caption(&self, config: &'a Config, time_zone: &'a TimeZone) -> Caption<'a> {
        let incident = self.incident.map(|(id, _)| id);
        Caption { config, time_zone, camera: self.camera, rule: self.rule, incident }
    }
}

impl Recorder {
    /// Makes the pictures of a change, and keeps them. Whatever fails costs the picture, never the finding.
    pub(super) fn pictures(&mut self, finding: &Finding, camera: &CameraConfig, rule: &RuleConfig) -> Pictures {
        if let ClipNews::Made(clip) = &finding.clip {
            return self.clip(clip, finding, camera, rule);
        }
        let transition = &finding.transition;
        // What was decided without a frame has nothing to show.
        let wanted = EvidenceRole::of(transition.phase).zip(finding.frame.as_ref());
        let Some((shows, analysed)) = wanted else { return Pictures::default() };
        let (frame, sensitive) = match &finding.still {
            Still::Taken { frame, sensitive } => (frame, sensitive),
            Still::NotWanted | Still::Missing => (analysed, &finding.sensitive),
        };
        let incident = &transition.incident;
        let subject = Subject {
            role: shows,
            camera,
            rule: Some(rule),
            incident: Some((incident.id, incident.bbox)),
            captured_at: frame.stamp().wall,
            taken_at: transition.at.wall,
        };
        let mut pictures = Pictures::default();
        let work = AssertUnwindSafe(|| self.keep_views(frame, sensitive, &subject, &mut pictures.files));
        match catch_unwind(work) {
            Ok(Ok(())) => return pictures,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(camera = %camera.id, error, "an incident goes without a picture");
                self.note_withheld(&camera.id, &incident.id.to_string(), error);
            }
            Err(_) => {
                tracing::error!(camera = %camera.id, "making a picture panicked; the incident goes without it");
                self.note_withheld(&camera.id, &incident.id.to_string(), &NotKept::Panicked);
            }
        }
        self.drops.add(Queue::Evidence, 1);
        pictures.has_failed = true;
        pictures
    }

    fn keep_views(
        &mut self,
        frame: &Frame,
        sensitive: &[SensitiveObject],
        subject: &Subject<'_>,
        kept: &mut Vec<EvidenceFile>,
    ) -> Result<(), NotKept> {
        let picture = self.redact(frame, sensitive)?;
        let crop = subject.incident.and_then(|(_, bbox)| picture.crop(&bbox));
        kept.push(self.keep_overview(picture, subject)?);
        if let Some(crop) = crop {
            kept.push(self.keep(crop, EvidenceView::Crop, subject)?);
        }
        Ok(())
    }

    /// Keeps all of a picture, with the incident outlined.
    pub(super) fn keep_overview(
        &mut self,
        picture: RedactedPicture,
        subject: &Subject<'_>,
    ) -> Result<EvidenceFile, NotKept> {
        let outlines: Vec<BBox> = subject.incident.iter().map(|(_, bbox)| *bbox).collect();
        self.keep(picture.outlined(&outlines), EvidenceView::Overview, subject)
    }

    /// Hides whom the analysis saw, and every face that is found besides.
    pub(super) fn redact(
        &mut self,
        frame: &Frame,
        sensitive: &[SensitiveObject],
    ) -> Result<RedactedPicture, FacesError> {
        let mut hidden = self.faces.find(frame)?;
        hidden.extend_from_slice(sensitive);
        Ok(RedactedPicture::from_frame(frame, &hidden))
    }

    fn keep(
        &mut self,
        picture: RedactedPicture,
        view: EvidenceView,
        subject: &Subject<'_>,
    ) -> Result<EvidenceFile, NotKept> {
        let config = &self.config.evidence;
        let limits = JpegLimits { quality: config.jpeg_quality, max_bytes: MAX_MQTT_BYTES };
        let picture = if config.strip {
            picture.with_strip(&subject.caption(&self.config, &self.time_zone).facts(subject.captured_at))
        } else {
            picture
        };
        let jpeg = picture.encode(&mut self.encoder, limits)?;
        Ok(self.write(&jpeg, view, subject)?)
    }

    /// Writes a picture or clip, and beside it what it is.
    pub(super) fn write(
        &mut self,
        redacted: &dyn Redacted,
        view: EvidenceView,
        subject: &Subject<'_>,
    ) -> Result<EvidenceFile, FileError> {
        let id = self.ids.next(subject.taken_at);
        let path = self.custody.dir().path(id, redacted.media_type())?;
        let file = self.evidence_file(id, path, redacted, view, subject);
        let sidecar = Sidecar {
            agent: &self.config.agent.id,
            camera: &subject.camera.id,
            incident_id: subject.incident.map(|(id, _)| id),
            rule: subject.rule.map(|rule| &rule.id),
            matter: subject.rule.map(|rule| contract::matter(rule.kind)),
            model: &self.model,
            agent_version: env!("CARGO_PKG_VERSION"),
            config_sha256: &self.config_sha256,
            picture: &file.evidence,
        };
        self.custody.write(id, redacted, &contract::to_json(&sidecar))?;
        Ok(file)
    }

    /// What is said of a picture or clip that is on disk.
    fn evidence_file(
        &self,
        id: Uuid,
        path: std::path::PathBuf,
        redacted: &dyn Redacted,
        view: EvidenceView,
        subject: &Subject<'_>,
    ) -> EvidenceFile {
        let incident = subject.incident.map(|(id, _)| id);
        let leaves = self.config.hub.disclosure.allows_picture(view);
        let is_too_large = redacted.bytes().len() > MAX_MQTT_BYTES;
        let delivery = match self.config.evidence.delivery {
            EvidenceDelivery::Mqtt if is_too_large => EvidenceDelivery::None,
            delivery if leaves => delivery,
            EvidenceDelivery::Mqtt | EvidenceDelivery::Http | EvidenceDelivery::None => EvidenceDelivery::None,
        };
        let (via, destination, topic, reference) = match delivery {
            EvidenceDelivery::Mqtt => {
                let (topic, reference) = match incident {
                    Some(incident) => (self.topics.evidence(incident, id), Topics::evidence_ref(incident, id)),
                    None => (self.topics.snapshot(id), Topics::snapshot_ref(id)),
                };
                (DeliveryVia::Mqtt, Destination::Hub, Some(topic), Some(reference))
            }
            EvidenceDelivery::Http => {
                let folder = incident.map_or_else(|| "snapshot".to_owned(), |incident| incident.to_string());
                let name = format!("{folder}/{id}.{}", redacted.media_type().extension());
                let reference = self.config.evidence.storage.as_ref().map(|storage| storage.object(&name));
                (DeliveryVia::Http, Destination::Storage, Some(name), reference)
            }
            EvidenceDelivery::None => (DeliveryVia::None, Destination::Hub, None, None),
        };
        let keep = self.config.evidence.keep(subject.rule.map(|rule| rule.kind));
        let film = redacted.film();
        let evidence = Evidence {
            id,
            role: subject.role,
            view,
            shown: redacted.shown(),
            media_type: redacted.media_type(),
            sha256: redacted.sha256().to_owned(),
            size_bytes: redacted.bytes().len() as u64,
            width: u32::from(redacted.width()),
            height: u32::from(redacted.height()),
            strip_height: u32::from(redacted.strip_height()),
            captured_at: WallTime::new(subject.captured_at, &self.time_zone),
            duration_secs: film.map(|film| (film.duration.as_secs_f64() * 1e3).round() / 1e3),
            frame_count: film.map(|film| film.frame_count),
            expires_at: WallTime::new(subject.taken_at + keep, &self.time_zone),
            delivery: Delivery { via, reference },
            redaction: Redaction {
                applied: true,
                classes: redacted.redaction().classes().iter().map(|class| class.as_str().to_owned()).collect(),
                version: u32::from(redacted.redaction().version()),
            },
        };
        EvidenceFile { evidence, path, destination, topic }
    }
}
