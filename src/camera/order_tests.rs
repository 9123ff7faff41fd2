//! The hub's orders at the engine.

use super::*;
use crate::geometry::{BBox, Polygon};
use crate::incident::{ClosedReason, Phase};
use crate::scene::Attended;

const CAR: u16 = 0;

fn engine(memory: Memory) -> Engine {
    let right = Polygon::try_new(&[[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]).unwrap();
    let watch = Watch {
        zones: vec![(Name::try_new("lane").unwrap(), right)],
        except: vec![],
        classes: [CAR].into(),
        person_classes: [].into(),
        hanging_classes: [].into(),
        min_area: 0.0,
        is_composite: false,
        attended: Attended::Any,
        near: None,
        min_count: 1,
    };
    let secs = Duration::from_secs;
    let terms = Terms { dwell: secs(20), gap: secs(8), clear: secs(10), ..Terms::default() };
    let rule = EngineRule { id: rule(), watch, terms };
    let classes = Arc::new(ClassTable {
        names: vec!["car".to_owned()],
        association: vec![0],
        start_confidence: StartConfidence::same(0.3),
    });
    Engine::new(&classes, vec![rule], memory, IdSource::from_seed(1)).0
}

fn rule() -> Name {
    Name::try_new("rule").unwrap()
}

fn car() -> Vec<Detection> {
    vec![Detection { class: CAR, confidence: 0.8, bbox: BBox::try_from_center(0.8, 0.5, 0.1, 0.1).unwrap() }]
}

/// Plays frames a quarter of a second apart.
fn play(engine: &mut Engine, from: f64, to: f64, seen: &[Detection]) -> Vec<Transition> {
    let frames = (0..).map(|frame| from + f64::from(frame) / 4.0).take_while(|secs| *secs < to);
    frames.flat_map(|secs| engine.analyse(&FrameStamp::at_secs(secs, 0), seen)).collect()
}

/// An engine at which a car has been reported, at second 30.
fn with_incident() -> (Engine, Incident) {
    let mut engine = engine(Memory::default());
    let opened = play(&mut engine, 0.0, 30.0, &car()).remove(0).incident;
    (engine, opened)
}

fn order(engine: &mut Engine, order: &Order, secs: f64) -> Result<Option<Transition>, OrderError> {
    let at = FrameStamp::at_secs(secs, 0);
    engine.order(order, at.mono, at.wall)
}

fn remembered(engine: &mut Engine, mut memory: Memory) -> Memory {
    for memo in engine.take_memos() {
        memory.take(&memo);
    }
    memory
}

fn recheck(engine: &mut Engine, incident: &Incident, secs: f64) {
    let look = Order::Recheck { incident: incident.id, look_for: Duration::from_secs(5) };
    assert_eq!(order(engine, &look, secs), Ok(None));
    assert!(engine.wants_attention(), "it watches closely");
}

fn answer(found: &[Transition]) -> (RecheckOutcome, Option<CannotSee>) {
    let answers: Vec<_> = found.iter().filter(|found| found.phase == Phase::Rechecked).collect();
    assert_eq!(answers.len(), 1, "{found:?}");
    let recheck = answers[0].recheck.unwrap();
    (recheck.outcome, recheck.reason)
}

#[test]
fn looking_again_finds_it_there_or_gone() {
    let (mut engine, incident) = with_incident();
    recheck(&mut engine, &incident, 30.0);
    let found = play(&mut engine, 30.0, 40.0, &car());
    assert_eq!(answer(&found), (RecheckOutcome::Persisting, None));
    assert_eq!((found[0].incident.id, found[0].incident.revision), (incident.id, 1));
    assert!(!engine.wants_attention());
    recheck(&mut engine, &incident, 40.0);
    assert_eq!(answer(&play(&mut engine, 40.0, 46.0, &[])), (RecheckOutcome::Cleared, None));
}

#[test]
fn a_closed_incident_is_looked_at_again_too() {
    let (mut engine, incident) = with_incident();
    let closed = play(&mut engine, 30.0, 60.0, &[]);
    assert_eq!(closed[0].incident.closed_reason, Some(ClosedReason::Gone));
    recheck(&mut engine, &incident, 60.0);
    let found = play(&mut engine, 60.0, 66.0, &car());
    assert_eq!(answer(&found), (RecheckOutcome::Persisting, None), "it came back");
    assert!(found[0].incident.closed_at.is_some() && found[0].incident.revision == 2);
}

#[test]
fn what_cannot_be_seen_is_said_with_its_reason() {
    let (mut engine, incident) = with_incident();
    recheck(&mut engine, &incident, 30.0);
    engine.pause(CannotSee::Covered);
    let wall = FrameStamp::at_secs(41.0, 0).wall;
    assert_eq!(engine.answer_overdue(Mono(Duration::from_secs(36)), wall), [], "a frame may come yet");
    let found = engine.answer_overdue(Mono(Duration::from_secs(41)), wall);
    assert_eq!(answer(&found), (RecheckOutcome::CannotSee, Some(CannotSee::Covered)));
    recheck(&mut engine, &incident, 50.0);
    let found = play(&mut engine, 100.0, 101.0, &car());
    assert_eq!(answer(&found), (RecheckOutcome::Persisting, None), "the first frame after its time shows it");
    recheck(&mut engine, &incident, 101.0);
    let found = engine.answer_overdue(Mono(Duration::from_secs(200)), wall);
    assert_eq!(answer(&found), (RecheckOutcome::CannotSee, Some(CannotSee::NoPicture)), "the camera is away");
}

#[test]
fn a_dismissal_and_a_mute_hold_over_a_restart() {
    let (mut before, incident) = with_incident();
    let until = FrameStamp::at_secs(1_000.0, 0).wall;
    let closed = order(&mut before, &Order::Dismiss { incident: incident.id, until }, 30.0).unwrap().unwrap();
    assert_eq!(closed.incident.closed_reason, Some(ClosedReason::Dismissed));
    let mut memory = remembered(&mut before, Memory::default());
    memory.note(&closed.incident);
    assert_eq!(play(&mut engine(memory), 0.0, 100.0, &car()), []);

    let mut muted = engine(Memory::default());
    order(&mut muted, &Order::Mute { rule: rule(), until }, 0.0).unwrap();
    let memory = remembered(&mut muted, Memory::default());
    assert_eq!(play(&mut engine(memory), 0.0, 100.0, &car()), []);
}

#[test]
fn the_agent_stopping_between_a_dismissal_and_its_closing_leaves_nothing_open() {
    let (mut before, incident) = with_incident();
    let until = FrameStamp::at_secs(1_000.0, 0).wall;
    order(&mut before, &Order::Dismiss { incident: incident.id, until }, 30.0).unwrap();
    let memory = remembered(&mut before, Memory { open: vec![incident], ..Memory::default() });
    let mut after = engine(memory);
    let found = play(&mut after, 0.0, 100.0, &car());
    assert!(
        matches!(&found[..], [closed] if closed.incident.closed_reason == Some(ClosedReason::Dismissed)),
        "{found:?}"
    );
    assert!(after.active()[&rule()].is_empty());
}

#[test]
fn orders_about_what_is_not_known_change_nothing() {
    let (mut engine, _) = with_incident();
    let until = FrameStamp::at_secs(1_000.0, 0).wall;
    let unknown = Uuid::from_u128(1);
    assert_eq!(
        order(&mut engine, &Order::Dismiss { incident: unknown, until }, 30.0),
        Err(OrderError::UnknownIncident)
    );
    let other = Name::try_new("other").unwrap();
    assert_eq!(order(&mut engine, &Order::Mute { rule: other, until }, 30.0), Err(OrderError::UnknownRule));
    assert_eq!(engine.take_memos(), []);
    assert_eq!(engine.active()[&rule()].len(), 1);
}
