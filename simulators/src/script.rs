//! What a master asks, and when: the same for the plant that runs and for the captures.

use std::collections::VecDeque;
use std::time::Duration;

use tokio_modbus::Request;

use crate::chance::Chance;
use crate::wire;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// When, from the start.
    pub at: Duration,
    /// The unit id.
    pub unit: u8,
    /// The PDU.
    pub pdu: Vec<u8>,
}

/// What a master does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Polls counters, status and coils five times a second, and sets the speed every two seconds.
    Scada,
    /// Writes its heartbeat to holding 10 every second, reads what it shows, and jogs now and then.
    Panel,
    /// Reads everything that has a name, once a second.
    Historian,
    /// Polls the drives behind the converter, units 3 to 6, and sets the rate of one.
    Drives,
    /// Sets speed, valves and recipe: what a supervisor does at a change of product.
    Lead,
    /// Looks around: addresses, units, functions, and a write where it finds something.
    Laptop,
    /// A station whose whole work is one read, ten times a second.
    Reader,
}

/// The requests of one master, without an end.
#[derive(Clone, Debug)]
pub struct Script {
    role: Role,
    chance: Chance,
    round: u64,
    ready: VecDeque<Ask>,
}

impl Script {
    /// The script of a role. Two masters of one role differ by their stream.
    #[must_use]
    pub fn new(role: Role, seed: u64, stream: u64) -> Self {
        Self { role, chance: Chance::new(seed, stream), round: 0, ready: VecDeque::new() }
    }

    fn say(&mut self, ms: u64, unit: u8, request: &Request<'_>) {
        self.ready.push_back(Ask { at: Duration::from_millis(ms), unit, pdu: wire::request_pdu(request) });
    }

    fn raw(&mut self, ms: u64, unit: u8, pdu: &[u8]) {
        self.ready.push_back(Ask { at: Duration::from_millis(ms), unit, pdu: pdu.to_vec() });
    }

    /// One second of work.
    fn second(&mut self) {
        let (round, start) = (self.round, self.round * 1_000);
        self.round += 1;
        match self.role {
            Role::Scada => {
                for part in 0..5 {
                    self.say(start + part * 200, 1, &Request::ReadHoldingRegisters(0, 10));
                    self.say(start + part * 200 + 40, 1, &Request::ReadInputRegisters(0, 50));
                    self.say(start + part * 200 + 80, 1, &Request::ReadCoils(0, 16));
                }
                if round % 2 == 1 {
                    let speed = 100 + self.chance.below(1_100);
                    self.say(start + 950, 1, &Request::WriteSingleRegister(100, speed));
                }
            }
            Role::Panel => {
                let beat = u16::try_from(round % 65_536).unwrap_or(0);
                self.say(start + 20, 1, &Request::WriteSingleRegister(10, beat));
                self.say(start + 120, 1, &Request::ReadHoldingRegisters(100, 1));
                self.say(start + 620, 1, &Request::ReadHoldingRegisters(300, 2));
                if round % 5 == 3 {
                    self.say(start + 700, 1, &Request::WriteSingleCoil(16, true));
                    self.say(start + 900, 1, &Request::WriteSingleCoil(16, false));
                }
            }
            Role::Historian => {
                self.say(start + 300, 1, &Request::ReadInputRegisters(0, 50));
                self.say(start + 330, 1, &Request::ReadHoldingRegisters(0, 11));
                self.say(start + 360, 1, &Request::ReadHoldingRegisters(100, 1));
                self.say(start + 390, 1, &Request::ReadHoldingRegisters(300, 2));
            }
            Role::Drives => {
                for unit in 3..=6_u8 {
                    self.say(start + u64::from(unit - 3) * 200 + 100, unit, &Request::ReadInputRegisters(0, 4));
                }
                if round % 3 == 2 {
                    let rate = self.chance.below(500);
                    self.say(start + 850, 3, &Request::WriteSingleRegister(0, rate));
                }
            }
            Role::Lead => {
                let product = self.chance.below(8);
                self.say(start + 500, 1, &Request::ReadHoldingRegisters(200, 8));
                if round % 4 == 2 {
                    let recipe: Vec<u16> = (0..8).map(|step| product * 100 + step).collect();
                    self.say(start + 600, 1, &Request::WriteMultipleRegisters(200, recipe.into()));
                    self.say(start + 700, 1, &Request::WriteSingleRegister(100, 900 + self.round_speed()));
                }
            }
            Role::Laptop => self.look_around(start),
            Role::Reader => {
                for part in 0..10 {
                    self.say(start + part * 100, 1, &Request::ReadHoldingRegisters(0, 10));
                }
            }
        }
    }

    fn round_speed(&self) -> u16 {
        u16::try_from(self.round % 4).unwrap_or(0) * 100
    }

    fn look_around(&mut self, start: u64) {
        const FUNCTIONS: [&[u8]; 8] = [
            &[7],
            &[11],
            &[17],
            &[43, 14, 1, 0],
            &[8, 0, 1, 0, 0],
            &[8, 0, 4, 0, 0],
            &[90, 0, 2],
            &[20, 7, 6, 0, 1, 0, 0, 0, 2],
        ];
        for part in 0..6 {
            let first = self.chance.below(1_000);
            self.say(start + part * 100, 1, &Request::ReadHoldingRegisters(first, 10));
        }
        let unit = u8::try_from(self.chance.below(256)).unwrap_or(0);
        self.say(start + 650, unit, &Request::ReadHoldingRegisters(0, 1));
        let function = FUNCTIONS.get(usize::from(self.chance.below(8))).copied().unwrap_or(&[7]);
        self.raw(start + 700, 1, function);
        let value = self.chance.below(u16::MAX);
        self.say(start + 800, 1, &Request::WriteSingleRegister(900, value));
    }
}

impl Iterator for Script {
    type Item = Ask;

    fn next(&mut self) -> Option<Ask> {
        while self.ready.is_empty() {
            self.second();
        }
        self.ready.pop_front()
    }
}

/// What no device should ever see, each with its name: whole byte strings, as a hostile peer sends them.
#[must_use]
pub fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let hidden = wire::adu(0x0BAD, 1, &[6, 3, 0x84, 0xBE, 0xEF]);
    let carrier = [&[3, 0, 0, 0, 1][..], &hidden].concat();
    vec![
        ("a write of BEEF to register 900 hidden behind a read", wire::adu(1, 1, &carrier)),
        ("one behind an identification", wire::adu(2, 1, &[&[43, 14, 1, 0][..], &hidden].concat())),
        ("65,535 coils in one byte", wire::adu(3, 1, &[15, 0, 0, 0xFF, 0xFF, 1, 0])),
        ("a range past the last address", wire::adu(4, 1, &[3, 0xFF, 0xFF, 0, 2])),
        ("a function with the exception bit", wire::adu(5, 1, &[0x83, 1])),
        ("a count of 0", wire::adu(6, 1, &[3, 0, 0, 0, 0])),
        ("programming as unit 0", wire::adu(7, 0, &[90, 0, 2])),
        ("a restart of the communication", wire::adu(8, 1, &[8, 0, 1, 0, 0])),
        ("protocol id 1", vec![0, 9, 0, 1, 0, 6, 1, 3, 0, 0, 0, 1]),
        ("length 0", vec![0, 10, 0, 0, 0, 0, 1, 3]),
        ("length 65,535", vec![0, 11, 0, 0, 0xFF, 0xFF, 1, 3]),
        ("a web browser", b"GET / HTTP/1.1\r\nHost: plc\r\n\r\n".to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_the_same_for_one_seed_and_goes_forward() {
        for role in [Role::Scada, Role::Panel, Role::Historian, Role::Drives, Role::Lead, Role::Laptop, Role::Reader] {
            let take = |seed| Script::new(role, seed, 3).take(100).collect::<Vec<_>>();
            assert_eq!(take(5), take(5), "{role:?}");
            assert!(take(5).windows(2).all(|two| two[0].at <= two[1].at), "{role:?}");
        }
        let of = |seed| Script::new(Role::Laptop, seed, 3).take(50).collect::<Vec<_>>();
        assert_ne!(of(5), of(6));
    }
}
