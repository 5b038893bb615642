//! The Modbus codec: what a peer on the plant's network may send, and what a device may answer.

use bulkhead_core::policy::model::UnitZero;
use bulkhead_core::wire::modbus::{FrameView, HEADER, MAX_LONG_FRAME, Matched, Request, frame_len};

/// A byte stream of requests.
pub fn stream(data: &[u8]) {
    for long in [false, true] {
        let mut rest = data;
        while let Ok(Some(len)) = frame_len(rest, long) {
            assert!((HEADER + 1..=MAX_LONG_FRAME).contains(&len) && len <= rest.len(), "a frame of {len} bytes");
            let (frame, behind) = rest.split_at(len);
            rest = behind;
            let view = FrameView::of(frame).expect("a measured frame has a header");
            request(view.unit, view.pdu);
        }
    }
}

fn request(unit: u8, pdu: &[u8]) {
    let Ok(request) = Request::decode(pdu) else { return };
    assert_eq!(request.code(), pdu[0]);
    for zero in [UnitZero::Itself, UnitZero::Broadcast] {
        // A request that asks for nothing would be allowed by every policy.
        assert!(!request.accesses(unit, zero).is_empty(), "{pdu:02x?} asks for nothing");
    }
    let checked = !matches!(request, Request::Function(function, _) if !function.checked);
    if checked {
        // One exact length: else bytes hide behind it from a device that ignores the length of the frame. A diagnostic
        // echo (8/0) has words of any number, which none of the hidden requests fit behind.
        let longer = [pdu, &[0]].concat();
        assert!(Request::decode(&longer).is_err(), "{pdu:02x?} is also read with a byte behind it");
        assert!(Request::decode(&pdu[..pdu.len() - 1]).is_err(), "{pdu:02x?} is also read without its last byte");
    }
    let refusal = [pdu[0] | 0x80, 1];
    assert_eq!(request.matches(&refusal), Matched::Exception(1));
}

/// One byte of length, a request of that length, and a reply.
pub fn reply(data: &[u8]) {
    let Some((&length, rest)) = data.split_first() else { return };
    let (asked, reply) = rest.split_at(usize::from(length).min(rest.len()));
    let Ok(request) = Request::decode(asked) else { return };
    let seen = request.read(reply);
    match request.matches(reply) {
        Matched::Normal => assert_eq!(reply.first(), asked.first()),
        Matched::Exception(_) => assert_eq!(reply.len(), 2),
        Matched::Foreign => assert!(seen.is_none(), "values are taken from a reply that is none"),
    }
    if let Some(seen) = seen {
        assert!(u32::from(seen.first) + u32::from(seen.count) <= 65_536, "{seen:?} runs past the last address");
    }
    if request.applied().is_some() {
        assert!(request.writes());
    }
}
