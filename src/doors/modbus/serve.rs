//! Accepts, opens a session with what the address shows, and starts the connection's task.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::identity::{Evidence, Proof};
use bulkhead_core::journal::record::SessionEvent;
use tokio::time::sleep;

use super::alarms::Alarms;
use super::bus::Buses;
use super::connection::Connection;
use super::links::Links;
use crate::net::{Listen, Stream};
use crate::service::House;
use crate::service::sessions::Session;

/// Out of descriptors or memory: the next attempt may find some.
const AFTER_ERROR: Duration = Duration::from_millis(50);

/// What all listeners of a gateway share.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) links: Arc<Links>,
    pub(super) alarms: Arc<Alarms>,
    pub(super) buses: Buses,
}

/// The Modbus door. Listeners that lead to one device share its sockets: make one door for all of them.
#[derive(Clone, Debug)]
pub struct Door {
    house: Arc<House>,
    common: Arc<Common>,
}

impl Door {
    /// A door of this house.
    pub fn new(house: Arc<House>) -> Self {
        Self { house, common: Arc::default() }
    }

    /// Accepts for ever. `at` is the listener's address as the policy writes it: it selects zone and asset.
    pub async fn serve(&self, mut listener: Box<dyn Listen>, at: SocketAddr) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.let_in(stream, peer, at),
                // A peer can provoke these (a reset before the accept), and a full table passes: nothing ends for it.
                Err(_) => sleep(AFTER_ERROR).await,
            }
        }
    }

    fn let_in(&self, stream: Stream, peer: SocketAddr, at: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let mac = self.house.net.neighbour(peer.ip());
        let proofs = vec![Proof::Address { ip: peer.ip(), mac }];
        let evidence = Evidence { listener: at, source: peer.ip(), remote: None, approvals: Vec::new(), proofs };
        // Refused: a cap is reached, or the subject is revoked. The connection is closed; the session service has recorded it.
        let Ok(session) = self.house.sessions.open(peer, evidence) else { return };
        let (house, common) = (Arc::clone(&self.house), Arc::clone(&self.common));
        self.house.tasks.spawn(async move {
            let mut end = End { house: Arc::clone(&house), session: Arc::clone(&session), how: SessionEvent::Closed };
            end.how = Connection::new(house, common, session, stream, mac).run().await;
        });
    }
}

/// Serves one listener with a door of its own.
pub async fn serve(house: Arc<House>, listener: Box<dyn Listen>, at: SocketAddr) {
    Door::new(house).serve(listener, at).await;
}

/// Closes the session when the task is over, however it ends: a panic must not leave its place taken.
struct End {
    house: Arc<House>,
    session: Arc<Session>,
    how: SessionEvent,
}

impl Drop for End {
    fn drop(&mut self) {
        self.house.sessions.close(&self.session, self.how);
    }
}
