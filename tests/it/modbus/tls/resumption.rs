//! A resumed session would be believed without its certificate being looked at: none is ever resumed.

use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::client::Resumption;

use crate::kit::{Plc, Running, TLS12, TLS13, offer};

#[test]
fn of_a_thousand_attempts_to_resume_none_is_a_resumption() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Operator");
    gateway.register("station", card.spki);
    for version in [&TLS13, &TLS12] {
        let mut config = Arc::unwrap_or_clone(offer(&pki, Some(&card), version));
        config.resumption = Resumption::in_memory_sessions(32);
        let config = Arc::new(config);
        for attempt in 0..500 {
            let mut client = gateway.dial(&config);
            assert_eq!(client.ask(1, "03 0000 0001"), "03020000", "{version:?}, attempt {attempt}");
            assert_eq!(
                client.stream.conn.handshake_kind(),
                Some(HandshakeKind::Full),
                "{version:?}, attempt {attempt}"
            );
            assert_eq!(client.stream.conn.tls13_tickets_received(), 0);
        }
    }
}
