//! Ways past the gateway: bridges that join two zones, and a device that is reached through the side of the masters.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::{From, Network};

use super::Finding;

/// One line of the kernel's IPv4 routes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    interface: String,
    to: Network,
    metric: u32,
    direct: bool,
}

/// What this machine's interfaces and routes mean for a policy. IPv6 routes are not looked at.
pub(super) fn findings(policy: &Policy) -> Vec<Finding> {
    let routes = parse(&fs::read_to_string("/proc/net/route").unwrap_or_default());
    let mut findings = judge(policy, &routes);
    findings.extend(bridges(Path::new("/sys/class/net")).into_iter().map(|(bridge, ports)| bridged(&bridge, &ports)));
    if findings.is_empty() {
        findings.push(Finding::ok("bypass", "no bridge, and no device is reached through the side of its masters"));
    }
    findings
}

/// For each asset: the interface towards it must not be one towards a zone that a conduit comes from.
fn judge(policy: &Policy, routes: &[Route]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, asset) in &policy.assets {
        let device = asset.connect.ip();
        if device.is_loopback() {
            continue;
        }
        let Some(route) = best(routes, device) else {
            let mend = format!("ip route add {device} dev INTERFACE");
            findings.push(Finding::bad("route", format!("no route leads to {id} at {device}"), mend));
            continue;
        };
        if !route.direct {
            let text = format!(
                "{id} at {device} is reached through a router on {}: others may reach it there too",
                route.interface
            );
            findings.push(Finding::weak(
                "bypass",
                text,
                format!("give {} an address in the device's network", route.interface),
            ));
        }
        for (conduit_id, conduit) in &policy.conduits {
            let From::Zone(zone) = &conduit.from else { continue };
            if conduit.to != asset.zone || *zone == asset.zone {
                continue;
            }
            let masters = policy.zones.get(zone).map(|zone| zone.networks.as_slice()).unwrap_or_default();
            let same = masters
                .iter()
                .find(|net| best(routes, net.address).is_some_and(|r| r.interface == route.interface && r.direct));
            if let Some(net) = same.filter(|_| route.direct) {
                let text = format!(
                    "{id} at {device} is also reachable through {}, past this gateway: zone {zone} ({}/{}) of {conduit_id} lies there too",
                    route.interface, net.address, net.prefix
                );
                findings.push(Finding::bad("bypass", text, "put the zones on different interfaces or VLANs"));
            }
        }
    }
    findings
}

fn bridged(bridge: &str, ports: &[String]) -> Finding {
    Finding::bad(
        "bypass",
        format!("bridge {bridge} joins {}: frames pass between them without the gateway", ports.join(", ")),
        format!("ip link set {} nomaster", ports.first().map_or("PORT", String::as_str)),
    )
}

/// Bridges with two ports or more.
fn bridges(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let names = |path: &Path| -> Vec<String> {
        let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
        names.sort();
        names
    };
    let found = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let ports = names(&entry.path().join("brif"));
        (ports.len() > 1).then(|| (entry.file_name().to_string_lossy().into_owned(), ports))
    });
    found.collect()
}

/// The route that the kernel takes: the longest prefix, then the smallest metric.
fn best(routes: &[Route], ip: IpAddr) -> Option<&Route> {
    let fits = routes.iter().filter(|route| route.to.contains(ip));
    fits.max_by_key(|route| (route.to.prefix, std::cmp::Reverse(route.metric)))
}

/// `/proc/net/route`: interface, destination, gateway, flags, .., metric, mask; numbers in hex, addresses in host order.
fn parse(text: &str) -> Vec<Route> {
    const UP: u32 = 1;
    const GATEWAY: u32 = 2;
    let address = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::to_le_bytes);
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (interface, to, _via, flags) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let (metric, mask) = (words.nth(2)?, words.next()?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let prefix = u32::from_be_bytes(address(mask)?).leading_ones();
        let to = Network { address: Ipv4Addr::from(address(to)?).into(), prefix: u8::try_from(prefix).ok()? };
        let direct = flags & GATEWAY == 0;
        (flags & UP != 0).then_some(Route { interface: interface.to_owned(), to, metric: metric.parse().ok()?, direct })
    };
    text.lines().skip(1).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // eth0 10.10.9.0/24 and a default route, eth1 10.10.1.0/24, eth9 is down.
    const TABLE: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
        eth0 00000000 01090A0A 0003 0 0 100 00000000 0 0 0\n\
        eth0 00090A0A 00000000 0001 0 0 100 00FFFFFF 0 0 0\n\
        eth1 00010A0A 00000000 0001 0 0 100 00FFFFFF 0 0 0\n\
        eth9 00020A0A 00000000 0000 0 0 100 00FFFFFF 0 0 0\n\
        broken\n";

    fn plant(device: &str, masters: &str) -> Policy {
        let text = format!(
            "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n[zones.filling]\nnetworks = [\"10.10.1.0/24\", \"10.10.2.0/24\"]\n\
             [zones.room]\nnetworks = [\"{masters}\"]\n[assets.plc]\nzone = \"filling\"\nlisten = [\"127.0.0.1:1502\"]\n\
             connect = \"modbus://{device}:502\"\nunits = [1]\n[assets.plc.points]\nspeed = \"holding 0 values 0..9\"\n\
             [conduits.c]\nfrom = \"room\"\nto = \"filling\"\nmode = \"enforce\"\n[[conduits.c.allow]]\nwho = [\"Operator\"]\n\
             on = \"plc\"\ncan = [\"read speed\"]\n"
        );
        bulkhead_core::policy::check(&text).policy
    }

    fn said(device: &str, masters: &str, table: &str) -> Vec<String> {
        judge(&plant(device, masters), &parse(table)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_kernels_routes_are_read_and_broken_lines_are_none() {
        let routes = parse(TABLE);
        assert_eq!(routes.len(), 3);
        let of = |ip: &str| best(&routes, ip.parse().unwrap()).map(|route| (route.interface.as_str(), route.direct));
        assert_eq!(of("10.10.1.20"), Some(("eth1", true)));
        assert_eq!(of("10.10.9.5"), Some(("eth0", true)));
        assert_eq!(of("10.10.2.1"), Some(("eth0", false)));
    }

    #[test]
    fn a_device_on_its_own_interface_is_no_finding() {
        assert_eq!(said("10.10.1.20", "10.10.9.0/24", TABLE), [""; 0]);
    }

    #[test]
    fn a_device_beside_its_masters_is_reachable_past_the_gateway() {
        let one_wire = TABLE.replace("eth1 ", "eth0 ");
        let said = said("10.10.1.20", "10.10.9.0/24", &one_wire);
        assert_eq!(
            said,
            [
                "BAD  bypass   plc at 10.10.1.20 is also reachable through eth0, past this gateway: zone room (10.10.9.0/24) of c lies there too\n              -> put the zones on different interfaces or VLANs"
            ]
        );
    }

    #[test]
    fn a_device_behind_a_router_and_one_without_a_route_are_named() {
        assert!(
            said("10.10.2.20", "10.10.9.0/24", TABLE)[0]
                .starts_with("WEAK bypass   plc at 10.10.2.20 is reached through a router")
        );
        assert!(
            said("10.10.2.20", "10.10.9.0/24", "")[0].starts_with("BAD  route    no route leads to plc at 10.10.2.20")
        );
    }

    #[test]
    fn a_bridge_of_two_ports_is_named_and_one_of_one_is_not() {
        let folder = std::env::temp_dir().join(format!("bulkhead-bridges-{}", std::process::id()));
        for port in ["br0/brif/eth0", "br0/brif/eth1", "br1/brif/eth2", "eth3"] {
            fs::create_dir_all(folder.join(port)).unwrap();
        }
        let found = bridges(&folder);
        assert_eq!(found, BTreeMap::from([("br0".to_owned(), vec!["eth0".to_owned(), "eth1".to_owned()])]));
        fs::remove_dir_all(&folder).unwrap();
    }
}
