//! `never` wins over everything, so it must not cover the way to safe (law 1).

use crate::access::Bank;
use crate::names::{AssetId, PointName};
use crate::policy::model::{Forbidden, Function, Point, Policy};
use crate::policy::report::Report;

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    for never in &policy.never {
        for what in &never.what {
            if let Some((asset, point)) = covered(policy, what) {
                let message = format!("`{what}` covers the safe or heartbeat value of `{asset}/{point}`");
                let help = Some("the way to safe is never refused: forbid something narrower".to_owned());
                let object = never.id.as_str();
                out.find("never-safe", object, &format!("{object}.what.{what}"), message, help);
            }
        }
    }
}

/// The first point of the waived ones that a `never` covers.
fn covered<'p>(policy: &'p Policy, what: &Forbidden) -> Option<(&'p AssetId, &'p PointName)> {
    let points =
        policy.assets.iter().flat_map(|(id, asset)| asset.points.iter().map(move |(name, point)| (id, name, point)));
    let mut waived = points.filter(|(_, _, point)| point.safe.is_some() || point.heartbeat);
    let is_file = |point: &Point| matches!(point.bank, Bank::File(_));
    let found = match what {
        Forbidden::Write(asset, point) => waived.find(|(id, name, _)| *id == asset && *name == point),
        Forbidden::Asset(asset) => waived.find(|(id, _, _)| *id == asset),
        Forbidden::Function(Function::Code { code: 5 | 6 | 15 | 16 | 22 | 23, .. }) => {
            waived.find(|(_, _, point)| !is_file(point))
        }
        Forbidden::Function(Function::Code { code: 21, .. }) => waived.find(|(_, _, point)| is_file(point)),
        Forbidden::Function(
            Function::Programming
            | Function::Identify
            | Function::Restart
            | Function::ListenOnly
            | Function::Code { .. },
        )
        | Forbidden::Broadcast => None,
    };
    found.map(|(id, name, _)| (id, name))
}
