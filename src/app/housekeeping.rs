//! What has to be done now and then although nobody asks: ends that have come, counts to be said, the clock's floor, neighbours.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::policy::model::SubjectEntry;
use bulkhead_core::world::World;
use tokio::time::sleep;

use crate::service::House;
use crate::service::time::HEARTBEAT_MS;

const SECOND: Duration = Duration::from_secs(1);
/// Seconds between two looks at the hardware addresses of those that must keep theirs.
const NEIGHBOURS: u64 = 10;
const MINUTE: u64 = 60;

/// Once a second, for ever.
pub(crate) async fn tick(house: Arc<House>) {
    for second in 1_u64.. {
        sleep(SECOND).await;
        house.tick(second.is_multiple_of(MINUTE));
        if house.end_shadow_in_time() {
            let over = Arc::clone(&house);
            house.tasks.spawn(async move { over.orders.shadow_is_over().await });
        }
        if second.is_multiple_of(NEIGHBOURS) {
            neighbours(&house);
        }
    }
}

/// Looks again at each address whose subject is bound to a hardware address: another one takes the rights away.
fn neighbours(house: &House) {
    let world = Arc::clone(&house.world.current());
    let mut seen = BTreeMap::new();
    for session in house.sessions.all() {
        let ip = session.peer().ip().to_canonical();
        if bound(&world, ip) {
            let mac = *seen.entry(ip).or_insert_with(|| house.net.neighbour(ip));
            house.sessions.neighbour(&session, session.peer().ip(), mac);
        }
    }
}

/// Whether somebody at this address is known only with a hardware address, by the policy or by the registry.
fn bound(world: &World, ip: IpAddr) -> bool {
    let by_policy = |subject: &SubjectEntry| subject.bound().is_some_and(|(own, mac)| own == ip && mac.is_some());
    let mut by_registry = world.registry.addresses.range((ip, None)..).take_while(|((own, _), _)| *own == ip);
    world.policy.subjects.values().any(by_policy) || by_registry.any(|((_, mac), _)| mac.is_some())
}

/// Writes down how long the gateway has run. A disk that refuses is asked again soon: what is not written down, deadlines gain
/// at the next crash.
pub(crate) async fn heartbeat(house: Arc<House>) {
    loop {
        let kept = house.orders.heartbeat().await;
        sleep(Duration::from_millis(if kept { HEARTBEAT_MS } else { 500 })).await;
    }
}

/// Keeps the CA's own leaf and its list in step with listeners, with what was taken back, and with the calendar.
pub(crate) async fn authority(house: Arc<House>) {
    loop {
        let mut moved = std::pin::pin!(house.world.moved());
        moved.as_mut().enable();
        house.ca.tend().await;
        tokio::select! {
            biased;
            () = house.ca.rung() => {}
            () = moved => {}
            () = sleep(Duration::from_secs(MINUTE)) => {}
        }
    }
}
