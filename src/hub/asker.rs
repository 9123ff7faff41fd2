//! A question to an agent and its answer, as a hub asks: one connection, one request.

use super::WatchSettings;
use crate::command::sign;
use crate::contract::{JSON, Reply, Topics, Verb, to_json};
use crate::ids::Name;
use jiff::Timestamp;
use rand::Rng;
use ring::signature::Ed25519KeyPair;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No thread or socket could be had.
    #[error("failed to begin")]
    Begin(#[from] std::io::Error),
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
) -> Result<Reply, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let answer = runtime.block_on(async {
        let exchange = Box::pin(exchange(settings, question, signer));
        tokio::time::timeout(limit, exchange).await.map_err(|_| AskError::Silence(limit))?
    });
    runtime.shutdown_background();
    answer
}

async fn exchange(settings: &WatchSettings, question: &Question, signer: Option<&Signer>) -> Result<Reply, AskError> {
    let name = format!("console-{:08x}", rand::rng().random::<u32>());
    let mut options = MqttOptions::new(format!("curbwatch-{name}"), &settings.host, settings.port);
    options.set_clean_start(true);
    if let Some((user, password)) = &settings.credentials {
        options.set_credentials(user, password.expose_secret());
    }
    let (client, mut event_loop) = AsyncClient::new(options, 8);
    let topics = Topics::new(&settings.prefix, &question.site, &question.agent);
    let replies = topics.reply(&Name::try_new(&*name).expect("a literal and digits"));
    let broker = |error: &dyn std::fmt::Display| AskError::Broker(error.to_string());
    client.try_subscribe(&*replies, QoS::AtLeastOnce).map_err(|error| broker(&error))?;
    loop {
        let packet = incoming(&mut event_loop).await?;
        if let Packet::SubAck(ack) = &packet {
            if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
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
            return Ok(serde_json::from_slice(&publish.payload)?);
        }
    }
}

async fn incoming(event_loop: &mut EventLoop) -> Result<Packet, AskError> {
    loop {
        if let Event::Incoming(packet) = event_loop.poll().await.map_err(|error| AskError::Broker(error.to_string()))? {
            return Ok(packet);
        }
    }
}
