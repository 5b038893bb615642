//! `enforce --watch`: looks once a second whether the plant bears it, and goes back to `observe` by itself if not.
//!
//! It goes back when more than one request in a thousand is refused (one refusal is borne in any case), or when a heartbeat
//! that was there is gone. A new order on the conduit, or a policy that changes its mode, ends the watch; a restart does not.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bulkhead_core::access::Bank;
use bulkhead_core::moment::BootMs;
use bulkhead_core::names::{AssetId, ConduitId, PointName};
use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::Mode;

use super::By;
use super::run::Desk;

const LOOK: Duration = Duration::from_secs(1);
/// A heartbeat is there when it was written within this time, and lost when it was not, in milliseconds.
const HEARTBEAT_MS: u64 = 10_000;
/// So many requests may hold one refusal.
const REQUESTS_A_REFUSAL: u64 = 1_000;
/// Heartbeats followed at a time.
const HEARTBEATS: usize = 256;

/// One watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    number: u64,
    ends: BootMs,
}

/// One heartbeat point on one unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Heartbeat {
    asset: AssetId,
    point: PointName,
    unit: u8,
    bank: Bank,
    first: u16,
    count: u16,
}

/// Seconds that a conduit is still watched.
pub(super) fn left(desk: &Desk, conduit: &ConduitId, now: BootMs) -> Option<u64> {
    let watches = desk.watches.lock().unwrap_or_else(PoisonError::into_inner);
    watches.get(conduit).map(|watch| watch.ends.0.saturating_sub(now.0).div_ceil(1_000))
}

/// Ends the watch of a conduit, if there is one.
pub(super) fn end(desk: &Desk, conduit: &ConduitId) {
    desk.watches.lock().unwrap_or_else(PoisonError::into_inner).remove(conduit);
    desk.house.shared.tally.unfollow(conduit);
}

/// Goes on with what the last life watched: a crash of the gateway must not leave a conduit in `enforce` that nobody watches.
/// Requests are counted anew, and heartbeats are lost only once they were seen again.
pub(super) fn resume(desk: &Arc<Desk>) {
    let now = desk.house.time.now();
    for (conduit, until) in &desk.house.watched {
        let left = until.0.saturating_sub(now.ran.0).div_ceil(1_000);
        if left == 0 || desk.house.world.current().mode(conduit) != Mode::Enforce {
            continue;
        }
        let text = format!("conduit {conduit} is watched for {left} s more, after a restart of the gateway");
        tracing::warn!(%conduit, left, "watched on after a restart");
        desk.house.gate.alarm("watch-goes-on", None, None, text);
        start(desk, conduit.clone(), left);
    }
}

/// Starts to watch a conduit that enforces.
pub(super) fn start(desk: &Arc<Desk>, conduit: ConduitId, seconds: u64) {
    let now = desk.house.time.now().boot;
    let ends = BootMs(now.0.saturating_add(seconds.saturating_mul(1_000)));
    let number = {
        let mut watches = desk.watches.lock().unwrap_or_else(PoisonError::into_inner);
        // INVARIANT: numbers are not reused while a task could still ask for one: each is greater than all that stand.
        let number = watches.values().map(|watch| watch.number).max().unwrap_or(0).max(now.0) + 1;
        watches.insert(conduit.clone(), Watch { number, ends });
        number
    };
    desk.house.tasks.spawn(follow(Arc::clone(desk), conduit, Watch { number, ends }));
}

async fn follow(desk: Arc<Desk>, conduit: ConduitId, watch: Watch) {
    let count = desk.house.shared.tally.follow(&conduit);
    let mut alive = BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK).await;
        match standing(&desk, &conduit) {
            Some(other) if other == watch => {}
            // Another watch of this conduit counts for itself.
            Some(_) => return,
            None => return desk.house.shared.tally.unfollow(&conduit),
        }
        if desk.house.world.current().mode(&conduit) != Mode::Enforce {
            return end(&desk, &conduit);
        }
        let trouble = refusals(count.read()).or_else(|| lost(&desk, &conduit, &mut alive));
        if let Some(why) = trouble {
            return give_up(&desk, conduit, why).await;
        }
        if desk.house.time.now().boot >= watch.ends {
            tracing::info!(%conduit, "watched to the end: it stays in enforce");
            return end(&desk, &conduit);
        }
    }
}

fn standing(desk: &Desk, conduit: &ConduitId) -> Option<Watch> {
    desk.watches.lock().unwrap_or_else(PoisonError::into_inner).get(conduit).copied()
}

/// Back to `observe`: the plant first, then the words. A disk that does not take the order is tried again.
async fn give_up(desk: &Arc<Desk>, conduit: ConduitId, why: String) {
    tracing::error!(%conduit, %why, "enforce is given up: back to observe");
    let text = format!("conduit {conduit} went back to observe by itself: {why}");
    desk.house.gate.alarm("watch", None, None, text);
    while let Err(error) = desk.set_mode(conduit.clone(), Mode::Observe, None, By::Watch).await {
        tracing::error!(%conduit, %error, "cannot go back to observe; next try in a second");
        tokio::time::sleep(LOOK).await;
        if standing(desk, &conduit).is_none() {
            return;
        }
    }
    end(desk, &conduit);
}

fn refusals((allowed, refused): (u64, u64)) -> Option<String> {
    let all = allowed.saturating_add(refused);
    let borne = (all / REQUESTS_A_REFUSAL).max(1);
    (refused > borne).then(|| format!("{refused} of {all} requests were refused, more than 0.1 %"))
}

/// The first heartbeat that was there since the watch began and is gone.
fn lost(desk: &Desk, conduit: &ConduitId, alive: &mut BTreeSet<Heartbeat>) -> Option<String> {
    let now = desk.house.time.now();
    let heartbeats = heartbeats(&desk.house.world.current().policy, conduit);
    for heartbeat in heartbeats {
        let unit_bank = (heartbeat.unit, heartbeat.bank);
        let age =
            desk.house.shared.values.last(&heartbeat.asset, unit_bank, heartbeat.first, heartbeat.count, now.boot);
        match age {
            Some((_, age)) if age <= HEARTBEAT_MS => drop(alive.insert(heartbeat)),
            Some((_, age)) if alive.contains(&heartbeat) => {
                let Heartbeat { asset, point, .. } = heartbeat;
                return Some(format!("the heartbeat {asset}/{point} was last seen {} s ago", age / 1_000));
            }
            Some(_) | None => {}
        }
    }
    None
}

fn heartbeats(policy: &Policy, conduit: &ConduitId) -> Vec<Heartbeat> {
    let Some(conduit) = policy.conduits.get(conduit) else { return Vec::new() };
    let assets: BTreeSet<&AssetId> = conduit.allow.iter().map(|rule| &rule.on).collect();
    let mut found = Vec::new();
    for (id, asset) in assets.into_iter().filter_map(|id| Some((id, policy.assets.get(id)?))) {
        // A direct device is asked under its own unit, 0 or 255, as the master likes.
        let units: BTreeSet<u8> = asset.units.iter().copied().chain([0, 1, 255]).collect();
        for (name, point) in asset.points.iter().filter(|(_, point)| point.heartbeat) {
            for unit in &units {
                found.push(Heartbeat {
                    asset: id.clone(),
                    point: name.clone(),
                    unit: *unit,
                    bank: point.bank,
                    first: point.first,
                    count: point.last.saturating_sub(point.first).saturating_add(1),
                });
            }
        }
    }
    found.truncate(HEARTBEATS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refusal_in_a_thousand_is_borne_and_more_are_not() {
        for (allowed, refused, bears) in
            [(0, 0, true), (3, 1, true), (3, 2, false), (1_998, 2, true), (1_997, 2, false)]
        {
            assert_eq!(refusals((allowed, refused)).is_none(), bears, "{allowed} {refused}");
        }
        assert_eq!(refusals((98, 2)).as_deref(), Some("2 of 100 requests were refused, more than 0.1 %"));
    }
}
