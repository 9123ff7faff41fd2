//! A question to an agent and its answer, as a hub asks: one connection, one request.

use super::WatchSettings;
use crate::command::sign;
use crate::contract::{JSON, Reply, Topic, Topics, Verb, to_json};
use crate::ids::Name;
use bytes::Bytes;
use jiff::Timestamp;
use rand::Rng;
use ring::signature::Ed25519KeyPair;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Pictures that are kept until the answer says which of them it is: others are on their way at the same time.
const MAX_PICTURES: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No thread or socket could be had.
    #[error("failed to begin")]
    Begin(#[from] std::io::Error),
    /// The certificates cannot be used.
    #[error("failed to connect: {0}")]
    Tls(String),
    /// The broker is not there, or not willing.
    #[error("failed to ask: {0}")]
    Broker(String),
    /// Nobody answered.
    #[error("no answer within {} s: the agent is not connected, or may not listen to commands", .0.as_secs())]
    Silence(Duration),
    /// The answer is not of the contract.
    #[error("failed to read the answer")]
    Answer(#[from] serde_json::Error),
}

/// What is asked of which agent.
#[derive(Debug, Clone)]
pub struct Question {
    /// The site of the agent.
    pub site: Name,
    /// The agent.
    pub agent: Name,
    /// What is asked.
    pub verb: Verb,
    /// What exactly: the `args` of the command.
    pub args: Value,
    /// When it is asked.
    pub at: Timestamp,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The answer.
    pub reply: Reply,
    /// The picture that it names, JPEG: it comes before the answer. None if the answer names none, or it is delivered otherwise.
    pub picture: Option<Bytes>,
}

/// What commands are signed with.
pub struct Signer {
    /// The key's id in `hub.commands.keys` of the agent.
    pub id: Name,
    /// The private half.
    pub key: Ed25519KeyPair,
}

/// Asks, and waits for the answer.
pub fn ask(
    settings: &WatchSettings,
    question: &Question,
    signer: Option<&Signer>,
    limit: Duration,
) -> Result<Answer, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let answer = runtime.block_on(async {
        let exchange = Box::pin(exchange(settings, question, signer));
        tokio::time::timeout(limit, exchange).await.map_err(|_| AskError::Silence(limit))?
    });
    runtime.shutdown_background();
    answer
}

async fn exchange(settings: &WatchSettings, question: &Question, signer: Option<&Signer>) -> Result<Answer, AskError> {
    let name = format!("console-{:08x}", rand::rng().random::<u32>());
    let options = settings.options(format!("curbwatch-{name}")).map_err(|error| AskError::Tls(error.to_string()))?;
    let (client, mut event_loop) = AsyncClient::new(options, 8);
    let topics = Topics::new(&settings.prefix, &question.site, &question.agent);
    let replies = topics.reply(&Name::try_new(&*name).expect("a literal and digits"));
    let broker = |error: &dyn std::fmt::Display| AskError::Broker(error.to_string());
    let mut filters = vec![Filter::new(replies.clone(), QoS::AtLeastOnce)];
    if question.verb == Verb::Snapshot {
        filters.push(Filter::new(topics.evidence_filter(), QoS::AtLeastOnce));
    }
    client.try_subscribe_many(filters).map_err(|error| broker(&error))?;
    let mut pictures: Vec<(Uuid, Bytes)> = Vec::new();
    loop {
        let packet = incoming(&mut event_loop).await?;
        if let Packet::SubAck(ack) = &packet {
            // Who may not read pictures may still have one taken.
            if !matches!(ack.return_codes.first(), Some(SubscribeReasonCode::Success(_))) {
                return Err(AskError::Broker(format!("the broker refuses the subscription to {replies}")));
            }
            let topic = topics.command(question.verb);
            let text = json!({"id": name, "issued_at": question.at, "args": question.args}).to_string();
            let payload = match signer {
                Some(Signer { id, key }) => to_json(&sign(key, id.clone(), &topic, text)),
                None => text.into_bytes(),
            };
            let properties = PublishProperties {
                response_topic: Some(replies.clone()),
                content_type: Some(JSON.to_owned()),
                ..PublishProperties::default()
            };
            client
                .try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
                .map_err(|error| broker(&error))?;
        } else if let Packet::PubAck(ack) = &packet {
            match ack.reason {
                PubAckReason::Success => {}
                PubAckReason::NoMatchingSubscribers => {
                    return Err(AskError::Broker("no agent of that name listens at this broker".to_owned()));
                }
                reason @ (PubAckReason::UnspecifiedError
                | PubAckReason::ImplementationSpecificError
                | PubAckReason::NotAuthorized
                | PubAckReason::TopicNameInvalid
                | PubAckReason::PacketIdentifierInUse
                | PubAckReason::QuotaExceeded
                | PubAckReason::PayloadFormatInvalid) => {
                    return Err(AskError::Broker(format!("the broker refuses the command: {reason:?}")));
                }
            }
        } else if let Packet::Publish(publish) = &packet {
            match Topic::parse(&settings.prefix, &String::from_utf8_lossy(&publish.topic)) {
                Some((_, _, Topic::Snapshot { evidence } | Topic::Evidence { evidence, .. })) => {
                    pictures.truncate(MAX_PICTURES - 1);
                    pictures.insert(0, (evidence, publish.payload.clone()));
                }
                _ => return answer(&publish.payload, pictures),
            }
        }
    }
}

fn answer(payload: &[u8], pictures: Vec<(Uuid, Bytes)>) -> Result<Answer, AskError> {
    let reply: Reply = serde_json::from_slice(payload)?;
    let named = reply.evidence.as_ref().map(|evidence| evidence.id);
    let picture = pictures.into_iter().find(|(id, _)| Some(*id) == named).map(|(_, bytes)| bytes);
    Ok(Answer { reply, picture })
}

async fn incoming(event_loop: &mut EventLoop) -> Result<Packet, AskError> {
    loop {
        if let Event::Incoming(packet) = event_loop.poll().await.map_err(|error| AskError::Broker(error.to_string()))? {
            return Ok(packet);
        }
    }
}
