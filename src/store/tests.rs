//! The store alone: atomicity, order, restart, damage, full and read-only disks, and the outbox against a model.

use super::*;
use crate::contract::tests::{event, evidence, transition};
use crate::contract::{CLOUDEVENTS_JSON, LossReason, LostRange, Sequence, to_json};
use crate::incident::{Dismissal, Memo, Phase};
use proptest::prelude::*;
use std::time::Duration;

fn now() -> Timestamp {
    "2026-11-21T07:29:41Z".parse().unwrap()
}

fn camera() -> Name {
    Name::try_new("wenyi-road-east").unwrap()
}

fn store(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("agent.db"), now()).unwrap()
}

fn message(sequence: u64) -> Message {
    let payload = to_json(&event(Phase::Opened, sequence));
    Message { topic: format!("event/{sequence}"), content_type: CLOUDEVENTS_JSON, payload }
}

fn record(store: &mut Store, incident: u128, phase: Phase, pictures: &[EvidenceFile]) -> Result<u64, StoreError> {
    let mut transition = transition(phase);
    transition.incident.id = Uuid::from_u128(incident);
    let change = Change {
        camera: &camera(),
        kind: RuleKind::StreetVending,
        incident: &transition.incident,
        evidence: pictures,
        now: now(),
    };
    store.record(&change, message)
}

fn picture(incident: u128) -> EvidenceFile {
    let evidence = evidence(Uuid::from_u128(incident));
    EvidenceFile {
        evidence,
        path: "/nowhere/picture.jpg".into(),
        destination: Destination::Hub,
        topic: Some("evidence/1/2".into()),
    }
}

fn topics(store: &Store) -> Vec<String> {
    store.pending(Destination::Hub, RowId::ZERO, 1000).unwrap().into_iter().map(|row| row.topic).collect()
}

#[test]
fn the_picture_goes_before_the_event_and_both_wait_for_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    assert_eq!(record(&mut store, 1, Phase::Opened, &[picture(1)]).unwrap(), 1);
    let rows = store.pending(Destination::Hub, RowId::ZERO, 10).unwrap();
    assert_eq!(rows[0].body, Body::File("/nowhere/picture.jpg".into()));
    assert_eq!((rows[0].content_type.as_str(), rows[1].content_type.as_str()), ("image/jpeg", CLOUDEVENTS_JSON));
    assert_eq!(rows[1].body, Body::Payload(message(1).payload));
    store.acknowledge(&[rows[0].row]).unwrap();
    assert_eq!(topics(&store), ["event/1"]);
    assert_eq!(
        store.backlog(Destination::Hub).unwrap(),
        Backlog { rows: 1, bytes: message(1).payload.len() as u64, oldest: Some(now()) }
    );
    assert_eq!(store.last_row().unwrap(), rows[1].row);
}

#[test]
fn open_incidents_come_back_after_a_restart_and_closed_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    record(&mut first, 1, Phase::Opened, &[]).unwrap();
    record(&mut first, 2, Phase::Opened, &[]).unwrap();
    record(&mut first, 1, Phase::Closed, &[]).unwrap();
    drop(first);
    let second = store(&folder);
    let open = second.open_incidents(&camera()).unwrap();
    let mut expected = transition(Phase::Opened).incident;
    expected.id = Uuid::from_u128(2);
    assert_eq!(open, [OpenIncident { incident: expected, kind: RuleKind::StreetVending }]);
    assert_eq!(second.open_incidents(&Name::try_new("other").unwrap()).unwrap(), []);
    assert_eq!(topics(&second), ["event/1", "event/2", "event/3"]);
}

#[test]
fn sessions_grow_over_restarts_and_over_a_lost_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    let session = first.next_session(now()).unwrap();
    let earlier = now() - jiff::SignedDuration::from_hours(1);
    assert_eq!(first.next_session(earlier).unwrap(), session + 1, "a clock that went back must not repeat a session");
    drop(first);
    let elsewhere = tempfile::tempdir().unwrap();
    let later = now() + jiff::SignedDuration::from_secs(60);
    assert!(store(&elsewhere).next_session(later).unwrap() > session + 1);
}

#[test]
fn a_damaged_database_is_set_aside_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.db");
    let mut first = store(&folder);
    record(&mut first, 1, Phase::Opened, &[]).unwrap();
    assert_eq!(first.set_aside(), None);
    drop(first);
    std::fs::write(&path, b"this is no database, and it is longer than the header of one would be".repeat(9)).unwrap();
    let mut second = store(&folder);
    let aside = second.set_aside().unwrap().to_owned();
    assert!(std::fs::read(&aside).unwrap().starts_with(b"this is no database"));
    assert_eq!(record(&mut second, 2, Phase::Opened, &[]).unwrap(), 1);
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(&folder);
    first.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(first);
    let error = Store::open(&folder.path().join("agent.db"), now()).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = store(&folder);
    let error = Store::open(&folder.path().join("agent.db"), now()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn a_full_disk_changes_nothing_and_takes_no_sequence_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |store: &Store, pages: i64| {
        store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&store, pages + 1);
    let mut recorded = 0;
    let error = loop {
        match record(&mut store, 1, Phase::Opened, &[]) {
            Ok(sequence) => recorded = sequence,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert_eq!(topics(&store).len() as u64, recorded);
    limit(&store, 1_000_000);
    assert_eq!(record(&mut store, 1, Phase::Opened, &[]).unwrap(), recorded + 1);
}

#[test]
fn a_read_only_disk_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    store.connection.pragma_update(None, "query_only", true).unwrap();
    let error = record(&mut store, 1, Phase::Opened, &[]).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
}

#[test]
fn ended_incidents_are_forgotten_once_the_hub_knows_of_them_and_their_pictures_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    record(&mut store, 1, Phase::Opened, &[picture(1)]).unwrap();
    record(&mut store, 1, Phase::Closed, &[]).unwrap();
    let later = now() + jiff::SignedDuration::from_secs(1);
    assert_eq!(store.forget_ended_before(later).unwrap(), 0, "the hub has not heard of it yet");
    let rows: Vec<RowId> =
        store.pending(Destination::Hub, RowId::ZERO, 10).unwrap().iter().map(|row| row.row).collect();
    store.acknowledge(&rows).unwrap();
    assert_eq!(store.forget_ended_before(now()).unwrap(), 0, "it ended too lately");
    assert_eq!(store.forget_ended_before(later).unwrap(), 0, "its picture is kept");
    store.forget_pictures(&[picture(1).evidence.id]).unwrap();
    assert_eq!(store.forget_ended_before(later).unwrap(), 1);
}

#[test]
fn what_a_restart_must_know_is_kept_and_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    for (incident, phase) in [(1, Phase::Opened), (2, Phase::Opened), (2, Phase::Closed), (3, Phase::Opened)] {
        record(&mut first, incident, phase, &[]).unwrap();
    }
    let sent = topics(&first);
    let mut moved = first.open_incidents(&camera()).unwrap()[0].incident.clone();
    moved.dwell_secs = 999.0;
    let closed = transition(Phase::Closed).incident;
    let dismissal = |id: u128, hours| Dismissal {
        incident: Incident { id: Uuid::from_u128(id), ..closed.clone() },
        until: now() + jiff::SignedDuration::from_hours(hours),
    };
    let rule = Name::try_new("vending").unwrap();
    let hour = now() + jiff::SignedDuration::from_hours(1);
    for memo in [
        Memo::Standing(moved.clone()),
        Memo::Dismissed(dismissal(7, 1)),
        Memo::Dismissed(dismissal(8, 1)),
        Memo::Dismissed(dismissal(9, -1)),
        Memo::DismissalOver(Uuid::from_u128(8)),
        Memo::Muted(rule.clone(), hour),
    ] {
        first.remember(&camera(), &memo, now()).unwrap();
    }
    // An older note of an incident that has changed since is left alone.
    record(&mut first, 3, Phase::Closed, &[]).unwrap();
    let mut late = closed.clone();
    (late.id, late.closed_at) = (Uuid::from_u128(3), None);
    first.remember(&camera(), &Memo::Standing(late), now()).unwrap();
    drop(first);
    let second = store(&folder);
    let memory = second.memory(&camera(), now()).unwrap();
    assert_eq!(memory.open, [moved]);
    assert_eq!(memory.closed.iter().map(|closed| closed.id.as_u128()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(memory.dismissals, [dismissal(7, 1)]);
    assert_eq!(memory.mutes, [(rule, hour)]);
    assert_eq!(topics(&second).len(), sent.len() + 1, "nothing of it is sent");
    let later = second.memory(&camera(), now() + jiff::SignedDuration::from_hours(48)).unwrap();
    assert_eq!((later.open.len(), later.closed, later.dismissals, later.mutes), (1, vec![], vec![], vec![]));
}

#[test]
fn verdicts_are_counted_once_per_incident_and_the_last_word_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    for incident in 1..=3 {
        record(&mut store, incident, Phase::Opened, &[]).unwrap();
    }
    for (incident, verdict) in
        [(1, Verdict::Confirmed), (2, Verdict::Confirmed), (3, Verdict::Dismissed), (2, Verdict::Dismissed)]
    {
        assert!(store.record_verdict(Uuid::from_u128(incident), verdict, None, now()).unwrap());
    }
    assert!(
        !store.record_verdict(Uuid::from_u128(4), Verdict::Confirmed, Some("other"), now()).unwrap(),
        "no such incident"
    );
    let rule = transition(Phase::Opened).incident.rule;
    assert_eq!(store.verdicts().unwrap(), [Verdicts { camera: camera(), rule, confirmed: 1, dismissed: 2 }]);
}

fn sequences(store: &Store) -> Vec<u64> {
    let read = |topic: String| topic.strip_prefix("event/").and_then(|number| number.parse().ok());
    topics(store).into_iter().filter_map(read).collect()
}

fn range(first: u64, last: u64, reason: LossReason) -> LostRange {
    LostRange { first: Sequence(first), last: Sequence(last), reason }
}

#[test]
fn when_more_waits_than_may_the_oldest_goes_and_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    let of_one = message(1).payload.len() as u64;
    first.set_bounds(Bounds { max_bytes: 4 * of_one + of_one / 2, ..Bounds::NONE });
    let before = first.losses_version();
    for sequence in 1..=4 {
        record(&mut first, sequence, Phase::Opened, &[]).unwrap();
    }
    assert_eq!((first.losses(Destination::Hub).unwrap(), first.losses_version()), (None, before));
    for sequence in 5..=10 {
        record(&mut first, sequence, Phase::Opened, &[]).unwrap();
    }
    assert_eq!(sequences(&first), [7, 8, 9, 10]);
    let losses = first.losses(Destination::Hub).unwrap().unwrap();
    assert_eq!((losses.count, &losses.ranges[..]), (6, &[range(1, 6, LossReason::Size)][..]));
    assert!(first.losses_version() > before);
    drop(first);
    let second = store(&folder);
    assert_eq!(
        (second.waiting_bytes(), second.losses(Destination::Hub).unwrap().unwrap().count),
        (4 * of_one, 6),
        "also after a restart"
    );
}

#[test]
fn a_picture_counts_with_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    record(&mut store, 1, Phase::Opened, &[picture(1)]).unwrap();
    let rows: Vec<RowId> =
        store.pending(Destination::Hub, RowId::ZERO, 10).unwrap().iter().map(|row| row.row).collect();
    let event = message(1).payload.len() as u64;
    assert_eq!(store.waiting_bytes(), picture(1).evidence.size_bytes + event);
    store.acknowledge(&rows[..1]).unwrap();
    assert_eq!(store.waiting_bytes(), event);
    store.acknowledge(&rows).unwrap();
    assert_eq!(store.waiting_bytes(), 0, "removed twice, counted once");
}

#[test]
fn what_waited_too_long_goes_unless_the_clock_was_set_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_hours(24);
    let bounds = Bounds { max_age: 7 * day, ..Bounds::NONE };
    let mut first = store(&folder);
    first.set_bounds(bounds);
    record(&mut first, 1, Phase::Opened, &[]).unwrap();
    let later = now() + 8 * day;
    first.drop_aged(later, day).unwrap();
    assert_eq!(sequences(&first), [1], "this process has run for a day: so it is not older");
    drop(first);
    let mut second = store(&folder);
    second.set_bounds(bounds);
    second.drop_aged(now() + 6 * day, Duration::ZERO).unwrap();
    assert_eq!(sequences(&second), [1]);
    second.drop_aged(later, Duration::ZERO).unwrap();
    assert_eq!(sequences(&second), [] as [u64; 0]);
    let losses = second.losses(Destination::Hub).unwrap().unwrap();
    assert_eq!((losses.at, &losses.ranges[..]), (later, &[range(1, 1, LossReason::Age)][..]));
}

#[test]
fn only_the_last_ranges_of_losses_are_kept_and_the_count_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    for sequence in 1..=200 {
        record(&mut store, sequence, Phase::Opened, &[]).unwrap();
    }
    let rows = store.pending(Destination::Hub, RowId::ZERO, 1000).unwrap();
    let every_second: Vec<RowId> = rows.iter().skip(1).step_by(2).map(|row| row.row).collect();
    store.acknowledge(&every_second).unwrap();
    store.set_bounds(Bounds { max_bytes: 1, ..Bounds::NONE });
    record(&mut store, 201, Phase::Opened, &[]).unwrap();
    let losses = store.losses(Destination::Hub).unwrap().unwrap();
    assert_eq!((losses.count, losses.ranges.len()), (101, 64));
    assert_eq!(losses.ranges.last().unwrap().last.0, 201);
}

#[test]
fn what_was_sent_can_be_sent_again_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    for sequence in 1..=4 {
        record(&mut store, sequence, Phase::Opened, &[]).unwrap();
    }
    let rows: Vec<RowId> = store.pending(Destination::Hub, RowId::ZERO, 3).unwrap().iter().map(|row| row.row).collect();
    store.acknowledge(&rows).unwrap();
    let replayed = store.repeat_events(2, None, now()).unwrap();
    assert_eq!((replayed.events, replayed.first, replayed.last), (2, Some(2), Some(3)), "the fourth waits anyhow");
    assert_eq!(sequences(&store), [4, 2, 3]);
    let repeated: Vec<bool> =
        store.pending(Destination::Hub, RowId::ZERO, 9).unwrap().iter().map(|row| row.is_repeated).collect();
    assert_eq!(repeated, [false, true, true]);
    assert_eq!(store.repeat_events(1, Some(2), now()).unwrap().events, 1, "what waits already is left alone");
    store.set_bounds(Bounds { max_bytes: 1, ..Bounds::NONE });
    record(&mut store, 5, Phase::Opened, &[]).unwrap();
    let losses = store.losses(Destination::Hub).unwrap().unwrap();
    assert_eq!(losses.ranges, [range(4, 5, LossReason::Size)], "the hub has had the others");
}

#[test]
fn a_database_of_the_version_before_is_brought_up_to_date_with_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.db");
    open::create_version(&path, 2);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute(
        "INSERT INTO outbox (incident, topic, content_type, payload, recorded_ms) VALUES (?1, 'event/7', ?2, ?3, 0)",
        params![Uuid::from_u128(1).to_string(), CLOUDEVENTS_JSON, message(7).payload],
    )
    .unwrap();
    drop(old);
    let mut store = store(&folder);
    assert_eq!(store.waiting_bytes(), message(7).payload.len() as u64);
    let row = store.pending(Destination::Hub, RowId::ZERO, 1).unwrap()[0].row;
    store.acknowledge(&[row]).unwrap();
    assert_eq!(store.repeat_events(7, Some(7), now()).unwrap().events, 1, "its sequence was read from its event");
}

#[derive(Debug, Clone)]
enum Step {
    Record { with_picture: bool },
    Acknowledge(prop::sample::Index),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<bool>().prop_map(|with_picture| Step::Record { with_picture }),
        3 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_outbox_is_a_queue_from_which_only_acknowledgements_take(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let (mut tested, mut model, mut recorded) = (Some(store(&folder)), Vec::<String>::new(), 0u64);
        for step in steps {
            let mut current = tested.take().unwrap();
            match step {
                Step::Record { with_picture } => {
                    let mut pictures = vec![];
                    if with_picture {
                        let mut picture = picture(1);
                        picture.evidence.id = Uuid::from_u128(u128::from(recorded));
                        picture.topic = Some(format!("evidence/{recorded}"));
                        model.extend(picture.topic.clone());
                        pictures.push(picture);
                    }
                    recorded += 1;
                    model.push(format!("event/{recorded}"));
                    prop_assert_eq!(record(&mut current, 1, Phase::Updated, &pictures).unwrap(), recorded);
                }
                Step::Acknowledge(which) if !model.is_empty() => {
                    let index = which.index(model.len());
                    let row = current.pending(Destination::Hub, RowId::ZERO, 1000).unwrap()[index].row;
                    current.acknowledge(&[row]).unwrap();
                    model.remove(index);
                }
                Step::Acknowledge(_) => {}
                Step::Reopen => {
                    drop(current);
                    current = store(&folder);
                }
            }
            prop_assert_eq!(&topics(&current), &model);
            tested = Some(current);
        }
    }
}

#[test]
fn an_event_that_is_kept_back_waits_for_nobody_takes_no_sequence_and_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    assert_eq!(store.withheld().unwrap(), None);
    let transition = transition(Phase::Opened);
    let incident = &transition.incident;
    let change =
        Change { camera: &camera(), kind: RuleKind::StreetVending, incident, evidence: &[picture(1)], now: now() };
    store.withhold(&change, b"{}", "it is wrong").unwrap();
    assert_eq!(topics(&store), [] as [String; 0], "neither the event nor its picture");
    assert_eq!(store.open_incidents(&camera()).unwrap()[0].incident, *incident);
    for number in 2..=300 {
        let evidence: &[EvidenceFile] = &[];
        store.withhold(&Change { evidence, ..change }, b"{}", &format!("wrong {number}")).unwrap();
    }
    assert_eq!(record(&mut store, 2, Phase::Opened, &[]).unwrap(), 1);
    drop(store);
    let store = Store::open(&folder.path().join("agent.db"), now()).unwrap();
    assert_eq!(store.withheld().unwrap(), Some(Withheld { count: 300, reason: "wrong 300".into() }));
    let kept = store.rows("SELECT count(*) FROM withheld", &[], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(kept, [256]);
}

#[test]
fn an_adapter_has_rows_of_its_own_from_the_same_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    first.set_adapters(Adapters { webhook: true, ..Adapters::default() }).unwrap();
    record(&mut first, 1, Phase::Opened, &[picture(1)]).unwrap();
    let of = |store: &Store, destination| store.pending(destination, RowId::ZERO, 9).unwrap();
    let [posted] = &of(&first, Destination::Webhook)[..] else { panic!("one row: the event") };
    assert_eq!(posted.body, Body::Payload(message(1).payload));
    assert_eq!(of(&first, Destination::Hub).len(), 2, "picture and event");
    first.acknowledge(&[posted.row]).unwrap();
    assert_eq!(first.repeat_events(1, None, now()).unwrap().events, 0, "the hub has not had it");
    let rows: Vec<RowId> = of(&first, Destination::Hub).iter().map(|row| row.row).collect();
    first.acknowledge(&rows).unwrap();
    assert_eq!(first.repeat_events(1, None, now()).unwrap().events, 1);
    record(&mut first, 1, Phase::Closed, &[]).unwrap();
    drop(first);
    let mut second = store(&folder);
    assert_eq!(second.backlog(Destination::Webhook).unwrap().rows, 1, "it waits over a restart");
    second.set_adapters(Adapters::default()).unwrap();
    assert_eq!(second.backlog(Destination::Webhook).unwrap().rows, 0, "there is no webhook any more");
    assert_eq!(second.backlog(Destination::Hub).unwrap().bytes, second.waiting_bytes());
}

#[test]
fn a_rejected_message_waits_no_longer_and_its_reason_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    store.set_adapters(Adapters { webhook: true, ..Adapters::default() }).unwrap();
    assert_eq!(store.rejected(Destination::Webhook).unwrap(), None);
    for incident in 1..=300 {
        record(&mut store, incident, Phase::Opened, &[]).unwrap();
    }
    let waiting = store.waiting_bytes();
    for row in store.pending(Destination::Webhook, RowId::ZERO, 300).unwrap() {
        store.reject(row.row, &format!("row {:?}", row.row), now()).unwrap();
        store.reject(row.row, "twice", now()).unwrap();
    }
    let rejected = store.rejected(Destination::Webhook).unwrap().unwrap();
    assert_eq!((rejected.count, rejected.reason), (300, "row RowId(600)".to_owned()));
    assert_eq!(store.waiting_bytes(), waiting / 2);
    assert_eq!((store.rejected(Destination::Hub).unwrap(), store.losses(Destination::Webhook).unwrap()), (None, None));
    let kept = store.rows("SELECT count(*) FROM rejected", &[], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(kept, [256]);
}

#[test]
fn what_comes_after_a_picture_for_the_storage_is_held_until_the_picture_has_left_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let configured = |mut store: Store| {
        store.set_adapters(Adapters { webhook: true, storage: true, ..Adapters::default() }).unwrap();
        store
    };
    let stored = |id| {
        let mut file = EvidenceFile { destination: Destination::Storage, ..picture(id) };
        file.evidence.id = Uuid::from_u128(id);
        file
    };
    let of = |store: &Store, destination| store.pending(destination, RowId::ZERO, 99).unwrap();
    let incidents = |store: &Store, destination| -> Vec<u128> {
        of(store, destination).iter().map(|row| row.incident.as_u128()).collect()
    };
    let mut first = configured(store(&folder));
    record(&mut first, 1, Phase::Opened, &[stored(11)]).unwrap();
    record(&mut first, 1, Phase::Updated, &[stored(12)]).unwrap();
    record(&mut first, 2, Phase::Opened, &[]).unwrap();
    record(&mut first, 1, Phase::Closed, &[]).unwrap();
    drop(first);
    let mut second = configured(store(&folder));
    for destination in [Destination::Hub, Destination::Webhook] {
        assert_eq!(incidents(&second, destination), [2], "{destination:?}");
        assert_eq!(second.backlog(destination).unwrap().rows, 4, "what is held waits too");
    }
    let pictures = of(&second, Destination::Storage);
    assert_eq!(pictures.len(), 2);
    let before = second.releases();
    second.acknowledge(&[pictures[0].row]).unwrap();
    assert_ne!(second.releases(), before);
    assert_eq!(incidents(&second, Destination::Hub), [1, 2], "the first event of the incident, not what follows it");
    second.reject(pictures[1].row, "too large", now()).unwrap();
    for destination in [Destination::Hub, Destination::Webhook] {
        assert_eq!(incidents(&second, destination), [1, 1, 2, 1], "in order");
    }
    record(&mut second, 3, Phase::Opened, &[stored(13)]).unwrap();
    assert_eq!(incidents(&second, Destination::Hub), [1, 1, 2, 1]);
    second.set_adapters(Adapters { webhook: true, ..Adapters::default() }).unwrap();
    assert_eq!(incidents(&second, Destination::Hub), [1, 1, 2, 1, 3], "there is no storage any more to wait for");
}

#[test]
fn a_property_stands_while_something_is_open_under_its_rule() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    store.set_adapters(Adapters { onvif: Some("city/box".into()), ..Adapters::default() }).unwrap();
    let told = |store: &mut Store| {
        let rows = store.pending(Destination::Hub, RowId::ZERO, 99).unwrap();
        store.acknowledge(&rows.iter().map(|row| row.row).collect::<Vec<_>>()).unwrap();
        let payload = |row: OutboxRow| match row.body {
            Body::Payload(payload) if row.is_retained => Some(!payload.is_empty()),
            Body::Payload(_) | Body::File(_) => None,
        };
        rows.into_iter().filter_map(payload).collect::<Vec<_>>()
    };
    record(&mut store, 1, Phase::Opened, &[]).unwrap();
    record(&mut store, 2, Phase::Opened, &[]).unwrap();
    record(&mut store, 1, Phase::Closed, &[]).unwrap();
    assert_eq!(told(&mut store), [true; 3], "the second is still open");
    store.tell_properties(now()).unwrap();
    store.tell_properties(now()).unwrap();
    assert_eq!(told(&mut store), [true], "told once more, and not while it waits anyway");
    store.set_bounds(Bounds { max_bytes: 1, ..Bounds::NONE });
    let closed = transition(Phase::Closed).incident;
    let incident = &Incident { id: Uuid::from_u128(2), ..closed };
    let kind = RuleKind::StreetVending;
    let change = Change { camera: &camera(), kind, incident, evidence: &[], now: now() };
    store.withhold(&change, b"{}", "it is wrong").unwrap();
    assert_eq!(told(&mut store), [false], "cleared, though the hub is not told of it");
    store.tell_properties(now()).unwrap();
    assert_eq!(told(&mut store), [] as [bool; 0]);
    record(&mut store, 3, Phase::Opened, &[]).unwrap();
    record(&mut store, 3, Phase::Closed, &[]).unwrap();
    assert_eq!(told(&mut store), [false], "what clears is not dropped for want of room");
}
