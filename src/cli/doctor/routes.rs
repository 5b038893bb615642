//! Ways past the gateway: a device that is reached through the side of its masters, through a router, or by two ways.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::{From, Network};

use super::Finding;
use super::host::Host;

/// One line of the kernel's routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) interface: String,
    pub(super) to: Network,
    metric: u32,
    pub(super) direct: bool,
}

/// What this machine's interfaces and routes mean for a policy.
pub(super) fn findings(host: &Host, policy: &Policy) -> Vec<Finding> {
    let mut findings = judge(policy, &table(host));
    if findings.is_empty() {
        findings.push(Finding::ok("route-ok", "routes", "no device is reached through the side of its masters"));
    }
    findings
}

/// The main table of the kernel, IPv4 and IPv6.
pub(super) fn table(host: &Host) -> Vec<Route> {
    let mut routes = parse(&host.text("/proc/net/route"));
    routes.extend(parse_v6(&host.text("/proc/net/ipv6_route")));
    routes
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
            findings.push(
                Finding::bad("route-missing", id, format!("no route leads to {id} at {device}"))
                    .mend(format!("ip route add {device} dev INTERFACE")),
            );
            continue;
        };
        if !route.direct {
            let text = format!(
                "{id} at {device} is reached through a router on {}: others may reach it there too",
                route.interface
            );
            let mend = format!("ip address add FREE-ADDRESS-IN-ITS-NETWORK dev {}", route.interface);
            findings.push(Finding::weak("bypass-router", id, text).mend(mend));
        }
        let mut others: Vec<&str> = routes
            .iter()
            .filter(|other| other.direct && other.to.prefix > 0 && other.to.contains(device))
            .map(|other| other.interface.as_str())
            .filter(|other| *other != route.interface && *other != "lo")
            .collect();
        others.sort_unstable();
        others.dedup();
        if let Some(other) = others.first() {
            let text = format!(
                "{id} at {device} lies in the network of {} and of {other}: this machine has two feet in it. Take away the \
                 one address of {other} that lies there, and none that a listener or your own login uses",
                route.interface
            );
            // Never all addresses of an interface: the masters may dial one of them.
            let mend = format!("ip address show dev {other}; ip address del ADDRESS/PREFIX dev {other}");
            findings.push(Finding::bad("bypass-two-interfaces", id, text).mend(mend));
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
                findings.push(
                    Finding::bad("bypass-same-interface", id, text)
                        .mend("put the zones on different interfaces or VLANs, and move the address: ip address del, ip address add"),
                );
            }
        }
    }
    findings
}

/// The route that the kernel takes: the longest prefix, then the smallest metric.
fn best(routes: &[Route], ip: IpAddr) -> Option<&Route> {
    let fits = routes.iter().filter(|route| route.to.contains(ip));
    fits.max_by_key(|route| (route.to.prefix, std::cmp::Reverse(route.metric)))
}

const UP: u32 = 1;
const GATEWAY: u32 = 2;

/// `/proc/net/route`: interface, destination, gateway, flags, .., metric, mask; numbers in hex, addresses in host order.
fn parse(text: &str) -> Vec<Route> {
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

/// `/proc/net/ipv6_route`: destination, prefix, source, its prefix, next hop, metric, two counters, flags, interface; all in hex.
fn parse_v6(text: &str) -> Vec<Route> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (to, prefix) = (words.next()?, words.next()?);
        let (next, metric) = (words.nth(2)?, words.next()?);
        let (flags, interface) = (words.nth(2)?, words.next()?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        // What leads to `lo` are this machine's own addresses, or refusals.
        if flags & UP == 0 || interface == "lo" {
            return None;
        }
        let to = Network {
            address: Ipv6Addr::from(u128::from_str_radix(to, 16).ok()?).into(),
            prefix: u8::from_str_radix(prefix, 16).ok()?,
        };
        let direct = flags & GATEWAY == 0 && next.bytes().all(|digit| digit == b'0');
        Some(Route { interface: interface.to_owned(), to, metric: u32::from_str_radix(metric, 16).ok()?, direct })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::host::fixture::host;
    use super::*;

    // eth0 10.10.9.0/24 and a default route, eth1 10.10.1.0/24, eth9 is down.
    const TABLE: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
        eth0 00000000 01090A0A 0003 0 0 100 00000000 0 0 0\n\
        eth0 00090A0A 00000000 0001 0 0 100 00FFFFFF 0 0 0\n\
        eth1 00010A0A 00000000 0001 0 0 100 00FFFFFF 0 0 0\n\
        eth9 00020A0A 00000000 0000 0 0 100 00FFFFFF 0 0 0\n\
        broken\n";
    // eth0 fd00:9::/64 and a default route, eth1 fd00:1::/64, our own address behind lo.
    const TABLE_V6: &str = "\
        fd000009000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        fd000001000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n\
        fd000001000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000009000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n\
        broken\n";

    fn plant(device: &str, masters: &str) -> Policy {
        let text = format!(
            "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n[zones.filling]\nnetworks = [\"10.10.1.0/24\", \"10.10.2.0/24\", \"fd00:1::/64\"]\n\
             [zones.room]\nnetworks = [\"{masters}\"]\n[assets.plc]\nzone = \"filling\"\nlisten = [\"127.0.0.1:1502\"]\n\
             connect = \"modbus://{device}:502\"\nunits = [1]\n[assets.plc.points]\nspeed = \"holding 0 values 0..9\"\n\
             [conduits.c]\nfrom = \"room\"\nto = \"filling\"\nmode = \"enforce\"\n[[conduits.c.allow]]\nwho = [\"Operator\"]\n\
             on = \"plc\"\ncan = [\"read speed\"]\n"
        );
        bulkhead_core::policy::check(&text).policy
    }

    fn said(device: &str, masters: &str, table: &str) -> Vec<String> {
        let host = host(&[("proc/net/route", table), ("proc/net/ipv6_route", TABLE_V6)]);
        findings(&host.host, &plant(device, masters)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_kernels_routes_are_read_and_broken_lines_are_none() {
        let mut routes = parse(TABLE);
        assert_eq!(routes.len(), 3);
        routes.extend(parse_v6(TABLE_V6));
        assert_eq!(routes.len(), 6);
        let of = |ip: &str| best(&routes, ip.parse().unwrap()).map(|route| (route.interface.as_str(), route.direct));
        assert_eq!(of("10.10.1.20"), Some(("eth1", true)));
        assert_eq!(of("10.10.9.5"), Some(("eth0", true)));
        assert_eq!(of("10.10.2.1"), Some(("eth0", false)));
        assert_eq!(of("fd00:1::20"), Some(("eth1", true)));
        assert_eq!(of("fd00:2::20"), Some(("eth0", false)));
    }

    #[test]
    fn a_device_on_its_own_interface_is_no_finding() {
        for (device, masters) in [("10.10.1.20", "10.10.9.0/24"), ("[fd00:1::20]", "fd00:9::/64")] {
            assert_eq!(
                said(device, masters, TABLE),
                ["ok   route    no device is reached through the side of its masters"]
            );
        }
    }

    #[test]
    fn a_device_beside_its_masters_is_reachable_past_the_gateway() {
        let one_wire = TABLE.replace("eth1 ", "eth0 ");
        let said = said("10.10.1.20", "10.10.9.0/24", &one_wire);
        assert!(
            said[0].starts_with("BAD  bypass   plc at 10.10.1.20 is also reachable through eth0, past this gateway: zone room (10.10.9.0/24) of c lies there too\n              -> put the zones on different interfaces"),
            "{said:?}"
        );
    }

    #[test]
    fn a_device_beside_its_masters_is_found_on_ipv6_too() {
        let said = said("[fd00:1::20]", "fd00:1::/64", TABLE);
        assert!(said[0].contains("also reachable through eth1"), "{said:?}");
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
    fn a_second_interface_in_the_devices_network_is_a_second_way() {
        let two = TABLE
            .replace("eth9 00020A0A 00000000 0000", "eth9 00010A0A 00000000 0001")
            .replace("0 0 100 00FFFFFF 0 0 0\nbroken", "0 0 200 00FFFFFF 0 0 0\nbroken");
        let said = said("10.10.1.20", "10.10.9.0/24", &two);
        assert!(
            said[0].starts_with("BAD  bypass   plc at 10.10.1.20 lies in the network of eth1 and of eth9"),
            "{said:?}"
        );
    }
}
