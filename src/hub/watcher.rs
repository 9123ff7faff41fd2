//! A connection to the broker as a hub has one: subscribed to every agent, reading everything into the contract's types.

use crate::config::TlsConfig;
use crate::contract::{
    Active, AgentStatus, Birth, CameraStatus, EventsLost, Health, Heartbeat, ImageHealth, IncidentEvent, Reply, Topic,
    Topics,
};
use crate::ids::Name;
use crate::tls::{self, TlsError};
use bytes::Bytes;
use rand::Rng;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// Messages that wait for the reader; when full, the broker keeps the rest.
const QUEUE: usize = 1024;
/// Largest message taken.
const MAX_PACKET_BYTES: u32 = 16 << 20;
/// Wait before connecting again.
const RECONNECT: Duration = Duration::from_millis(500);

/// Which broker, and below which first level of topics.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// First level of every topic.
    pub prefix: Name,
    /// User and password, if the broker wants them.
    pub credentials: Option<(String, SecretString)>,
    /// Certificates, where the connection is encrypted; read at every connect.
    pub tls: Option<TlsConfig>,
}

impl WatchSettings {
    /// How a client of this name connects.
    pub(super) fn options(&self, client_id: String) -> Result<MqttOptions, TlsError> {
        let mut options = MqttOptions::new(client_id, &self.host, self.port);
        options.set_clean_start(true).set_max_packet_size(Some(MAX_PACKET_BYTES));
        if let Some((user, password)) = &self.credentials {
            options.set_credentials(user, password.expose_secret());
        }
        if let Some(files) = &self.tls {
            options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls::read(files)?.config)));
        }
        Ok(options)
    }
}

/// What the watcher sees next.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// Subscribed; what follows was sent from now on, or retained.
    Connected,
    /// The connection failed or ended; it is tried again.
    Disconnected {
        /// The broker, and why.
        reason: String,
    },
    /// A message.
    Message(Box<HubMessage>),
}

/// A message of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct HubMessage {
    /// Its topic.
    pub topic: String,
    /// Whether the broker had kept it from before the subscription.
    pub retained: bool,
    /// The site in its topic; none for a topic outside the contract.
    pub site: Option<Name>,
    /// The agent in its topic; none for a topic outside the contract.
    pub agent: Option<Name>,
    /// Its bytes.
    pub payload: Bytes,
    /// What it says.
    pub content: Content,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "few of them live at once")]
pub enum Content {
    /// Topic `status`.
    Status(AgentStatus),
    /// Topic `birth`.
    Birth(Birth),
    /// Topic `heartbeat`.
    Heartbeat(Heartbeat),
    /// Topic `health`.
    Health(Health),
    /// Topic `camera/{camera}/status`.
    CameraStatus(CameraStatus),
    /// Topic `camera/{camera}/image`.
    CameraImage(ImageHealth),
    /// Topic `camera/{camera}/event/{matter}`.
    Incident(IncidentEvent),
    /// Topic `camera/{camera}/active/{rule}`; none when nothing is open.
    Active(Option<Active>),
    /// Topic `evidence/{incident}/{evidence}`: a picture.
    Evidence {
        /// Its incident.
        incident: Uuid,
        /// Its id.
        evidence: Uuid,
    },
    /// Topic `evidence/snapshot/{evidence}`: a picture that belongs to no incident.
    Snapshot {
        /// Its id.
        evidence: Uuid,
    },
    /// Topic `events_lost`.
    EventsLost(EventsLost),
    /// Topic `reply/{client}`.
    Reply(Reply),
    /// What a hub sent to an agent.
    ToAgent,
    /// Not of the contract.
    Unreadable {
        /// Why not.
        reason: String,
    },
}

/// Watches a broker on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    sights: Option<Receiver<Sight>>,
    stop: Arc<Notify>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread. Fails only if the operating system gives no thread.
    pub fn start(settings: WatchSettings) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (sender, sights) = std::sync::mpsc::sync_channel(QUEUE);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("hub-watch".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = watch(&settings, &sender) => {}
                    () = stopped.notified() => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { sights: Some(sights), stop, thread: Some(thread) })
    }

    /// The next thing seen, or none within `limit`.
    #[must_use]
    pub fn next(&self, limit: Duration) -> Option<Sight> {
        self.sights.as_ref()?.recv_timeout(limit).ok()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread may wait for room in the queue: without a receiver it does not.
        self.sights = None;
        self.stop.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the hub's thread panicked");
        }
    }
}

/// Connects again and again; returns when nobody listens.
async fn watch(settings: &WatchSettings, sights: &SyncSender<Sight>) {
    loop {
        let id = format!("curbwatch-hub-{:08x}", rand::rng().random::<u32>());
        let end = match settings.options(id) {
            Ok(options) => {
                let (client, mut event_loop) = AsyncClient::new(options, 8);
                read(settings, &client, &mut event_loop, sights).await
            }
            Err(error) => Err(error.to_string()),
        };
        let Err(reason) = end else { return };
        let reason = format!("{}:{}: {reason}", settings.host, settings.port);
        if sights.send(Sight::Disconnected { reason }).is_err() {
            return;
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Reads one connection to its end; `Ok` when nobody listens.
async fn read(
    settings: &WatchSettings,
    client: &AsyncClient,
    event_loop: &mut EventLoop,
    sights: &SyncSender<Sight>,
) -> Result<(), String> {
    loop {
        let Event::Incoming(packet) = event_loop.poll().await.map_err(|error| error.to_string())? else { continue };
        let sight = if let Packet::Publish(publish) = packet {
            Sight::Message(Box::new(message(&settings.prefix, publish)))
        } else if let Packet::ConnAck(_) = packet {
            client.try_subscribe(Topics::filter(&settings.prefix), QoS::AtLeastOnce).map_err(|e| e.to_string())?;
            continue;
        } else if let Packet::SubAck(ack) = packet {
            if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                return Err(format!("the broker refused the subscription: {:?}", ack.return_codes));
            }
            Sight::Connected
        } else {
            continue;
        };
        if sights.send(sight).is_err() {
            return Ok(());
        }
    }
}

fn message(prefix: &Name, publish: Publish) -> HubMessage {
    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
    let (site, agent, content) = match Topic::parse(prefix, &topic) {
        Some((site, agent, what)) => (Some(site), Some(agent), content(&what, &publish.payload)),
        None => (None, None, Content::Unreadable { reason: "the topic is not of the contract".to_owned() }),
    };
    HubMessage { topic, retained: publish.retain, site, agent, payload: publish.payload, content }
}

fn content(what: &Topic, payload: &Bytes) -> Content {
    match what {
        Topic::Status => typed(payload, Content::Status),
        Topic::Birth => typed(payload, Content::Birth),
        Topic::Heartbeat => typed(payload, Content::Heartbeat),
        Topic::Health => typed(payload, Content::Health),
        Topic::CameraStatus { .. } => typed(payload, Content::CameraStatus),
        Topic::CameraImage { .. } => typed(payload, Content::CameraImage),
        Topic::Event { .. } => typed(payload, Content::Incident),
        Topic::Active { .. } if payload.is_empty() => Content::Active(None),
        Topic::Active { .. } => typed(payload, |active| Content::Active(Some(active))),
        Topic::Snapshot { evidence } => Content::Snapshot { evidence: *evidence },
        Topic::EventsLost => typed(payload, Content::EventsLost),
        Topic::Reply { .. } => typed(payload, Content::Reply),
        Topic::Command { .. } | Topic::Case { .. } => Content::ToAgent,
        Topic::Evidence { incident, evidence } => Content::Evidence { incident: *incident, evidence: *evidence },
    }
}

fn typed<T: DeserializeOwned>(payload: &[u8], content: impl FnOnce(T) -> Content) -> Content {
    match serde_json::from_slice(payload) {
        Ok(message) => content(message),
        Err(error) => Content::Unreadable { reason: error.to_string() },
    }
}
