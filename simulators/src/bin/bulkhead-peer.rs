//! A tokio-modbus slave or master, as a peer that this project did not write.
//!
//!     bulkhead-peer slave IP:PORT
//!     bulkhead-peer master SOURCE-IP IP:PORT

use std::future::{Ready, ready};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpSocket;
use tokio_modbus::client::{Reader, tcp};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

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
        _ => Err(io::Error::other("usage: bulkhead-peer slave IP:PORT | bulkhead-peer master SOURCE-IP IP:PORT")),
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

/// Reads what the slave must hold, and asks for something that nobody may have.
async fn master(from: IpAddr, to: SocketAddr) -> io::Result<String> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let mut context = tcp::attach(socket.connect(to).await?);
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
