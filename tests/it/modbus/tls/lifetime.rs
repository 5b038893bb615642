//! Sessions behind TLS live for months: the trust changes beside them, their certificates end, their subjects are revoked.

use std::net::Shutdown;
use std::time::Duration;

use bulkhead::service::trust::Material;
use rustls::pki_types::CertificateRevocationListDer;

use crate::kit::{CLIENT, Card, Pki, Plc, Running, Secure, TLS12, TLS13, Wish, frame, offer, until};

#[test]
fn other_trust_counts_for_the_next_handshake_and_drops_nobody() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, old) = Running::secure(&plc);
    let (mut client, card) = gateway.station(&old);
    assert_eq!(client.ask(1, "06 0064 0001"), "0600640001");
    let new = Pki::new();
    gateway.house().trust.put(new.material(&[]));
    assert_eq!(client.ask(2, "06 0064 0002"), "0600640002", "a session that is there");
    // It believes the old root, and finds a gateway of the new one; who believes the new root is not believed by it.
    let mut again = gateway.dial(&offer(&old, Some(&card), &TLS13));
    assert!(again.ask(1, "06 0064 0003").starts_with("error InvalidCertificate"));
    let mut again = gateway.dial(&offer(&new, Some(&card), &TLS13));
    assert_eq!(again.ask(1, "06 0064 0003"), "alert UnknownCA");
    let (mut moved, _card) = gateway.station(&new);
    assert_eq!(moved.ask(1, "06 0064 0004"), "0600640004");
    assert_eq!(client.ask(3, "03 0064 0001"), "03020004", "and still there");
}

#[test]
fn a_certificate_that_its_issuer_takes_back_opens_no_new_session() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, card) = gateway.station(&pki);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    let other = pki.client("Operator");
    gateway.house().trust.put(pki.material(&[&card]));
    for version in [&TLS13, &TLS12] {
        let mut again = gateway.dial(&offer(&pki, Some(&card), version));
        assert_eq!(again.ask(1, "06 0064 0007"), "alert CertificateRevoked");
    }
    // The same key under another serial number is another certificate: the list names numbers, the registry keys.
    let renewed = pki.renew(&card, &Wish::client("Operator"));
    assert_eq!(gateway.dial(&offer(&pki, Some(&renewed), &TLS13)).ask(1, "03 0000 0001"), "03020000");
    gateway.register("station", other.spki);
    assert_eq!(gateway.dial(&offer(&pki, Some(&other), &TLS13)).ask(1, "03 0000 0001"), "03020000");
}

#[test]
fn a_certificate_that_its_issuer_takes_back_ends_the_sessions_that_were_opened_by_it_and_no_others() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut theirs, card) = gateway.station(&pki);
    let renewed = pki.renew(&card, &Wish::client("Operator"));
    let mut same_key = gateway.dial(&offer(&pki, Some(&renewed), &TLS13));
    let (mut plain, mut idle) = (gateway.client(), gateway.dial(&offer(&pki, Some(&card), &TLS12)));
    for client in [&mut theirs, &mut same_key, &mut idle] {
        assert_eq!(client.ask(1, "06 0064 0001"), "0600640001");
    }
    assert_eq!(plain.ask(1, "03 0000 0001"), "03020000");
    gateway.house().trust.put(pki.material(&[&card]));
    let written = gateway.lan.written();
    assert!(theirs.ask(2, "06 0064 0bad") != "0600640bad");
    assert_eq!(idle.ended(), "closed");
    assert_eq!(gateway.lan.written(), written, "nothing of them after it was said");
    assert_eq!(same_key.ask(2, "03 0064 0001"), "03020001", "another certificate of the same key");
    assert_eq!(plain.ask(2, "03 0000 0001"), "03020000");
    let journal = gateway.journal();
    let serial = format!("\"serial\":\"{:04X}\"", card.serial);
    let said = |what: &str| journal.lines().filter(|line| line.contains(what) && line.contains(&serial)).count();
    assert_eq!((said("\"what\":\"opened\""), said("\"what\":\"cut\"")), (2, 2), "{journal}");
}

#[test]
fn a_list_that_cannot_be_read_changes_nothing_and_is_told() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (taken, good) = (pki.client("Operator"), pki.client("Operator"));
    gateway.register("station", good.spki);
    let damaged = || vec![CertificateRevocationListDer::from(vec![0x30, 0x03, 1, 2, 3])];
    // A gateway that has just started has nothing before: what can be read counts.
    let mut material = pki.material(&[&taken]);
    material.crls.extend(damaged());
    gateway.house().trust.put(material);
    let asks = |card: &Card| gateway.dial(&offer(&pki, Some(card), &TLS13)).ask(1, "03 0000 0001");
    assert_eq!((asks(&taken).as_str(), asks(&good).as_str()), ("alert CertificateRevoked", "03020000"));
    // Later it has: the lists of before go on.
    gateway.house().trust.put(Material { crls: damaged(), ..pki.material(&[]) });
    assert_eq!((asks(&taken).as_str(), asks(&good).as_str()), ("alert CertificateRevoked", "03020000"));
    assert_eq!(gateway.journal().matches("\"what\":\"trust-unusable\"").count(), 2);
    gateway.house().trust.put(pki.material(&[]));
    assert_eq!(asks(&taken), "8301", "a good list without it counts again");
}

#[test]
fn a_key_that_is_spent_opens_no_session() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Operator");
    gateway.house().world.set_registry(|registry| {
        registry.spent.insert(card.spki);
    });
    let end = gateway.dial(&offer(&pki, Some(&card), &TLS13)).ask(1, "03 0000 0001");
    assert!(["closed", "reset"].contains(&end.as_str()), "{end}");
    let journal = gateway.journal();
    let line = journal.lines().find(|line| line.contains("{\"refused\":\"revoked\"}")).expect("it is recorded");
    assert!(line.contains(&card.spki.to_string()) && line.contains(&format!("{:04X}", card.serial)), "{line}");
}

#[test]
fn a_certificate_that_ends_takes_its_rights_along_and_leaves_the_connection() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.issue(&Wish { to: 3, ..Wish::client("Operator") });
    gateway.register("station", card.spki);
    let mut client = gateway.dial(&offer(&pki, Some(&card), &TLS13));
    assert_eq!(client.ask(1, "06 0064 0001"), "0600640001");
    std::thread::sleep(Duration::from_millis(3_100));
    assert_eq!(client.ask(2, "06 0064 0002"), "8601");
    assert_eq!(client.ask(3, "03 0000 0001"), "8301", "the bare refusal, and its connection stays");
    assert_eq!(plc.register(100), 1);
    let mut again = gateway.dial(&offer(&pki, Some(&card), &TLS13));
    assert_eq!(again.ask(1, "03 0000 0001"), "alert CertificateExpired");
    let renewed = pki.renew(&card, &Wish::client("Operator"));
    assert_eq!(gateway.dial(&offer(&pki, Some(&renewed), &TLS13)).ask(1, "06 0064 0003"), "0600640003", "the same key");
}

#[test]
fn a_revoked_key_ends_its_sessions_idle_and_busy_and_the_one_that_comes_again() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut idle, card) = gateway.station(&pki);
    assert_eq!(idle.ask(1, "03 0000 0001"), "03020000");
    // What a client that wants to resume has kept of its first session.
    let again = offer(&pki, Some(&card), &TLS13);
    assert_eq!(gateway.dial(&again).ask(1, "03 0000 0001"), "03020000");
    let mut busy = gateway.dial(&again);
    let writer = std::thread::Builder::new().spawn(move || {
        for id in 0..u16::MAX {
            if busy.say(&frame(id, &format!("06 0064 {id:04x}"))).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    until("it writes", || plc.requests().len() > 100);
    assert!(gateway.revoke("station") >= 2);
    let written = gateway.lan.written();
    assert_eq!(idle.ended(), "closed", "told in the words of TLS that nothing more comes");
    writer.unwrap().join().unwrap();
    let end = gateway.dial(&again).ask(1, "06 0064 0007");
    assert!(["closed", "reset"].contains(&end.as_str()), "{end}");
    until("the device is left", || plc.open() == 0);
    assert_eq!(gateway.lan.written(), written, "written to the device after the answer");
    let journal = gateway.journal();
    assert!(journal.contains("\"what\":\"cut\"") && journal.contains("{\"refused\":\"revoked\"}"), "{journal}");
}

#[test]
fn a_client_that_has_said_all_is_served_to_its_last_answer() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    for version in [&TLS13, &TLS12] {
        let card = pki.client("Operator");
        gateway.register("station", card.spki);
        let mut client = gateway.dial(&offer(&pki, Some(&card), version));
        assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
        for id in 2..10 {
            client.say(&frame(id, "03 0000 0001")).unwrap();
        }
        client.end();
        for id in 2..10 {
            assert_eq!(client.answer(id), "03020000", "{version:?}");
        }
        assert_eq!(client.ended(), "closed");
    }
    until("its socket is given back", || plc.open() == 0 && gateway.house().sessions.count() == 0);
}

#[test]
fn a_stream_that_is_cut_off_without_the_words_of_tls_ends_its_session() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, _card) = gateway.station(&pki);
    assert_eq!(client.ask(1, "06 0064 0001"), "0600640001");
    // Half a record, and then the end of the stream.
    let half = |client: &mut Secure| {
        let mut record = Vec::new();
        std::io::Write::write_all(&mut client.stream.conn.writer(), &frame(2, "06 0064 0002")).unwrap();
        client.stream.conn.write_tls(&mut record).unwrap();
        record[..record.len() / 2].to_vec()
    };
    let record = half(&mut client);
    std::io::Write::write_all(&mut client.stream.sock, &record).unwrap();
    client.stream.sock.shutdown(Shutdown::Write).unwrap();
    until("its session is over", || gateway.house().sessions.count() == 0);
    until("the device's socket is given back", || plc.open() == 0);
    assert_eq!(plc.register(100), 1, "a torn record is no request");
}

#[test]
fn a_damaged_record_ends_its_session_and_no_other() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut other, card): (Secure, Card) = gateway.station(&pki);
    assert_eq!(other.ask(1, "03 0000 0001"), "03020000");
    let damage: [fn(&mut Vec<u8>); 4] = [
        |record| *record.last_mut().unwrap() ^= 1,
        |record| record[0] = 0x15,
        |record| record[3..5].copy_from_slice(&[0x48, 0x01]),
        |record| record.insert(5, 0),
    ];
    for damage in damage {
        let mut client = gateway.dial(&offer(&pki, Some(&card), &TLS13));
        assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
        let mut record = Vec::new();
        std::io::Write::write_all(&mut client.stream.conn.writer(), &frame(2, "06 0064 0bad")).unwrap();
        client.stream.conn.write_tls(&mut record).unwrap();
        damage(&mut record);
        record.resize(record.len().max(20_000), 0);
        drop(std::io::Write::write_all(&mut client.stream.sock, &record));
        let end = client.ended();
        assert!(end.starts_with("alert ") || ["reset", "torn", "closed"].contains(&end.as_str()), "{end}");
    }
    assert_eq!(other.ask(2, "03 0064 0001"), "03020064", "untouched, and so is the register");
}

#[test]
fn a_plain_listener_that_the_policy_makes_one_of_tls_leaves_its_sessions_without_rights() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let mut plain = gateway.client();
    assert_eq!(plain.ask(1, "06 0064 0001"), "0600640001");
    let (at, tls) = (format!("\"{}\"", gateway.at), gateway.tls.unwrap());
    gateway.activate(gateway.policy.replace(&at, &format!("\"mbaps://{}\"", gateway.at)));
    assert_eq!(plain.ask(2, "06 0064 0002"), "8601", "an address says nothing there any more");
    until("it listens anew", || gateway.gateway.listeners.states().values().all(|state| state.trouble.is_none()));
    let (_, card) = gateway.station(&pki);
    let mut there = Secure::from(CLIENT, gateway.at, &offer(&pki, Some(&card), &TLS13));
    assert_eq!(there.ask(1, "06 0064 0003"), "0600640003");
    // And back: a key that was shown there still says who it is; whoever comes now is known by the address.
    gateway.activate(gateway.policy.clone());
    assert_eq!(there.ask(2, "06 0064 0004"), "0600640004");
    assert_eq!(plain.ask(3, "06 0064 0005"), "0600640005");
    assert_ne!(tls, gateway.at);
}
