//! The network: TCP as an application sees it. Bytes arrive in order, in pieces of any size, after a latency; a held link
//! delivers later (the peers' TCP retransmits); a dead host answers with a reset, a dark one not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use bulkhead::net::{Later, Listen, Network, Stream};
use bulkhead_core::identity::Mac;
use tokio::time::{Instant, sleep_until};

use super::chance::Rng;
use super::power::Power;
use super::stream::Tcp;

/// All wires of the plant.
#[derive(Debug)]
pub(crate) struct Wire(Mutex<State>);

#[derive(Debug)]
pub(crate) struct State {
    seed: u64,
    start: Instant,
    pub(crate) connections: Vec<[End; 2]>,
    listeners: BTreeMap<SocketAddr, Waiting>,
    hosts: BTreeMap<IpAddr, &'static str>,
    pub(crate) dark: BTreeMap<&'static str, bool>,
    held: BTreeMap<(&'static str, &'static str), Instant>,
    /// Listeners that answer with a reset.
    refused: BTreeSet<SocketAddr>,
    /// Hosts whose address somebody else has taken.
    pub(crate) taken: BTreeSet<IpAddr>,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<(usize, SocketAddr)>,
    waker: Option<Waker>,
}

/// One end of a connection: what is on the way to it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: &'static str,
    pub(crate) inbox: VecDeque<(Instant, Segment)>,
    pub(crate) bytes: usize,
    last: Instant,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    /// Our side is gone; `dark`: without a word.
    pub(crate) gone: bool,
    pub(crate) dark: bool,
}

#[derive(Debug)]
pub(crate) enum Segment {
    Data(Vec<u8>),
    Fin,
    Reset,
}

/// The network as one life of one host sees it; `ip` is the source of what it dials.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) wire: Arc<Wire>,
    pub(crate) host: &'static str,
    ip: IpAddr,
    /// Its neighbour table never changes: a planted bug.
    pub(crate) blind: bool,
    pub(crate) power: Arc<Power>,
}

fn pair(a: &'static str, b: &'static str) -> (&'static str, &'static str) {
    if a < b { (a, b) } else { (b, a) }
}

fn latency(mut rng: Rng) -> Duration {
    let slow = rng.one_in(40);
    Duration::from_millis(if slow { rng.range(20, 200) } else { rng.range(1, 6) })
}

impl State {
    pub(crate) fn held(&self, a: &'static str, b: &'static str) -> Instant {
        self.held.get(&pair(a, b)).copied().unwrap_or_else(Instant::now)
    }

    /// What chance does to `host` at this moment.
    pub(crate) fn chance(&self, host: &str) -> Rng {
        Rng::at(self.seed, host, u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }

    /// Puts a segment on the way to one end.
    pub(crate) fn send(&mut self, connection: usize, to: usize, segment: Segment, trips: u32) {
        let latency = latency(self.chance(self.connections[connection][to].host));
        let end = &mut self.connections[connection][to];
        let at = (Instant::now() + latency * trips).max(end.last);
        end.last = at;
        if let Segment::Data(bytes) = &segment {
            end.bytes += bytes.len();
        }
        end.inbox.push_back((at, segment));
        if let Some(waker) = end.reader.take() {
            waker.wake();
        }
    }
}

impl Wire {
    /// No hosts, no links held.
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            seed,
            start: Instant::now(),
            connections: Vec::new(),
            listeners: BTreeMap::new(),
            hosts: BTreeMap::new(),
            dark: BTreeMap::new(),
            held: BTreeMap::new(),
            refused: BTreeSet::new(),
            taken: BTreeSet::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The network of a new life of `host`, which has these addresses.
    pub(crate) fn host(self: &Arc<Self>, host: &'static str, addresses: &[IpAddr], power: Arc<Power>) -> Net {
        let mut state = self.lock();
        state.dark.insert(host, false);
        state.hosts.extend(addresses.iter().map(|ip| (*ip, host)));
        drop(state);
        Net { wire: Arc::clone(self), host, ip: addresses[0], blind: false, power }
    }

    /// Delays everything between two hosts.
    pub(crate) fn hold(&self, a: &'static str, b: &'static str, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.lock();
        let held = state.held.entry(pair(a, b)).or_insert(until);
        *held = until.max(*held);
    }

    /// Refuses connections to an address, or takes them again.
    pub(crate) fn refuse(&self, at: SocketAddr, refuse: bool) {
        let refused = &mut self.lock().refused;
        if refuse {
            refused.insert(at);
        } else {
            refused.remove(&at);
        }
    }

    /// Ends a life: nobody listens any more. Its streams end when its tasks are dropped.
    pub(crate) fn crash(&self, host: &'static str, dark: bool) {
        let mut state = self.lock();
        let State { listeners, hosts, .. } = &mut *state;
        listeners.retain(|at, _| hosts.get(&at.ip()) != Some(&host));
        state.dark.insert(host, dark);
    }
}

/// The hardware address of a host: the last two bytes of its address make it.
pub(crate) fn hardware(ip: IpAddr) -> Option<Mac> {
    let IpAddr::V4(four) = ip else { return None };
    let [_, _, zone, host] = four.octets();
    Some(Mac([2, 0, 0, 0, zone, host]))
}

struct Door {
    net: Net,
    at: SocketAddr,
}

impl Drop for Door {
    fn drop(&mut self) {
        // After a crash the address may be the next life's already.
        if !self.net.power.is_on() {
            return;
        }
        let mut state = self.net.wire.lock();
        for (connection, _) in state.listeners.remove(&self.at).unwrap_or_default().queue {
            state.send(connection, 0, Segment::Reset, 1);
        }
    }
}

impl Listen for Door {
    fn accept(&mut self) -> Later<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(poll_fn(|context| {
            let mut state = self.net.wire.lock();
            // A listener of a life that is over hears nothing of its successor's callers.
            if !self.net.power.is_on() {
                return Poll::Pending;
            }
            let Some(waiting) = state.listeners.get_mut(&self.at) else { return Poll::Pending };
            let Some((connection, from)) = waiting.queue.pop_front() else {
                waiting.waker = Some(context.waker().clone());
                return Poll::Pending;
            };
            Poll::Ready(Ok((Box::new(Tcp::new(self.net.clone(), connection, 1)) as Stream, from)))
        }))
    }

    fn address(&self) -> io::Result<SocketAddr> {
        Ok(self.at)
    }
}

impl Network for Net {
    fn listen(&self, at: SocketAddr) -> Later<'_, io::Result<Box<dyn Listen>>> {
        Box::pin(async move {
            let mut state = self.wire.lock();
            if state.hosts.get(&at.ip()) != Some(&self.host) {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            }
            if state.listeners.contains_key(&at) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            state.listeners.insert(at, Waiting::default());
            Ok(Box::new(Door { net: self.clone(), at }) as Box<dyn Listen>)
        })
    }

    /// Connects; hangs while the other host is dark, as a SYN would.
    fn dial(&self, to: SocketAddr) -> Later<'_, io::Result<Stream>> {
        Box::pin(async move {
            let mut at = Instant::now() + Duration::from_millis(2);
            loop {
                sleep_until(at).await;
                let name = self.wire.lock().hosts.get(&to.ip()).copied();
                let Some(name) = name else { return Err(io::ErrorKind::HostUnreachable.into()) };
                let dark = self.wire.lock().dark.get(name).copied().unwrap_or(true);
                if dark || !self.power.is_on() {
                    return pending().await;
                }
                let held = self.wire.lock().held(self.host, name);
                if held > Instant::now() {
                    at = held;
                    continue;
                }
                let mut state = self.wire.lock();
                let connection = state.connections.len();
                let port = 20_000 + u16::try_from(connection % 40_000).unwrap();
                let refused = state.refused.contains(&to);
                let Some(waiting) = state.listeners.get_mut(&to).filter(|_| !refused) else {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                };
                waiting.queue.push_back((connection, SocketAddr::new(self.ip, port)));
                if let Some(waker) = waiting.waker.take() {
                    waker.wake();
                }
                let end = |host: &'static str| End {
                    host,
                    inbox: VecDeque::new(),
                    bytes: 0,
                    last: Instant::now(),
                    reader: None,
                    writer: None,
                    gone: false,
                    dark: false,
                };
                state.connections.push([end(self.host), end(name)]);
                return Ok(Box::new(Tcp::new(self.clone(), connection, 0)) as Stream);
            }
        })
    }

    /// The host's own hardware address, while nobody else has taken its place.
    fn neighbour(&self, ip: IpAddr) -> Option<Mac> {
        let taken = !self.blind && self.wire.lock().taken.contains(&ip);
        hardware(ip).map(|Mac(own)| {
            let mut seen = own;
            seen[0] = if taken { 6 } else { seen[0] };
            Mac(seen)
        })
    }
}
