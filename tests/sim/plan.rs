//! What happens to the plant, as data: made from a seed, printed, and made smaller when it fails.

use super::chance::Rng;
use super::event::Order;
use super::log::EPOCH;
use super::policies::{POLICIES, Plc, Who};

/// How a PLC behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Slow,
    /// Takes requests and says nothing.
    Dead,
    /// Answers after the gateway has given up.
    Late,
    Twice,
    /// Answers in another order.
    Shuffled,
    /// Says somebody else's answer first.
    Foreign,
    /// Closes the connection on a request.
    Closing,
    /// Has no power: refuses connections, and closes those that it has.
    Off,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Order(Order),
    Hold {
        host: &'static str,
        time: u64,
    },
    Crash {
        dark: bool,
        down: u64,
    },
    /// A crash after so many more effects on the outside.
    Fuse {
        effects: u64,
        dark: bool,
        down: u64,
    },
    /// Sets the wall clock, in milliseconds from what it is.
    Clock {
        by: i64,
    },
    /// Ends the gateway in order, as a service manager does.
    Stop {
        down: u64,
    },
    /// So many connections of the stranger at once.
    Flood {
        count: u64,
    },
    /// Somebody else answers at the HMI's address.
    Mac {
        time: u64,
    },
    Stall {
        time: u64,
    },
    Full {
        time: u64,
    },
    Mood {
        plc: Plc,
        mood: Mood,
        time: u64,
    },
    /// Compares memory with the disk, if no order is under way.
    Compare,
}

/// A whole run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) length: u64,
    pub(crate) acts: Vec<(u64, Act)>,
}

/// How long a run is, in simulated milliseconds.
pub(crate) const LENGTH: u64 = 30_000;

const HOSTS: [&str; 7] = ["scada", "hmi", "panel", "technician", "office", "filler", "drive"];

fn order(rng: &mut Rng) -> Order {
    match rng.range(0, 10) {
        // Revocations are for good: more of them would leave an empty plant.
        0..=1 => Order::Revoke { who: rng.pick(&Who::ALL[..5]) },
        2..=6 => Order::Policy { number: u8::try_from(rng.range(0, u64::from(POLICIES) + 1)).unwrap() },
        _ => Order::Mode { observe: rng.one_in(2) },
    }
}

fn act(rng: &mut Rng) -> Act {
    let dark = rng.one_in(2);
    match rng.range(0, 23) {
        0..=7 => Act::Order(order(rng)),
        8..=9 => Act::Hold { host: rng.pick(&HOSTS), time: rng.range(50, 2_000) },
        10 => Act::Crash { dark, down: rng.range(10, 1_500) },
        11..=12 => Act::Fuse { effects: rng.range(1, 80), dark, down: rng.range(10, 1_500) },
        13 => Act::Clock { by: rng.pick(&[-60_000, -1_000, 60_000, 3_600_000, 86_400_000, -31_536_000_000, -EPOCH]) },
        14 => Act::Stall { time: rng.range(20, 2_000) },
        15 => Act::Full { time: rng.range(100, 3_000) },
        16..=18 => {
            let moods = [
                Mood::Slow,
                Mood::Dead,
                Mood::Late,
                Mood::Twice,
                Mood::Shuffled,
                Mood::Foreign,
                Mood::Closing,
                Mood::Off,
            ];
            Act::Mood { plc: rng.pick(&Plc::ALL), mood: rng.pick(&moods), time: rng.range(300, 4_000) }
        }
        19 => Act::Stop { down: rng.range(10, 1_000) },
        20 => Act::Mac { time: rng.range(500, 14_000) },
        21 if rng.one_in(4) => Act::Flood { count: rng.range(10, 300) },
        _ => Act::Compare,
    }
}

/// The plan of `seed`.
pub(crate) fn plan(seed: u64) -> Plan {
    let mut rng = Rng::stream(seed, "plan");
    let mut acts = Vec::new();
    let mut at = 500;
    // Some seeds are calm, some wild: a plan with every fault at once tests mostly the start.
    let pace = rng.pick(&[600, 1_500, 4_000]);
    while at < LENGTH - 3_000 {
        let one = act(&mut rng);
        acts.push((at, one));
        // Orders that meet: another follows within a few milliseconds.
        if matches!(one, Act::Order(_)) && rng.one_in(3) {
            acts.push((at + rng.range(0, 8), Act::Order(order(&mut rng))));
        }
        // What a revocation must reach: writes that wait for the disk.
        if matches!(one, Act::Order(Order::Revoke { .. })) && rng.one_in(2) {
            acts.push((at - rng.range(5, 40), Act::Stall { time: 60 }));
        }
        at += rng.range(1, pace);
    }
    acts.push((LENGTH - 1, Act::Compare));
    acts.sort_by_key(|(at, _)| *at);
    Plan { seed, length: LENGTH, acts }
}
