//! Accepts, opens a session with what the address shows, and starts the connection's task.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::identity::{Evidence, Mac, Proof};
use bulkhead_core::journal::record::{HandshakeFailure, SessionEvent};
use bulkhead_core::x509::leaf::{BadRole, Leaf, RoleMark, Serial};
use tokio::time::sleep;

use super::alarms::{Alarms, Kind};
use super::asset::Asset;
use super::bus::Buses;
use super::connection::Connection;
use super::links::Links;
use crate::doors::tls::{Room, Secured, Tls};
use crate::net::{Listen, Stream};
use crate::service::House;
use crate::service::sessions::{Card, Session};

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
    tls: Arc<Tls>,
}

impl Door {
    /// A door of this house.
    pub fn new(house: Arc<House>) -> Self {
        Self { house, common: Arc::default(), tls: Arc::default() }
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

    /// As [`Door::serve`], for Modbus/TCP Security. Nobody waits for a handshake but the one who makes it.
    pub async fn serve_tls(&self, mut listener: Box<dyn Listen>, at: SocketAddr) {
        let room = Arc::new(Room::default());
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.shake_hands(stream, peer, at, &room),
                Err(_) => sleep(AFTER_ERROR).await,
            }
        }
    }

    fn let_in(&self, stream: Stream, peer: SocketAddr, at: SocketAddr) {
        let peer = canonical(peer);
        let mac = self.house.net.neighbour(peer.ip());
        let proof = Proof::Address { ip: peer.ip(), mac };
        // Refused: a cap is reached, or the subject is revoked. The connection is closed; the session service has recorded it.
        let Ok(session) = self.house.sessions.open(peer, evidence(at, peer, proof)) else { return };
        self.house.tasks.spawn(self.clone().run(session, stream, mac));
    }

    fn shake_hands(&self, stream: Stream, peer: SocketAddr, at: SocketAddr, room: &Arc<Room>) {
        let peer = canonical(peer);
        let Some(place) = room.enter(peer.ip()) else {
            return self.house.sessions.turned_away(peer, at, HandshakeFailure::Busy, None);
        };
        let door = self.clone();
        self.house.tasks.spawn(async move {
            let house = &door.house;
            match door.tls.accept(stream, &place, house).await {
                Err(refused) => {
                    let shown = refused.leaf.as_ref().map(|leaf| (leaf.spki, leaf.serial.to_string()));
                    house.sessions.turned_away(peer, at, refused.failure, shown);
                    refused.let_it_be_read().await;
                }
                Ok(Secured { stream, leaf }) => {
                    drop(place);
                    // The certificate alone: where somebody is says nothing here. Without one good role it has none.
                    let Leaf { spki, issuer, serial, not_before, not_after, role, .. } = leaf;
                    let proof = Proof::Certificate { spki, role: role.role().cloned(), not_before, not_after };
                    let (evidence, card) = (evidence(at, peer, proof), Card { issuer, serial: serial.clone() });
                    let Ok(session) = house.sessions.open_by(peer, evidence, card) else { return };
                    if let RoleMark::Bad(why) = role {
                        door.alarm_role(&session, &serial, why);
                    }
                    let mac = house.net.neighbour(peer.ip());
                    door.run(session, stream, mac).await;
                }
            }
        });
    }

    /// It is let in without a role, as the standard wants it: without this nobody would learn why it may do nothing.
    fn alarm_role(&self, session: &Session, serial: &Serial, why: BadRole) {
        let source = session.peer().ip();
        if self.common.alarms.due(source, Kind::BadRole, self.house.time.now().boot) {
            let text = format!("the certificate with serial number {serial} has {why}: it counts as having none");
            let asset = Asset::behind(&self.house, session).id;
            self.house.gate.alarm(Kind::BadRole.name(), Some(source), asset.as_ref(), text);
        }
    }

    async fn run(self, session: Arc<Session>, stream: Stream, mac: Option<Mac>) {
        let Self { house, common, .. } = self;
        let mut end = End { house: Arc::clone(&house), session: Arc::clone(&session), how: SessionEvent::Closed };
        end.how = Connection::new(house, common, session, stream, mac).run().await;
    }
}

/// IPv4 in IPv6's clothes is IPv4.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn evidence(at: SocketAddr, peer: SocketAddr, proof: Proof) -> Evidence {
    Evidence { listener: at, source: peer.ip(), remote: None, approvals: Vec::new(), proofs: vec![proof] }
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
