//! A master on tokio-modbus, for callers without a runtime.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::prelude::*;
use tokio_rustls::TlsConnector;

/// A connected master.
pub struct Master {
    runtime: Runtime,
    context: Context,
}

impl Master {
    /// Connects from an address to a device, as the master of one unit.
    ///
    /// # Errors
    /// What the machine or the far end says.
    pub fn connect(from: IpAddr, to: SocketAddr, unit: u8) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.block_on(async {
            let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.bind(SocketAddr::new(from, 0))?;
            let stream = socket.connect(to).await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(tcp::attach_slave(stream, Slave(unit)))
        })?;
        Ok(Self { runtime, context })
    }

    /// Connects with TLS, as the master of one unit, to a gateway that must be called `name`.
    ///
    /// # Errors
    /// What the machine, TLS or the far end says. With TLS 1.3 a client that is refused learns it at its first request.
    pub fn connect_tls(
        from: IpAddr,
        to: SocketAddr,
        unit: u8,
        config: Arc<ClientConfig>,
        name: &'static str,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.block_on(async {
            let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.bind(SocketAddr::new(from, 0))?;
            let stream = socket.connect(to).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(name).map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            Ok::<_, io::Error>(tcp::attach_slave(stream, Slave(unit)))
        })?;
        Ok(Self { runtime, context })
    }

    /// Asks, and gives back the device's answer or its exception code.
    ///
    /// # Errors
    /// The connection is gone, or the answer is none.
    pub fn call(&mut self, request: Request<'_>) -> io::Result<Result<Response, u8>> {
        let answer = self.runtime.block_on(self.context.call(request)).map_err(io::Error::other)?;
        Ok(answer.map_err(u8::from))
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master")
    }
}
