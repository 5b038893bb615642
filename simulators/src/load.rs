//! A master for measuring: one request after the other on each of some connections, with TLS or without, each on a thread of its
//! own. What `benches/load.c` does for plain connections alone.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Requests of each connection before the clock runs.
pub const WARM_UP: usize = 50;

/// What is to be asked.
#[derive(Debug)]
pub struct Load {
    /// From where.
    pub from: IpAddr,
    /// To where.
    pub to: SocketAddr,
    /// Requests of each connection.
    pub requests: usize,
    /// Connections.
    pub connections: usize,
    /// What is shown and believed, and the gateway's name; plain where there is none.
    pub config: Option<(Arc<ClientConfig>, String)>,
}

/// What was measured. Prints as `p50 p99 mean requests/s refused`, the first three in microseconds.
#[derive(Debug)]
pub struct Measured {
    took: Vec<Duration>,
    whole: Duration,
    refused: usize,
}

impl Load {
    /// Asks, and measures.
    ///
    /// # Errors
    /// A connection that cannot be made, or ends.
    #[expect(clippy::disallowed_methods, reason = "a peer measures with a clock and threads of its own")]
    pub fn run(&self) -> io::Result<Measured> {
        thread::scope(|scope| {
            let work = || self.one();
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(work)).collect();
            let began = Instant::now();
            let (mut took, mut refused) = (Vec::new(), 0);
            for thread in threads {
                let (times, count) = thread.join().map_err(|_| io::Error::other("a connection's thread ended"))??;
                took.extend(times);
                refused += count;
            }
            took.sort_unstable();
            Ok(Measured { took, whole: began.elapsed(), refused })
        })
    }

    #[expect(clippy::disallowed_methods, reason = "a peer measures with a clock of its own")]
    fn one(&self) -> io::Result<(Vec<Duration>, usize)> {
        let mut stream = self.connect()?;
        let mut took = Vec::with_capacity(self.requests);
        let mut refused = 0;
        for number in 0..WARM_UP + self.requests {
            let began = Instant::now();
            refused += usize::from(!read(&mut stream, number)?);
            if number >= WARM_UP {
                took.push(began.elapsed());
            }
        }
        Ok((took, refused))
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        // std has no bind before connect: the runtime's socket is given back to std.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream: TcpStream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(self.from, 0))?;
            socket.connect(self.to).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let Some((config, name)) = &self.config else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// FC 3, ten registers; false when it is refused.
fn read(stream: &mut dyn Stream, number: usize) -> io::Result<bool> {
    let [.., high, low] = number.to_be_bytes();
    let first = u8::try_from(number % 90).unwrap_or(0);
    stream.write_all(&[high, low, 0, 0, 0, 6, 1, 3, 0, first, 0, 10])?;
    stream.flush()?;
    let mut answer = [0; 9];
    stream.read_exact(&mut answer)?;
    let [.., function, _] = answer;
    if function >= 0x80 {
        return Ok(false);
    }
    stream.read_exact(&mut [0; 20])?;
    Ok(true)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |duration: Duration| duration.as_secs_f64() * 1e6;
        let at = |part: usize| self.took.get((self.took.len() * part / 100).min(self.took.len().saturating_sub(1)));
        let (p50, p99) = (at(50).copied().unwrap_or_default(), at(99).copied().unwrap_or_default());
        let count = u32::try_from(self.took.len().max(1)).unwrap_or(u32::MAX);
        let mean = self.took.iter().sum::<Duration>() / count;
        let rate = f64::from(count) / self.whole.as_secs_f64();
        write!(f, "{:.1} {:.1} {:.1} {rate:.0} {}", us(p50), us(p99), us(mean), self.refused)
    }
}
