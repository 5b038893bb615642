//! One life of the real gateway, on a thread of its own, in a folder of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bulkhead::app::{Gateway, Ports, Settings, start};
use bulkhead::entropy::MachineEntropy;
use bulkhead::net::Network;
use bulkhead::ports::clock::MachineClock;
use bulkhead::ports::disk::{FileDisk, FileMedium};
use bulkhead::ports::keys::{FileVault, SoftwareKey};
use bulkhead::service::House;
use bulkhead::tasks::{Tasks, Writers};
use bulkhead::telemetry::Fault;
use bulkhead_core::digest::Sha256;
use bulkhead_core::policy::model::Mode;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::client::Client;
use super::lan::Lan;
use super::pki::{Card, Pki};
use super::plc::{Plc, beside};
use super::secure::{Secure, TLS13, offer};
use super::until;

/// The station that has rights.
pub(crate) const CLIENT: &str = "127.0.9.10";
/// A second one with the same rights.
pub(crate) const OTHER: &str = "127.0.9.11";
/// The conduit of the tests.
const CONDUIT: &str = "office-to-cell";

const POLICY: &str = r#"
[plant]
name = "it"
timezone = "UTC"
[zones.cell]
networks = ["127.0.1.0/24"]
[zones.office]
networks = ["127.0.9.0/24", "::1/128"]
[assets.plc]
zone = "cell"
listen = [@AT@]
connect = "modbus://@PLC@"
units = @UNITS@
@ASSET@
[assets.plc.points]
low = "holding 0-99"
area = "holding 100-199"
speed = "holding 200 values 0..1200 safe 0"
wide = "holding 300-301 as u32 big-word values 0..90000"
rest = "holding 400-989"
lamps = "coils 0-15"
recipes = "file 4 0-99"
limits = "file 5 0-9 values 0..9 safe 0"
[subjects.scada]
zone = "office"
proof = "address"
address = "127.0.9.10"
role = "Operator"
[subjects.other]
zone = "office"
proof = "address"
address = "127.0.9.11"
role = "Operator"
[subjects.marked]
zone = "office"
proof = "address"
address = "127.0.9.12"
mac = "02:1f:5a:00:10:31"
role = "Operator"
[subjects.six]
zone = "office"
proof = "address"
address = "::1"
role = "Operator"
[subjects.station]
zone = "office"
proof = "certificate"
role = "Operator"
[subjects.guest]
zone = "office"
proof = "certificate"
role = "Engineer"
[conduits.office-to-cell]
from = "office"
to = "cell"
mode = "@MODE@"
record = "@RECORD@"
[[conduits.office-to-cell.allow]]
who = ["Operator"]
on = "plc"
can = ["read low", "read area", "read speed", "read wide", "read rest", "read lamps", "write area", "write speed", "write wide",
       "write lamps", "function 7", "function 17", "function 100", "diagnostics identify"]
"#;

/// Folders so far.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// How the tests' plant differs from the usual one.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) listen: &'static str,
    /// A second listener of the same asset.
    pub(crate) also: Option<&'static str>,
    /// A listener of the same asset that speaks TLS.
    pub(crate) tls: Option<&'static str>,
    /// Lines of the asset.
    pub(crate) asset: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) record: &'static str,
    pub(crate) units: &'static str,
    /// Lines at the end of the policy.
    pub(crate) more: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            listen: "127.0.9.20",
            also: None,
            tls: None,
            asset: "connections = 200",
            mode: "enforce",
            record: "durable",
            units: "[1]",
            more: "",
        }
    }
}

/// A gateway that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) at: SocketAddr,
    pub(crate) also: Option<SocketAddr>,
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) lan: Arc<Lan>,
    pub(crate) folder: PathBuf,
    /// The text of the policy that it started with.
    pub(crate) policy: String,
    handle: Handle,
    stop: Arc<Notify>,
    ended: mpsc::Receiver<()>,
}

impl Running {
    /// The usual plant in front of a device.
    pub(crate) fn before(plc: &Plc) -> Self {
        Self::with(plc.at, &Setup::default())
    }

    /// The usual plant in `observe`.
    pub(crate) fn observing(plc: &Plc) -> Self {
        Self::with(plc.at, &Setup { mode: "observe", ..Setup::default() })
    }

    pub(crate) fn with(plc: SocketAddr, setup: &Setup) -> Self {
        let free = |address| TcpListener::bind((address, 0)).unwrap().local_addr().unwrap();
        let (at, also, tls) = (free(setup.listen), setup.also.map(free), setup.tls.map(free));
        let plain = [Some(at), also].into_iter().flatten().map(|at| format!("\"{at}\""));
        let all: Vec<_> = plain.chain(tls.map(|at| format!("\"mbaps://{at}\""))).collect();
        let policy = POLICY
            .replace("@AT@", &all.join(", "))
            .replace("@PLC@", &plc.to_string())
            .replace("@UNITS@", setup.units)
            .replace("@ASSET@", setup.asset)
            .replace("@MODE@", setup.mode)
            .replace("@RECORD@", setup.record)
            + setup.more;
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("bulkhead-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("journal")).unwrap();
        let (sender, receiver) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel(1);
        let stop = Arc::new(Notify::new());
        let (stopped, place, text) = (Arc::clone(&stop), folder.clone(), policy.clone());
        let lan = Arc::new(Lan::default());
        let net: Arc<dyn Network> = Arc::<Lan>::clone(&lan);
        beside(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let ports = Ports {
                    net,
                    clock: Arc::new(MachineClock::start()),
                    entropy: Arc::new(MachineEntropy),
                    probe: Arc::new(()),
                    tasks: Tasks::new(Writers::Threads),
                    disk: Box::new(FileDisk::open(&place.join("journal")).unwrap()),
                    medium: Box::new(FileMedium::open(&place.join("state.db")).unwrap().0),
                    keys: Arc::new(SoftwareKey::from_seed(&[7; 32]).unwrap()),
                    vault: Arc::new(FileVault::new(place.join("keys"), place.join("ca"))),
                    restored: None,
                };
                let settings = Settings {
                    policy,
                    policy_name: "it".to_owned(),
                    journal_max: 1 << 30,
                    journal_segment: 16 << 20,
                    hold: Duration::from_hours(24 * 365),
                    fault: Fault::None,
                };
                let gateway = Arc::new(start(ports, settings).await.unwrap());
                sender.send((Arc::clone(&gateway), Handle::current())).unwrap();
                stopped.notified().await;
                gateway.stop().await;
            });
            end.send(()).ok();
        });
        let (gateway, handle) = receiver.recv_timeout(Duration::from_secs(20)).expect("the gateway starts");
        let running = Self { at, also, tls, gateway, lan, folder, policy: text, handle, stop, ended };
        until("it listens", || {
            let states = running.gateway.listeners.states();
            !states.is_empty() && states.values().all(|state| state.trouble.is_none())
        });
        running
    }

    pub(crate) fn house(&self) -> &Arc<House> {
        &self.gateway.house
    }

    /// A connection of the station that has rights.
    pub(crate) fn client(&self) -> Client {
        Client::from(CLIENT, self.at)
    }

    /// The usual plant with a listener that speaks TLS, and a CA that it believes.
    pub(crate) fn secure(plc: &Plc) -> (Self, Pki) {
        Self::secure_in(plc, "enforce")
    }

    pub(crate) fn secure_in(plc: &Plc, mode: &'static str) -> (Self, Pki) {
        let setup = Setup { tls: Some("127.0.9.28"), mode, ..Setup::default() };
        let (running, pki) = (Self::with(plc.at, &setup), Pki::new());
        running.house().trust.put(pki.material(&[]));
        (running, pki)
    }

    /// Makes a key a subject's.
    pub(crate) fn register(&self, subject: &str, spki: Sha256) {
        self.house().world.set_registry(|registry| drop(registry.keys.insert(spki, subject.into())));
    }

    /// A TLS connection of a registered client in the role of the station.
    pub(crate) fn station(&self, pki: &Pki) -> (Secure, Card) {
        let card = pki.client("Operator");
        self.register("station", card.spki);
        (self.dial(&offer(pki, Some(&card), &TLS13)), card)
    }

    /// A TLS connection from the address that has rights on the plain listener: an address counts nothing here.
    pub(crate) fn dial(&self, config: &Arc<ClientConfig>) -> Secure {
        Secure::from(CLIENT, self.tls.expect("a listener that speaks TLS"), config)
    }

    /// Orders a mode, as a person would.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.handle.block_on(self.house().orders.set_mode(&CONDUIT.into(), mode, "it")).unwrap();
    }

    /// Takes another policy into force.
    pub(crate) fn activate(&self, text: String) {
        let tasks = &self.house().tasks;
        self.handle.block_on(self.house().orders.activate(text, tasks)).unwrap();
    }

    /// Judges a candidate policy beside the one in force, or ends that.
    pub(crate) fn shadow(&self, candidate: Option<String>) {
        let orders = &self.house().orders;
        let order = async {
            match candidate {
                Some(text) => orders.shade("it".to_owned(), text, 3_600, "it", &self.house().tasks).await.map(drop),
                None => orders.unshade("it").await,
            }
        };
        self.handle.block_on(order).unwrap();
    }

    /// Revokes a subject; how many sessions were cut.
    pub(crate) fn revoke(&self, subject: &str) -> u32 {
        self.handle.block_on(self.house().orders.revoke(&subject.into(), "it")).unwrap().sessions
    }

    /// The journal as it stands on the disk now, as text.
    pub(crate) fn journal(&self) -> String {
        // A disk that others keep busy is stalled for a moment; what was handed over is kept when it moves again.
        until("the journal is on the disk", || {
            self.handle.block_on(self.house().journal.commit(Duration::from_secs(5))).is_ok()
        });
        let mut files: Vec<_> =
            std::fs::read_dir(self.folder.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.notify_one();
        self.ended.recv_timeout(Duration::from_secs(10)).ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
