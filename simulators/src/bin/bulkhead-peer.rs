//! A tokio-modbus slave or master, as a peer that this project did not write.
//!
//!     bulkhead-peer slave IP:PORT
//!     bulkhead-peer master SOURCE-IP IP:PORT
//!     bulkhead-peer secure-master SOURCE-IP IP:PORT GATEWAY-NAME CA.pem CERTIFICATE.pem KEY.pem
//!     bulkhead-peer load SOURCE-IP IP:PORT REQUESTS CONNECTIONS [GATEWAY-NAME CA.pem CERTIFICATE.pem KEY.pem]

use std::fmt::Debug;
use std::future::{Ready, ready};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bulkhead_simulators::load::Load;
use bulkhead_simulators::secure;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio_modbus::client::{Context, Reader, tcp};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_rustls::TlsConnector;

const USAGE: &str =
    "usage: bulkhead-peer slave | master | secure-master | load ..; each is described at the top of its source";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["slave", at] => slave(at.parse().map_err(io::Error::other)?).await,
        ["master", from, to] => {
            let said = master(from.parse().map_err(io::Error::other)?, to.parse().map_err(io::Error::other)?).await?;
            writeln!(io::stdout(), "{said}")
        }
        ["secure-master", from, to, name, ca, certificate, key] => {
            let (from, to) = (from.parse().map_err(io::Error::other)?, to.parse().map_err(io::Error::other)?);
            let said = secure_master(from, to, name, secure::client(ca, certificate, key)?).await?;
            writeln!(io::stdout(), "{said}")
        }
        ["load", from, to, requests, connections, secure @ ..] => {
            let number = |word: &str| word.parse().map_err(io::Error::other);
            let (from, to) = (from.parse().map_err(io::Error::other)?, to.parse().map_err(io::Error::other)?);
            let config = match secure {
                [] => None,
                [name, ca, certificate, key] => Some((secure::client(ca, certificate, key)?, (*name).to_owned())),
                _ => return Err(io::Error::other(USAGE)),
            };
            let load = Load { from, to, requests: number(requests)?, connections: number(connections)?, config };
            writeln!(io::stdout(), "{}", load.run()?)
        }
        _ => Err(io::Error::other(USAGE)),
    }
}

/// A slave whose register N holds N.
struct Counting;

impl Service for Counting {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        let Request::ReadHoldingRegisters(first, count) = asked.request else {
            return ready(Err(ExceptionCode::IllegalFunction));
        };
        if first >= 200 {
            return ready(Err(ExceptionCode::IllegalDataAddress));
        }
        ready(Ok(Response::ReadHoldingRegisters((first..first.saturating_add(count)).collect())))
    }
}

async fn slave(at: SocketAddr) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    let server = Server::new(socket.listen(64)?);
    let connected = |stream, peer| async move { accept_tcp_connection(stream, peer, |_| Ok(Some(Counting))) };
    server.serve(&connected, |_error| {}).await
}

async fn connected(
    from: IpAddr,
    to: SocketAddr,
) -> io::Result<impl AsyncRead + AsyncWrite + Debug + Unpin + Send + 'static> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(to).await
}

async fn master(from: IpAddr, to: SocketAddr) -> io::Result<String> {
    reads(tcp::attach(connected(from, to).await?)).await
}

async fn secure_master(from: IpAddr, to: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<String> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(name, connected(from, to).await?).await?;
    reads(tcp::attach(stream)).await
}

/// Reads what the slave must hold, and asks for something that nobody may have.
async fn reads(mut context: Context) -> io::Result<String> {
    for first in 0..100_u16 {
        let count = 1 + first % 10;
        let wanted: Vec<u16> = (first..first + count).filter(|at| *at < 100).collect();
        let asked = u16::try_from(wanted.len()).map_err(io::Error::other)?;
        let got = context.read_holding_registers(first, asked).await.map_err(io::Error::other)?;
        if got.as_ref() != Ok(&wanted) {
            return Err(io::Error::other(format!("registers from {first}: {got:?}, wanted {wanted:?}")));
        }
    }
    let refused = context.read_holding_registers(200, 1).await.map_err(io::Error::other)?;
    if refused != Err(ExceptionCode::IllegalFunction) {
        return Err(io::Error::other(format!("register 200: {refused:?}, wanted exception 01")));
    }
    Ok("100 reads as they should be, one refusal".to_owned())
}
