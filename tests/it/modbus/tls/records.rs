//! TLS records are no frames: whatever they are cut into, the frames are judged one by one.

use std::io::{Read as _, Write as _};

use crate::kit::{Plc, Running, TLS12, TLS13, frame, offer};

#[test]
fn one_byte_a_segment_and_one_byte_a_record_are_served() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, _card) = gateway.station(&pki);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    let mut record = Vec::new();
    client.stream.conn.writer().write_all(&frame(2, "06 0064 0007")).unwrap();
    client.stream.conn.write_tls(&mut record).unwrap();
    for byte in &record {
        client.stream.sock.write_all(&[*byte]).unwrap();
    }
    assert_eq!(client.answer(2), "0600640007");
    for byte in frame(3, "06 0064 0008") {
        client.say(&[byte]).unwrap();
    }
    assert_eq!(client.answer(3), "0600640008");
    assert_eq!(plc.register(100), 8);
}

#[test]
fn a_record_full_of_frames_is_judged_frame_by_frame() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, _card) = gateway.station(&pki);
    // 16 kB in one record, each third frame a write that nobody may do.
    let words = |id: u16| if id.is_multiple_of(3) { "06 0001 0bad" } else { "03 0000 0001" };
    let all: Vec<u8> = (0..1_300_u16).flat_map(|id| frame(id, words(id))).collect();
    client.say(&all).unwrap();
    for id in 0..1_300_u16 {
        assert_eq!(client.answer(id), if id.is_multiple_of(3) { "8601" } else { "03020000" }, "{id}");
    }
    assert_eq!(plc.register(1), 1, "as it was");
}

#[test]
fn a_hidden_write_is_as_visible_behind_tls_as_before_it() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, _card) = gateway.station(&pki);
    // A read whose length covers a write behind it.
    let hidden = crate::kit::hex("0001 0000 0012 01 03 0000 0001 0002 0000 0006 01 06 0064 0bad");
    client.say(&hidden).unwrap();
    assert_eq!(client.answer(1), "8303");
    assert_eq!(client.ask(2, "0f 0000 0010 01 ff"), "8f03");
    assert_eq!(client.ask(3, "83 0000 0001"), "8303");
    assert_eq!(client.ended(), "closed", "the third malformed one");
    assert_eq!((plc.register(100), plc.accepted()), (100, 0));
}

#[test]
fn no_record_of_the_gateway_carries_more_than_512_bytes() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let card = pki.client("Operator");
    gateway.register("station", card.spki);
    for (version, overhead) in [(&TLS12, 24), (&TLS13, 17)] {
        let mut client = gateway.dial(&offer(&pki, Some(&card), version));
        let (conn, sock) = (&mut client.stream.conn, &mut client.stream.sock);
        conn.writer().write_all(&(0..16).flat_map(|id| frame(id, "03 01c2 007d")).collect::<Vec<_>>()).unwrap();
        let (mut raw, mut plain) = (Vec::new(), Vec::new());
        while plain.len() < 16 * 259 {
            while conn.wants_write() {
                conn.write_tls(sock).unwrap();
            }
            let mut room = [0; 4096];
            let count = sock.read(&mut room).unwrap();
            assert!(count > 0, "ended after {} bytes", plain.len());
            raw.extend(&room[..count]);
            let mut unread = &room[..count];
            while !unread.is_empty() {
                conn.read_tls(&mut unread).unwrap();
                conn.process_new_packets().unwrap();
            }
            drop(conn.reader().read_to_end(&mut plain));
        }
        let mut rest = raw.as_slice();
        let mut longest = 0;
        while let [_, _, _, high, low, behind @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            longest = longest.max(length);
            rest = behind.get(length..).unwrap_or_default();
        }
        assert!(longest <= 512 + overhead, "{version:?}: a record of {longest} bytes");
    }
}
