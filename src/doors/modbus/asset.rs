//! What the policy of this moment says about the asset behind a listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_core::names::AssetId;
use bulkhead_core::policy::model::UnitZero;

use crate::service::House;

/// The asset, as far as the door cares.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent words of the profile")]
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
}

impl Asset {
    /// Reads it from the world in force.
    pub(super) fn behind(house: &Arc<House>, listener: SocketAddr) -> Self {
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
        }
    }
}
