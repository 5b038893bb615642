//! A whole gateway without sockets: its disk is memory that takes as long as it is told, its clock is set by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead::app::{Gateway, Ports, Settings, start};
use bulkhead::entropy::MachineEntropy;
use bulkhead::net::{Later, Listen, Network, Stream};
use bulkhead::ports::clock::Clock;
use bulkhead::ports::disk::{Disk, Medium, Segment};
use bulkhead::ports::keys::{KeyError, Keys, NoVault};
use bulkhead::service::gate::{Gate, Request};
use bulkhead::service::sessions::{Session, Sessions};
use bulkhead::tasks::{Tasks, Writers};
use bulkhead::telemetry::Fault;
use bulkhead_core::access::{Access, Accesses, Bank, Target, Values, Verb};
use bulkhead_core::identity::{Evidence, Grant, Mac, Proof};
use bulkhead_core::journal::record::FrameRecord;
use bulkhead_core::journal::verify::PublicKey;
use bulkhead_core::moment::{BootMs, UnixMs};
use rusqlite::Connection;

/// A subject by address, Operator.
pub(crate) const STATION: &str = "station";
/// A panel that needs an open grant.
pub(crate) const PANEL: &str = "panel";

const START: i64 = 1_795_500_000_000;

const POLICY: &str = r#"
[plant]
name = "seam"
timezone = "UTC"
[zones.control]
networks = ["10.0.9.0/24"]
[zones.office]
kind = "it"
networks = ["10.0.7.0/24"]
[zones.filling]
networks = ["10.0.1.0/24"]
[assets.plc]
zone = "filling"
listen = ["10.0.9.20:502", "10.0.7.20:502"]
connect = "modbus://10.0.1.20:502"
profile = "direct"
units = [1]
connections = 4
[assets.plc.points]
data = "holding 0-99 values 0..@HIGH@ safe 0"
[subjects.station]
zone = "control"
proof = "address"
address = "10.0.9.11"
role = "Operator"
[subjects.clerk]
zone = "office"
proof = "address"
address = "10.0.7.40"
role = "Operator"
[subjects.panel]
zone = "control"
proof = "session-grant"
address = "10.0.9.31"
grant = { opened_by = ["Operator"], minutes = 480, overlap = 15 }
[conduits.control]
from = "control"
to = "filling"
mode = "enforce"
record = "durable"
on_stall = "continue"
[[conduits.control.allow]]
who = ["Operator"]
on = "plc"
can = ["read data", "write data"]
[conduits.office]
from = "office"
to = "filling"
mode = "enforce"
record = "durable"
on_stall = "deny"
[[conduits.office.allow]]
who = ["Operator"]
on = "plc"
can = ["read data", "write data"]
"#;

/// A read or a write of one holding register.
#[derive(Debug)]
pub(crate) struct Ask {
    address: u16,
    value: Option<[u8; 2]>,
}

impl Ask {
    pub(crate) fn read(address: u16) -> Self {
        Self { address, value: None }
    }

    pub(crate) fn write(address: u16, value: u16) -> Self {
        Self { address, value: Some(value.to_be_bytes()) }
    }
}

impl Request for Ask {
    fn accesses(&self) -> Accesses<'_> {
        let values = self.value.as_ref().map_or(Values::None, |value| Values::Registers(value));
        let verb = if self.value.is_some() { Verb::Write } else { Verb::Read };
        let target =
            Target::Registers { unit: 1, bank: Bank::Holding, first: self.address, count: NonZeroU16::MIN, values };
        std::iter::once(Access { asset: None, verb, function: self.frame().function, target }).collect()
    }

    fn frame(&self) -> FrameRecord {
        FrameRecord { id: 1, unit: 1, function: if self.value.is_some() { 6 } else { 3 } }
    }
}

/// An open session grant of the panel.
pub(crate) fn grant(ends: i64) -> Proof {
    let (id, subject, by) = ("g-1".into(), PANEL.into(), "Operator".into());
    Proof::SessionGrant { grant: Arc::new(Grant { id, subject, by, ends: UnixMs(ends), ends_ran: None }) }
}

/// A network in which nobody is.
#[derive(Debug)]
struct Nowhere;

impl Network for Nowhere {
    fn listen(&self, _: SocketAddr) -> Later<'_, io::Result<Box<dyn Listen>>> {
        Box::pin(std::future::pending())
    }
    fn dial(&self, _: SocketAddr) -> Later<'_, io::Result<Stream>> {
        Box::pin(std::future::pending())
    }
    fn neighbour(&self, _: IpAddr) -> Option<Mac> {
        None
    }
}

#[derive(Debug)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn read(&self) -> (UnixMs, BootMs) {
        let at = self.0.load(Ordering::Relaxed);
        (UnixMs(at), BootMs(u64::try_from(at - START).unwrap()))
    }
}

#[derive(Debug)]
struct Unsigned;

impl Keys for Unsigned {
    fn sign<'a>(&'a self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async { Ok(vec![0; 64]) })
    }
    fn public(&self) -> PublicKey {
        PublicKey::ed25519(&[0; 32])
    }
    fn is_software(&self) -> bool {
        true
    }
}

/// Journal segments in memory.
#[derive(Clone, Debug, Default)]
struct Memory {
    segments: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    syncs: Arc<AtomicU64>,
    stalled: Arc<AtomicBool>,
    delay: Duration,
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl Memory {
    fn on<R: Send + 'static>(
        &self,
        number: u64,
        work: impl FnOnce(&mut Vec<u8>) -> R + Send,
    ) -> Later<'_, io::Result<R>> {
        let out = self.segments.lock().unwrap().get_mut(&number).map(work);
        Box::pin(async move { out.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

impl Disk for Memory {
    fn list(&mut self) -> Later<'_, io::Result<Vec<Segment>>> {
        let segments = self.segments.lock().unwrap();
        let list = segments.iter().map(|(number, bytes)| Segment { number: *number, length: bytes.len() as u64 });
        let list = list.collect();
        Box::pin(async move { Ok(list) })
    }
    fn create(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        self.segments.lock().unwrap().insert(number, vec![0; place(length)]);
        Box::pin(async { Ok(()) })
    }
    fn read(&mut self, number: u64, offset: u64, length: usize) -> Later<'_, io::Result<Vec<u8>>> {
        self.on(number, move |bytes| bytes.iter().skip(place(offset)).take(length).copied().collect())
    }
    fn write<'a>(&'a mut self, number: u64, offset: u64, bytes: &'a [u8]) -> Later<'a, io::Result<()>> {
        self.on(number, move |segment| {
            let (from, to) = (place(offset), place(offset) + bytes.len());
            segment.resize(segment.len().max(to), 0);
            segment[from..to].copy_from_slice(bytes);
        })
    }
    fn sync(&mut self, _: u64) -> Later<'_, io::Result<()>> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let (delay, stalled) = (self.delay, Arc::clone(&self.stalled));
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            while stalled.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        })
    }
    fn resize(&mut self, number: u64, length: u64) -> Later<'_, io::Result<()>> {
        self.on(number, move |bytes| bytes.resize(place(length), 0))
    }
    fn remove(&mut self, number: u64) -> Later<'_, io::Result<()>> {
        self.segments.lock().unwrap().remove(&number);
        Box::pin(async { Ok(()) })
    }
}

struct Database(Connection);

impl Medium for Database {
    fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }
    fn settle(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn copy(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// A gateway, and the hands on what it stands on.
pub(crate) struct House {
    gateway: Gateway,
    disk: Memory,
    pub(crate) clock: Arc<AtomicI64>,
    port: AtomicU16,
    tasks: Tasks,
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("House")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

/// A gateway whose disk needs `delay` for a sync.
pub(crate) async fn house(delay: Duration, fault: Fault) -> House {
    let (clock, disk) = (Arc::new(AtomicI64::new(START)), Memory { delay, ..Memory::default() });
    let tasks = Tasks::new(Writers::Inline);
    let ports = Ports {
        net: Arc::new(Nowhere),
        clock: Arc::new(Hand(Arc::clone(&clock))),
        entropy: Arc::new(MachineEntropy),
        probe: Arc::new(()),
        tasks: tasks.clone(),
        disk: Box::new(disk.clone()),
        medium: Box::new(Database(Connection::open_in_memory().unwrap())),
        keys: Arc::new(Unsigned),
        vault: Arc::new(NoVault),
        restored: None,
    };
    let settings = Settings {
        policy: POLICY.replace("@HIGH@", "1000"),
        policy_name: "seam.toml".to_owned(),
        journal_max: 1 << 30,
        journal_segment: 1 << 20,
        hold: Duration::from_hours(24 * 365),
        fault,
    };
    let gateway = start(ports, settings).await.unwrap();
    House { gateway, disk, clock, port: AtomicU16::new(40_000), tasks }
}

impl House {
    pub(crate) fn gate(&self) -> &Gate {
        &self.gateway.house.gate
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.gateway.house.sessions
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn wall(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// A new session of a subject, shown by its address.
    pub(crate) fn open(&self, subject: &str) -> Arc<Session> {
        let port = self.port.fetch_add(1, Ordering::Relaxed);
        self.open_at(subject, SocketAddr::from(([10, 0, 0, 1], port)))
    }

    /// The same, for a peer that a socket named: only its port is taken.
    pub(crate) fn open_at(&self, subject: &str, peer: SocketAddr) -> Arc<Session> {
        let (ip, listener): (IpAddr, &str) = match subject {
            PANEL => ("10.0.9.31".parse().unwrap(), "10.0.9.20:502"),
            "clerk" => ("10.0.7.40".parse().unwrap(), "10.0.7.20:502"),
            _ => ("10.0.9.11".parse().unwrap(), "10.0.9.20:502"),
        };
        let evidence = Evidence {
            listener: listener.parse().unwrap(),
            source: ip,
            remote: None,
            approvals: Vec::new(),
            proofs: vec![Proof::Address { ip, mac: None }],
        };
        self.sessions().open(SocketAddr::new(ip, peer.port()), evidence).unwrap()
    }

    /// Takes the same policy into force with another limit.
    pub(crate) async fn activate(&self, high: u16) {
        let text = POLICY.replace("@HIGH@", &high.to_string());
        self.gateway.house.orders.activate(text, &self.tasks).await.unwrap();
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.disk.syncs.load(Ordering::Relaxed)
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.disk.stalled.store(stalled, Ordering::Relaxed);
    }

    /// The outcomes in the journal, each with the value that its write had, by value.
    pub(crate) fn outcomes(&self) -> Vec<(u64, String)> {
        let segments = self.disk.segments.lock().unwrap();
        let text: String = segments.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        let lines: Vec<serde_json::Value> =
            text.lines().filter_map(|line| serde_json::from_str(line.trim_matches('\0')).ok()).collect();
        let mut out = Vec::new();
        for line in &lines {
            let outcome = &line["event"]["outcome"];
            if outcome.is_null() {
                continue;
            }
            let of = lines.iter().find(|line| line["seq"] == outcome["of"]).unwrap();
            let value = of["event"]["decision"]["accesses"][0]["new"][0].as_u64().unwrap();
            let word = outcome["outcome"].to_string().replace(['{', '}', '"'], "").replace(':', " ");
            out.push((value, word));
        }
        out.sort();
        out
    }
}
