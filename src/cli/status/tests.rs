//! The screen of `status`.

use bulkhead_core::journal::record::Seq;
use bulkhead_core::moment::{ClockTrust, UnixMs};

use super::*;
use crate::service::commands::{AssetLine, ClockLine, JournalLine, KeysLine, ListenerLine, PolicyLine, StoreLine};

fn listener(at: &str, asset: &str) -> ListenerLine {
    ListenerLine { at: at.parse().unwrap(), asset: asset.into(), tls: false, blank: false, trouble: None }
}

pub(in crate::cli) fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        site: Some("riverside".to_owned()),
        running: 3_600_000,
        clock: ClockLine { wall: UnixMs(1_795_486_198_000), trust: ClockTrust::Floor, ran: 1 },
        policy: PolicyLine {
            plant: "riverside-line1".to_owned(),
            hash: Sha256::of(b"abc"),
            generation: 4,
            timezone: Some("Europe/Berlin".to_owned()),
        },
        shadow: None,
        conduits: vec![ConduitLine {
            conduit: "scada-to-filling".into(),
            from: "control-room".to_owned(),
            to: "filling".into(),
            mode: Mode::Observe,
            policy_mode: Mode::Enforce,
            watch: None,
            served: true,
            record: "durable".to_owned(),
        }],
        listeners: vec![
            listener("10.10.9.20:502", "filler-plc"),
            ListenerLine { tls: true, ..listener("10.10.9.20:802", "filler-plc") },
            ListenerLine { trouble: Some("Address in use".to_owned()), ..listener("10.10.9.30:502", "dosing") },
            ListenerLine { tls: true, blank: true, ..listener("10.10.9.30:802", "dosing") },
        ],
        assets: vec![AssetLine {
            asset: "filler-plc".into(),
            connect: "10.10.1.20:502".parse().unwrap(),
            state: AssetState::Up,
            down_for: None,
        }],
        sessions: 3,
        allowed: 1_000,
        refused: 2,
        handshakes: 7,
        identity: "3 by address".to_owned(),
        revoked: Vec::new(),
        journal: JournalLine {
            seq: Seq(12),
            durable: Seq(11),
            trouble: Some("stalled".to_owned()),
            late: 1,
            lost: 0,
            bytes: 32 << 20,
            max: 1 << 30,
        },
        store: StoreLine { trouble: None },
        keys: KeysLine { kind: "software".to_owned(), id: "a1".to_owned() },
        authority: None,
        cloud: "none configured".to_owned(),
    }
}

#[test]
fn one_screen_says_what_is_enforced_and_what_is_weak() {
    let expected = [
        "gateway   riverside, bulkhead 0.1.0, running for 60 min",
        "clock     2026-11-24 03:09:58, RTC, not proven",
        "policy    riverside-line1 ba7816bf (generation 4)",
        "KEYS      SOFTWARE KEYS: whoever copies the disk has them; key a1",
        "journal   #12 written, #11 durable, 32 MiB of 1 GiB; TROUBLE: stalled; 1 LATE",
        "store     ok",
        "cloud     none configured",
        "horizon   nothing here depends on the cloud: operators, panels and devices go on for ever",
        "identity  3 by address",
        "sessions  3 open; 1000 requests allowed, 2 refused since the start; 7 TLS handshakes came to nothing",
        "  CONDUIT           FROM          TO       MODE                                                           RECORD",
        "  scada-to-filling  control-room  filling  OBSERVE: every byte passes (ordered here; the policy says enforce)  durable",
        "  LISTENER        SPEAKS  ASSET       DEVICE          STATE",
        "  10.10.9.20:502  plain   filler-plc  10.10.1.20:502  up",
        "  10.10.9.20:802  TLS     filler-plc  10.10.1.20:502  up",
        "  10.10.9.30:502  plain   dosing      -               DOES NOT LISTEN: Address in use",
        "  10.10.9.30:802  TLS     dosing      -               CLOSES EVERY CONNECTION: the gateway has no certificate yet",
    ];
    let screen = screen(&status());
    for (line, expected) in screen.iter().zip(expected) {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(plain(line), plain(expected));
    }
    assert_eq!(screen.len(), expected.len());
}

#[test]
fn a_gateway_without_a_conduit_says_that_it_allows_nothing() {
    let empty = Status { conduits: Vec::new(), listeners: Vec::new(), assets: Vec::new(), ..status() };
    assert!(
        screen(&empty)
            .contains(&"policy    ba7816bf allows nothing: no conduit; nothing beyond loopback listens".to_owned())
    );
}
