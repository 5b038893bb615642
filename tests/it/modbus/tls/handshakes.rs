//! Handshakes that come to nothing: the peer gets the alert of the standard, the journal the reason, the device nothing at all.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bulkhead::service::trust::Material;
use rcgen::ExtendedKeyUsagePurpose::ServerAuth;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::kit::{CLIENT, Card, Client, Pki, Plc, Running, TLS12, TLS13, Wish, hex, offer, until};

/// The record that a refused handshake leaves: its reason, and the key that was shown.
fn reason(gateway: &Running, why: &str, card: Option<&Card>) {
    let wanted = format!("\"what\":{{\"handshake\":\"{why}\"}}");
    let key = card.map_or_else(String::new, |card| format!("\"key\":\"{}\"", card.spki));
    let serial = card.map_or_else(String::new, |card| format!("\"serial\":\"{:04X}\"", card.serial));
    until(why, || gateway.journal().contains(&wanted));
    let journal = gateway.journal();
    let line = journal.lines().rev().find(|line| line.contains(&wanted)).unwrap();
    assert!(line.contains(&key) && line.contains(&serial) && line.contains("\"source\":\"127.0.9.10:"), "{line}");
}

#[test]
fn each_certificate_that_is_not_to_be_believed_has_its_alert_and_its_reason() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, _) = Running::secure(&plc);
    let pki = Pki::named("the plant's CA");
    let wish = || Wish::client("Operator");
    let taken_back = pki.client("Operator");
    let namesake = || Pki::named("the plant's CA").issue(&wish());
    gateway.house().trust.put(pki.material(&[&taken_back]));
    let cases = [
        ("rogue CA", Pki::new().issue(&wish()), "UnknownCA", "unknown-issuer"),
        ("rogue CA of the same name", namesake(), "DecryptError", "signature"),
        (
            "for servers alone",
            pki.issue(&Wish { usages: vec![ServerAuth], ..wish() }),
            "UnsupportedCertificate",
            "wrong-usage",
        ),
        ("a CA's own", pki.issue(&Wish { is_ca: true, ..wish() }), "CertificateUnknown", "wrong-usage"),
        ("over", pki.issue(&Wish { from: -7_200, to: -3_600, ..wish() }), "CertificateExpired", "expired"),
        ("not valid yet", pki.issue(&Wish { from: 3_600, to: 7_200, ..wish() }), "CertificateExpired", "not-yet-valid"),
        ("revoked by its issuer", taken_back, "CertificateRevoked", "revoked"),
        ("rogue and over", Pki::new().issue(&Wish { to: -60, ..wish() }), "UnknownCA", "unknown-issuer"),
    ];
    for (name, card, alert, why) in &cases {
        // Even if somebody registered the key: a handshake that is refused is no session.
        gateway.register("station", card.spki);
        for version in [&TLS13, &TLS12] {
            let mut client = gateway.dial(&offer(&pki, Some(card), version));
            assert_eq!(client.ask(1, "06 0064 0007"), format!("alert {alert}"), "{name}, {version:?}");
        }
        reason(&gateway, why, Some(card));
    }
    let good = pki.client("Operator");
    gateway.register("station", good.spki);
    assert_eq!(gateway.dial(&offer(&pki, Some(&good), &TLS13)).ask(1, "03 0000 0001"), "03020000", "others are served");
    assert_eq!((plc.accepted(), plc.register(100)), (1, 100), "nothing of the refused reached the device");
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    for version in [&TLS13, &TLS12] {
        let mut client = gateway.dial(&offer(&pki, None, version));
        assert_eq!(client.ask(1, "06 0064 0007"), "alert CertificateRequired");
    }
    reason(&gateway, "no-certificate", None);
    assert_eq!(plc.accepted(), 0);
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (stolen, own) = (pki.client("Operator"), pki.client("Operator"));
    gateway.register("station", stolen.spki);
    for version in [&TLS13, &TLS12] {
        let mut roots = RootCertStore::empty();
        roots.add(pki.root.clone()).unwrap();
        let provider = default_provider();
        let key = provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(own.key.clone_key())).unwrap();
        let thief = Arc::new(SingleCertAndKey::from(CertifiedKey::new(stolen.chain.clone(), key)));
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(thief);
        assert_eq!(gateway.dial(&Arc::new(config)).ask(1, "06 0064 0007"), "alert DecryptError", "{version:?}");
    }
    reason(&gateway, "signature", Some(&stolen));
    assert_eq!(plc.accepted(), 0);
}

#[test]
fn a_chain_longer_than_any_plant_has_is_not_tried() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let mut card = pki.client("Operator");
    gateway.register("station", card.spki);
    let other = Pki::new();
    card.chain.extend((0..5).map(|_| other.root.clone()));
    assert_eq!(gateway.dial(&offer(&pki, Some(&card), &TLS13)).ask(1, "06 0064 0007"), "alert BadCertificate");
    card.chain.truncate(5);
    assert_eq!(gateway.dial(&offer(&pki, Some(&card), &TLS13)).ask(1, "06 0064 0007"), "0600640007");
}

#[test]
fn a_gateway_without_a_certificate_or_with_one_that_does_not_fit_its_key_closes_every_connection_and_says_so() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Operator");
    let (good, other) = (pki.material(&[]), pki.client("Operator"));
    gateway.house().trust.put(Material { key: other.key.clone_key(), ..good });
    let mut client = gateway.dial(&offer(&pki, Some(&card), &TLS13));
    let end = client.ask(1, "03 0000 0001");
    assert!(["torn", "reset", "error General(\"\")"].contains(&end.as_str()), "{end}");
    reason(&gateway, "no-material", None);
    assert_eq!(plc.accepted(), 0);
}

/// What comes back to raw bytes: an alert's level and description, or nothing.
fn answer_to(gateway: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::from(CLIENT, gateway.tls.unwrap());
    client.stream.write_all(bytes).unwrap();
    let mut all = Vec::new();
    drop(client.stream.read_to_end(&mut all));
    all
}

/// A hello of an old client: version, suites and extensions, in the smallest form that is one.
fn hello(version: &str, suites: &str, extensions: &str) -> Vec<u8> {
    let (suites, extensions) = (hex(suites), hex(extensions));
    let short = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let mut body = [hex(version), vec![0x5A; 32], vec![0]].concat();
    body.extend(short(&suites));
    body.extend(&suites);
    body.extend([1, 0]);
    if !extensions.is_empty() {
        body.extend(short(&extensions));
        body.extend(&extensions);
    }
    let handshake = [&[1, 0][..], &short(&body), &body].concat();
    [&[0x16, 3, 1][..], &short(&handshake), &handshake].concat()
}

#[test]
fn old_versions_and_suites_without_encryption_are_refused_with_an_alert() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, _pki) = Running::secure(&plc);
    let (groups, algorithms) = ("000a 0004 0002 0017", "000d 0004 0002 0403");
    let new = format!("{groups} {algorithms} 000b 0002 0100");
    let cases = [
        ("TLS 1.1", hello("0302", "c013 c009 002f", groups), 40, "version"),
        ("TLS 1.0", hello("0301", "c013 c009 002f", ""), 40, "version"),
        ("SSL 3.0", hello("0300", "002f", ""), 40, "version"),
        ("TLS 1.2 with NULL suites", hello("0303", "003b 0002 c006 c010 0000", &new), 40, "cipher"),
        ("TLS 1.2 with RSA key exchange", hello("0303", "003c 009c 002f", &new), 40, "cipher"),
        ("TLS 1.2 with CBC suites", hello("0303", "c023 c027 c009 c013", &new), 40, "cipher"),
        ("TLS 1.2 with RC4 and 3DES", hello("0303", "c007 c011 000a 0005", &new), 40, "cipher"),
        ("TLS 1.3's version with its NULL suites", hello("0303", "c0b4 c0b5", &new), 40, "cipher"),
        (
            "a curve of 192 bits",
            hello("0303", "c02b c02f", &format!("000a 0004 0002 0013 {algorithms} 000b 0002 0100")),
            40,
            "cipher",
        ),
    ];
    for (name, bytes, alert, why) in cases {
        let answer = answer_to(&gateway, &bytes);
        assert!(matches!(answer[..], [0x15, 3, _, 0, 2, 2, said] if said == alert), "{name}: {answer:02x?}");
        reason(&gateway, why, None);
    }
    assert_eq!(plc.accepted(), 0);
}

#[test]
fn what_is_no_tls_is_closed_and_nothing_of_it_reaches_the_device() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let cases: [&[u8]; 6] = [
        // A read, a write, and a write in the clothes of a TLS record.
        &hex("0001 0000 0006 01 03 0000 0001"),
        &hex("0001 0000 0006 01 06 0064 0007"),
        &hex("16 03 03 000c 0001 0000 0006 01 06 0064 0007"),
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xFF; 600],
        // A record that is longer than any may be.
        &[&[0x16, 3, 1, 0xFF, 0xFF][..], &[0; 2_000]].concat(),
    ];
    for bytes in cases {
        let answer = answer_to(&gateway, bytes);
        assert!(answer.is_empty() || matches!(answer[..], [0x15, 3, _, 0, 2, 2, _]), "{bytes:02x?}: {answer:02x?}");
    }
    reason(&gateway, "malformed", None);
    assert_eq!(plc.accepted(), 0);
    let (mut client, _card) = gateway.station(&pki);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
}

#[test]
fn a_client_that_does_not_believe_the_gateway_says_so_and_the_journal_too() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Operator");
    let mut client = gateway.dial(&offer(&Pki::new(), Some(&card), &TLS13));
    assert!(client.ask(1, "03 0000 0001").starts_with("error InvalidCertificate"));
    drop(client);
    until("it is recorded", || gateway.journal().contains("\"handshake\":\"untrusted\""));
    reason(&gateway, "untrusted", None);
}
