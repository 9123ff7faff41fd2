//! Pictures and clips at the hub: kept until the event that names it arrives, checked against it, saved.

use crate::contract::{DeliveryVia, Evidence, IncidentEvent};
use crate::sha256::sha256_hex;
use bytes::Bytes;
use std::collections::VecDeque;
use std::path::PathBuf;
use uuid::Uuid;

/// Pictures that may wait for their event; the event follows its picture at once.
const WAITING: usize = 64;

/// What became of a picture that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureOutcome {
    /// Its bytes are those that the event names, and they were written here.
    Saved(PathBuf),
    /// Its bytes are those that the event names; nothing is to be saved.
    Right,
    /// Its bytes are not those that the event names.
    Wrong,
    /// It has not arrived.
    Absent,
    /// It stays on the box.
    OnTheBox,
    /// It is in a storage, at this address.
    InStorage(String),
    /// It could not be written.
    NotSaved(String),
}

/// A picture that an event names, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its id.
    pub id: Uuid,
    /// What became of it.
    pub outcome: PictureOutcome,
}

/// Pictures that wait for their event.
#[derive(Debug)]
pub struct Pictures {
    folder: Option<PathBuf>,
    waiting: VecDeque<(Uuid, Bytes)>,
}

impl Pictures {
    /// Saves into `folder`, or only checks if there is none.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, waiting: VecDeque::new() }
    }

    /// Keeps a picture until its event arrives; of too many the oldest goes.
    pub fn keep(&mut self, id: Uuid, bytes: Bytes) {
        self.waiting.retain(|(kept, _)| *kept != id);
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((id, bytes));
    }

    /// Checks and saves the pictures that an event names.
    pub fn settle(&mut self, event: &IncidentEvent) -> Vec<Picture> {
        let settle = |evidence: &Evidence| Picture { id: evidence.id, outcome: self.settle_one(event, evidence) };
        event.data.evidence.iter().map(settle).collect()
    }

    fn settle_one(&mut self, event: &IncidentEvent, evidence: &Evidence) -> PictureOutcome {
        match evidence.delivery.via {
            DeliveryVia::None => return PictureOutcome::OnTheBox,
            DeliveryVia::Http => {
                return PictureOutcome::InStorage(evidence.delivery.reference.clone().unwrap_or_default());
            }
            DeliveryVia::Mqtt => {}
        }
        let Some(index) = self.waiting.iter().position(|(id, _)| *id == evidence.id) else {
            return PictureOutcome::Absent;
        };
        let Some((_, bytes)) = self.waiting.remove(index) else { return PictureOutcome::Absent };
        if sha256_hex(&bytes) != evidence.sha256 {
            return PictureOutcome::Wrong;
        }
        let Some(folder) = &self.folder else { return PictureOutcome::Right };
        let stamp = event.time.to_string().replace(':', "").chars().take(17).collect::<String>();
        let name = format!(
            "{stamp}-{}-{}-{}.{}",
            event.data.camera.id,
            event.data.matter.kind.as_str(),
            evidence.id,
            evidence.media_type.extension()
        );
        let path = folder.join(name);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &bytes));
        match written {
            Ok(()) => PictureOutcome::Saved(path),
            Err(error) => PictureOutcome::NotSaved(format!("{}: {error}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::event;
    use crate::incident::Phase;

    fn event_with_picture(bytes: &[u8]) -> IncidentEvent {
        let mut event = event(Phase::Opened, 1);
        event.data.evidence[0].sha256 = sha256_hex(bytes);
        event
    }

    fn outcome(pictures: &mut Pictures, event: &IncidentEvent) -> PictureOutcome {
        pictures.settle(event).remove(0).outcome
    }

    #[test]
    fn a_picture_is_saved_only_if_it_is_the_one_that_the_event_names() {
        let folder = tempfile::tempdir().unwrap();
        let mut pictures = Pictures::new(Some(folder.path().join("new")));
        let event = event_with_picture(b"jpeg");
        let id = event.data.evidence[0].id;
        assert_eq!(outcome(&mut pictures, &event), PictureOutcome::Absent);
        pictures.keep(id, Bytes::from_static(b"other"));
        assert_eq!(outcome(&mut pictures, &event), PictureOutcome::Wrong);
        pictures.keep(id, Bytes::from_static(b"jpeg"));
        let PictureOutcome::Saved(path) = outcome(&mut pictures, &event) else { panic!("not saved") };
        assert_eq!(std::fs::read(&path).unwrap(), b"jpeg");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("2026-11-21T152941-wenyi-road-east-street_vending-"), "{name}");
    }

    #[test]
    fn pictures_without_events_do_not_fill_the_memory() {
        let mut pictures = Pictures::new(None);
        for number in 0..1000 {
            pictures.keep(Uuid::from_u128(number), Bytes::from_static(b"jpeg"));
        }
        assert_eq!(pictures.waiting.len(), WAITING);
    }
}
