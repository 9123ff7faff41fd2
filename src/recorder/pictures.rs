//! The pictures of a change: redacted, encoded, and on disk before the row that names them.
//!
//! A change with a picture has two of the same redacted pixels: the overview, and a crop unless that would be most of the overview. Both have
//! the strip, if it is wanted, and a file beside them that says what they are.

use super::Recorder;
use super::sidecar::Sidecar;
use crate::analysis::{Finding, Still};
use crate::config::{CameraConfig, EvidenceDelivery, RuleConfig};
use crate::contract::{self, Delivery, DeliveryVia, Evidence, EvidenceRole, EvidenceView, Redaction, Topics, WallTime};
use crate::evidence::{FileError, JpegLimits, RedactError, RedactedJpeg, RedactedPicture, SensitiveObject};
use crate::faces::FacesError;
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::health::Queue;
use crate::store::{Destination, EvidenceFile};
use jiff::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// Largest picture, below the packet limits that brokers commonly set.
const MAX_PICTURE_BYTES: usize = 1_000_000;

/// Why a picture is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error("the picture is withheld")]
    Faces(#[from] FacesError),
    #[error(transparent)]
    Redact(#[from] RedactError),
    #[error(transparent)]
    File(#[from] FileError),
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

impl Recorder {
    /// Makes the pictures of a change, and keeps them. Whatever fails costs the picture, never the finding.
    pub(super) fn pictures(&mut self, finding: &Finding, camera: &CameraConfig, rule: &RuleConfig) -> Pictures {
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
            Err(_) => tracing::error!(camera = %camera.id, "making a picture panicked; the incident goes without it"),
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
        let limits = JpegLimits { quality: config.jpeg_quality, max_bytes: MAX_PICTURE_BYTES };
        let picture = if config.strip { picture.with_strip(&self.facts(subject)) } else { picture };
        let jpeg = picture.encode(&mut self.encoder, limits)?;
        let id = self.ids.next(subject.taken_at);
        let path = self.custody.dir().path(id)?;
        let file = self.evidence_file(id, path, &jpeg, view, subject);
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
        self.custody.write(id, &jpeg, &contract::to_json(&sidecar))?;
        Ok(file)
    }

    /// What is written in the strip: when, which camera, where, what, and which incident.
    fn facts(&self, subject: &Subject<'_>) -> Vec<String> {
        let Subject { camera, .. } = subject;
        let are_named = self.config.hub.disclosure.allows_names();
        let name = camera.name.as_ref().filter(|_| are_named);
        let name = name.map_or_else(|| camera.id.to_string(), |name| format!("{name} ({})", camera.id));
        let address = camera.place.address.as_ref().or(self.config.place.address.as_ref()).filter(|_| are_named);
        let matter = subject.rule.map(|rule| {
            let matter = contract::matter(rule.kind);
            matter.code.as_ref().map_or_else(|| matter.name.clone(), |code| format!("{} {code}", matter.name))
        });
        let incident = subject.incident.map(|(id, _)| id.to_string());
        let time = WallTime::new(subject.captured_at, &self.time_zone).for_people();
        [Some(time), Some(name), address.cloned(), matter, incident].into_iter().flatten().collect()
    }

    /// What is said of a picture that is on disk.
    fn evidence_file(
        &self,
        id: Uuid,
        path: std::path::PathBuf,
        jpeg: &RedactedJpeg,
        view: EvidenceView,
        subject: &Subject<'_>,
    ) -> EvidenceFile {
        let incident = subject.incident.map(|(id, _)| id);
        let leaves = self.config.hub.disclosure.allows_picture(view);
        let delivery = if leaves { self.config.evidence.delivery } else { EvidenceDelivery::None };
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
                let name = format!("{folder}/{id}.jpg");
                let reference = self.config.evidence.storage.as_ref().map(|storage| storage.object(&name));
                (DeliveryVia::Http, Destination::Storage, Some(name), reference)
            }
            EvidenceDelivery::None => (DeliveryVia::None, Destination::Hub, None, None),
        };
        let keep = self.config.evidence.keep(subject.rule.map(|rule| rule.kind));
        let evidence = Evidence {
            id,
            role: subject.role,
            view,
            shown: jpeg.shown(),
            media_type: contract::JPEG.to_owned(),
            sha256: jpeg.sha256().to_owned(),
            size_bytes: jpeg.bytes().len() as u64,
            width: u32::from(jpeg.width()),
            height: u32::from(jpeg.height()),
            strip_height: u32::from(jpeg.strip_height()),
            captured_at: WallTime::new(subject.captured_at, &self.time_zone),
            expires_at: WallTime::new(subject.taken_at + keep, &self.time_zone),
            delivery: Delivery { via, reference },
            redaction: Redaction {
                applied: true,
                classes: jpeg.redaction().classes().iter().map(|class| class.as_str().to_owned()).collect(),
                version: u32::from(jpeg.redaction().version()),
            },
        };
        EvidenceFile { evidence, path, destination, topic }
    }
}
