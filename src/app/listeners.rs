//! Which addresses the Modbus door listens on, kept in step with the policy. Without a conduit nothing beyond loopback listens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_core::names::{AssetId, ZoneId};
use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::From;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::doors::modbus::Door;
use crate::service::House;

/// How long to wait before a bind that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// One address that the policy wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerState {
    /// The asset that it stands for.
    pub asset: AssetId,
    /// Modbus/TCP Security is spoken there.
    pub tls: bool,
    /// Why it does not listen; none when it does.
    pub trouble: Option<String>,
}

#[derive(Debug)]
struct Entry {
    state: ListenerState,
    stop: Arc<Notify>,
}

/// The listeners of the Modbus door.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<BTreeMap<SocketAddr, Entry>>);

impl Listeners {
    /// Every address that the policy wants.
    pub fn states(&self) -> BTreeMap<SocketAddr, ListenerState> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(at, entry)| (*at, entry.state.clone())).collect()
    }

    fn say(&self, at: SocketAddr, stop: &Arc<Notify>, trouble: Option<String>) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&at).filter(|entry| Arc::ptr_eq(&entry.stop, stop)) {
            entry.state.trouble = trouble;
        }
    }
}

/// The addresses that a policy opens, with their assets. An address beyond loopback needs a conduit from its zone to the asset's.
fn wanted(policy: &Policy) -> BTreeMap<SocketAddr, (bool, AssetId)> {
    let reachable = |at: &SocketAddr, zone: &ZoneId| {
        let from = policy.zone_of(at.ip());
        at.ip().is_loopback()
            || policy.conduits.values().any(|conduit| match &conduit.from {
                From::Zone(id) => Some(id) == from && conduit.to == *zone,
                From::Remote(_) => false,
            })
    };
    let open = policy.listeners().filter(|(listen, _, asset)| reachable(&listen.at, &asset.zone));
    open.map(|(listen, id, _)| (listen.at, (listen.tls, id.clone()))).collect()
}

/// Follows the policy for ever.
pub(crate) async fn follow(house: Arc<House>, listeners: Arc<Listeners>) {
    // One door for all listeners: those that lead to one device share its sockets.
    let door = Door::new(Arc::clone(&house));
    loop {
        let mut moved = std::pin::pin!(house.world.moved());
        moved.as_mut().enable();
        apply(&house, &door, &listeners);
        moved.await;
    }
}

/// Starts what the policy wants and is not there; stops what it does not want any more. What stays is not touched.
pub(crate) fn apply(house: &Arc<House>, door: &Door, listeners: &Arc<Listeners>) {
    let wanted = wanted(&house.world.current().policy);
    let mut entries = listeners.0.lock().unwrap_or_else(PoisonError::into_inner);
    entries.retain(|at, entry| {
        let stays = wanted.get(at).is_some_and(|(tls, _)| *tls == entry.state.tls);
        if !stays {
            entry.stop.notify_one();
        }
        stays
    });
    for (at, (tls, asset)) in wanted {
        if let Some(entry) = entries.get_mut(&at) {
            entry.state.asset = asset;
            continue;
        }
        let stop = Arc::new(Notify::new());
        let state = ListenerState { asset, tls, trouble: Some("starting".to_owned()) };
        entries.insert(at, Entry { state, stop: Arc::clone(&stop) });
        house.tasks.spawn(listen(Arc::clone(house), door.clone(), Arc::clone(listeners), (at, tls), stop));
    }
}

async fn listen(
    house: Arc<House>,
    door: Door,
    listeners: Arc<Listeners>,
    (at, tls): (SocketAddr, bool),
    stop: Arc<Notify>,
) {
    loop {
        let work = async {
            match house.net.listen(at).await {
                Ok(listener) => {
                    tracing::info!(%at, tls, "listening");
                    listeners.say(at, &stop, None);
                    if tls {
                        door.serve_tls(listener, at).await;
                    } else {
                        door.serve(listener, at).await;
                    }
                }
                Err(error) => {
                    tracing::error!(%at, %error, "cannot listen; next try in 5 s");
                    listeners.say(at, &stop, Some(error.to_string()));
                }
            }
            sleep(RETRY).await;
        };
        tokio::select! {
            biased;
            () = stop.notified() => return,
            () = work => {}
        }
    }
}
