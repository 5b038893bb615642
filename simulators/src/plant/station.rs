//! A master: it connects from its own address, asks what its script says when it says it, and comes back when it is thrown out.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::keys::Keys;
use super::scenario::StationSpec;
use super::tally::Tally;
use crate::script::{Ask, Script, hostile};
use crate::wire;

/// How long a master waits for a reply.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a master waits before it connects again.
const PAUSE: Duration = Duration::from_millis(500);

/// One master.
#[derive(Clone, Debug)]
pub(super) struct Station {
    pub(super) spec: StationSpec,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) tally: Tally,
    /// Where it proves who it is.
    pub(super) keys: Option<Keys>,
}

/// Plain or secured.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Station {
    /// Asks until the caller drops it.
    pub(super) async fn work(self, mut script: Script) {
        let start = Instant::now();
        loop {
            let Ok(mut stream) = self.connect().await else {
                sleep(PAUSE).await;
                continue;
            };
            self.tally.count(|counts| counts.connections += 1);
            // What was due while nobody listened is not asked later.
            let late = start.elapsed();
            let mut asks = script.by_ref().skip_while(|ask| ask.at < late);
            let ended = self.ask(&mut stream, &mut asks, start).await;
            if ended.is_err() {
                self.tally.count(|counts| counts.closed += 1);
            }
            sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        // Somebody has to sign its request first; it may be signed anew at any time.
        let proof = self.keys.as_ref().map(Keys::client).transpose()?;
        let stream = self.dial().await?;
        let Some(proof) = proof else { return Ok(Box::new(stream)) };
        let secured = TlsConnector::from(proof).connect(ServerName::from(self.to.ip()), stream);
        Ok(Box::new(timeout(PATIENCE, secured).await??))
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(self.from)?;
        let stream = timeout(PATIENCE, socket.connect(self.to)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn ask(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        asks: &mut impl Iterator<Item = Ask>,
        start: Instant,
    ) -> io::Result<()> {
        let mut id = 0_u16;
        for ask in asks {
            sleep_until(start + ask.at).await;
            id = id.wrapping_add(1).max(1);
            self.call(stream, id, &ask).await?;
        }
        Ok(())
    }

    async fn call(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), id: u16, ask: &Ask) -> io::Result<()> {
        let asked = Instant::now();
        self.tally.count(|counts| counts.asked += 1);
        stream.write_all(&wire::adu(id, ask.unit, &ask.pdu)).await?;
        let end = asked + PATIENCE;
        loop {
            let reply = tokio::select! {
                biased;
                reply = wire::frame(stream) => reply?,
                () = sleep_until(end) => {
                    self.tally.count(|counts| counts.silent += 1);
                    return Ok(());
                }
            };
            let Some(reply) = reply else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let [a, b, _, _, _, _, unit, function, data @ ..] = reply.as_slice() else { continue };
            let code = ask.pdu.first().copied().unwrap_or(0);
            let ours = *unit == ask.unit && *function & 0x7F == code;
            if !ours || (u16::from_be_bytes([*a, *b]) != id && !self.spec.lenient) {
                self.tally.count(|counts| counts.foreign += 1);
                continue;
            }
            let exception = (*function > 0x7F).then(|| data.first().copied().unwrap_or(0));
            if exception.is_none() && !fits(&ask.pdu, data) {
                self.tally.count(|counts| counts.wrong += 1);
            }
            self.tally.answer(exception, asked.elapsed());
            return Ok(());
        }
    }

    /// Sends one hostile thing after the other, each on a connection of its own, until the caller drops it.
    pub(super) async fn hurt(self) {
        loop {
            for (_, bytes) in hostile() {
                let Ok(mut stream) = self.connect().await else {
                    sleep(PAUSE).await;
                    continue;
                };
                self.tally.count(|counts| {
                    counts.connections += 1;
                    counts.asked += 1;
                });
                let asked = Instant::now();
                if stream.write_all(&bytes).await.is_err() {
                    continue;
                }
                let mut said = Vec::new();
                let closed = timeout(PAUSE, stream.read_to_end(&mut said)).await.is_ok();
                if let [_, _, _, _, _, _, _, function, code, ..] = said.as_slice() {
                    self.tally.answer((*function > 0x7F).then_some(*code), asked.elapsed());
                }
                if closed {
                    self.tally.count(|counts| counts.closed += 1);
                }
            }
        }
    }
}

/// Whether the reply to a read has as many bytes as were asked for. Data of another master's request would not.
fn fits(asked: &[u8], data: &[u8]) -> bool {
    let [function @ (1..=4), _, _, high, low] = asked else { return true };
    let count = usize::from(u16::from_be_bytes([*high, *low]));
    let bytes = if *function < 3 { count.div_ceil(8) } else { count * 2 };
    data.len() == bytes + 1
}
