//! Limits, holds, and a stop between any two steps of a deletion.

use super::*;
use crate::audit::{files, verify};
use crate::clock::ManualClocks;
use crate::config::ByteSize;
use crate::contract::{Evidence, tests as contract_tests};
use crate::evidence::Redacted;
use crate::evidence::redact::test_pictures;
use crate::ids::{IdSource, Name};
use crate::incident::Phase;
use crate::store::{Body, Change, Destination, EvidenceFile, Message, RowId, Store};
use jiff::Timestamp;
use serde_json::json;

/// An agent's data, and what makes pictures in it.
struct Site {
    data: tempfile::TempDir,
    config: Config,
    clocks: Arc<ManualClocks>,
    store: SharedStore,
    custody: Custody,
    ids: IdSource,
}

impl Site {
    fn new(evidence: &serde_json::Value) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config: Config = serde_json::from_value(json!({
            "agent": {"site": "s", "id": "box", "data_dir": data.path()}, "hub": {"host": "h"}, "evidence": evidence,
            "cameras": [{"id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}}}]
        }))
        .unwrap();
        // The disk of whoever runs the tests may be full.
        config.evidence.min_free = ByteSize::mib(0);
        let clocks = Arc::new(ManualClocks::new("2026-11-01T00:00:00Z".parse().unwrap()));
        let (store, custody) = open(&config, &clocks);
        Self { data, config, clocks, store, custody, ids: IdSource::from_seed(1) }
    }

    /// Ends it and begins anew with what is on the disk.
    fn restart(self) -> Self {
        let Self { data, config, clocks, store, custody, ids } = self;
        drop((store, custody));
        let (store, custody) = open(&config, &clocks);
        Self { data, config, clocks, store, custody, ids }
    }

    fn now(&self) -> Timestamp {
        self.clocks.wall()
    }

    fn days_pass(&self, days: u64) {
        self.clocks.advance(Duration::from_hours(24 * days));
    }

    /// A picture on the disk of which no row tells yet.
    fn written(&mut self, incident: Uuid) -> EvidenceFile {
        // Ids of one millisecond have no order.
        self.clocks.advance(Duration::from_millis(1));
        let id = self.ids.next(self.now());
        let jpeg = test_pictures::redacted();
        let path = self.custody.write(id, &jpeg, b"{}").unwrap();
        let evidence = Evidence {
            id,
            sha256: jpeg.sha256().to_owned(),
            size_bytes: jpeg.bytes().len() as u64,
            ..contract_tests::evidence(incident)
        };
        EvidenceFile { evidence, path, destination: Destination::Hub, topic: Some(format!("evidence/{id}")) }
    }

    /// Records an incident of that kind with a picture; returns both ids.
    fn incident(&mut self, kind: RuleKind) -> (Uuid, Uuid) {
        let mut incident = contract_tests::transition(Phase::Opened).incident;
        incident.id = self.ids.next(self.now());
        let file = self.written(incident.id);
        let (camera, now) = (Name::try_new("east").unwrap(), self.now());
        let evidence = std::slice::from_ref(&file);
        let change = Change { camera: &camera, kind, incident: &incident, evidence, now };
        let message = |_| Message { topic: "event".into(), content_type: "", payload: b"{}".to_vec() };
        self.store.lock().record(&change, message).unwrap();
        (incident.id, file.evidence.id)
    }

    fn snapshot(&mut self) -> Uuid {
        let file = self.written(Uuid::from_u128(0));
        let now = self.now();
        self.store.lock().record_picture(None, &file, now).unwrap();
        file.evidence.id
    }

    fn deliver_all(&self) {
        let rows: Vec<RowId> = self.waiting().into_iter().map(|(row, _)| row).collect();
        self.store.lock().acknowledge(&rows).unwrap();
    }

    fn waiting(&self) -> Vec<(RowId, Body)> {
        let rows = self.store.lock().pending(Destination::Hub, RowId::ZERO, 1000).unwrap();
        rows.into_iter().map(|row| (row.row, row.body)).collect()
    }

    /// Ids on the disk, which must be those of the index.
    fn pictures(&self) -> Vec<Uuid> {
        let on_disk: Vec<Uuid> = self.custody.dir.list().unwrap().pictures.iter().map(|file| file.id).collect();
        let mut indexed: Vec<Uuid> = self.store.lock().pictures(self.now()).unwrap().iter().map(|row| row.id).collect();
        indexed.sort_unstable();
        assert_eq!(on_disk, indexed, "disk and index differ");
        assert_eq!(self.store.lock().doomed_pictures().unwrap(), []);
        on_disk
    }

    fn actions(&self) -> Vec<String> {
        let folder = self.data.path().join("audit");
        let files = files(&folder).unwrap();
        assert_eq!(verify(&files, true, &[]).unwrap().problems, []);
        let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let record = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        text.lines()
            .map(record)
            .map(|record| format!("{} {}", record["action"].as_str().unwrap(), record["detail"]))
            .collect()
    }
}

fn open(config: &Config, clocks: &Arc<ManualClocks>) -> (SharedStore, Custody) {
    let store = Store::open(&config.agent.data_dir.join("curbwatch.db"), clocks.wall()).unwrap();
    let store = SharedStore::new(store);
    let custody = Custody::open(config, store.clone(), Arc::clone(clocks) as Arc<dyn Clocks>).unwrap();
    (store, custody)
}

const NONE: [Uuid; 0] = [];

#[test]
fn each_kind_is_kept_for_its_own_time() {
    let mut site = Site::new(&json!({
        "keep_days": 30, "keep_days_of": {"vehicle_parking": 7, "smoke_fire": 90}, "snapshot_keep_days": 2
    }));
    let (_, parked) = site.incident(RuleKind::VehicleParking);
    let (_, fire) = site.incident(RuleKind::SmokeFire);
    let (_, stall) = site.incident(RuleKind::StreetVending);
    let snapshot = site.snapshot();
    site.deliver_all();
    for (days, kept) in [
        (1, vec![parked, fire, stall, snapshot]),
        (2, vec![parked, fire, stall]),
        (5, vec![fire, stall]),
        (30, vec![fire]),
        (60, vec![]),
    ] {
        site.days_pass(days);
        site.custody.keep_within_limits();
        assert_eq!(site.pictures(), kept, "after {days} more days");
    }
    assert_eq!(site.custody.counts().deleted(DeletionReason::Age), 4);
    assert_eq!(site.custody.counts().undelivered(), 0);
    let deletions = site.actions().iter().filter(|action| action.starts_with("pictures_deleted")).count();
    assert_eq!(deletions, 4);
}

#[test]
fn beyond_the_limit_the_oldest_go_and_what_waits_goes_last_and_is_counted() {
    let mut site = Site::new(&json!({}));
    let waiting = site.incident(RuleKind::StreetVending).1;
    let (mut ids, each) = (vec![], test_pictures::redacted().bytes().len() as u64);
    let delivered: Vec<(RowId, Body)> = {
        for _ in 0..3 {
            site.clocks.advance(Duration::from_mins(1));
            ids.push(site.incident(RuleKind::StreetVending).1);
        }
        site.waiting().split_off(2)
    };
    let rows: Vec<RowId> = delivered.iter().map(|(row, _)| *row).collect();
    site.store.lock().acknowledge(&rows).unwrap();
    assert_eq!(site.store.lock().evidence_bytes(), 4 * each);

    site.custody.make_room(each);
    assert_eq!(site.pictures(), [waiting, ids[1], ids[2]], "older, and the hub does not have it");
    site.custody.make_room(2 * each);
    assert_eq!((site.pictures(), site.custody.counts().undelivered()), (vec![waiting], 0));
    site.custody.make_room(1);
    assert_eq!(site.pictures(), NONE);
    assert_eq!(site.custody.counts().undelivered(), 1);
    assert!(site.actions().last().unwrap().contains(r#""undelivered":1"#));
    let [(_, Body::Payload(_))] = &site.waiting()[..] else { panic!("the event goes without its picture") };
    assert_eq!(site.store.lock().waiting_bytes(), 2, "the event's own");
}

#[test]
fn all_pictures_together_stay_below_their_limit() {
    let mut site = Site::new(&json!({}));
    let each = test_pictures::redacted().bytes().len() as u64;
    let ids: Vec<Uuid> = (0..4)
        .map(|_| {
            site.clocks.advance(Duration::from_secs(1));
            site.incident(RuleKind::StreetVending).1
        })
        .collect();
    site.deliver_all();
    site.custody.limits.max_bytes = ByteSize::mib(0);
    let (incident, now) = (incident_of(&site, ids[1]), site.now());
    site.store.lock().hold(incident, None, now).unwrap().unwrap();
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), [ids[1]], "what is held stays beyond the limit");
    assert_eq!(site.store.lock().evidence_bytes(), each);
    assert_eq!(site.custody.counts().deleted(DeletionReason::Bytes), 3);
}

fn incident_of(site: &Site, picture: Uuid) -> Uuid {
    let rows = site.store.lock().pictures(site.now()).unwrap();
    rows.iter().find(|row| row.id == picture).unwrap().incident.unwrap()
}

#[test]
fn what_the_hub_holds_stays_over_age_and_restarts_until_it_is_released_or_its_time_is_up() {
    let mut site = Site::new(&json!({"keep_days": 1}));
    let (held, first) = site.incident(RuleKind::StreetVending);
    let (timed, second) = site.incident(RuleKind::StreetVending);
    let (_, free) = site.incident(RuleKind::StreetVending);
    site.deliver_all();
    let (now, until) = (site.now(), site.now() + Duration::from_hours(240));
    assert!(site.store.lock().hold(Uuid::from_u128(7), None, now).unwrap().is_none(), "no such incident");
    assert_eq!(site.store.lock().hold(held, None, now).unwrap().unwrap().pictures, 1);
    assert_eq!(site.store.lock().hold(timed, Some(until), now).unwrap().unwrap().pictures, 1);
    let totals = site.store.lock().evidence_totals(now).unwrap();
    assert_eq!((totals.pictures, totals.held_incidents, totals.held_pictures), (3, 2, 2));

    let mut site = site.restart();
    site.days_pass(5);
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), [first, second], "{free} goes");
    site.store.lock().forget_ended_before(site.now()).unwrap();
    site.days_pass(6);
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), [first]);
    assert_eq!(site.store.lock().evidence_totals(site.now()).unwrap().held_incidents, 1);
    assert_eq!(site.store.lock().release(held).unwrap().unwrap().pictures, 1);
    assert!(site.store.lock().release(held).unwrap().is_none());
    site.clocks.advance(AGED_EVERY);
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), NONE);
}

#[test]
fn a_stop_between_any_two_steps_leaves_no_file_without_its_row_and_no_row_without_its_file() {
    // Written, and no row tells of it.
    let mut site = Site::new(&json!({"keep_days": 1}));
    let orphan = site.written(Uuid::from_u128(0)).evidence.id;
    let site = site.restart();
    assert_eq!(site.pictures(), [orphan], "it is kept and deleted like the others");
    let site = site.restart();
    let adoptions = site.actions().iter().filter(|action| action.starts_with("pictures_adopted")).count();
    assert_eq!(adoptions, 1);
    site.days_pass(2);
    let mut site = site.restart();
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), NONE);

    // Doomed, and the file is there.
    let (_, picture) = site.incident(RuleKind::StreetVending);
    let now = site.now();
    site.store.lock().doom_oldest(1, DeletionReason::Space, now).unwrap();
    let mut site = site.restart();
    assert_eq!(site.pictures(), NONE, "{picture} was doomed");
    let recorded = |site: &Site| site.actions().iter().filter(|action| action.contains("space")).count();
    assert_eq!(recorded(&site), 1);

    // Doomed, and the file is gone.
    let (_, picture) = site.incident(RuleKind::StreetVending);
    site.store.lock().doom_oldest(1, DeletionReason::Space, now).unwrap();
    assert!(site.custody.dir.remove(&[picture]).failures.is_empty());
    let site = site.restart();
    assert_eq!((site.pictures(), recorded(&site)), (vec![], 2));

    // Somebody took the file of one that was not doomed.
    let mut site = site;
    let (_, picture) = site.incident(RuleKind::StreetVending);
    assert!(site.custody.dir.remove(&[picture]).failures.is_empty());
    let site = site.restart();
    assert_eq!(site.pictures(), NONE);
    assert!(site.actions().last().unwrap().starts_with("pictures_missing"), "{:?}", site.actions());
}

#[test]
fn after_the_database_was_lost_the_pictures_are_kept_for_their_time() {
    let mut site = Site::new(&json!({"keep_days": 10}));
    let (_, picture) = site.incident(RuleKind::StreetVending);
    let Site { data, config, clocks, store, custody, ids } = site;
    drop((store, custody));
    for file in ["curbwatch.db", "curbwatch.db-wal"] {
        let _ = std::fs::remove_file(data.path().join(file));
    }
    clocks.advance(Duration::from_hours(24 * 9));
    let (store, custody) = open(&config, &clocks);
    let mut site = Site { data, config, clocks, store, custody, ids };
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), [picture]);
    site.days_pass(2);
    let mut site = site.restart();
    site.custody.keep_within_limits();
    assert_eq!(site.pictures(), NONE);
}

#[test]
fn pictures_of_an_earlier_version_are_in_the_index_once_they_are_found() {
    let mut site = Site::new(&json!({"keep_days": 10}));
    let (incident, picture) = site.incident(RuleKind::VehicleParking);
    // As the migration leaves them.
    let row = site.store.lock().pictures(site.now()).unwrap().remove(0);
    site.store.lock().forget_pictures(&[picture]).unwrap();
    let migrated = IndexedPicture { size_bytes: 0, taken_at: Timestamp::UNIX_EPOCH, ..row.clone() };
    site.store.lock().adopt_pictures(&[migrated]).unwrap();
    let site = site.restart();
    let found = site.store.lock().pictures(site.now()).unwrap().remove(0);
    assert_eq!((found.incident, &*found.kind), (Some(incident), "vehicle_parking"));
    assert_eq!((found.size_bytes, found.sha256), (row.size_bytes, row.sha256));
    assert_eq!(found.taken_at, row.taken_at);
}

#[test]
fn a_clock_that_began_in_1970_costs_no_picture() {
    let mut site = Site::new(&json!({"keep_days": 1}));
    site.clocks = Arc::new(ManualClocks::new("1970-01-01T00:01:00Z".parse().unwrap()));
    let mut site = site.restart();
    let (_, picture) = site.incident(RuleKind::StreetVending);
    let leap = jiff::SignedDuration::from_hours(24 * 365 * 56).unsigned_abs();
    let (wall, mono) = (site.now() + leap, Duration::from_mins(1));
    assert!(!site.store.lock().doom_aged("street_vending", Duration::from_hours(24), wall, mono).unwrap());
    site.custody.finish_deletions().unwrap();
    assert_eq!(site.pictures(), [picture]);
}

#[test]
fn so_much_is_missing_of_the_free_space_and_on_a_small_disk_not_more_than_a_tenth() {
    let folder = tempfile::tempdir().unwrap();
    let disk = rustix::fs::statvfs(folder.path()).unwrap();
    let total = disk.f_blocks * disk.f_frsize;
    assert_eq!(missing_space(folder.path(), 0), 0);
    let most = missing_space(folder.path(), u64::MAX);
    assert!(most <= total / 10, "{most} of {total}");
    assert_eq!(missing_space(Path::new("/nonexistent"), u64::MAX), 0);
}
