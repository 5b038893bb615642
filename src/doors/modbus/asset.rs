//! What the policy of this moment says about the asset behind a listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::names::AssetId;
use bulkhead_core::policy::model::{Priority, UnitZero};

use crate::service::House;
use crate::service::sessions::Session;

/// The asset, as far as the door cares.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent words of the profile")]
pub(super) struct Asset {
    /// The world that it was read from.
    pub(super) generation: u64,
    pub(super) id: Option<AssetId>,
    /// Where it is; none when the policy in force has nothing behind this listener.
    pub(super) connect: Option<SocketAddr>,
    pub(super) zero: UnitZero,
    pub(super) long_frames: bool,
    /// Replies that carry a foreign transaction id still belong to the only request under way.
    pub(super) echoes_ids: bool,
    /// A master may send a pending request again.
    pub(super) repeats_ids: bool,
    pub(super) in_order: bool,
    pub(super) connections: u16,
    pub(super) answer_within: Duration,
    /// Clients share one link.
    pub(super) shared: bool,
    /// The device is known to echo transaction ids, so that several requests may be under way on a shared link.
    pub(super) tells_apart: bool,
    /// Of this session's subject, where links are shared.
    pub(super) priority: Priority,
}

impl Asset {
    /// Reads it from the world in force.
    pub(super) fn behind(house: &Arc<House>, session: &Session) -> Self {
        let listener = session.listener();
        let world = house.world.current();
        let generation = world.generation;
        let Some((id, asset)) = world.policy.asset_at(listener) else {
            return Self {
                generation,
                id: None,
                connect: None,
                zero: UnitZero::default(),
                long_frames: false,
                echoes_ids: true,
                repeats_ids: true,
                in_order: true,
                connections: 0,
                answer_within: Duration::from_secs(6),
                shared: false,
                tells_apart: false,
                priority: Priority::default(),
            };
        };
        Self {
            generation,
            id: Some(id.clone()),
            connect: Some(asset.connect),
            zero: asset.profile.unit_zero,
            long_frames: asset.profile.long_frames,
            echoes_ids: asset.profile.echoes_ids != Some(false),
            repeats_ids: asset.profile.repeats_ids,
            in_order: asset.in_order,
            connections: asset.connections,
            answer_within: asset.answer_within,
            shared: asset.share_upstream,
            tells_apart: asset.profile.echoes_ids == Some(true),
            priority: session
                .subject()
                .and_then(|subject| world.policy.subjects.get(&subject))
                .map(|entry| entry.priority)
                .unwrap_or_default(),
        }
    }
}
