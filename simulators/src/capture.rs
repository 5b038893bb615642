//! Captures of the plant's traffic as classic pcap files: Ethernet, IPv4, TCP with right checksums and numbers, Modbus/TCP.
//!
//! Time is counted, not measured, so that a capture is the same bytes on every machine. They show a plant before a gateway
//! stands in it: masters at 10.10.9.x, devices at 10.10.1.x, port 502.

mod pcap;
mod tape;

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::plc::Memory;
use crate::script::{Ask, Role, Script, hostile};
use crate::wire;
use tape::{Conversation, Tape, Way};

/// A capture that can be made.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Its name; the file is `NAME.pcap`.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    make: fn(&mut Tape, u64),
}

/// Every capture.
pub const ALL: &[Named] = &[
    Named {
        name: "bottling",
        about: "SCADA, a panel with its heartbeat and a historian on one PLC, 8 s: what an ordinary line looks like.",
        make: bottling,
    },
    Named {
        name: "serial-converter",
        about: "Four units behind a converter that does not echo transaction ids; unit 6 is silent and its master asks again.",
        make: serial_converter,
    },
    Named {
        name: "pipelined",
        about: "A master with three requests outstanding, answered in order; several requests and answers in one segment.",
        make: pipelined,
    },
    Named {
        name: "noisy-laptop",
        about: "A laptop that scans addresses, units and functions, then sends what is no Modbus and what hides writes.",
        make: noisy_laptop,
    },
    Named {
        name: "programming",
        about: "An engineering station: unit 0, function 90, a frame with the longest standard length (MBAP 254).",
        make: programming,
    },
    Named {
        name: "policy-change",
        about: "A shift lead writes a recipe and sets speeds up to 1200 beside SCADA and panel: what a stricter policy breaks.",
        make: policy_change,
    },
    Named {
        name: "plc-reset",
        about: "The PLC resets every connection after 2 s and is deaf for 1 s; the masters come back.",
        make: plc_reset,
    },
];

/// The seed of the shipped files.
pub const SEED: u64 = 1;

impl Named {
    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self, seed: u64) -> Vec<u8> {
        let mut tape = Tape::default();
        (self.make)(&mut tape, seed);
        pcap::file(tape.packets())
    }
}

const PLC: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 20);
const CONVERTER: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 30);
const SCADA: Ipv4Addr = Ipv4Addr::new(10, 10, 9, 10);
const HISTORIAN: Ipv4Addr = Ipv4Addr::new(10, 10, 9, 11);
const PANEL: Ipv4Addr = Ipv4Addr::new(10, 10, 9, 31);
const LEAD: Ipv4Addr = Ipv4Addr::new(10, 10, 9, 40);
const LAPTOP: Ipv4Addr = Ipv4Addr::new(10, 10, 9, 88);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A device as the wire shows it.
struct Device {
    memory: Memory,
    after: Duration,
    silent: &'static [u8],
    /// The id of the next reply, where it does not echo that of the request.
    own_id: Option<u16>,
}

impl Device {
    fn plc() -> Self {
        Self { memory: Memory::default(), after: ms(3), silent: &[], own_id: None }
    }

    fn answer(&mut self, id: u16, unit: u8, pdu: &[u8]) -> Option<Vec<u8>> {
        if self.silent.contains(&unit) {
            return None;
        }
        let id = self.own_id.as_mut().map_or(id, |own| {
            *own = own.wrapping_add(1);
            *own
        });
        Some(wire::adu(id, unit, &self.memory.answer(pdu)))
    }

    /// Plays asks on a conversation, each answered; ids count from `first_id`.
    fn play(&mut self, talk: &mut Conversation, asks: impl Iterator<Item = Ask>, first_id: u16) {
        for (ask, number) in asks.zip(0_u16..) {
            let id = first_id.wrapping_add(number);
            talk.say(ask.at, Way::Ask, wire::adu(id, ask.unit, &ask.pdu));
            if let Some(answer) = self.answer(id, ask.unit, &ask.pdu) {
                talk.say(ask.at + self.after, Way::Answer, answer);
            }
        }
    }
}

fn until(role: Role, seed: u64, stream: u64, end: Duration) -> impl Iterator<Item = Ask> {
    Script::new(role, seed, stream).take_while(move |ask| ask.at < end)
}

fn line(tape: &mut Tape, seed: u64, stations: &[(Ipv4Addr, u16, Role)], end: Duration) {
    // One device: its memory goes with the time, whoever asks.
    let mut plc = Device::plc();
    let mut all: Vec<(usize, Ask)> = Vec::new();
    for (at, (_, _, role)) in stations.iter().enumerate() {
        let stream = u64::try_from(at).unwrap_or(0);
        all.extend(until(*role, seed, stream, end).map(|ask| (at, ask)));
    }
    all.sort_by_key(|(at, ask)| (ask.at, *at));
    let mut talks: Vec<Conversation> =
        stations.iter().map(|(from, port, _)| Conversation::new((*from, *port), (PLC, 502))).collect();
    let mut ids = vec![0_u16; stations.len()];
    for (at, ask) in all {
        let (Some(talk), Some(id)) = (talks.get_mut(at), ids.get_mut(at)) else { continue };
        plc.play(talk, std::iter::once(ask), *id);
        *id = id.wrapping_add(1);
    }
    for talk in talks {
        tape.add(talk.close(end + ms(200)));
    }
}

fn bottling(tape: &mut Tape, seed: u64) {
    let stations = [(SCADA, 49_152, Role::Scada), (PANEL, 1_025, Role::Panel), (HISTORIAN, 50_001, Role::Historian)];
    line(tape, seed, &stations, ms(8_000));
}

fn policy_change(tape: &mut Tape, seed: u64) {
    let stations = [(SCADA, 49_160, Role::Scada), (PANEL, 1_027, Role::Panel), (LEAD, 51_000, Role::Lead)];
    line(tape, seed, &stations, ms(6_000));
}

fn serial_converter(tape: &mut Tape, seed: u64) {
    let mut bus = Device { after: ms(18), silent: &[6], own_id: Some(0x4000), ..Device::plc() };
    let mut talk = Conversation::new((SCADA, 49_200), (CONVERTER, 502));
    for (ask, id) in until(Role::Drives, seed, 0, ms(9_000)).zip(1_u16..) {
        bus.play(&mut talk, std::iter::once(ask.clone()), id);
        if ask.unit == 6 {
            // The master gives up after 150 ms and asks once more, with the same bytes.
            talk.say(ask.at + ms(150), Way::Ask, wire::adu(id, ask.unit, &ask.pdu));
        }
    }
    tape.add(talk.close(ms(9_500)));
}

fn pipelined(tape: &mut Tape, _seed: u64) {
    let mut plc = Device::plc();
    let mut talk = Conversation::new((HISTORIAN, 50_100), (PLC, 502));
    for round in 0..20_u16 {
        let at = ms(u64::from(round) * 100);
        let (mut asks, mut answers) = (Vec::new(), Vec::new());
        for n in 0..3 {
            let id = round * 3 + n;
            let pdu = [&[3][..], &(n * 50).to_be_bytes(), &[0, 10]].concat();
            asks.extend(wire::adu(id, 1, &pdu));
            answers.extend(plc.answer(id, 1, &pdu).unwrap_or_default());
        }
        talk.say(at, Way::Ask, asks);
        talk.say(at + ms(7), Way::Answer, answers);
    }
    tape.add(talk.close(ms(2_300)));
}

fn noisy_laptop(tape: &mut Tape, seed: u64) {
    let end = ms(6_000);
    let mut plc = Device::plc();
    let mut talk = Conversation::new((LAPTOP, 52_000), (PLC, 502));
    plc.play(&mut talk, until(Role::Laptop, seed, 0, end), 1);
    tape.add(talk.close(end));
    for ((_, bytes), number) in hostile().into_iter().zip(0_u16..) {
        let at = end + ms(500 + u64::from(number) * 300);
        let mut talk = Conversation::new((LAPTOP, 52_001 + number), (PLC, 502)).from(at);
        // A strict device: it answers what is framed, and closes on what is not.
        let framed = matches!(bytes.as_slice(), [_, _, 0, 0, high, low, _, _, ..]
            if usize::from(u16::from_be_bytes([*high, *low])) + 6 == bytes.len());
        let answer = match bytes.as_slice() {
            [a, b, _, _, _, _, unit, pdu @ ..] if framed => plc.answer(u16::from_be_bytes([*a, *b]), *unit, pdu),
            _ => None,
        };
        talk.say(at + ms(5), Way::Ask, bytes);
        if let Some(answer) = answer {
            talk.say(at + ms(8), Way::Answer, answer);
        }
        tape.add(talk.close(at + ms(100)));
    }
}

fn programming(tape: &mut Tape, _seed: u64) {
    let mut talk = Conversation::new((LAPTOP, 53_000), (PLC, 502));
    for round in 0..12_u16 {
        let at = ms(u64::from(round) * 250);
        let word = round.to_be_bytes();
        let long = round % 4 == 3;
        // A block of the programme: what a station writes, or reads back, in the longest PDU.
        let block: Vec<u8> = (0..249_u16).map(|n| u8::try_from((n * 7 + round) % 256).unwrap_or(0)).collect();
        let head = |code: u8| vec![90, word[1], code];
        let ask = if long { [head(0x29), block].concat() } else { [head(0x20), vec![0, 1]].concat() };
        let answer = [head(0xFE), vec![0, 0, 4]].concat();
        talk.say(at, Way::Ask, wire::adu(round, 0, &ask));
        talk.say(at + ms(12), Way::Answer, wire::adu(round, 0, &answer));
    }
    tape.add(talk.close(ms(3_200)));
}

fn plc_reset(tape: &mut Tape, seed: u64) {
    let (gone, back) = (ms(2_000), ms(3_000));
    for (number, (from, port, role)) in
        [(SCADA, 49_300_u16, Role::Scada), (PANEL, 1_030, Role::Panel)].into_iter().enumerate()
    {
        let stream = u64::try_from(number).unwrap_or(0);
        let mut plc = Device::plc();
        let mut before = Conversation::new((from, port), (PLC, 502));
        // Nothing is under way when it goes: what was asked just before is left out.
        plc.play(&mut before, until(role, seed, stream, ms(1_980)), 1);
        tape.add(before.reset(gone));
        let mut after = Conversation::new((from, port + 1), (PLC, 502)).from(back);
        let rest = until(role, seed, stream, ms(5_000)).filter(|ask| ask.at >= back + ms(10));
        plc.play(&mut after, rest, 500);
        tape.add(after.close(ms(5_200)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_captures_are_what_this_code_makes() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
        for named in ALL {
            let shipped = std::fs::read(folder.join(format!("{}.pcap", named.name))).unwrap_or_default();
            assert!(
                shipped == named.bytes(SEED),
                "{0}: make it anew: bulkhead-simulators capture {0} -o simulators/captures/{0}.pcap",
                named.name
            );
        }
        let files = std::fs::read_dir(&folder).unwrap().filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_suffix(".pcap").map(str::to_owned)
        });
        let mut files: Vec<String> = files.collect();
        files.sort();
        let mut names: Vec<&str> = ALL.iter().map(|named| named.name).collect();
        names.sort_unstable();
        assert_eq!(files, names, "a file that nothing makes, or a capture that is not shipped");
        let guide = std::fs::read_to_string(folder.join("README.md")).unwrap();
        for named in ALL {
            assert!(guide.contains(&format!("| `{}.pcap` | {} |", named.name, named.about)), "{}", named.name);
        }
    }

    #[test]
    fn another_seed_makes_another_capture_and_the_same_one_the_same() {
        let [bottling, ..] = ALL else { panic!("no capture") };
        assert_ne!(bottling.bytes(1), bottling.bytes(2));
        assert_eq!(bottling.bytes(9), bottling.bytes(9));
    }
}
