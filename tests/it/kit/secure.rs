//! A TLS client that says exactly the bytes it is told, with any certificate or none.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::client::{Client, frame, pdu};
use super::pki::{Card, GATEWAY, Pki};

pub(crate) use rustls::version::{TLS12, TLS13};

/// One TLS connection.
pub(crate) struct Secure {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
    held: Vec<u8>,
}

/// What a client offers and shows.
pub(crate) fn offer(pki: &Pki, card: Option<&Card>, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(pki.root.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match card {
        None => builder.with_no_client_auth(),
        Some(card) => {
            builder.with_client_auth_cert(card.chain.clone(), PrivateKeyDer::Pkcs8(card.key.clone_key())).unwrap()
        }
    })
}

impl Secure {
    /// Connects; the handshake is made with the first bytes that are said or heard.
    pub(crate) fn from(source: &str, to: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let socket = Client::from(source, to).stream;
        let name = ServerName::try_from(GATEWAY).unwrap();
        let session = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self { stream: StreamOwned::new(session, socket), held: Vec::new() }
    }

    /// Says bytes, in as few records as they fit in; what became of them.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|error| self.why(&error))
    }

    /// Says bytes; false when the peer takes no more of them.
    pub(crate) fn say_quietly(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// The next whole frame; why there is none, in the words of TLS.
    pub(crate) fn hear(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let [_, _, _, _, high, low, ..] = self.held[..] {
                let whole = 6 + usize::from(u16::from_be_bytes([high, low]));
                if self.held.len() >= whole {
                    return Ok(self.held.drain(..whole).collect());
                }
            }
            let mut room = [0; 4096];
            match self.stream.read(&mut room) {
                Ok(0) => return Err("closed".to_owned()),
                Ok(count) => self.held.extend(&room[..count]),
                Err(error) => return Err(self.why(&error)),
            }
        }
    }

    /// Why a stream ended: the alert, where the peer sent one before it closed.
    fn why(&mut self, error: &std::io::Error) -> String {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (tls, error.kind()) {
            (Some(rustls::Error::AlertReceived(alert)), _) => format!("alert {alert:?}"),
            (Some(other), _) => format!("error {other:?}"),
            (None, ErrorKind::UnexpectedEof) => "torn".to_owned(),
            (None, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => {
                // The alert may have come before the reset.
                let mut room = [0; 64];
                match self.stream.read(&mut room) {
                    Err(error) if error.get_ref().is_some() => self.why(&error),
                    _ => "reset".to_owned(),
                }
            }
            (None, kind) => panic!("no answer: {kind:?} {error}"),
        }
    }

    /// Says a frame and gives back the answer's PDU in hexadecimal digits, or why there is none.
    pub(crate) fn ask(&mut self, id: u16, words: &str) -> String {
        let said = self.say(&frame(id, words));
        match said.and_then(|()| self.hear()) {
            Err(why) => why,
            Ok(answer) => {
                assert_eq!(answer[..2], id.to_be_bytes(), "{answer:02x?}");
                pdu(&answer)
            }
        }
    }

    /// The next answer's PDU, which must carry this transaction id.
    pub(crate) fn answer(&mut self, id: u16) -> String {
        match self.hear() {
            Err(why) => why,
            Ok(answer) => {
                assert_eq!(answer[..2], id.to_be_bytes(), "{answer:02x?}");
                pdu(&answer)
            }
        }
    }

    /// Waits for the end; anything that is said first is a mistake.
    pub(crate) fn ended(&mut self) -> String {
        self.hear().expect_err("nothing is said before the end")
    }

    /// Says that nothing more comes, as TLS says it.
    pub(crate) fn end(&mut self) {
        self.stream.conn.send_close_notify();
        self.stream.flush().unwrap();
    }
}
