//! The plant's policies, and a second opinion on what they allow: a small table of the model's own, made by hand beside the
//! text. No line of the product takes part in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::modbus::{Ask, Table};

/// Who acts. `Stranger` has an address that no policy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Scada,
    Hmi,
    Panel,
    Technician,
    Office,
    Stranger,
}

/// What is protected. `Drive` stands behind a conduit that may observe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plc {
    Filler,
    Drive,
}

const fn ip(zone: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, zone, host))
}

/// The addresses of the gateway.
pub(crate) const GATEWAY: [IpAddr; 5] = [ip(9, 20), ip(9, 30), ip(9, 33), ip(7, 20), ip(1, 1)];

impl Who {
    pub(crate) const ALL: [Self; 6] =
        [Self::Scada, Self::Hmi, Self::Panel, Self::Technician, Self::Office, Self::Stranger];

    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Scada => "scada",
            Self::Hmi => "hmi",
            Self::Panel => "panel",
            Self::Technician => "technician",
            Self::Office => "office",
            Self::Stranger => "stranger",
        }
    }

    pub(crate) fn ip(self) -> IpAddr {
        match self {
            Self::Scada => ip(9, 11),
            Self::Hmi => ip(9, 12),
            Self::Panel => ip(9, 31),
            Self::Technician => ip(9, 32),
            Self::Office => ip(7, 40),
            Self::Stranger => ip(9, 99),
        }
    }

    pub(crate) fn at(address: IpAddr) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.ip() == address)
    }

    /// The subject that policy `number` says it is. The third policy knows the SCADA station by another name: a revoked name
    /// stays revoked, the address does not.
    pub(crate) fn subject(self, number: u8) -> Option<&'static str> {
        match (self, number) {
            (Self::Stranger, _) => None,
            (Self::Scada, 2) => Some("scada-b"),
            _ => Some(self.host()),
        }
    }

    fn role(self) -> &'static str {
        match self {
            // A panel without an open grant has the reads and the safe values of those who may open it.
            Self::Scada | Self::Panel => "Operator",
            Self::Hmi => "Supervisor",
            Self::Technician => "Technician",
            Self::Office => "Clerk",
            Self::Stranger => "",
        }
    }

    /// Where it finds the PLC on the gateway.
    pub(crate) fn door(self, plc: Plc) -> SocketAddr {
        match (self, plc) {
            (Self::Office, _) => SocketAddr::new(ip(7, 20), 502),
            (_, Plc::Filler) => SocketAddr::new(ip(9, 20), 502),
            (_, Plc::Drive) => SocketAddr::new(ip(9, 30), 502),
        }
    }
}

impl Plc {
    pub(crate) const ALL: [Self; 2] = [Self::Filler, Self::Drive];

    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Filler => "filler",
            Self::Drive => "drive",
        }
    }

    pub(crate) fn socket(self) -> SocketAddr {
        match self {
            Self::Filler => SocketAddr::new(ip(1, 20), 502),
            Self::Drive => SocketAddr::new(ip(2, 30), 502),
        }
    }

    pub(crate) fn unit(self) -> u8 {
        match self {
            Self::Filler => 1,
            Self::Drive => 3,
        }
    }
}

/// The conduit that may observe.
pub(crate) const OBSERVED: &str = "control-to-packing";

/// The policy in which the drive is not where its masters look for it.
pub(crate) const MOVED: u8 = 2;

/// How many policies load; the one after them is broken.
pub(crate) const POLICIES: u8 = 3;

/// The text of policy `number`.
pub(crate) fn text(number: u8) -> String {
    let pick = |of: [&str; 3]| of[usize::from(number.min(2))].to_owned();
    let text = include_str!("plant.toml")
        .replace("@HIGH@", &pick(["60000", "30000", "60000"]))
        .replace("@MODE@", &pick(["observe", "enforce", "enforce"]))
        .replace("@SCADA@", &pick(["scada", "scada", "scada-b"]))
        // The third policy moves the drive to another address: nobody there knows it.
        .replace("@DRIVE@", &pick(["10.0.9.30", "10.0.9.30", "10.0.9.33"]))
        .replace("@WRITERS@", &pick(["\"Operator\", \"Supervisor\"", "\"Operator\", \"Supervisor\"", "\"Supervisor\""]))
        .replace("@FILLER@", &pick(["", "share_upstream = true", "share_upstream = true"]))
        .replace("@PACKING@", &pick(["share_upstream = true", "", "share_upstream = true"]))
        .replace("@BENCH@", &pick(["when = [\"on shift\"]", "when = [\"on shift\"]", ""]));
    if number < POLICIES { text } else { text.replace("networks", "netwroks") }
}

/// A right of a role, one line of the model's table.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a line of a table")]
struct Right {
    policies: &'static [u8],
    roles: &'static [&'static str],
    plc: Plc,
    write: bool,
    table: Table,
    first: u16,
    last: u16,
    /// The highest value, by policy.
    high: [u32; 3],
    safe: Option<u16>,
    heartbeat: bool,
    /// Two registers make one number.
    wide: bool,
    /// Only on shift, in these policies.
    shift: &'static [u8],
    /// Only so often.
    limited: bool,
}

const ANY: [u32; 3] = [65_535; 3];
const STAFF: &[&str] = &["Operator", "Supervisor"];

const fn read(roles: &'static [&'static str], plc: Plc, table: Table, first: u16, last: u16) -> Right {
    Right {
        policies: &[0, 1, 2],
        roles,
        plc,
        write: false,
        table,
        first,
        last,
        high: ANY,
        safe: None,
        heartbeat: false,
        wide: false,
        shift: &[],
        limited: false,
    }
}

const fn write(roles: &'static [&'static str], plc: Plc, table: Table, first: u16, last: u16) -> Right {
    Right { write: true, ..read(roles, plc, table, first, last) }
}

const SPEED: Right =
    Right { high: [60_000, 30_000, 60_000], safe: Some(0), ..write(STAFF, Plc::Filler, Table::Holding, 20, 39) };
const ALIVE: Right = Right { heartbeat: true, ..write(STAFF, Plc::Filler, Table::Holding, 10, 10) };
const JOG: Right = Right { high: [1; 3], safe: Some(0), ..write(STAFF, Plc::Filler, Table::Coils, 0, 7) };
const SETPOINT: Right = Right { high: [90_000; 3], wide: true, ..write(STAFF, Plc::Filler, Table::Holding, 50, 51) };
const BENCH: Right =
    Right { shift: &[0, 1], safe: Some(0), ..write(&["Technician"], Plc::Filler, Table::Holding, 60, 69) };

/// Those of the staff's rights to write that the third policy keeps for supervisors.
const fn both(right: Right, third: &'static [&'static str]) -> [Right; 2] {
    [Right { policies: &[0, 1], ..right }, Right { policies: &[2], roles: third, ..right }]
}

fn rights() -> Vec<Right> {
    let mut rights = vec![
        read(STAFF, Plc::Filler, Table::Input, 0, 9),
        read(STAFF, Plc::Filler, Table::Holding, 0, 51),
        read(STAFF, Plc::Filler, Table::Coils, 0, 7),
        read(&["Technician"], Plc::Filler, Table::Holding, 60, 69),
        read(&["Technician", "Clerk"], Plc::Filler, Table::Holding, 0, 9),
        read(&["Clerk"], Plc::Filler, Table::Holding, 80, 89),
        read(&["Operator"], Plc::Drive, Table::Input, 0, 3),
        read(&["Operator"], Plc::Drive, Table::Holding, 0, 3),
        Right { limited: true, ..write(&["Supervisor"], Plc::Filler, Table::Holding, 40, 49) },
        write(&["Clerk"], Plc::Filler, Table::Holding, 80, 89),
        Right { high: [60_000; 3], safe: Some(0), ..write(&["Operator"], Plc::Drive, Table::Holding, 0, 3) },
        BENCH,
    ];
    for right in [SPEED, ALIVE, JOG, SETPOINT] {
        rights.extend(both(right, &["Supervisor"]));
    }
    rights
}

/// What the model says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct Opinion {
    /// The policy allows it, if a time word of its rule counts as true.
    pub(crate) allowed: bool,
    /// It hangs on a time word.
    pub(crate) timed: bool,
    /// It counts against a limit.
    pub(crate) limited: bool,
    /// All that it writes is a safe or a heartbeat value, and a rule names it: it always passes.
    pub(crate) safe: bool,
}

impl Opinion {
    const NO: Self = Self { allowed: false, timed: false, limited: false, safe: false };
}

std::thread_local! {
    static RIGHTS: Vec<Right> = rights();
}

/// What policy `number` lets `who` do with `plc`, life and time apart.
pub(crate) fn opinion(number: u8, who: Who, plc: Plc, unit: u8, ask: &Ask) -> Opinion {
    let reached = match (who, plc) {
        (Who::Stranger, _) | (Who::Office, Plc::Drive) => false,
        (_, Plc::Filler) => matches!(unit, 0 | 1 | 255),
        (_, Plc::Drive) => unit == 3 && number != MOVED,
    };
    if !reached {
        return Opinion::NO;
    }
    RIGHTS.with(|rights| {
        let part = |write: bool, table: Table, first: u16, values: &[u16]| {
            judge(rights, number, who, plc, (write, table, first, values))
        };
        match ask {
            Ask::Read { table, first, count } => part(false, *table, *first, &vec![0; usize::from(*count)]),
            Ask::Write { table, first, values } => part(true, *table, *first, values),
            Ask::Both { first, count, to, values } => {
                let read = part(false, Table::Holding, *first, &vec![0; usize::from(*count)]);
                let write = part(true, Table::Holding, *to, values);
                Opinion {
                    allowed: read.allowed && write.allowed,
                    timed: read.timed || write.timed,
                    limited: write.limited,
                    safe: read.allowed && write.safe,
                }
            }
            Ask::Odd => Opinion::NO,
        }
    })
}

fn judge(
    rights: &[Right],
    number: u8,
    who: Who,
    plc: Plc,
    (write, table, first, values): (bool, Table, u16, &[u16]),
) -> Opinion {
    let mut out = Opinion { allowed: !values.is_empty(), safe: write && !values.is_empty(), ..Opinion::NO };
    for (at, value) in (first..).zip(values) {
        let right = rights.iter().find(|right| {
            right.policies.contains(&number)
                && right.roles.contains(&who.role())
                && (right.plc, right.write, right.table) == (plc, write, table)
                && (right.first..=right.last).contains(&at)
        });
        let Some(right) = right else { return Opinion::NO };
        let value = if right.wide && write {
            let whole = first <= right.first && usize::from(right.last - first) < values.len();
            let word = |at: u16| values.get(usize::from(at - first)).map_or(0, |word| u32::from(*word));
            if whole { word(right.first) << 16 | word(right.last) } else { u32::MAX }
        } else {
            u32::from(*value)
        };
        out.allowed &= !write || value <= right.high[usize::from(number)];
        out.timed |= right.shift.contains(&number);
        out.limited |= right.limited;
        out.safe &= right.heartbeat || right.safe.is_some_and(|safe| u32::from(safe) == value);
    }
    // Nobody opens a grant in this plant: a panel writes what is safe, and nothing else.
    if who == Who::Panel && write {
        out.allowed = out.safe;
    }
    out.allowed |= out.safe;
    out
}

#[test]
fn the_model_has_rules_of_its_own() {
    let write = |first: u16, values: &[u16]| Ask::Write { table: Table::Holding, first, values: values.to_vec() };
    let allowed = |number, who, ask: &Ask| opinion(number, who, Plc::Filler, 1, ask).allowed;
    assert!(allowed(0, Who::Scada, &write(20, &[40_000])));
    assert!(!allowed(1, Who::Scada, &write(20, &[40_000])), "over the tight policy's limit");
    assert!(!allowed(2, Who::Scada, &write(20, &[1])), "supervisors only");
    assert!(!allowed(0, Who::Scada, &write(39, &[1, 1])), "a range that leaves its points");
    assert!(!allowed(0, Who::Scada, &write(50, &[1])), "half of a wide value");
    assert!(allowed(0, Who::Scada, &write(50, &[1, 1])));
    assert!(!allowed(0, Who::Scada, &write(50, &[2, 1])), "over 90,000");
    assert!(allowed(0, Who::Panel, &write(20, &[0])) && !allowed(0, Who::Panel, &write(20, &[1])));
    assert!(opinion(0, Who::Technician, Plc::Filler, 1, &write(60, &[0])).safe);
    assert!(opinion(0, Who::Technician, Plc::Filler, 1, &write(60, &[5])).timed);
    assert!(!allowed(0, Who::Stranger, &write(20, &[0])));
}

#[test]
fn the_policies_load_and_the_broken_one_does_not() {
    for number in 0..POLICIES {
        let loaded = bulkhead_core::policy::load(&text(number));
        let loaded = loaded.unwrap_or_else(|problems| panic!("policy {number}: {problems:#?}"));
        assert!(loaded.findings.len() < 10, "policy {number}: {:?}", loaded.findings);
    }
    assert!(bulkhead_core::policy::load(&text(POLICIES)).is_err());
}
