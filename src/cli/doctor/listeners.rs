//! Whether the gateway can listen where the policy says: the address is there, the port is free and may be taken.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::Network;

use super::Finding;
use super::host::Host;
use super::service;
use crate::service::commands::Status;

/// `CAP_NET_BIND_SERVICE` in a set of capabilities.
const BIND: u32 = 10;

/// Each listener of the policy. What the daemon says of its own wins over what the machine shows.
pub(super) fn findings(host: &Host, policy: &Policy, status: Option<&Status>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (own, taken) = (addresses(host), taken(host));
    for (listen, id, _) in policy.listeners() {
        let at = listen.at;
        let line = status.and_then(|status| status.listeners.iter().find(|line| line.at == at));
        if let Some(line) = line.filter(|line| line.trouble.is_none()) {
            findings.push(if line.blank {
                let text =
                    format!("{at} for {id} speaks TLS and the gateway has no certificate: it closes every connection");
                Finding::bad("listener-blank", at, text).mend(BLANK)
            } else {
                let speaks = if line.tls { "TLS: certificates alone count" } else { "plain Modbus: addresses count" };
                Finding::ok("listener-ok", at, format!("{at} for {id} speaks {speaks}"))
            });
            continue;
        }
        let before = findings.len();
        if !own.iter().any(|net| net.contains(at.ip())) {
            let text = format!("{at} for {id}: no interface of this machine has {}", at.ip());
            let prefix = if at.is_ipv4() { 32 } else { 128 };
            let mend = format!(
                "ip address add {}/{prefix} dev INTERFACE, and keep it in the network's configuration",
                at.ip()
            );
            findings.push(Finding::bad("listener-address", at, text).mend(mend));
        } else if taken
            .iter()
            .any(|other| other.port() == at.port() && (other.ip() == at.ip() || other.ip().is_unspecified()))
        {
            let text = format!("{at} for {id}: something else listens there");
            findings.push(Finding::bad("listener-taken", at, text).mend(format!("ss -ltnp 'sport = :{}'", at.port())));
        } else if privileged(host, at) && !may_bind(host) {
            let text = format!(
                "{at} for {id}: ports below {} are for root, and the service may not take them",
                first_free(host)
            );
            let mend = "systemctl edit bulkhead, with [Service] AmbientCapabilities=CAP_NET_BIND_SERVICE";
            findings.push(Finding::bad("listener-port", at, text).mend(mend));
        }
        if let Some(trouble) = line.and_then(|line| line.trouble.as_deref()).filter(|_| findings.len() == before) {
            let text = format!("{at} for {id} does not listen: {trouble}");
            findings
                .push(Finding::bad("listener-trouble", at, text).mend("bulkhead status; journalctl -u bulkhead -n 20"));
        }
    }
    findings
}

/// Until there is a CA, nobody can be told from anybody on a TLS listener.
const BLANK: &str = "bulkhead ca init";

/// The addresses of this machine: `/proc/net/fib_trie` names each that is local, with its prefix; `/proc/net/if_inet6` the others.
fn addresses(host: &Host) -> Vec<Network> {
    let mut all = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in host.text("/proc/net/fib_trie").lines() {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.trim().parse().ok();
        } else if let (Some(prefix), Some(address)) = (line.strip_suffix(" host LOCAL"), last) {
            let prefix = prefix.trim_start_matches('/').parse().unwrap_or(32);
            all.push(Network { address: address.into(), prefix });
        }
    }
    for line in host.text("/proc/net/if_inet6").lines() {
        let address = line.split_whitespace().next().and_then(|hex| u128::from_str_radix(hex, 16).ok());
        all.extend(address.map(|address| Network { address: Ipv6Addr::from(address).into(), prefix: 128 }));
    }
    all
}

/// Where anything listens: `/proc/net/tcp` and `tcp6`, state 0A; addresses in host order.
fn taken(host: &Host) -> BTreeSet<SocketAddr> {
    let address = |text: &str| -> Option<SocketAddr> {
        let (ip, port) = text.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let word = |from: usize| u32::from_str_radix(ip.get(from..from + 8)?, 16).ok().map(u32::to_le_bytes);
        let ip: IpAddr = match ip.len() {
            8 => Ipv4Addr::from(word(0)?).into(),
            32 => {
                let bytes: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
                Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    };
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (local, _far, state) = (words.nth(1)?, words.next()?, words.next()?);
        (state == "0A").then(|| address(local))?
    };
    let text = host.text("/proc/net/tcp") + &host.text("/proc/net/tcp6");
    text.lines().filter_map(line).collect()
}

fn first_free(host: &Host) -> u16 {
    host.text("/proc/sys/net/ipv4/ip_unprivileged_port_start").trim().parse().unwrap_or(1_024)
}

fn privileged(host: &Host, at: SocketAddr) -> bool {
    at.port() < first_free(host)
}

/// Whether the daemon may take such a port: by its unit, or, where there is none, as this user.
fn may_bind(host: &Host) -> bool {
    if let Some(unit) = service::unit(host) {
        let root = !unit.contains("DynamicUser=yes")
            && !unit.lines().any(|line| line.strip_prefix("User=").is_some_and(|user| user.trim() != "root"));
        let granted =
            unit.lines().any(|line| line.starts_with("AmbientCapabilities=") && line.contains("CAP_NET_BIND_SERVICE"));
        return root || granted;
    }
    let status = host.text("/proc/self/status");
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|set| set >> BIND & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::super::host::fixture::{Fixture, host};
    use super::super::tests::{bad, status};
    use super::*;
    use crate::service::commands::ListenerLine;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.0\n           /8 host LOCAL\n     |-- 10.10.9.0\n        /24 link UNICAST\n     |-- 10.10.9.20\n        /32 host LOCAL\n";
    const INET6: &str = "fd000009000000000000000000000020 04 40 00 82     eth0\n";
    /// 10.10.9.20:1503 and [::]:1504 listen, 10.10.9.20:1502 is only connected.
    const TCP: &str = "  sl  local_address rem_address   st\n   0: 14090A0A:05DF 00000000:0000 0A 0\n   1: 14090A0A:05DE 0A090A0A:05DE 01 0\n";
    const TCP6: &str = "  sl  local_address rem_address   st\n   0: 00000000000000000000000000000000:05E0 00000000000000000000000000000000:0000 0A 0\n";

    fn machine(more: &[(&str, &str)]) -> Fixture {
        let files =
            [("proc/net/fib_trie", TRIE), ("proc/net/if_inet6", INET6), ("proc/net/tcp", TCP), ("proc/net/tcp6", TCP6)];
        host(&[&files[..], more].concat())
    }

    fn plant(listen: &str) -> Policy {
        let text = format!(
            "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n[zones.a]\nnetworks = [\"10.10.1.0/24\"]\n[assets.plc]\nzone = \"a\"\n\
             listen = [\"{listen}\"]\nconnect = \"modbus://10.10.1.20:502\"\nunits = [1]\n"
        );
        bulkhead_core::policy::check(&text).policy
    }

    fn of(listen: &str, more: &[(&str, &str)]) -> Vec<&'static str> {
        bad(&findings(&machine(more).host, &plant(listen), None))
    }

    #[test]
    fn an_address_that_no_interface_has_is_named() {
        assert_eq!(of("10.10.9.21:1502", &[]), ["listener-address"]);
        assert_eq!(of("10.10.9.20:1502", &[]), [""; 0]);
        assert_eq!(of("127.0.9.20:1502", &[]), [""; 0], "all of 127.0.0.0/8 is this machine");
        assert_eq!(of("[fd00:9::20]:1502", &[]), [""; 0]);
        assert_eq!(of("[fd00:9::21]:1502", &[]), ["listener-address"]);
    }

    #[test]
    fn a_port_that_something_else_has_is_named() {
        assert_eq!(of("10.10.9.20:1503", &[]), ["listener-taken"]);
        assert_eq!(of("127.0.9.20:1503", &[]), [""; 0], "the same port of another address is free");
        assert_eq!(of("127.0.9.20:1504", &[]), ["listener-taken"], "one that listens everywhere has it");
    }

    #[test]
    fn a_port_for_root_needs_a_unit_or_a_user_that_may_take_it() {
        let at = "10.10.9.20:502";
        assert_eq!(of(at, &[]), ["listener-port"]);
        assert_eq!(of(at, &[("proc/self/status", "CapEff:\t0000000000000400\n")]), [""; 0]);
        assert_eq!(of(at, &[("proc/sys/net/ipv4/ip_unprivileged_port_start", "502\n")]), [""; 0]);
        let unit = "etc/systemd/system/bulkhead.service";
        assert_eq!(
            of(at, &[(unit, "[Service]\nUser=bulkhead\n"), ("proc/self/status", "CapEff:\tffffffffffffffff\n")]),
            ["listener-port"]
        );
        assert_eq!(of(at, &[(unit, "[Service]\nUser=bulkhead\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n")]), [""; 0]);
        assert_eq!(of(at, &[(unit, "[Service]\nExecStart=/usr/bin/bulkhead run\n")]), [""; 0]);
    }

    #[test]
    fn what_the_daemon_says_of_its_listener_wins() {
        let at = "10.10.9.20:1503";
        let told = |blank, trouble: Option<&str>| {
            let line = ListenerLine {
                at: at.parse().unwrap(),
                asset: "plc".into(),
                tls: blank,
                blank,
                trouble: trouble.map(str::to_owned),
            };
            let status = Status { listeners: vec![line], ..status() };
            bad(&findings(&machine(&[("proc/net/tcp", "")]).host, &plant(at), Some(&status)))
        };
        assert_eq!(told(false, None), [""; 0]);
        assert_eq!(told(true, None), ["listener-blank"]);
        assert_eq!(told(false, Some("too many open files")), ["listener-trouble"]);
    }
}
