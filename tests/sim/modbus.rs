//! Modbus as the plant speaks it: a small codec of its own, so that no mistake of the product's codec is made twice.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// One frame on the wire.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frame {
    pub(crate) id: u16,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {:02x?}", self.id, self.unit, self.pdu)
    }
}

impl Frame {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.pdu.len() + 1).unwrap().to_be_bytes();
        let id = self.id.to_be_bytes();
        let mut bytes = vec![id[0], id[1], 0, 0, length[0], length[1], self.unit];
        bytes.extend_from_slice(&self.pdu);
        bytes
    }

    /// A whole frame; `None` when the bytes are anything else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, 0, 0, high, low, unit, pdu @ ..] = bytes else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        (length == pdu.len() + 1 && !pdu.is_empty()).then(|| Self {
            id: u16::from_be_bytes([*a, *b]),
            unit: *unit,
            pdu: pdu.to_vec(),
        })
    }

    /// The next frame. Not safe to cancel: a task of its own reads.
    pub(crate) async fn read(input: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut head = [0; 7];
        input.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        if head[2] != 0 || head[3] != 0 || !(2..=254).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut pdu = vec![0; length - 1];
        input.read_exact(&mut pdu).await?;
        Ok(Self { id: u16::from_be_bytes([head[0], head[1]]), unit: head[6], pdu })
    }
}

/// A table of the PLC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Coils,
    Input,
    Holding,
}

/// What a request does, in the words of the model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    Read {
        table: Table,
        first: u16,
        count: u16,
    },
    Write {
        table: Table,
        first: u16,
        values: Vec<u16>,
    },
    /// FC 23: reads and writes holding registers.
    Both {
        first: u16,
        count: u16,
        to: u16,
        values: Vec<u16>,
    },
    /// No layout that the plant knows.
    Odd,
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

impl Ask {
    /// Understands a request.
    pub(crate) fn of(pdu: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([pdu[at], pdu[at + 1]]);
        match (pdu.first(), pdu.len()) {
            (Some(1 | 3 | 4), 5) if word(3) == 0 => Self::Odd,
            (Some(1), 5) => Self::Read { table: Table::Coils, first: word(1), count: word(3) },
            (Some(3), 5) => Self::Read { table: Table::Holding, first: word(1), count: word(3) },
            (Some(4), 5) => Self::Read { table: Table::Input, first: word(1), count: word(3) },
            (Some(5), 5) => Self::Write { table: Table::Coils, first: word(1), values: vec![u16::from(word(3) != 0)] },
            (Some(6), 5) => Self::Write { table: Table::Holding, first: word(1), values: vec![word(3)] },
            (Some(16), 8..) if pdu.len() == 6 + usize::from(pdu[5]) => {
                Self::Write { table: Table::Holding, first: word(1), values: words(&pdu[6..]) }
            }
            (Some(23), 12..) if pdu.len() == 10 + usize::from(pdu[9]) => {
                Self::Both { first: word(1), count: word(3), to: word(5), values: words(&pdu[10..]) }
            }
            _ => Self::Odd,
        }
    }

    /// The bytes that ask for it, unit id apart.
    pub(crate) fn pdu(&self) -> Vec<u8> {
        let mut pdu = Vec::new();
        let mut put = |code: Option<u8>, numbers: &[u16]| {
            pdu.extend(code);
            pdu.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        };
        match self {
            Self::Read { table, first, count } => {
                let code = match table {
                    Table::Coils => 1,
                    Table::Holding => 3,
                    Table::Input => 4,
                };
                put(Some(code), &[*first, *count]);
            }
            Self::Write { table: Table::Coils, first, values } => {
                put(Some(5), &[*first, if values[0] == 0 { 0 } else { 0xFF00 }]);
            }
            Self::Write { first, values, .. } if values.len() == 1 => put(Some(6), &[*first, values[0]]),
            Self::Write { first, values, .. } => {
                let count = u16::try_from(values.len()).unwrap();
                put(Some(16), &[*first, count]);
                put(Some(u8::try_from(count * 2).unwrap()), values);
            }
            Self::Both { first, count, to, values } => {
                let written = u16::try_from(values.len()).unwrap();
                put(Some(23), &[*first, *count, *to, written]);
                put(Some(u8::try_from(written * 2).unwrap()), values);
            }
            // A read of nothing: malformed to everybody.
            Self::Odd => put(Some(3), &[0, 0]),
        }
        pdu
    }

    /// What a PLC answers that holds [`register`] everywhere.
    pub(crate) fn reply(&self) -> Vec<u8> {
        let registers = |code: u8, first: u16, count: u16| {
            let mut pdu = vec![code, u8::try_from(count * 2).unwrap()];
            pdu.extend((first..first + count).flat_map(|at| register(at).to_be_bytes()));
            pdu
        };
        match self {
            Self::Read { table: Table::Coils, first, count } => {
                let mut pdu = vec![1, u8::try_from(count.div_ceil(8)).unwrap()];
                pdu.resize(2 + usize::from(count.div_ceil(8)), 0);
                for index in 0..*count {
                    pdu[2 + usize::from(index / 8)] |= u8::from(register(first + index) & 1 == 1) << (index % 8);
                }
                pdu
            }
            Self::Read { table: Table::Input, first, count } => registers(4, *first, *count),
            Self::Read { first, count, .. } => registers(3, *first, *count),
            Self::Both { first, count, .. } => registers(23, *first, *count),
            Self::Write { .. } => self.pdu()[..5].to_vec(),
            Self::Odd => vec![0x83, 1],
        }
    }

    /// What is written, if anything.
    pub(crate) fn values(&self) -> &[u16] {
        match self {
            Self::Write { values, .. } | Self::Both { values, .. } => values,
            Self::Read { .. } | Self::Odd => &[],
        }
    }
}

/// The value of every register: it tells its own address, so that a reply tells what it is a reply to.
pub(crate) fn register(address: u16) -> u16 {
    address.wrapping_mul(257) ^ 0x5A5A
}

#[test]
fn the_codec_of_the_plant_reads_what_it_writes() {
    let read = |table| Ask::Read { table, first: 7, count: 3 };
    let write = |table, values| Ask::Write { table, first: 7, values };
    for ask in [
        read(Table::Coils),
        read(Table::Input),
        read(Table::Holding),
        write(Table::Coils, vec![1]),
        write(Table::Holding, vec![900]),
        write(Table::Holding, vec![900, 901]),
        Ask::Both { first: 1, count: 2, to: 3, values: vec![4, 5] },
    ] {
        assert_eq!(Ask::of(&ask.pdu()), ask);
        let frame = Frame { id: 500, unit: 1, pdu: ask.pdu() };
        assert_eq!(Frame::parse(&frame.bytes()), Some(frame));
    }
    assert_eq!(write(Table::Holding, vec![900, 901]).pdu(), [16, 0, 7, 0, 2, 4, 3, 132, 3, 133]);
    assert_eq!(Ask::of(&[3, 0, 0, 0]), Ask::Odd);
    assert_eq!(Ask::of(&Ask::Odd.pdu()), Ask::Odd);
}
