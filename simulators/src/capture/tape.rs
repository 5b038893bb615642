//! TCP conversations as packets: a handshake, data with acknowledgements, an end.

use std::net::Ipv4Addr;
use std::time::Duration;

/// An acknowledgement that nothing carries is sent so much later.
const DELAYED: Duration = Duration::from_millis(40);
/// How long a packet is under way.
const HOP: Duration = Duration::from_micros(200);
const MAX_SEGMENT: usize = 1_460;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Address and port.
type End = (Ipv4Addr, u16);

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The master.
    Ask,
    /// The device.
    Answer,
}

/// One TCP connection. What is said must be said in any order; it is sorted by time.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    ends: [End; 2],
    opens: Duration,
    said: Vec<(Duration, Way, Vec<u8>)>,
}

/// All packets.
#[derive(Debug, Default)]
pub(super) struct Tape {
    packets: Vec<(Duration, Vec<u8>)>,
}

impl Tape {
    pub(super) fn add(&mut self, packets: Vec<(Duration, Vec<u8>)>) {
        self.packets.extend(packets);
    }

    /// In time order.
    pub(super) fn packets(mut self) -> Vec<(Duration, Vec<u8>)> {
        self.packets.sort_by_key(|(at, _)| *at);
        self.packets
    }
}

impl Conversation {
    pub(super) fn new(client: End, server: End) -> Self {
        Self { ends: [client, server], opens: Duration::ZERO, said: Vec::new() }
    }

    /// It begins later.
    pub(super) fn from(self, opens: Duration) -> Self {
        Self { opens, ..self }
    }

    /// Says something. The handshake takes two milliseconds.
    pub(super) fn say(&mut self, at: Duration, way: Way, bytes: Vec<u8>) {
        self.said.push((at.max(self.opens) + Duration::from_millis(2), way, bytes));
    }

    /// The packets, with an end in order.
    pub(super) fn close(self, at: Duration) -> Vec<(Duration, Vec<u8>)> {
        let mut flow = self.run(at);
        let [client, server] = [0, 1];
        flow.send(at, client, FIN | ACK, &[]);
        flow.send(at + HOP, server, FIN | ACK, &[]);
        flow.send(at + HOP * 2, client, ACK, &[]);
        flow.packets
    }

    /// The packets, ended by a reset from the device.
    pub(super) fn reset(self, at: Duration) -> Vec<(Duration, Vec<u8>)> {
        let mut flow = self.run(at);
        flow.send(at, 1, RST | ACK, &[]);
        flow.packets
    }

    fn run(mut self, end: Duration) -> Flow {
        self.said.sort_by_key(|(at, ..)| *at);
        let mut flow = Flow::new(self.ends);
        flow.send(self.opens, 0, SYN, &[]);
        flow.send(self.opens + HOP, 1, SYN | ACK, &[]);
        flow.send(self.opens + HOP * 2, 0, ACK, &[]);
        for (at, way, bytes) in self.said {
            flow.acknowledge(at);
            for piece in bytes.chunks(MAX_SEGMENT) {
                flow.send(at, usize::from(way == Way::Answer), PSH | ACK, piece);
            }
        }
        flow.acknowledge(end);
        flow
    }
}

/// A connection on its way: for either end the next sequence number, and since when the other has not acknowledged.
struct Flow {
    ends: [End; 2],
    next: [u32; 2],
    owed: [Option<Duration>; 2],
    sent: u16,
    packets: Vec<(Duration, Vec<u8>)>,
}

impl Flow {
    fn new(ends: [End; 2]) -> Self {
        // Initial numbers of the connection's own, so that no two look alike.
        let number = |(ip, port): End| u32::from(ip).wrapping_mul(2_654_435_761) ^ u32::from(port) << 12;
        let [client, server] = ends;
        let next = [number(client), number(server) ^ number(client).rotate_left(9)];
        Self { ends, next, owed: [None; 2], sent: 0, packets: Vec::new() }
    }

    /// Acknowledgements that nothing has carried and that are due before `at`.
    fn acknowledge(&mut self, at: Duration) {
        let due: Vec<(Duration, usize)> = [0, 1]
            .into_iter()
            .filter_map(|speaker| Some((self.owed.get(speaker).copied().flatten()? + DELAYED, 1 - speaker)))
            .filter(|(due, _)| *due < at)
            .collect();
        for (due, from) in due {
            self.send(due, from, ACK, &[]);
        }
    }

    fn send(&mut self, at: Duration, from: usize, flags: u8, data: &[u8]) {
        let to = 1 - from;
        let (Some(source), Some(target)) = (self.ends.get(from).copied(), self.ends.get(to).copied()) else { return };
        let numbers = (self.next.get(from).copied().unwrap_or(0), self.next.get(to).copied().unwrap_or(0));
        let acknowledged = if flags & ACK == 0 { 0 } else { numbers.1 };
        self.packets.push((at, packet(source, target, (numbers.0, acknowledged), flags, self.sent, data)));
        self.sent = self.sent.wrapping_add(1);
        let length = u32::try_from(data.len()).unwrap_or(0) + u32::from(flags & (SYN | FIN) != 0);
        if let Some(next) = self.next.get_mut(from) {
            *next = next.wrapping_add(length);
        }
        if let Some(owed) = self.owed.get_mut(from)
            && !data.is_empty()
            && owed.is_none()
        {
            *owed = Some(at);
        }
        // What it sends acknowledges everything before it.
        if let Some(owed) = self.owed.get_mut(to) {
            *owed = None;
        }
    }
}

fn packet(source: End, target: End, numbers: (u32, u32), flags: u8, id: u16, data: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(source.1.to_be_bytes());
    tcp.extend(target.1.to_be_bytes());
    tcp.extend(numbers.0.to_be_bytes());
    tcp.extend(numbers.1.to_be_bytes());
    // A SYN says its longest segment.
    let options: &[u8] = if flags & SYN == 0 { &[] } else { &[2, 4, 0x05, 0xB4] };
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(5);
    tcp.extend([words << 4, flags]);
    tcp.extend(if flags & RST == 0 { 64_240_u16 } else { 0 }.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(options);
    tcp.extend(data);
    let length = u16::try_from(tcp.len()).unwrap_or(u16::MAX);
    let pseudo = [&source.0.octets()[..], &target.0.octets(), &[0, 6], &length.to_be_bytes(), &tcp].concat();
    put(&mut tcp, 16, sum(&pseudo));

    let mut ip = vec![0x45, 0];
    ip.extend((length + 20).to_be_bytes());
    ip.extend(id.to_be_bytes());
    ip.extend([0x40, 0, 64, 6, 0, 0]);
    ip.extend(source.0.octets());
    ip.extend(target.0.octets());
    let header = sum(&ip);
    put(&mut ip, 10, header);

    // Hardware addresses of nobody (locally administered), from the IP address.
    let mac = |ip: Ipv4Addr| [&[2, 0][..], &ip.octets()].concat();
    [mac(target.0), mac(source.0), vec![8, 0], ip, tcp].concat()
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The Internet checksum (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let mut sum = bytes.chunks(2).fold(0_u32, |sum, pair| {
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        sum + u32::from(word)
    });
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]), !0xDDF2);
        let (a, b) = ((Ipv4Addr::new(10, 0, 0, 1), 1), (Ipv4Addr::new(10, 0, 0, 2), 502));
        let packet = packet(a, b, (1, 2), ACK, 0, &[1, 2, 3]);
        assert_eq!(sum(&packet[14..34]), 0, "a header with its checksum sums to nothing");
        let pseudo = [&packet[26..34], &[0, 6, 0, 23], &packet[34..]].concat();
        assert_eq!(sum(&pseudo), 0);
    }

    #[test]
    fn what_nothing_carries_is_acknowledged_by_itself() {
        let ends = ((Ipv4Addr::new(10, 0, 0, 1), 1), (Ipv4Addr::new(10, 0, 0, 2), 502));
        let mut talk = Conversation::new(ends.0, ends.1);
        talk.say(Duration::from_secs(1), Way::Ask, vec![1]);
        talk.say(Duration::from_secs(2), Way::Ask, vec![2]);
        talk.say(Duration::from_millis(2_003), Way::Answer, vec![3]);
        let packets = talk.close(Duration::from_secs(3));
        let flags: Vec<u8> = packets.iter().map(|(_, packet)| packet[47]).collect();
        assert_eq!(
            flags,
            [SYN, SYN | ACK, ACK, PSH | ACK, ACK, PSH | ACK, PSH | ACK, ACK, FIN | ACK, FIN | ACK, ACK],
            "the second request is acknowledged by its answer"
        );
    }
}
