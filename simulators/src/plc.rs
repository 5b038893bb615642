//! A device on tokio-modbus: 65,536 coils and registers, on a thread of its own.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::net::TcpListener;
use tokio_modbus::prelude::*;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;

use crate::wire;

/// What the device holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Coils and discrete inputs.
    pub coils: Vec<bool>,
    /// Holding and input registers.
    pub registers: Vec<u16>,
    /// Requests that arrived.
    pub requests: u64,
    /// Values written to each coil and register.
    pub written: Written,
}

/// How often each address was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Coils.
    pub coils: BTreeMap<u16, u64>,
    /// Holding registers.
    pub registers: BTreeMap<u16, u64>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            coils: vec![false; 65_536],
            registers: (0..=u16::MAX).collect(),
            requests: 0,
            written: Written::default(),
        }
    }
}

/// A running device. It runs as long as the process.
#[derive(Clone, Debug)]
pub struct Plc {
    /// Where it listens.
    pub at: SocketAddr,
    memory: Arc<Mutex<Memory>>,
}

impl Plc {
    /// Starts a device at a free port of `address`.
    ///
    /// # Errors
    /// What the machine says when it gives no socket or thread.
    pub fn start(address: &str) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        let plc = Self { at: listener.local_addr()?, memory: Arc::default() };
        let device = plc.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (started, ready) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("simulated plc".to_owned()).spawn(move || {
            runtime.block_on(async {
                let server = TcpListener::from_std(listener).map(Server::new);
                started.send(()).ok();
                let Ok(server) = server else { return };
                let connected = |stream: tokio::net::TcpStream, _| {
                    let device = device.clone();
                    async move {
                        stream.set_nodelay(true)?;
                        Ok(Some((device, stream)))
                    }
                };
                server.serve(&connected, |_| {}).await.ok();
            });
        })?;
        ready.recv().map_err(io::Error::other)?;
        Ok(plc)
    }

    /// What it holds now.
    pub fn memory(&self) -> Memory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn span<T>(all: &mut [T], first: u16, count: usize) -> Result<&mut [T], ExceptionCode> {
    let first = usize::from(first);
    all.get_mut(first..first + count).ok_or(ExceptionCode::IllegalDataAddress)
}

fn note(counts: &mut BTreeMap<u16, u64>, first: u16, count: usize) {
    for at in (first..=u16::MAX).take(count) {
        *counts.entry(at).or_default() += 1;
    }
}

impl Memory {
    /// Executes a request PDU and gives the PDU of its answer: exception 03 for what is no request.
    pub fn answer(&mut self, pdu: &[u8]) -> Vec<u8> {
        let function = pdu.first().copied().unwrap_or(0);
        let Some(request) = wire::request_of(pdu) else {
            return wire::response_pdu(function, &Err(3));
        };
        wire::response_pdu(function, &self.execute(request).map_err(u8::from))
    }

    fn wrote(&mut self, request: &Request<'_>) {
        let Written { coils, registers } = &mut self.written;
        match request {
            Request::WriteSingleCoil(at, _) => note(coils, *at, 1),
            Request::WriteMultipleCoils(first, values) => note(coils, *first, values.len()),
            Request::WriteSingleRegister(at, _) | Request::MaskWriteRegister(at, ..) => note(registers, *at, 1),
            Request::WriteMultipleRegisters(at, values) | Request::ReadWriteMultipleRegisters(_, _, at, values) => {
                note(registers, *at, values.len());
            }
            Request::ReadCoils(..)
            | Request::ReadDiscreteInputs(..)
            | Request::ReadHoldingRegisters(..)
            | Request::ReadInputRegisters(..)
            | Request::ReportServerId
            | Request::ReadDeviceIdentification(..)
            | Request::Custom(..) => {}
        }
    }

    fn execute(&mut self, request: Request<'_>) -> Result<Response, ExceptionCode> {
        self.requests += 1;
        self.wrote(&request);
        Ok(match request {
            Request::ReadCoils(first, count) => {
                Response::ReadCoils(span(&mut self.coils, first, usize::from(count))?.to_vec())
            }
            Request::ReadDiscreteInputs(first, count) => {
                Response::ReadDiscreteInputs(span(&mut self.coils, first, usize::from(count))?.to_vec())
            }
            Request::ReadHoldingRegisters(first, count) => {
                Response::ReadHoldingRegisters(span(&mut self.registers, first, usize::from(count))?.to_vec())
            }
            Request::ReadInputRegisters(first, count) => {
                Response::ReadInputRegisters(span(&mut self.registers, first, usize::from(count))?.to_vec())
            }
            Request::WriteSingleCoil(at, on) => {
                span(&mut self.coils, at, 1)?.fill(on);
                Response::WriteSingleCoil(at, on)
            }
            Request::WriteSingleRegister(at, value) => {
                span(&mut self.registers, at, 1)?.fill(value);
                Response::WriteSingleRegister(at, value)
            }
            Request::WriteMultipleCoils(first, values) => {
                span(&mut self.coils, first, values.len())?.copy_from_slice(&values);
                Response::WriteMultipleCoils(first, u16::try_from(values.len()).unwrap_or(u16::MAX))
            }
            Request::WriteMultipleRegisters(first, values) => {
                span(&mut self.registers, first, values.len())?.copy_from_slice(&values);
                Response::WriteMultipleRegisters(first, u16::try_from(values.len()).unwrap_or(u16::MAX))
            }
            Request::MaskWriteRegister(at, and, or) => {
                for value in span(&mut self.registers, at, 1)? {
                    *value = *value & and | or & !and;
                }
                Response::MaskWriteRegister(at, and, or)
            }
            Request::ReadWriteMultipleRegisters(first, count, at, values) => {
                span(&mut self.registers, at, values.len())?.copy_from_slice(&values);
                let read = span(&mut self.registers, first, usize::from(count))?.to_vec();
                Response::ReadWriteMultipleRegisters(read)
            }
            Request::ReportServerId => Response::ReportServerId(7, true, vec![1, 2, 3]),
            Request::ReadDeviceIdentification(..) | Request::Custom(..) => return Err(ExceptionCode::IllegalFunction),
        })
    }
}

impl Service for Plc {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(self.memory.lock().unwrap_or_else(PoisonError::into_inner).execute(request.request))
    }
}
