//! The classic pcap file: microseconds, little-endian, Ethernet.

use std::time::Duration;

/// 2026-11-24 06:00:00 UTC: a shift begins.
const EPOCH_S: u64 = 1_795_500_000;

/// The file of packets in time order.
pub(super) fn file(packets: Vec<(Duration, Vec<u8>)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xA1B2_C3D4_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for (at, packet) in packets {
        let seconds = u32::try_from(EPOCH_S + at.as_secs()).unwrap_or(u32::MAX);
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        for word in [seconds, at.subsec_micros(), length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(packet);
    }
    bytes
}
