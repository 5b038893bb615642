//! The role of the certificate, and the four that are none: each of those is let in and may do nothing.

use crate::kit::{Client, OTHER, Plc, Running, Secure, TLS12, TLS13, Wish, offer, text};

const READ: &str = "03 0000 0001";
const WRITE: &str = "06 0064 0007";
const BEYOND: &str = "06 0001 0007";

/// What a client gets for a read and a write that an Operator may do, and a write that nobody may do.
fn gets(client: &mut Secure) -> [String; 3] {
    [client.ask(1, READ), client.ask(2, WRITE), client.ask(3, BEYOND)]
}

const NOTHING: [&str; 3] = ["8301", "8601", "8601"];

#[test]
fn a_registered_key_with_its_role_has_the_rights_of_the_role_under_both_versions() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Operator");
    gateway.register("station", card.spki);
    for version in [&TLS13, &TLS12] {
        let mut client = gateway.dial(&offer(&pki, Some(&card), version));
        assert_eq!(gets(&mut client), ["03020000", "0600640007", "8601"], "{version:?}");
        assert_eq!(client.stream.conn.protocol_version(), Some(version.version));
    }
    assert_eq!(plc.register(100), 7);
    let journal = gateway.journal();
    assert!(journal.contains("\"subject\":\"station\"") && journal.contains("\"assurance\":3"), "{journal}");
    assert!(journal.contains(&format!("\"key\":\"{}\"", card.spki)), "{journal}");
}

#[test]
fn each_certificate_without_one_good_role_is_let_in_and_gets_the_bare_refusal_to_everything() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (utf8, printable) = (0x0C, 0x13);
    let bad = [
        ("no-role", vec![]),
        ("two-role", vec![text(utf8, "Operator"), text(utf8, "Engineer")]),
        ("two-role, the same", vec![text(utf8, "Operator"), text(utf8, "Operator")]),
        ("bad-encoding", vec![text(printable, "Operator")]),
        ("empty-role", vec![text(utf8, "")]),
        ("a role behind the role", vec![[text(utf8, "Operator"), text(utf8, "Operator")].concat()]),
        ("another role than the registry's", vec![text(utf8, "Engineer")]),
        ("the same in small letters", vec![text(utf8, "operator")]),
    ];
    for (name, roles) in bad {
        let card = pki.issue(&Wish::with(roles));
        gateway.register("station", card.spki);
        let mut client = gateway.dial(&offer(&pki, Some(&card), &TLS13));
        assert_eq!(gets(&mut client), NOTHING, "{name}");
        assert_eq!(client.ask(9, "2b 0e 01 00"), "ab01", "{name}: and its session lives on");
    }
    assert_eq!((plc.accepted(), plc.bytes()), (0, Vec::new()), "the device has not even been dialled");
    let journal = gateway.journal();
    let alarms: Vec<_> = journal.lines().filter(|line| line.contains("\"what\":\"bad-role\"")).collect();
    assert!(alarms.len() == 1 && alarms[0].contains("more than one role: it counts as having none"), "{alarms:?}");
}

#[test]
fn a_key_that_nobody_has_registered_is_nobody_whatever_its_certificate_says() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let stranger = pki.client("Operator");
    let mut client = gateway.dial(&offer(&pki, Some(&stranger), &TLS13));
    assert_eq!(gets(&mut client), NOTHING);
    // Registered while it is connected: its rights come at its next request.
    gateway.register("station", stranger.spki);
    assert_eq!(gets(&mut client), ["03020000", "0600640007", "8601"]);
}

#[test]
fn the_role_is_an_upper_bound_and_a_subject_of_another_role_has_only_its_own_rights() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Engineer");
    gateway.register("guest", card.spki);
    let mut client = gateway.dial(&offer(&pki, Some(&card), &TLS13));
    assert_eq!(gets(&mut client), NOTHING, "no rule of the plant is for an Engineer");
}

#[test]
fn an_address_with_rights_has_none_where_tls_is_spoken_and_a_certificate_none_where_it_is_not() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let stranger = pki.client("Operator");
    // From the address of a station with rights, which the dial comes from.
    let mut client = gateway.dial(&offer(&pki, Some(&stranger), &TLS13));
    assert_eq!(gets(&mut client), NOTHING);
    let mut plain = gateway.client();
    assert_eq!(plain.ask(1, READ), "03020000", "the same address on the plain listener");
    // And a registered key from an address without rights is who it is.
    let card = pki.client("Operator");
    gateway.register("station", card.spki);
    let mut away = Secure::from("127.0.9.99", gateway.tls.unwrap(), &offer(&pki, Some(&card), &TLS13));
    assert_eq!(away.ask(1, READ), "03020000");
    let mut nobody = Client::from("127.0.9.99", gateway.at);
    assert_eq!(nobody.ask(1, READ), "8301");
    drop(Client::from(OTHER, gateway.at));
}

#[test]
fn in_observe_every_byte_passes_behind_tls_too_and_is_judged_beside() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure_in(&plc, "observe");
    let stranger = pki.client("Operator");
    let mut client = gateway.dial(&offer(&pki, Some(&stranger), &TLS13));
    assert_eq!(client.ask(1, "06 0001 0007"), "0600010007", "nobody may, and only enforce would refuse it");
    assert_eq!(plc.register(1), 7);
    let journal = gateway.journal();
    assert!(journal.contains("\"effect\":\"deny\"") && journal.contains("\"mode\":\"observe\""), "{journal}");
}
