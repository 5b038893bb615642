//! Runs a plant until its time is over or somebody presses Ctrl-C.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::device::Device;
use super::keys::Keys;
use super::scenario::Scenario;
use super::station::Station;
use super::tally::{Report, Tally};
use crate::script::Script;

/// How to run it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The plant's folder, where stations keep their keys.
    pub folder: PathBuf,
    /// The second part of every address, 127.N.x.y.
    pub net: u8,
    /// Where randomness starts.
    pub seed: u64,
    /// It ends by itself after so long.
    pub lasts: Option<Duration>,
}

/// Where the lines of a run go.
pub type Told<'a> = &'a mut dyn FnMut(&str) -> io::Result<()>;

const PORT: u16 = 15_020;
/// Where TLS is spoken: 802 is for root.
const SECURE: u16 = 15_802;

/// Runs the plant and tells a line a second.
///
/// # Errors
/// An address of a device is taken, or the reader has gone away.
pub async fn run(scenario: &Scenario, options: Options, tell: Told<'_>) -> io::Result<Report> {
    let net = options.net;
    let mut all = JoinSet::new();
    let mut devices = Vec::new();
    for spec in scenario.devices {
        let (a, b) = spec.host;
        let at = SocketAddr::from((Ipv4Addr::new(127, net, a, b), PORT));
        let (device, listener) = Device::start(*spec, at).map_err(|error| {
            io::Error::new(error.kind(), format!("{} at {at}: {error}; another plant? choose --net N", spec.name))
        })?;
        devices.push((spec.name, device.clone()));
        all.spawn(device.serve(listener));
    }
    let mut tallies = Vec::new();
    for (spec, stream) in scenario.stations.iter().zip(0_u64..) {
        let tally = Tally::default();
        let from = SocketAddr::from((Ipv4Addr::new(127, net, 9, spec.host), 0));
        let keys = spec.proves.map(|name| Keys::of(&options.folder, name));
        if let Some(keys) = &keys {
            keys.make()?;
        }
        let port = if keys.is_some() { SECURE } else { PORT };
        let to = SocketAddr::from((Ipv4Addr::new(127, net, 9, spec.asks), port));
        let station = Station { spec: *spec, from, to, tally: tally.clone(), keys };
        if spec.hostile {
            all.spawn(station.clone().hurt());
        }
        all.spawn(station.work(Script::new(spec.role, options.seed, stream)));
        tallies.push((spec.name, tally));
    }

    let start = Instant::now();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.tick().await;
    let lasts = options.lasts.unwrap_or(Duration::from_secs(u64::MAX / 4));
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut over = std::pin::pin!(tokio::time::sleep(lasts));
    loop {
        tokio::select! {
            biased;
            _ = &mut interrupted => break,
            () = &mut over => break,
            _ = seconds.tick() => tell(&line(start.elapsed(), &tallies))?,
        }
    }
    all.shutdown().await;
    Ok(Report {
        scenario: scenario.name,
        seconds: start.elapsed().as_secs(),
        masters: tallies.iter().map(|(name, tally)| (*name, tally.report())).collect(),
        devices: devices.iter().map(|(name, device)| (*name, device.report())).collect(),
    })
}

/// `12 s  scada 160/160  laptop 90/90 (81 refused)`.
fn line(since: Duration, tallies: &[(&'static str, Tally)]) -> String {
    let one = |(name, tally): &(&'static str, Tally)| match tally.now() {
        (0, ..) => format!("{name} waits for the gateway"),
        (asked, answered, 0) => format!("{name} {answered}/{asked}"),
        (asked, answered, exceptions) => format!("{name} {answered}/{asked} ({exceptions} exceptions)"),
    };
    let all: Vec<String> = tallies.iter().map(one).collect();
    format!("{:>4} s  {}", since.as_secs(), all.join("  "))
}
