//! The thread's course: connect, serve, wait, again.

use super::back_off::BackOff;
use super::connection::{Exchange, Failure, serve};
use super::{Farewell, MqttSettings, Shared, Stats, Stop, WINDOW};
use crate::clock::{Clocks, Mono};
use crate::contract::{AgentState, AgentStatus, JSON, WallTime, to_json};
use crate::store::SharedStore;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties};
use rumqttc::v5::{AsyncClient, MqttOptions};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// A connection that lived this long was a good one: the next wait is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// The same trouble is told again after this time.
const REPEAT_AFTER: Duration = Duration::from_mins(5);
/// Seconds after which an attempt to connect is given up.
const CONNECT_LIMIT_SECS: u64 = 5;
/// Packet ids before they repeat: far more than the window, so that one that was answered late does not collide.
const PACKET_IDS: u16 = 8 * WINDOW as u16;

pub(super) struct Worker {
    settings: MqttSettings,
    store: SharedStore,
    clocks: Arc<dyn Clocks>,
    shared: Arc<Shared>,
    last_session: u64,
    told: Option<(String, Mono)>,
}

impl Worker {
    pub(super) fn new(
        settings: MqttSettings,
        store: SharedStore,
        clocks: Arc<dyn Clocks>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { settings, store, clocks, shared, last_session: 0, told: None }
    }

    /// Keeps a connection until the owner wants none any more.
    pub(super) async fn work(mut self) -> Farewell {
        let mut back_off = BackOff::new(self.settings.reconnect);
        while self.shared.lock().stop == Stop::No {
            let began = self.clocks.mono();
            match self.connect_and_serve().await {
                Ok(()) => return Farewell::Said,
                Err(Failure::Ended) => return Farewell::NotConnected,
                Err(failure) => self.report(&failure),
            }
            if self.clocks.mono().since(began) >= GOOD_CONNECTION {
                back_off.reset();
            }
            self.wait(back_off.next()).await;
        }
        Farewell::NotConnected
    }

    async fn connect_and_serve(&mut self) -> Result<(), Failure> {
        let session = self.next_session();
        let options = self.options(session)?;
        let (client, mut event_loop) = AsyncClient::new(options, WINDOW + 2);
        let mut exchange = Exchange::new(&self.settings, &self.store, &*self.clocks, &self.shared, session, client);
        serve(&mut event_loop, &mut exchange).await
    }

    /// Waits, unless the owner wants to stop.
    async fn wait(&self, time: Duration) {
        let until = Mono(self.clocks.mono().0 + time);
        while self.shared.lock().stop == Stop::No {
            let left = until.since(self.clocks.mono());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// A new session number; one that is only kept in memory if the store cannot be written.
    fn next_session(&mut self) -> u64 {
        let wall = self.clocks.wall();
        self.last_session = self.store.lock().next_session(wall).unwrap_or_else(|error| {
            tracing::warn!(%error, "the session number cannot be stored");
            (self.last_session + 1).max(wall.as_second().unsigned_abs())
        });
        self.last_session
    }

    /// Options of a connection. Never logged: they hold the password.
    fn options(&self, session: u64) -> Result<MqttOptions, Failure> {
        let settings = &self.settings;
        let mut options = MqttOptions::new(&settings.client_id, &settings.host, settings.port);
        options
            .set_clean_start(true)
            .set_keep_alive(settings.keep_alive.max(Duration::from_secs(5)))
            .set_connection_timeout(CONNECT_LIMIT_SECS)
            .set_outgoing_inflight_upper_limit(PACKET_IDS)
            .set_last_will(self.will(session));
        if settings.username.is_some() || settings.password.is_some() {
            let password = settings.password.as_ref().map(super::SecretSource::read).transpose()?;
            let password = password.as_ref().map_or("", |secret| secret.expose_secret());
            options.set_credentials(settings.username.as_deref().unwrap_or_default(), password);
        }
        Ok(options)
    }

    fn will(&self, session: u64) -> LastWill {
        let time = WallTime::new(self.clocks.wall(), &self.settings.time_zone);
        let status = AgentStatus { status: AgentState::Lost, session, time };
        let properties = LastWillProperties {
            delay_interval: None,
            payload_format_indicator: Some(1),
            message_expiry_interval: None,
            content_type: Some(JSON.to_owned()),
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        LastWill::new(self.settings.topics.status(), to_json(&status), QoS::AtLeastOnce, true, Some(properties))
    }

    /// Tells of a trouble when it is new, and again from time to time while it lasts.
    fn report(&mut self, failure: &Failure) {
        Stats::add(&self.shared.stats.failures, 1);
        let (text, now) = (failure.to_string(), self.clocks.mono());
        let (host, port) = (&self.settings.host, self.settings.port);
        let fresh = self.told.as_ref().is_none_or(|(told, at)| *told != text || now.since(*at) >= REPEAT_AFTER);
        if fresh {
            tracing::warn!(%host, port, error = %text, "no connection to the broker; events are kept and it is tried again");
            self.told = Some((text, now));
        } else {
            tracing::debug!(%host, port, error = %text, "no connection to the broker");
        }
    }
}
