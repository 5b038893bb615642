//! A client that speaks bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Long enough for a busy machine, short enough for a test.
const PATIENCE: Duration = Duration::from_secs(20);
/// A peer that says nothing for so long has nothing to say.
const QUIET: Duration = Duration::from_millis(300);

/// The bytes of hexadecimal digits; blanks are skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

/// A whole frame to unit 1.
pub(crate) fn frame(id: u16, pdu: &str) -> Vec<u8> {
    let pdu = hex(pdu);
    let length = u16::try_from(pdu.len() + 1).unwrap();
    [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[1], &pdu].concat()
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    held: Vec<u8>,
}

impl Client {
    /// Connects from one address to another.
    pub(crate) fn from(source: &str, to: SocketAddr) -> Self {
        let source: IpAddr = source.parse().unwrap();
        let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket(family, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::new(source, 0)).unwrap();
        connect(&socket, &to).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, held: Vec::new() }
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next whole frame; `None` when the peer closes first.
    pub(crate) fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            if let [_, _, _, _, high, low, ..] = self.held[..] {
                let whole = 6 + usize::from(u16::from_be_bytes([high, low]));
                if self.held.len() >= whole {
                    return Some(self.held.drain(..whole).collect());
                }
            }
            let mut room = [0; 4096];
            match self.stream.read(&mut room) {
                Ok(0) => return None,
                Ok(count) => self.held.extend(&room[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}; held {:02x?}", self.held),
            }
        }
    }

    /// Says a frame and gives back the answer's PDU in hexadecimal digits; `closed` when there is none.
    pub(crate) fn ask(&mut self, id: u16, pdu: &str) -> String {
        self.say(&frame(id, pdu));
        self.answer(id)
    }

    /// The next answer's PDU, which must carry this transaction id.
    pub(crate) fn answer(&mut self, id: u16) -> String {
        let Some(answer) = self.hear() else { return "closed".to_owned() };
        assert_eq!(answer[..2], id.to_be_bytes(), "{answer:02x?}");
        pdu(&answer)
    }

    /// All bytes until the peer is quiet or closes; and whether it closed.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, bool) {
        self.stream.set_read_timeout(Some(QUIET)).unwrap();
        let mut all = std::mem::take(&mut self.held);
        let mut room = [0; 4096];
        let closed = loop {
            match self.stream.read(&mut room) {
                Ok(0) => break true,
                Ok(count) => all.extend(&room[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break true,
                Err(_) => break false,
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        (all, closed)
    }

    /// Waits until the peer closes; anything it says first is a mistake.
    pub(crate) fn closed(&mut self) {
        assert_eq!(self.hear(), None);
    }

    /// Says that nothing more comes.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// The PDU of a frame in hexadecimal digits.
pub(crate) fn pdu(frame: &[u8]) -> String {
    frame[7..].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
