//! The checked policy: every name resolved, every number parsed. Made by `policy::load` alone, read by everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Place;
use crate::access::Bank;
use crate::digest::Sha256;
use crate::identity::{Assurance, Attributes, Mac};
use crate::names::{
    AssetId, ConduitId, PointName, ProfileName, RemoteName, Role, RuleId, ShiftName, SubjectId, ZoneId,
};

/// A whole policy. The default one has no zones, no assets and no conduits: it allows nothing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `[plant]`.
    pub plant: Plant,
    /// `[shifts.X]`.
    pub shifts: BTreeMap<ShiftName, Shift>,
    /// `[zones.X]`.
    pub zones: BTreeMap<ZoneId, Zone>,
    /// `[assets.X]`.
    pub assets: BTreeMap<AssetId, Asset>,
    /// `[subjects.X]`.
    pub subjects: BTreeMap<SubjectId, SubjectEntry>,
    /// `[conduits.X]`.
    pub conduits: BTreeMap<ConduitId, Conduit>,
    /// `[[never]]`, in file order.
    pub never: Vec<Never>,
    /// `[[accept]]`.
    pub accepts: Vec<Accept>,
    /// SHA-256 of the text that it was loaded from.
    pub hash: Sha256,
}

/// `[plant]`.
#[derive(Clone, Debug)]
pub struct Plant {
    /// The plant's name.
    pub name: Arc<str>,
    /// Shifts and hours are judged in it.
    pub timezone: jiff::tz::TimeZone,
    /// What an expired bundle does (remote conduits only may shrink).
    pub on_expiry: OnExpiry,
    /// What a doubtful clock does to time words.
    pub on_clock_doubt: OnClockDoubt,
}

impl Default for Plant {
    fn default() -> Self {
        Self {
            name: "".into(),
            timezone: jiff::tz::TimeZone::UTC,
            on_expiry: OnExpiry::default(),
            on_clock_doubt: OnClockDoubt::default(),
        }
    }
}

/// What an expired policy bundle does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// Goes on deciding.
    #[default]
    Keep,
    /// Reads only; remote conduits alone.
    KeepReads,
    /// Nothing; remote conduits alone.
    Close,
}

/// What a doubtful clock does to time words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnClockDoubt {
    /// True for local Operator, Supervisor and Controller, false for everybody else (law 2).
    #[default]
    AllowLocal,
    /// False for everybody.
    Refuse,
}

/// Days of the week as bits, Monday = bit 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(pub u8);

/// Minutes after midnight, 0..=1439.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayMinute(pub u16);

/// `HH:MM-HH:MM` on some days, in plant wall time. It belongs to the day it starts on; equal times run to the same wall
/// time next day; an end before the start is on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The days on which it starts.
    pub days: Days,
    /// The start, included.
    pub start: DayMinute,
    /// The end, excluded.
    pub end: DayMinute,
}

/// `[shifts.X]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// When it runs.
    pub hours: Hours,
    /// Minutes that it stays valid after its end; 15 unless set.
    pub overlap: u16,
}

/// An address block in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// The number of leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// True when `ip` lies in the block. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix));
                u32::from(net).checked_shr(shift).unwrap_or(0) == u32::from(ip).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix));
                u128::from(net).checked_shr(shift).unwrap_or(0) == u128::from(ip).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }
}

/// What a zone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneKind {
    /// Controls the process: an anomaly alarms and never blocks.
    #[default]
    Control,
    /// An office network.
    It,
}

/// `[zones.X]`.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// What it is, for people.
    pub about: Option<Arc<str>>,
    /// What kind.
    pub kind: ZoneKind,
    /// Its address blocks.
    pub networks: Vec<Network>,
    /// IEC 62443 SL-T, 0..=4.
    pub target_level: Option<u8>,
    /// For the zone sheet: part of which island, who answers for it, where its boundary is.
    pub sheet: Sheet,
    /// Where it stands in the file.
    pub place: Place,
}

/// Words for the zone and conduit sheet of IEC 62443-3-2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// `island`.
    pub island: Option<Arc<str>>,
    /// `owner`.
    pub owner: Option<Arc<str>>,
    /// `boundary`.
    pub boundary: Option<Arc<str>>,
}

/// One entry of `listen`: an address of this gateway, and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listen {
    /// The address.
    pub at: SocketAddr,
    /// Modbus/TCP Security: there a certificate alone says who somebody is, never an address.
    pub tls: bool,
}

/// `[assets.X]`.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Its zone.
    pub zone: ZoneId,
    /// Where masters find it on this gateway; the listener alone selects the asset.
    pub listen: Vec<Listen>,
    /// `connect = "modbus://ip:port"`, port 502 unless written.
    pub connect: SocketAddr,
    /// How the device behaves.
    pub profile: Profile,
    /// Its unit ids; others are refused. Empty only when the profile is direct: then every unit id but a foreign one is 1.
    pub units: Vec<u8>,
    /// Sockets that the device has to give; 1000 unless set.
    pub connections: u16,
    /// Part of a safety system: read-only, by lint.
    pub safety: bool,
    /// How long the device may take to answer.
    pub answer_within: Duration,
    /// Whether refusals wait behind outstanding replies; true unless set.
    pub in_order: bool,
    /// Whether clients share one link to the device.
    pub share_upstream: bool,
    /// Its named points: the only addresses that a rule can name.
    pub points: BTreeMap<PointName, Point>,
    /// Where it stands in the file.
    pub place: Place,
}

/// How a device behaves (F94).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// What unit 0 means.
    pub unit_zero: UnitZero,
    /// PDUs of up to 1,024 bytes are legal.
    pub long_frames: bool,
    /// Whether replies carry the transaction id of their request; `None` = unknown (replies matched in order).
    pub echoes_ids: Option<bool>,
    /// Whether masters of it repeat transaction ids.
    pub repeats_ids: bool,
    /// Whether points may be read in one block although gaps lie between.
    pub read_gaps: bool,
    /// Function codes that count as programming besides 40, 42, 90, 125 and 126.
    pub programming: BTreeSet<u8>,
    /// Word order where a point says none.
    pub order: WordOrder,
}

/// What unit 0 means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitZero {
    /// The device itself, as 255 and its own unit.
    #[default]
    #[serde(rename = "self")]
    Itself,
    /// All units of the bus.
    Broadcast,
}

/// How the registers and bytes of a wide value lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordOrder {
    /// ABCD.
    #[default]
    BigWord,
    /// CDAB.
    LittleWord,
    /// BADC.
    BigWordSwapped,
    /// DCBA.
    LittleWordSwapped,
}

/// How the registers of a point are read as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Number {
    /// One register, unsigned; what a point is that says no type.
    #[default]
    U16,
    /// One register, signed.
    I16,
    /// Two registers, unsigned.
    U32,
    /// Two registers, signed.
    I32,
    /// Two registers, IEEE 754.
    F32,
}

impl Number {
    /// Registers for one element.
    pub const fn width(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
        }
    }
}

/// A named range of an asset: `holding 300-301 as u32 big-word values 0..90000 safe 0 heartbeat`.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The bank.
    pub bank: Bank,
    /// The first address.
    pub first: u16,
    /// The last address, included.
    pub last: u16,
    /// How its registers are read; `None` for coils, discrete inputs and untyped registers.
    pub number: Option<Number>,
    /// The word order of wide numbers.
    pub order: WordOrder,
    /// The values that may be written, both included, per element; for f32 rounded to the nearest f32.
    pub values: Option<(f64, f64)>,
    /// The value that is never refused (law 1); for f32 rounded to the nearest f32.
    pub safe: Option<f64>,
    /// Written all the time and never refused to those who may write it.
    pub heartbeat: bool,
    /// Where it stands in the file.
    pub place: Place,
}

/// How a subject shows who it is, by what the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectProof {
    /// `proof = "certificate"`.
    Certificate,
    /// `proof = "token"`.
    Token,
    /// `proof = "address"`.
    Address {
        /// The address; none where the registry alone knows it. Addresses of the registry count besides it.
        address: Option<IpAddr>,
        /// The hardware address, where it must match.
        mac: Option<Mac>,
    },
    /// `proof = "session-grant"`.
    SessionGrant {
        /// The address.
        address: IpAddr,
        /// The hardware address, where it must match.
        mac: Option<Mac>,
        /// Who may open it and for how long.
        grant: GrantTerms,
    },
}

impl SubjectProof {
    /// Its word: `certificate`, `token`, `address`, `session-grant`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::Address { .. } => "address",
            Self::SessionGrant { .. } => "session-grant",
        }
    }

    /// What it is worth at best.
    pub const fn assurance(&self) -> Assurance {
        match self {
            Self::Certificate => Assurance::KEY,
            Self::Token | Self::SessionGrant { .. } => Assurance::PERSON,
            Self::Address { .. } => Assurance::ADDRESS,
        }
    }
}

/// `grant = { opened_by, minutes, overlap }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTerms {
    /// The roles that may open it.
    pub opened_by: BTreeSet<Role>,
    /// How long it lasts.
    pub minutes: u16,
    /// How long it stays valid after its end.
    pub overlap: u16,
}

/// Whose requests go first where a device's few sockets are shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Before the others.
    High,
    /// In turn.
    #[default]
    Normal,
    /// Behind the others.
    Low,
}

/// `[subjects.X]`.
#[derive(Clone, Debug)]
pub struct SubjectEntry {
    /// Its zone.
    pub zone: ZoneId,
    /// The ways in which it may show who it is, each once, in the order of the file. A panel has its one way alone.
    pub proofs: Vec<SubjectProof>,
    /// Its role; a panel has none of its own.
    pub role: Option<Role>,
    /// Whose turn it is on a shared link.
    pub priority: Priority,
    /// What is known about it; wins over claims and facts.
    pub attributes: Attributes,
    /// Where it stands in the file.
    pub place: Place,
}

impl SubjectEntry {
    /// Whether a certificate may show it.
    pub fn admits_certificate(&self) -> bool {
        self.proofs.iter().any(|proof| matches!(proof, SubjectProof::Certificate))
    }

    /// Whether an address may show it by itself: the registry's addresses of it count only then.
    pub fn admits_address(&self) -> bool {
        self.proofs.iter().any(|proof| matches!(proof, SubjectProof::Address { .. }))
    }

    /// The terms on which a panel is opened, if it is one.
    pub fn panel(&self) -> Option<&GrantTerms> {
        self.proofs.iter().find_map(|proof| match proof {
            SubjectProof::SessionGrant { grant, .. } => Some(grant),
            SubjectProof::Certificate | SubjectProof::Token | SubjectProof::Address { .. } => None,
        })
    }

    /// The address that the policy gives it, with the hardware address that must match.
    pub fn bound(&self) -> Option<(IpAddr, Option<Mac>)> {
        self.proofs.iter().find_map(|proof| match proof {
            SubjectProof::Address { address, mac } => address.map(|address| (address, *mac)),
            SubjectProof::SessionGrant { address, mac, .. } => Some((*address, *mac)),
            SubjectProof::Certificate | SubjectProof::Token => None,
        })
    }

    /// The weakest way that it may show itself by.
    pub fn weakest(&self) -> Option<&SubjectProof> {
        self.proofs.iter().min_by_key(|proof| proof.assurance())
    }

    /// The strongest way that it may show itself by.
    pub fn strongest(&self) -> Option<&SubjectProof> {
        self.proofs.iter().rev().max_by_key(|proof| proof.assurance())
    }

    /// Its ways in words: `certificate or address`.
    pub fn proof_words(&self) -> String {
        self.proofs.iter().map(SubjectProof::word).collect::<Vec<_>>().join(" or ")
    }
}

/// Where a conduit starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// A zone of the plant.
    Zone(ZoneId),
    /// A far end outside the plant.
    Remote(RemoteName),
}

/// Whether a conduit's refusals count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Byte-transparent; alarms only (law 3).
    Observe,
    /// Refusals are refusals.
    #[default]
    Enforce,
}

/// How surely a write's record is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// On the disk before the write goes on.
    #[default]
    Durable,
    /// Survives the process; may lose 50 ms at a power cut.
    Written,
}

/// What a stalled, full or read-only disk does to writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnStall {
    /// The write goes on and its record is flagged late; the default where both ends are control zones.
    Continue,
    /// The write is refused.
    #[default]
    Deny,
}

/// What the wire does when the daemon is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Nothing passes.
    #[default]
    Close,
    /// A bypass relay joins both sides.
    Wire,
}

/// What is recorded besides denials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// Writes and functions.
    #[default]
    Writes,
    /// Reads too.
    Full,
}

/// `approval = { by, minutes }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalTerms {
    /// The role that must approve.
    pub by: Role,
    /// How long an approval lasts.
    pub minutes: u16,
}

/// `[conduits.X]`.
#[derive(Clone, Debug)]
pub struct Conduit {
    /// Where it starts.
    pub from: From,
    /// Where it leads.
    pub to: ZoneId,
    /// Whether refusals count.
    pub mode: Mode,
    /// How surely records are kept.
    pub record: RecordKind,
    /// What a disk in trouble does.
    pub on_stall: OnStall,
    /// What the wire does without the daemon.
    pub on_failure: OnFailure,
    /// What is recorded.
    pub detail: Detail,
    /// What an expired bundle does; remote conduits only.
    pub on_expiry: OnExpiry,
    /// When it is open; a time word of every rule.
    pub hours: Option<Hours>,
    /// Who must approve on site; remote conduits only.
    pub approval: Option<ApprovalTerms>,
    /// `[[conduits.X.allow]]`, in file order.
    pub allow: Vec<Rule>,
    /// Where it stands in the file.
    pub place: Place,
}

/// One allow rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `conduits.X.allow[n]`, n from 1.
    pub id: RuleId,
    /// The roles that it is for.
    pub who: BTreeSet<Role>,
    /// The asset.
    pub on: AssetId,
    /// What they may do.
    pub can: Vec<Can>,
    /// Conditions, all of which must hold.
    pub when: Vec<Condition>,
    /// How often.
    pub limit: Option<Limit>,
    /// Where it stands in the file.
    pub place: Place,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Can {
    /// `read POINT`.
    Read(PointName),
    /// `write POINT`.
    Write(PointName),
    /// `broadcast`.
    Broadcast,
    /// A function word or number.
    Function(Function),
}

/// A function without addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// `programming`: 40, 42, 90, 125, 126 and those of the profile.
    Programming,
    /// `diagnostics identify`: 43/14.
    Identify,
    /// `diagnostics restart`: 8/1.
    Restart,
    /// `diagnostics listen-only`: 8/4.
    ListenOnly,
    /// `function N` or `function N/SUB`.
    Code {
        /// The function code.
        code: u8,
        /// The sub-function of 8, the MEI type of 43.
        sub: Option<u16>,
    },
}

/// A condition word (`when`), or a conduit's hours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// `on shift`.
    OnShift,
    /// `shift is X`.
    ShiftIs(ShiftName),
    /// `line is X`.
    LineIs(Arc<str>),
    /// `location is X`.
    LocationIs(Arc<str>),
    /// `second factor`.
    SecondFactor,
    /// `work order open`.
    WorkOrderOpen,
    /// `logged in within N minutes`.
    LoggedInWithin(u32),
    /// `assurance N`.
    Assurance(u8),
    /// `plant mode is X`.
    PlantModeIs(Arc<str>),
}

/// `N (reads|writes) per (second|minute|hour)`: a token bucket with a burst of N, per subject and point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// How many.
    pub count: NonZeroU32,
    /// Of what.
    pub of: LimitOf,
    /// Per how many seconds: 1, 60 or 3600.
    pub seconds: u16,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitOf {
    /// Reads.
    Reads,
    /// Writes.
    Writes,
}

/// One `[[never]]`.
#[derive(Clone, Debug)]
pub struct Never {
    /// `never[n]`, n from 1.
    pub id: RuleId,
    /// What is never allowed.
    pub what: Vec<Forbidden>,
    /// Why.
    pub why: Option<Arc<str>>,
    /// Where it stands in the file.
    pub place: Place,
}

/// What a `never` covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forbidden {
    /// A function, by word or by any number (also one with a layout).
    Function(Function),
    /// Broadcasts.
    Broadcast,
    /// `write ASSET/POINT`.
    Write(AssetId, PointName),
    /// Everything on an asset.
    Asset(AssetId),
}

/// One `[[accept]]`: somebody answers for a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The finding's id.
    pub finding: Arc<str>,
    /// The object.
    pub at: Arc<str>,
    /// Why it is acceptable.
    pub reason: Arc<str>,
    /// Who says so.
    pub by: Arc<str>,
    /// Until when, as YYYY-MM-DD.
    pub until: jiff::civil::Date,
    /// Where it stands in the file.
    pub place: Place,
}

impl Policy {
    /// Every address that something is to listen on, with its asset. The file cannot name one twice.
    pub fn listeners(&self) -> impl Iterator<Item = (Listen, &AssetId, &Asset)> {
        self.assets.iter().flat_map(|(id, asset)| asset.listen.iter().map(move |listen| (*listen, id, asset)))
    }

    /// The asset that a listener stands for.
    pub fn asset_at(&self, listener: SocketAddr) -> Option<(&AssetId, &Asset)> {
        self.listeners().find(|(listen, ..)| listen.at == listener).map(|(_, id, asset)| (id, asset))
    }

    /// True when TLS is spoken at a listener.
    pub fn is_tls(&self, listener: SocketAddr) -> bool {
        self.listeners().any(|(listen, ..)| listen.at == listener && listen.tls)
    }

    /// The zone whose networks hold an address.
    pub fn zone_of(&self, ip: IpAddr) -> Option<&ZoneId> {
        self.zones.iter().find(|(_, zone)| zone.networks.iter().any(|net| net.contains(ip))).map(|(id, _)| id)
    }
}
