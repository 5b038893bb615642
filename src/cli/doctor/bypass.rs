//! A kernel that carries packets from one zone to another by itself makes a way past the gateway.

use super::Finding;
use super::host::Host;

/// What the kernel does besides us.
pub(super) fn findings(host: &Host) -> Vec<Finding> {
    let mut findings = vec![forwarding(host)];
    findings.extend(bridges(host));
    findings.extend(proxies(host));
    findings.extend(filters(host));
    findings
}

fn forwarding(host: &Host) -> Finding {
    let v4 = host.on("/proc/sys/net/ipv4/ip_forward");
    let v6 = host.on("/proc/sys/net/ipv6/conf/all/forwarding");
    let what = match (v4, v6) {
        (false, false) => {
            return Finding::ok("bypass-none", "kernel", "this machine forwards no packets by itself");
        }
        (true, false) => "IPv4",
        (false, true) => "IPv6",
        (true, true) => "IPv4 and IPv6",
    };
    let text = format!("the kernel forwards {what}: packets may pass between the zones without the gateway");
    Finding::bad("bypass-forwarding", "kernel", text)
        .mend("sysctl -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0, and keep it in /etc/sysctl.d/")
}

/// Bridges with two ports or more.
fn bridges(host: &Host) -> Vec<Finding> {
    let ports = |bridge: &String| host.names(&format!("/sys/class/net/{bridge}/brif"));
    let all = host.names("/sys/class/net");
    let joined = all.iter().map(|bridge| (bridge, ports(bridge))).filter(|(_, ports)| ports.len() > 1);
    let finding = |(bridge, ports): (&String, Vec<String>)| {
        let text = format!("bridge {bridge} joins {}: frames pass between them without the gateway", ports.join(", "));
        let port = ports.first().map_or("PORT", String::as_str);
        Finding::bad("bypass-bridge", bridge, text).mend(format!("ip link set {port} nomaster"))
    };
    joined.map(finding).collect()
}

/// A machine that answers for the addresses of another network invites packets that it then forwards.
fn proxies(host: &Host) -> Vec<Finding> {
    let interfaces = host.names("/proc/sys/net/ipv4/conf");
    let on = interfaces.iter().filter(|name| host.on(&format!("/proc/sys/net/ipv4/conf/{name}/proxy_arp")));
    let finding = |name: &String| {
        let text = format!("{name} answers ARP for other networks (proxy_arp): masters may take it for the device");
        Finding::weak("bypass-proxy-arp", name, text).mend(format!("sysctl -w net.ipv4.conf.{name}.proxy_arp=0"))
    };
    on.map(finding).collect()
}

/// What is not looked at is said, so that nobody takes silence for an answer.
fn filters(host: &Host) -> Vec<Finding> {
    let modules = host.text("/proc/modules");
    let loaded = |name: &str| modules.lines().any(|line| line.split_whitespace().next() == Some(name));
    let translates = ["nf_nat", "nft_chain_nat", "iptable_nat"].iter().find(|name| loaded(name));
    let mut findings = Vec::new();
    if let Some(module) = translates {
        let text = format!("address translation is loaded ({module}); its rules are not read here");
        findings.push(
            Finding::note("bypass-nat", module, text)
                .mend("nft list ruleset, and look for dnat, redirect and masquerade"),
        );
    }
    let tables = host.text("/etc/iproute2/rt_tables");
    let own = |line: &&str| {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.parse::<u32>().ok());
        number.is_some_and(|number| !matches!(number, 0 | 253..=255))
    };
    if let Some(line) = tables.lines().find(own) {
        let text = format!("there are route tables besides the main one (`{}`); they are not read here", line.trim());
        findings.push(
            Finding::note("bypass-tables", "/etc/iproute2/rt_tables", text)
                .mend("ip rule list; ip route show table all"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::host::fixture::host;
    use super::super::tests::{bad, lines};
    use super::*;

    #[test]
    fn a_kernel_that_forwards_is_a_way_past_the_gateway() {
        let (v4, v6) = ("proc/sys/net/ipv4/ip_forward", "proc/sys/net/ipv6/conf/all/forwarding");
        assert_eq!(lines(&findings(&host(&[(v4, "0\n"), (v6, "0\n")]).host)), ["ok bypass-none"]);
        for files in [&[(v4, "1\n"), (v6, "0\n")][..], &[(v6, "1\n")], &[(v4, "1\n"), (v6, "2\n")]] {
            assert_eq!(bad(&findings(&host(files).host)), ["bypass-forwarding"], "{files:?}");
        }
    }

    #[test]
    fn a_bridge_of_two_ports_is_named_and_one_of_one_is_not() {
        let host = host(&[
            ("sys/class/net/br0/brif/eth0/x", ""),
            ("sys/class/net/br0/brif/eth1/x", ""),
            ("sys/class/net/br1/brif/eth2/x", ""),
            ("sys/class/net/eth3/x", ""),
        ]);
        let found = findings(&host.host);
        assert_eq!(bad(&found), ["bypass-bridge"]);
        assert_eq!(found[1].place, "br0");
        assert_eq!(found[1].mend.as_deref(), Some("ip link set eth0 nomaster"));
    }

    #[test]
    fn an_interface_that_answers_for_others_is_weak() {
        let host =
            host(&[("proc/sys/net/ipv4/conf/eth0/proxy_arp", "1\n"), ("proc/sys/net/ipv4/conf/eth1/proxy_arp", "0\n")]);
        assert_eq!(lines(&findings(&host.host)), ["ok bypass-none", "weak bypass-proxy-arp"]);
    }

    #[test]
    fn translation_and_further_route_tables_are_said_as_not_looked_at() {
        let host = host(&[
            ("proc/modules", "nf_nat 61440 1 nft_chain_nat, Live 0x0\nnf_nat_x 1 1 - Live 0x0\n"),
            ("etc/iproute2/rt_tables", "# reserved\n255 local\n254 main\n253 default\n0 unspec\n100 cell\n"),
        ]);
        assert_eq!(lines(&findings(&host.host)), ["ok bypass-none", "note bypass-nat", "note bypass-tables"]);
    }
}
