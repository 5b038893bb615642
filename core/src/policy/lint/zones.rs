//! Zones: an address belongs to one zone.

use crate::policy::model::{Network, Policy};
use crate::policy::report::Report;

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    let all = policy.zones.iter().flat_map(|(id, zone)| zone.networks.iter().map(move |network| (id, *network)));
    let all: Vec<_> = all.collect();
    for (index, (zone, network)) in all.iter().enumerate() {
        for (other, overlap) in
            all.iter().skip(index + 1).filter(|(other, overlap)| other != zone && meet(*network, *overlap))
        {
            let message =
                format!("`{network}` overlaps `{overlap}` of zone `{other}`: an address would have two zones");
            let object = format!("zones.{zone}");
            let help = Some("give each address to one zone".to_owned());
            out.find("zone-overlap", &object, &format!("{object}.networks.{network}"), message, help);
        }
    }
}

/// Two blocks share an address exactly where one holds the other's first address.
fn meet(one: Network, other: Network) -> bool {
    one.contains(other.address) || other.contains(one.address)
}
