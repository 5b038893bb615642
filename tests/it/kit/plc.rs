//! A device that testifies: what it was sent, byte for byte, and what its memory holds. It is as careless as real ones: it
//! ignores the MBAP length and reads what the function code implies.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the device does about one request, in order.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Say(Vec<u8>),
    Wait(Duration),
    Close,
}

/// Everything that a write can change, and everything that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Testimony {
    pub(crate) coils: Vec<bool>,
    pub(crate) holding: Vec<u16>,
    /// Records that were written, by file and record; others hold their own number.
    pub(crate) files: BTreeMap<(u16, u16), u16>,
    /// Every request as the device understood it.
    pub(crate) requests: Vec<Vec<u8>>,
    /// Every byte.
    pub(crate) bytes: Vec<u8>,
}

type Mood = Box<dyn Fn(&[u8], Vec<u8>) -> Vec<Do> + Send + Sync>;

/// The device.
#[derive(Clone)]
pub(crate) struct Plc {
    pub(crate) at: SocketAddr,
    state: Arc<Mutex<Testimony>>,
    mood: Arc<Mutex<Mood>>,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    sockets: Arc<AtomicUsize>,
}

impl Plc {
    /// A device at a free port of an address, with numbers in its registers: register n holds n.
    pub(crate) fn at(address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let holding = (0..=u16::MAX).collect();
        let state = Testimony {
            coils: vec![false; 65_536],
            holding,
            files: BTreeMap::new(),
            requests: Vec::new(),
            bytes: Vec::new(),
        };
        let plc = Self {
            at: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            mood: Arc::new(Mutex::new(Box::new(|_, reply| vec![Do::Say(reply)]))),
            accepted: Arc::default(),
            open: Arc::default(),
            sockets: Arc::new(AtomicUsize::new(usize::MAX)),
        };
        let device = plc.clone();
        beside(move || {
            for stream in listener.incoming().flatten() {
                device.accepted.fetch_add(1, Ordering::SeqCst);
                if device.open.fetch_add(1, Ordering::SeqCst) >= device.sockets.load(Ordering::SeqCst) {
                    // A device without a free socket closes at once.
                    device.open.fetch_sub(1, Ordering::SeqCst);
                    continue;
                }
                let device = device.clone();
                beside(move || {
                    drop(device.talk(stream));
                    device.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        plc
    }

    /// As [`Self::at`], with so many sockets to give.
    pub(crate) fn with_sockets(address: &str, sockets: usize) -> Self {
        let plc = Self::at(address);
        plc.sockets.store(sockets, Ordering::SeqCst);
        plc
    }

    /// Behaves otherwise from the next request on: given the request and the lawful reply.
    pub(crate) fn behave(&self, mood: impl Fn(&[u8], Vec<u8>) -> Vec<Do> + Send + Sync + 'static) {
        *self.mood.lock().unwrap() = Box::new(mood);
    }

    pub(crate) fn lawful(&self) {
        self.behave(|_, reply| vec![Do::Say(reply)]);
    }

    pub(crate) fn testimony(&self) -> Testimony {
        self.state.lock().unwrap().clone()
    }

    /// Every byte that arrived, on whatever connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state.lock().unwrap().bytes.clone()
    }

    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(crate) fn register(&self, address: usize) -> u16 {
        self.state.lock().unwrap().holding[address]
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Connections now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let mut request = vec![0; 8];
            self.read(&mut stream, &mut request)?;
            let more = match request[7] {
                1..=6 | 8 => 4,
                15 | 16 => 5,
                20 | 21 => 1,
                22 => 6,
                23 => 9,
                24 => 2,
                43 => 3,
                7 | 11 | 12 | 17 => 0,
                _ => usize::from(u16::from_be_bytes([request[4], request[5]])).saturating_sub(2),
            };
            self.more(&mut stream, &mut request, more)?;
            if matches!(request[7], 15 | 16 | 20 | 21 | 23) {
                let carried = usize::from(*request.last().unwrap());
                self.more(&mut stream, &mut request, carried)?;
            }
            let reply = self.execute(&request);
            let acts = (self.mood.lock().unwrap())(&request, reply);
            for act in acts {
                match act {
                    Do::Say(bytes) => stream.write_all(&bytes)?,
                    Do::Wait(time) => std::thread::sleep(time),
                    Do::Close => return Ok(()),
                }
            }
        }
    }

    fn more(&self, stream: &mut TcpStream, request: &mut Vec<u8>, count: usize) -> io::Result<()> {
        let at = request.len();
        request.resize(at + count, 0);
        self.read(stream, &mut request[at..])
    }

    fn read(&self, stream: &mut TcpStream, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            let count = stream.read(room)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.state.lock().unwrap().bytes.extend(&room[..count]);
            room = &mut room[count..];
        }
        Ok(())
    }

    fn execute(&self, request: &[u8]) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        state.requests.push(request.to_vec());
        let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let registers = |state: &Testimony, first: u16, count: u16| {
            let first = usize::from(first);
            let mut data = vec![u8::try_from(count * 2).unwrap()];
            data.extend(state.holding[first..first + usize::from(count)].iter().flat_map(|value| value.to_be_bytes()));
            data
        };
        let code = request[7];
        let data = match code {
            1 | 2 => {
                let (first, count) = (usize::from(word(8)), usize::from(word(10)));
                let bits = &state.coils[first..first + count];
                let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::from(*bit)));
                [vec![u8::try_from(count.div_ceil(8)).unwrap()], packed.collect()].concat()
            }
            3 | 4 => registers(&state, word(8), word(10)),
            5 => {
                state.coils[usize::from(word(8))] = request[10] == 0xFF;
                request[8..12].to_vec()
            }
            6 => {
                state.holding[usize::from(word(8))] = word(10);
                request[8..12].to_vec()
            }
            15 => {
                for at in 0..usize::from(word(10)) {
                    state.coils[usize::from(word(8)) + at] = request[13 + at / 8] >> (at % 8) & 1 == 1;
                }
                request[8..12].to_vec()
            }
            16 => {
                for at in 0..usize::from(word(10)) {
                    state.holding[usize::from(word(8)) + at] = word(13 + 2 * at);
                }
                request[8..12].to_vec()
            }
            20 => {
                let ranges = request[9..].chunks_exact(7);
                let data: Vec<u8> = ranges
                    .flat_map(|range| {
                        let [file, first, count] = [1, 3, 5].map(|at| u16::from_be_bytes([range[at], range[at + 1]]));
                        let record = |at: u16| state.files.get(&(file, first + at)).copied().unwrap_or(first + at);
                        let records: Vec<u8> = (0..count).flat_map(|at| record(at).to_be_bytes()).collect();
                        [vec![u8::try_from(records.len() + 1).unwrap(), 6], records].concat()
                    })
                    .collect();
                [vec![u8::try_from(data.len()).unwrap()], data].concat()
            }
            21 => {
                let mut rest = &request[9..];
                while let [_, a, b, c, d, e, f, ..] = *rest {
                    let [file, first, count] = [[a, b], [c, d], [e, f]].map(u16::from_be_bytes);
                    for at in 0..count {
                        let value = 7 + 2 * usize::from(at);
                        state.files.insert((file, first + at), u16::from_be_bytes([rest[value], rest[value + 1]]));
                    }
                    rest = &rest[7 + 2 * usize::from(count)..];
                }
                request[8..].to_vec()
            }
            22 => {
                let (at, and, or) = (usize::from(word(8)), word(10), word(12));
                state.holding[at] = state.holding[at] & and | or & !and;
                request[8..14].to_vec()
            }
            23 => {
                for at in 0..usize::from(word(14)) {
                    state.holding[usize::from(word(12)) + at] = word(17 + 2 * at);
                }
                registers(&state, word(8), word(10))
            }
            7 => vec![0],
            8 => request[8..].to_vec(),
            17 => vec![2, 1, 0xFF],
            43 => vec![14, request[9], 1, 0, 0, 0],
            _ => return [&request[..4], &[0, 3, request[6], code | 0x80, 1]].concat(),
        };
        let length = u16::try_from(data.len() + 2).unwrap();
        [&request[..4], &length.to_be_bytes(), &[request[6], code], &data].concat()
    }
}

/// A peer runs beside the gateway, not in it.
#[expect(clippy::disallowed_methods, reason = "a peer runs beside the gateway, not in it")]
pub(crate) fn beside(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}
