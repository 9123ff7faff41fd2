//! Messages of the hub → orders → answers, on a thread of their own.
//!
//! **In:** [`FromHub`] messages as the broker delivered them. **Out:** orders to the agent ([`Actions`]), changes of the store, and answers
//! over the [`Link`].
//!
//! Invariants:
//! - A message that is malformed, expired, too large or not allowed changes nothing, and its sender is told why.
//! - A request acts once. Its id is written down before it acts and its answer after; delivered again, also after a restart, it gets
//!   the same answer. One that a restart interrupted is answered `failed`, for nobody knows how far it came.
//! - Where the configuration has keys, a message acts only if it is signed by one of them, for this topic, and not long ago.
//! - The last word on what is carried out has the configuration (`hub.commands.allow`).
//!
//! Requests are carried out one after the other, in the order in which they came. A picture is awaited elsewhere, and its request answered
//! by [`Commander::finish`].

mod answer;
mod signature;

pub use answer::Outcome;
pub use signature::{Keys, SignatureError, sign};

use crate::audit::{Actor, AuditLog, Deed};
use crate::clock::Clocks;
use crate::contract::{
    self, CaseUpdate, Command, CommandHealth, FeedbackArgs, FeedbackVerdict, HeldPictures, Reply as ReplyMessage,
    ReplyStatus, Request, RequestId, Topic, Topics, Verb, WallTime,
};
use crate::ids::Name;
use crate::incident::Order;
use crate::mqtt::{FromHub, Link, Reply};
use crate::sha256::sha256_hex;
use crate::store::{Held, Known, SharedStore, StoreError, Verdict};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use signature::Opened;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Messages of the hub that wait to be carried out; more are dropped and counted.
pub const MAX_WAITING: usize = 64;
/// How often it is looked whether the agent stops.
const STOP_EVERY: Duration = Duration::from_millis(200);
/// For how long a dismissed thing is not reported again, unless the hub says until when.
const DISMISSED_FOR: Duration = Duration::from_hours(24);
/// Longest response topic.
const MAX_RESPONSE_TOPIC: usize = 256;

/// At which camera an order is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At<'a> {
    /// Where the incident is.
    Incident(Uuid),
    /// At this one.
    Camera(&'a Name),
}

/// What the agent around can do.
pub trait Actions: Send + Sync {
    /// Passes an order on to the engine of a camera.
    fn order(&self, at: At<'_>, order: &Order) -> Outcome;
    /// Has a picture taken. None: it is on its way, and [`Commander::finish`] will be called with the request.
    fn snapshot(&self, request: &RequestId, camera: &Name, incident: Option<Uuid>) -> Option<Outcome>;
    /// Switches a camera off or on.
    fn switch_camera(&self, camera: &Name, is_on: bool) -> Outcome;
    /// Looks whether the configuration can be read again.
    fn check_reload(&self) -> Outcome;
    /// Begins anew with the configuration as it is now.
    fn reload(&self);
}

/// Carries out what the hub asks.
pub struct Commander {
    allowed: BTreeSet<Verb>,
    keys: Keys,
    topics: Topics,
    prefix: Name,
    time_zone: TimeZone,
    store: SharedStore,
    link: Arc<Link>,
    clocks: Arc<dyn Clocks>,
    audit: Arc<AuditLog>,
    /// Requests that are being carried out.
    waiting: Mutex<BTreeMap<RequestId, Asked>>,
    counts: Mutex<CommandHealth>,
}

/// What a commander works with.
pub struct CommanderParts {
    /// What may be asked.
    pub allowed: BTreeSet<Verb>,
    /// Who may ask.
    pub keys: Keys,
    /// The agent's topics.
    pub topics: Topics,
    /// First level of every topic.
    pub prefix: Name,
    /// Zone in which times are written.
    pub time_zone: TimeZone,
    /// The database.
    pub store: SharedStore,
    /// The way of the answers.
    pub link: Arc<Link>,
    /// Time.
    pub clocks: Arc<dyn Clocks>,
    /// Where what is asked is recorded.
    pub audit: Arc<AuditLog>,
}

/// A request that is being carried out.
#[derive(Debug, Clone)]
struct Asked {
    verb: Verb,
    by: Actor,
    client: Option<Name>,
    args: serde_json::Value,
    /// Who waits for the answer.
    addresses: Vec<Address>,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    topic: String,
    correlation_data: Option<Bytes>,
}

/// A message that is not carried out, and what is said of it.
#[derive(Debug)]
struct Refusal {
    status: ReplyStatus,
    reason: String,
}

impl Refusal {
    fn rejected(reason: impl Into<String>) -> Self {
        Self { status: ReplyStatus::Rejected, reason: reason.into() }
    }
}

impl Commander {
    /// Takes its parts.
    #[must_use]
    pub fn new(parts: CommanderParts) -> Self {
        let CommanderParts { allowed, keys, topics, prefix, time_zone, store, link, clocks, audit } = parts;
        let (waiting, counts) = (Mutex::default(), Mutex::default());
        Self { allowed, keys, topics, prefix, time_zone, store, link, clocks, audit, waiting, counts }
    }

    /// Carries out messages until the agent stops.
    pub fn run(&self, inbox: &Receiver<FromHub>, actions: &dyn Actions, is_stopping: &dyn Fn() -> bool) {
        while !is_stopping() {
            match inbox.recv_timeout(STOP_EVERY) {
                Ok(message) => self.take(&message, actions),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// What came of the messages so far.
    #[must_use]
    pub fn counts(&self) -> CommandHealth {
        let dropped = self.link.stats().commands_dropped;
        let counts = *self.counting();
        CommandHealth { dropped: counts.dropped + dropped, ..counts }
    }

    /// Carries out what somebody at the box asks, written down and on record as what the hub asks is. What the hub may ask
    /// (`hub.commands.allow`) does not bind them. Of one whose answer comes later it is only said that it has begun.
    pub fn carry_out_for(&self, by: Actor, command: &Command<Request>, actions: &dyn Actions) -> Outcome {
        let verb = command.args.verb();
        let begun = self.store.lock().begin_command(&command.id, &digest(verb, command), self.clocks.wall());
        match begun {
            Ok(Known::New) => {}
            Ok(Known::Answered(_) | Known::Unanswered | Known::Other) => {
                return Outcome::rejected("this was asked before");
            }
            Err(error) => return Outcome::failed(failed(&error).reason),
        }
        let args = args_of(&command.args);
        let asked = Asked { verb, by, client: None, args, addresses: Vec::new() };
        self.waiting().insert(command.id.clone(), asked);
        let outcome = self.carry_out(command, actions);
        if let Some(outcome) = &outcome {
            self.finish(&command.id, outcome);
        }
        outcome.unwrap_or_else(Outcome::ok)
    }

    /// Ends a request that was on its way. One that is not known any more is left alone.
    pub fn finish(&self, id: &RequestId, outcome: &Outcome) {
        let waiting = self.waiting().remove(id);
        let Some(Asked { verb, by, client, args, addresses }) = waiting else { return };
        if matches!(by, Actor::Hub(_)) {
            self.count(outcome.status);
        }
        if let Err(error) = self.store.lock().answer_command(id, &contract::to_json(outcome)) {
            tracing::error!(%id, error = &error as &dyn std::error::Error, "the answer to a command is not stored");
        }
        let deed = Deed::Command {
            request: Some(id.to_string()),
            verb: Some(verb.as_str().to_owned()),
            client: client.map(Into::into),
            args: Some(args),
            status: outcome.status.as_str(),
            reason: outcome.reason.clone(),
        };
        self.audit.note(&by, &deed, self.clocks.wall());
        tracing::info!(%id, verb = verb.as_str(), status = ?outcome.status, reason = outcome.reason, by = %by, "a command");
        for address in addresses {
            self.reply(&address, Some(id), Some(verb), outcome, false);
        }
    }

    fn take(&self, message: &FromHub, actions: &dyn Actions) {
        let Opened { text, verdict } = self.keys.open(&message.topic, &message.payload);
        let message = &FromHub { payload: text, ..message.clone() };
        let verdict = verdict.map_err(|error| Refusal::rejected(error.to_string()));
        match Topic::parse(&self.prefix, &message.topic).map(|(_, _, what)| what) {
            Some(Topic::Command { verb }) => self.take_command(verb, message, verdict, actions),
            Some(Topic::Case { incident }) => self.take_case(incident, message, verdict),
            _ => tracing::warn!(topic = message.topic, "a message that is neither a command nor a case"),
        }
    }

    fn take_command(
        &self,
        verb: Option<Verb>,
        message: &FromHub,
        verdict: Result<Option<Name>, Refusal>,
        actions: &dyn Actions,
    ) {
        let (id, client) = contract::sender_of(&message.payload);
        let address = match self.address(message, client.as_ref()) {
            Ok(address) => address,
            Err(reason) => return self.drop_unanswered(message, reason),
        };
        let outcome = match verdict.and_then(|key| self.begin(verb, message, Actor::Hub(key), &address)) {
            Ok(Some((verb, command))) => {
                let outcome = self.carry_out(&command, actions);
                if let Some(outcome) = outcome {
                    let reloads = verb == Verb::Reload && outcome.status == ReplyStatus::Ok;
                    self.finish(&command.id, &outcome);
                    if reloads {
                        actions.reload();
                    }
                }
                return;
            }
            Ok(None) => return,
            Err(Refusal { status, reason }) => Outcome { status, reason: Some(reason), ..Outcome::ok() },
        };
        self.count(outcome.status);
        let deed = Deed::Command {
            request: id.as_ref().map(ToString::to_string),
            verb: verb.map(|verb| verb.as_str().to_owned()),
            client: client.map(Into::into),
            args: None,
            status: outcome.status.as_str(),
            reason: outcome.reason.clone(),
        };
        self.audit.note_refusal(&Actor::Hub(None), &deed, self.clocks.wall());
        tracing::warn!(topic = message.topic, reason = outcome.reason, "a command of the hub is not carried out");
        self.reply(&address, id.as_ref(), verb, &outcome, false);
    }

    /// Checks a command and writes its id down. None: it is not to be carried out, and whoever asks is or will be answered.
    fn begin(
        &self,
        verb: Option<Verb>,
        message: &FromHub,
        by: Actor,
        address: &Address,
    ) -> Result<Option<(Verb, Command<Request>)>, Refusal> {
        if message.is_retained {
            return Err(Refusal::rejected("a command must not be retained: it would act again at every connection"));
        }
        let verb = verb.ok_or_else(|| Refusal::rejected("there is no such verb"))?;
        let command =
            contract::read_command(verb, &message.payload).map_err(|error| Refusal::rejected(error.to_string()))?;
        let now = self.clocks.wall();
        self.keys.check_age(command.issued_at, now).map_err(|error| Refusal::rejected(error.to_string()))?;
        if let Some(waiting) = self.waiting().get_mut(&command.id) {
            waiting.addresses.push(address.clone());
            return Ok(None);
        }
        let args = args_of(&command.args);
        let asked = Asked { verb, by, client: command.client.clone(), args, addresses: vec![address.clone()] };
        let is_late = command.expires_at.is_some_and(|at| at <= now);
        let known = if self.allowed.contains(&verb) && !is_late {
            self.store.lock().begin_command(&command.id, &digest(verb, &command), now)
        } else {
            self.store.lock().known_command(&command.id, &digest(verb, &command))
        };
        match known.map_err(|error| failed(&error))? {
            Known::Answered(answer) => {
                self.repeat(&command.id, verb, &answer, address);
                Ok(None)
            }
            Known::Unanswered => {
                let interrupted = "the agent was restarted while it carried it out; how far it came is not known";
                self.waiting().insert(command.id.clone(), asked);
                self.finish(&command.id, &Outcome::failed(interrupted));
                Ok(None)
            }
            Known::Other => Err(Refusal::rejected("another command had this id")),
            Known::New if !self.allowed.contains(&verb) => {
                Err(Refusal::rejected(format!("hub.commands.allow of this agent does not have \"{}\"", verb.as_str())))
            }
            Known::New if is_late => {
                Err(Refusal { status: ReplyStatus::Expired, reason: "its time had passed when it came".to_owned() })
            }
            Known::New => {
                self.waiting().insert(command.id.clone(), asked);
                Ok(Some((verb, command)))
            }
        }
    }

    /// Carries a request out; none if its answer comes later.
    fn carry_out(&self, command: &Command<Request>, actions: &dyn Actions) -> Option<Outcome> {
        let now = self.clocks.wall();
        Some(match &command.args {
            Request::Recheck(args) => {
                let look_for = Duration::from_secs(u64::from(args.look_secs));
                actions.order(At::Incident(args.incident), &Order::Recheck { incident: args.incident, look_for })
            }
            Request::Snapshot(args) => return actions.snapshot(&command.id, &args.camera, args.incident),
            Request::Camera(args) => actions.switch_camera(&args.camera, args.enabled),
            Request::Rule(args) => {
                let until = args.muted_until.unwrap_or(now);
                actions.order(At::Camera(&args.camera), &Order::Mute { rule: args.rule.clone(), until })
            }
            Request::Feedback(args) => self.take_feedback(args, now, actions),
            Request::Reload => actions.check_reload(),
            Request::Replay(args) => match self.store.lock().repeat_events(args.from, args.to, now) {
                Ok(replay) => {
                    self.link.wake();
                    Outcome { replay: Some(replay), ..Outcome::ok() }
                }
                Err(error) => Outcome::failed(failed(&error).reason),
            },
            Request::Status => {
                self.link.tell_all_again();
                Outcome::ok()
            }
            Request::Hold(args) if args.until.is_some_and(|until| until <= now) => {
                Outcome::rejected("the time until which it is to be held has passed")
            }
            Request::Hold(args) => {
                let held = self.store.lock().hold(args.incident, args.until, now);
                of_hold(held, "no such incident is known")
            }
            Request::Release(args) => {
                let released = self.store.lock().release(args.incident);
                of_hold(released, "the incident is not held")
            }
        })
    }

    /// Counts the verdict, and closes what was dismissed.
    fn take_feedback(&self, args: &FeedbackArgs, now: Timestamp, actions: &dyn Actions) -> Outcome {
        let verdict = match args.verdict {
            FeedbackVerdict::Confirmed => Verdict::Confirmed,
            FeedbackVerdict::Dismissed => Verdict::Dismissed,
        };
        let reason = args.reason.map(contract::FeedbackReason::as_str);
        match self.store.lock().record_verdict(args.incident, verdict, reason, now) {
            Ok(true) => {}
            Ok(false) => return Outcome::rejected("no such incident is known"),
            Err(error) => return Outcome::failed(failed(&error).reason),
        }
        if verdict == Verdict::Dismissed {
            let until = args.until.unwrap_or(now + DISMISSED_FOR);
            let order = Order::Dismiss { incident: args.incident, until };
            let outcome = actions.order(At::Incident(args.incident), &order);
            // Closed more than a day ago, it is only counted.
            if outcome.status == ReplyStatus::Failed {
                return outcome;
            }
        }
        Outcome::ok()
    }

    fn take_case(&self, incident: Uuid, message: &FromHub, verdict: Result<Option<Name>, Refusal>) {
        let read = || contract::read_case(&message.payload).map_err(|error| Refusal::rejected(error.to_string()));
        let stored = verdict.and_then(|key| {
            let update: CaseUpdate = read()?;
            let stored = self.store.lock().record_case(incident, &update).map_err(|error| failed(&error))?;
            if stored { Ok((key, update)) } else { Err(Refusal::rejected("no such incident is known")) }
        });
        let now = self.clocks.wall();
        let outcome = match stored {
            Ok((key, CaseUpdate { status, number, .. })) => {
                tracing::info!(%incident, status = status.as_str(), "the case of an incident goes on");
                let outcome = Outcome::ok();
                let (course, answer) = (Some(status), outcome.status.as_str());
                let deed = Deed::Case { incident, course, number, status: answer, reason: None };
                self.audit.note(&Actor::Hub(key), &deed, now);
                outcome
            }
            Err(Refusal { status, reason }) => {
                tracing::warn!(%incident, reason, "the course of a case is not stored");
                let reason = Some(reason);
                let deed = Deed::Case {
                    incident,
                    course: None,
                    number: None,
                    status: status.as_str(),
                    reason: reason.clone(),
                };
                self.audit.note_refusal(&Actor::Hub(None), &deed, now);
                Outcome { status, reason, ..Outcome::ok() }
            }
        };
        self.count(outcome.status);
        // A case is news, not a question: only who names a topic is answered.
        if message.response_topic.is_some()
            && let Ok(address) = self.address(message, None)
        {
            self.reply(&address, None, None, &outcome, false);
        }
    }

    /// Where the answer to a message goes, or why nobody can be told.
    fn address(&self, message: &FromHub, client: Option<&Name>) -> Result<Address, &'static str> {
        let topic = match (&message.response_topic, client) {
            (Some(topic), _) => topic.clone(),
            (None, Some(client)) => self.topics.reply(client),
            (None, None) => return Err("it names neither a response topic nor its client"),
        };
        let is_plain = (1..=MAX_RESPONSE_TOPIC).contains(&topic.len()) && !topic.contains(['+', '#', '\0']);
        // Else a command could make the agent speak as another one, or as itself on its other topics.
        let is_foreign = !topic.starts_with('$') && !topic.starts_with(&format!("{}/", self.prefix));
        let is_reply = self.topics.below(&topic).is_some_and(|below| below.starts_with("reply/"));
        if is_plain && (is_foreign || is_reply) {
            Ok(Address { topic, correlation_data: message.correlation_data.clone() })
        } else {
            Err("its response topic is not one on which answers may be given")
        }
    }

    fn drop_unanswered(&self, message: &FromHub, reason: &str) {
        self.counting().dropped += 1;
        tracing::warn!(topic = message.topic, reason, "a command is not carried out, and nobody can be told");
    }

    /// Gives the answer that was given before.
    fn repeat(&self, id: &RequestId, verb: Verb, answer: &[u8], address: &Address) {
        self.counting().repeated += 1;
        match serde_json::from_slice(answer) {
            Ok(outcome) => self.reply(address, Some(id), Some(verb), &outcome, true),
            Err(error) => tracing::error!(%id, %error, "the stored answer to a command cannot be read"),
        }
    }

    fn reply(&self, to: &Address, id: Option<&RequestId>, verb: Option<Verb>, outcome: &Outcome, repeated: bool) {
        let Outcome { status, reason, evidence, replay, hold } = outcome.clone();
        let time = WallTime::new(self.clocks.wall(), &self.time_zone);
        let message = ReplyMessage {
            id: id.cloned(),
            verb,
            status,
            reason,
            repeated,
            time,
            evidence: evidence.map(|evidence| *evidence),
            replay,
            hold,
        };
        let Address { topic, correlation_data } = to.clone();
        self.link.reply(Reply { topic, correlation_data, payload: contract::to_json(&message) });
    }

    fn count(&self, status: ReplyStatus) {
        let mut counts = self.counting();
        match status {
            ReplyStatus::Ok => counts.ok += 1,
            ReplyStatus::Rejected => counts.rejected += 1,
            ReplyStatus::Failed => counts.failed += 1,
            ReplyStatus::Expired => counts.expired += 1,
        }
    }

    fn counting(&self) -> MutexGuard<'_, CommandHealth> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<RequestId, Asked>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells one request from another with the same id: by what it asks, not by when.
fn digest(verb: Verb, command: &Command<Request>) -> String {
    sha256_hex([verb.as_str().as_bytes(), &contract::to_json(&command.args)].concat())
}

/// The arguments of a request alone, for the record; its verb is told beside.
fn args_of(request: &Request) -> serde_json::Value {
    match serde_json::to_value(request) {
        Ok(serde_json::Value::Object(tagged)) => {
            tagged.into_iter().next().map_or_else(Default::default, |(_, args)| args)
        }
        Ok(_) | Err(_) => serde_json::json!({}),
    }
}

/// The answer to a hold or a release; `unknown` says why there was none.
fn of_hold(held: Result<Option<Held>, StoreError>, unknown: &str) -> Outcome {
    match held {
        Ok(Some(Held { pictures })) => Outcome { hold: Some(HeldPictures { pictures }), ..Outcome::ok() },
        Ok(None) => Outcome::rejected(unknown),
        Err(error) => Outcome::failed(failed(&error).reason),
    }
}

fn failed(error: &StoreError) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "a command of the hub cannot be stored");
    Refusal { status: ReplyStatus::Failed, reason: error.to_string() }
}
