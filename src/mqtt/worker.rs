//! The thread's course: connect, serve, wait, again.

use super::connection::{Exchange, Failure, Owner, serve};
use super::dialect::{self, Opening};
use super::{Farewell, MqttSettings, Shared, Stats, Stop};
use crate::back_off::BackOff;
use crate::clock::{Clocks, Mono};
use crate::config::{BrokerConfig, HubTransport};
use crate::contract::{AgentState, AgentStatus, WallTime, to_json};
use crate::store::{RowId, SharedStore};
use crate::tls;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A connection that lived this long was a good one: the next wait is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// The same trouble is told again after this time.
const REPEAT_AFTER: Duration = Duration::from_mins(5);
/// Rows that are remembered as too large for the broker; the oldest is tried again.
const MAX_TOO_LARGE: usize = 1024;

pub(super) struct Worker {
    settings: MqttSettings,
    store: SharedStore,
    clocks: Arc<dyn Clocks>,
    shared: Arc<Shared>,
    last_session: u64,
    /// Rows for which the broker closed the connection, since they are too large; with their bytes.
    too_large: BTreeMap<RowId, usize>,
    told: Option<(String, Mono)>,
}

impl Worker {
    pub(super) fn new(
        settings: MqttSettings,
        store: SharedStore,
        clocks: Arc<dyn Clocks>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { settings, store, clocks, shared, last_session: 0, too_large: BTreeMap::new(), told: None }
    }

    /// Keeps a connection until the owner wants none any more.
    pub(super) async fn work(mut self) -> Farewell {
        let mut back_off = BackOff::new(self.settings.reconnect);
        let mut turn = 0;
        while self.shared.lock().stop == Stop::No {
            let (began, connects) = (self.clocks.mono(), self.shared.stats.snapshot().connects);
            let broker = self.settings.brokers[turn].clone();
            match self.connect_and_serve(&broker).await {
                Ok(()) => return Farewell::Said,
                Err(Failure::Ended) => return Farewell::NotConnected,
                Err(failure) => self.report(&broker, &failure),
            }
            let was_connected = self.shared.stats.snapshot().connects > connects;
            turn = if was_connected { 0 } else { (turn + 1) % self.settings.brokers.len() };
            if turn > 0 {
                // The next one may be there: waiting is for when none is.
                continue;
            }
            if self.clocks.mono().since(began) >= GOOD_CONNECTION {
                back_off.reset();
            }
            self.wait(back_off.next()).await;
        }
        Farewell::NotConnected
    }

    async fn connect_and_serve(&mut self, broker: &BrokerConfig) -> Result<(), Failure> {
        let session = self.next_session();
        let (client, mut poller) = dialect::open(self.opening(broker, session)?);
        let too_large = self.too_large.clone();
        let owner = Owner {
            settings: &self.settings,
            broker,
            store: &self.store,
            clocks: &*self.clocks,
            shared: &self.shared,
            session,
        };
        let mut exchange = Exchange::new(&owner, client, too_large);
        let ended = serve(&mut poller, &mut exchange).await;
        let suspect = exchange.largest_unanswered();
        drop(exchange);
        // The broker closes the connection over a packet that is too large, and does not say which: it can only be the largest.
        if let (Err(Failure::TooLarge), Some((row, size_bytes))) = (&ended, suspect) {
            self.too_large.insert(row, size_bytes);
            while self.too_large.len() > MAX_TOO_LARGE {
                self.too_large.pop_first();
            }
        }
        ended
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

    fn opening<'a>(&'a self, broker: &'a BrokerConfig, session: u64) -> Result<Opening<'a>, Failure> {
        let settings = &self.settings;
        let identity = settings.tls.as_ref().map(tls::read).transpose()?;
        let (tls, expires) = identity.map(|identity| (identity.config, identity.expires)).unzip();
        self.shared.alarms().set_expiry(expires.flatten());
        let password = settings.password.as_ref().map(super::SecretSource::read).transpose()?;
        let credentials = (settings.username.is_some() || password.is_some())
            .then(|| (settings.username.as_deref().unwrap_or_default(), password));
        let time = WallTime::new(self.clocks.wall(), &settings.time_zone);
        Ok(Opening {
            protocol: settings.protocol,
            broker,
            tls,
            websocket_path: (settings.transport == HubTransport::Websocket).then_some(&*settings.websocket_path),
            client_id: &settings.client_id,
            keep_alive: settings.keep_alive.max(Duration::from_secs(5)),
            credentials,
            will_topic: settings.topics.status(),
            will: to_json(&AgentStatus { status: AgentState::Lost, session, time }),
        })
    }

    /// Tells of a trouble when it is new, and again from time to time while it lasts.
    fn report(&mut self, broker: &BrokerConfig, failure: &Failure) {
        Stats::add(&self.shared.stats.failures, 1);
        let (text, now) = (failure.to_string(), self.clocks.mono());
        let BrokerConfig { host, port } = broker;
        let fresh = self.told.as_ref().is_none_or(|(told, at)| *told != text || now.since(*at) >= REPEAT_AFTER);
        if fresh {
            tracing::warn!(%host, port, error = %text, "no connection to the broker; events are kept and it is tried again");
            self.told = Some((text, now));
        } else {
            tracing::debug!(%host, port, error = %text, "no connection to the broker");
        }
    }
}
