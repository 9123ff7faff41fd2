//! The hub, which takes everything down, and says in the end what was wrong with it.

use curbwatch::contract::IncidentEvent;
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher, sha256_hex};
use curbwatch::ids::Name;
use curbwatch::incident::Phase;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Time within which what is waited for must happen.
const LIMIT: Duration = Duration::from_mins(1);

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Times that the agent was killed.
    pub rounds: u32,
    /// Makes the same moments again.
    pub seed: u64,
    /// Times that the broker was killed.
    pub broker_kills: u32,
    /// Incidents of which the store had said that it has them.
    pub opened: u64,
    /// Events that the store has numbered.
    pub events: u64,
    /// Different events at the hub.
    pub received: u64,
    /// Events that came again.
    pub repetitions: u64,
    /// Incidents that were opened and never came.
    pub lost: u64,
    /// Things with two incidents at one time, and numbers with two events.
    pub doubled: u64,
    /// Events that came for the first time after a later one of their incident.
    pub out_of_order: u64,
    /// Numbers that are missing.
    pub gaps: u64,
    /// Ids with two contents.
    pub contradictions: u64,
    /// Pictures that an event names and that did not come before it, or are others.
    pub pictures_missing: u64,
    /// Pictures that came as they were named.
    pub pictures_right: u64,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        let wrong = [self.lost, self.doubled, self.out_of_order, self.gaps, self.contradictions, self.pictures_missing];
        wrong.iter().all(|count| *count == 0)
    }
}

/// What the hub has.
#[derive(Default)]
struct Book {
    connects: usize,
    /// By sequence; more than one event for a number is one too many.
    events: BTreeMap<u64, IncidentEvent>,
    ids: BTreeMap<Uuid, IncidentEvent>,
    revisions: BTreeMap<Uuid, u32>,
    pictures: BTreeMap<Uuid, String>,
    repetitions: u64,
    doubled: u64,
    out_of_order: u64,
    contradictions: u64,
    pictures_missing: u64,
    pictures_right: u64,
}

/// Listens on a thread of its own.
pub struct Judge(Arc<(Mutex<Book>, Condvar)>);

impl Judge {
    pub fn listen(port: u16) -> Self {
        let prefix = Name::try_new("curbwatch").unwrap();
        let settings = WatchSettings { host: "127.0.0.1".into(), port, prefix, credentials: None, tls: None };
        let watcher = Watcher::start(settings).unwrap();
        let shared = Arc::<(Mutex<Book>, Condvar)>::default();
        let book = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                while let Some(book) = book.upgrade() {
                    if let Some(sight) = watcher.next(Duration::from_millis(200)) {
                        book.0.lock().unwrap().take(sight);
                        book.1.notify_all();
                    }
                }
            })
            .unwrap();
        Self(shared)
    }

    pub fn connects(&self) -> usize {
        self.0.0.lock().unwrap().connects
    }

    pub fn wait_for_connects(&self, count: usize) {
        self.wait("the hub's connection", |book| book.connects >= count);
    }

    /// Waits until an event of that number has come, and those before it as well.
    pub fn wait_for_sequence(&self, sequence: u64) {
        self.wait("the last event", |book| book.events.contains_key(&sequence) || sequence == 0);
    }

    fn wait(&self, what: &str, condition: impl Fn(&Book) -> bool) {
        let book = self.0.0.lock().unwrap();
        let (book, waited) = self.0.1.wait_timeout_while(book, LIMIT, |book| !condition(book)).unwrap();
        let is_in_vain = waited.timed_out();
        drop(book);
        assert!(!is_in_vain, "waited in vain for {what}");
    }

    pub fn verdict(self, rounds: u32, seed: u64, broker_kills: u32, opened: &BTreeSet<Uuid>, sequence: u64) -> Verdict {
        let book = self.0.0.lock().unwrap();
        let known: BTreeSet<Uuid> = book.events.values().map(|event| event.data.incident_id).collect();
        Verdict {
            rounds,
            seed,
            broker_kills,
            opened: opened.len() as u64,
            events: sequence,
            received: book.events.len() as u64,
            repetitions: book.repetitions,
            lost: opened.difference(&known).count() as u64,
            doubled: book.doubled + two_at_a_time(&book.events),
            out_of_order: book.out_of_order,
            gaps: (1..=sequence).filter(|number| !book.events.contains_key(number)).count() as u64,
            contradictions: book.contradictions,
            pictures_missing: book.pictures_missing,
            pictures_right: book.pictures_right,
        }
    }
}

impl Book {
    fn take(&mut self, sight: Sight) {
        match sight {
            Sight::Connected => self.connects += 1,
            Sight::Disconnected { .. } => {}
            Sight::Message(message) => {
                if let Content::Evidence { evidence, .. } = message.content {
                    self.pictures.insert(evidence, sha256_hex(&message.payload));
                } else if let Content::Incident(event) = message.content {
                    self.take_event(event);
                } else if let Content::Unreadable { reason } = message.content {
                    panic!("{}: {reason}", message.topic);
                }
            }
        }
    }

    fn take_event(&mut self, mut event: IncidentEvent) {
        event.data.replayed = false;
        if let Some(first) = self.ids.get(&event.id) {
            self.repetitions += 1;
            self.contradictions += u64::from(*first != event);
            return;
        }
        for picture in &event.data.evidence {
            match self.pictures.get(&picture.id) {
                Some(sha256) if *sha256 == picture.sha256 => self.pictures_right += 1,
                Some(_) | None => self.pictures_missing += 1,
            }
        }
        let (incident, revision) = (event.data.incident_id, event.data.revision);
        let expected = self.revisions.get(&incident).map_or(0, |last| last + 1);
        self.out_of_order += u64::from(revision != expected);
        self.revisions.insert(incident, revision);
        self.doubled += u64::from(self.events.insert(event.sequence.0, event.clone()).is_some());
        self.ids.insert(event.id, event);
    }
}

/// Incidents that were opened while another one was open at the same place.
fn two_at_a_time(events: &BTreeMap<u64, IncidentEvent>) -> u64 {
    let mut open: BTreeMap<(String, u32, u32), Uuid> = BTreeMap::new();
    let mut doubled = 0;
    for event in events.values() {
        let data = &event.data;
        let Some(object) = data.objects.first() else { continue };
        let [left, top, right, bottom] = serde_json::from_value::<[f32; 4]>(serde_json::json!(object.bbox)).unwrap();
        let place = (data.camera.id.to_string(), ((left + right) * 50.0) as u32, ((top + bottom) * 50.0) as u32);
        match data.phase {
            Phase::Opened => doubled += u64::from(open.insert(place, data.incident_id).is_some()),
            Phase::Closed | Phase::Withdrawn => drop(open.remove(&place)),
            Phase::Updated | Phase::Rechecked => {}
        }
    }
    doubled
}
