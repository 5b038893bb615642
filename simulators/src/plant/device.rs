//! A device as plants have them: a tokio-modbus PLC behind a front that has few sockets, a bus, silent units, ids of its own,
//! and that goes away now and then.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, watch};

use super::scenario::DeviceSpec;
use super::tally::DeviceReport;
use crate::plc::Plc;
use crate::wire;

/// How long it is deaf after a reset.
const DEAF: Duration = Duration::from_secs(1);

/// A running device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    spec: DeviceSpec,
    at: SocketAddr,
    plc: Plc,
    seen: Arc<Seen>,
    bus: Arc<Mutex<()>>,
    own_id: Arc<Lock<u16>>,
    reset: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicU64,
    refused: AtomicU64,
    malformed: AtomicU64,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Device {
    /// Takes its address. The PLC behind it gets a port of its own on 127.0.0.1.
    pub(super) fn start(spec: DeviceSpec, at: SocketAddr) -> io::Result<(Self, TcpListener)> {
        let listener = listen(at)?;
        let plc = Plc::start("127.0.0.1")?;
        let (seen, bus, own_id) = (Arc::default(), Arc::default(), Arc::new(Lock::new(0x7000)));
        Ok((Self { spec, at, plc, seen, bus, own_id, reset: watch::Sender::new(0) }, listener))
    }

    pub(super) fn report(&self) -> DeviceReport {
        let memory = self.plc.memory();
        let read = |of: &AtomicU64| of.load(Ordering::Relaxed);
        DeviceReport {
            connections: read(&self.seen.connections),
            refused: read(&self.seen.refused),
            most: self.seen.most.load(Ordering::Relaxed),
            requests: memory.requests,
            malformed: read(&self.seen.malformed),
            resets: *self.reset.borrow(),
            coils: memory.written.coils,
            registers: memory.written.registers,
        }
    }

    /// Serves until the caller drops it.
    pub(super) async fn serve(self, mut listener: TcpListener) {
        loop {
            let life = Duration::from_secs(self.spec.resets.unwrap_or(u64::MAX / 2));
            tokio::select! {
                biased;
                () = tokio::time::sleep(life) => {}
                () = self.accept(&listener) => {}
            }
            self.reset.send_modify(|count| *count += 1);
            drop(listener);
            tokio::time::sleep(DEAF).await;
            listener = loop {
                match listen(self.at) {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(DEAF).await,
                }
            };
        }
    }

    async fn accept(&self, listener: &TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(DEAF).await;
                continue;
            };
            let now = self.seen.now.fetch_add(1, Ordering::Relaxed) + 1;
            if now > self.spec.sockets {
                self.seen.now.fetch_sub(1, Ordering::Relaxed);
                self.seen.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.seen.connections.fetch_add(1, Ordering::Relaxed);
            self.seen.most.fetch_max(now, Ordering::Relaxed);
            let (device, mut reset) = (self.clone(), self.reset.subscribe());
            tokio::spawn(async move {
                let mut stream = stream;
                tokio::select! {
                    biased;
                    // What is dropped with bytes unread is reset by the kernel; this makes sure of it.
                    _ = reset.changed() => drop(stream.set_zero_linger()),
                    _ended = device.talk(&mut stream) => {}
                }
                device.seen.now.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    /// One connection: a frame, its answer, the next frame. A header that is none closes, as real devices do.
    async fn talk(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut inner = TcpStream::connect(self.plc.at).await?;
        inner.set_nodelay(true)?;
        while let Some(frame) = wire::frame(stream).await? {
            let [a, b, _, _, _, _, unit, pdu @ ..] = frame.as_slice() else { return Ok(()) };
            let (id, unit) = (u16::from_be_bytes([*a, *b]), *unit);
            if self.spec.silent.contains(&unit) {
                continue;
            }
            let answer = if wire::request_of(pdu).is_some() {
                let turn = if self.spec.bus { Some(self.bus.lock().await) } else { None };
                tokio::time::sleep(Duration::from_millis(self.spec.after_ms)).await;
                inner.write_all(&frame).await?;
                let answer = wire::frame(&mut inner).await?;
                drop(turn);
                answer.and_then(|frame| frame.get(7..).map(<[u8]>::to_vec)).unwrap_or_default()
            } else {
                self.seen.malformed.fetch_add(1, Ordering::Relaxed);
                vec![pdu.first().copied().unwrap_or(0) | 0x80, 3]
            };
            // A broadcast has no answer.
            if unit == 0 && self.spec.bus {
                continue;
            }
            stream.write_all(&wire::adu(self.id(id), unit, &answer)).await?;
        }
        Ok(())
    }

    fn id(&self, asked: u16) -> u16 {
        if self.spec.echoes {
            return asked;
        }
        let mut own = self.own_id.lock().unwrap_or_else(PoisonError::into_inner);
        *own = own.wrapping_add(1);
        *own
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(64)
}
