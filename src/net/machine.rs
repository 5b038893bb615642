//! The machine's TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bulkhead_core::identity::Mac;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Later, Link, Listen, Network, Stream};

/// Half of a panel's patience: how long a silent peer may be before the kernel asks whether it is there.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// Connections that the kernel holds until we accept them.
const BACKLOG: u32 = 256;

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

struct Tcp(TcpStream);

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
    /// TLS has many small records: they leave in one call.
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Link for Tcp {
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(context)
    }
}

fn prepare(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
    Ok(Box::new(Tcp(stream)))
}

struct Door(TcpListener);

impl Listen for Door {
    fn accept(&mut self) -> Later<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(async {
            let (stream, peer) = self.0.accept().await?;
            Ok((prepare(stream)?, peer))
        })
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Network for Machine {
    fn listen(&self, at: SocketAddr) -> Later<'_, io::Result<Box<dyn Listen>>> {
        Box::pin(async move {
            let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A restart must not wait for the old connections to leave TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(at)?;
            Ok(Box::new(Door(socket.listen(BACKLOG)?)) as Box<dyn Listen>)
        })
    }

    fn dial(&self, to: SocketAddr) -> Later<'_, io::Result<Stream>> {
        Box::pin(async move { prepare(TcpStream::connect(to).await?) })
    }

    fn neighbour(&self, ip: IpAddr) -> Option<Mac> {
        let table = std::fs::read_to_string("/proc/net/arp").ok()?;
        neighbour_in(&table, ip)
    }
}

/// Reads the kernel's neighbour table: address, type, flags, hardware address, mask, device. Flags 0x0 = incomplete.
fn neighbour_in(table: &str, ip: IpAddr) -> Option<Mac> {
    let wanted = ip.to_canonical().to_string();
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let (address, _, flags, mac) = (words.next()?, words.next()?, words.next()?, words.next()?);
        (address == wanted && flags != "0x0").then(|| mac.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_neighbour_is_no_neighbour() {
        let table = "IP address HW type Flags HW address Mask Device\n\
                     10.10.9.31 0x1 0x2 02:1f:5a:00:10:31 * eth1\n\
                     10.10.9.32 0x1 0x0 00:00:00:00:00:00 * eth1\n";
        let of = |ip: &str| neighbour_in(table, ip.parse().unwrap());
        assert_eq!(of("10.10.9.31").unwrap().to_string(), "02:1f:5a:00:10:31");
        assert_eq!(of("::ffff:10.10.9.31"), of("10.10.9.31"));
        assert_eq!(of("10.10.9.32"), None);
        assert_eq!(of("10.10.9.3"), None);
    }
}
