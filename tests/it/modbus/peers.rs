//! A master and a device that others wrote: what their library can say, ours understands, and nothing is changed on the way.

use bulkhead_simulators::master::Master;
use bulkhead_simulators::plc::Plc;
use bulkhead_simulators::{Request, Response};

use crate::kit::{CLIENT, Running, Setup, hex};

fn master(to: std::net::SocketAddr) -> Master {
    Master::connect(CLIENT.parse().unwrap(), to, 1).unwrap()
}

/// Splitmix64: the same requests in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u16) -> u16 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u16::try_from((z ^ (z >> 31)) % u64::from(end)).unwrap()
    }

    /// A well-formed request inside points that the station may read and write.
    fn request(&mut self) -> Request<'static> {
        let first = 100 + self.below(50);
        let values: Vec<u16> = (0..=self.below(50)).map(|_| self.below(u16::MAX)).collect();
        let lamp = self.below(8);
        match self.below(9) {
            0 => Request::ReadCoils(lamp, 1 + self.below(8)),
            1 => Request::ReadHoldingRegisters(first, 1 + self.below(50)),
            2 => Request::WriteSingleCoil(lamp, self.below(2) == 1),
            3 => Request::WriteSingleRegister(first, self.below(u16::MAX)),
            4 => Request::WriteMultipleCoils(lamp, (0..=self.below(8)).map(|_| self.below(2) == 1).collect()),
            5 | 6 => Request::WriteMultipleRegisters(first, values.into()),
            7 => Request::MaskWriteRegister(first, self.below(u16::MAX), self.below(u16::MAX)),
            _ => Request::ReadWriteMultipleRegisters(400 + self.below(500), 1 + self.below(80), first, values.into()),
        }
    }
}

#[test]
fn a_master_sees_the_same_device_with_the_gateway_between_them_and_without() {
    let (behind, beside) = (Plc::start("127.0.1.20").unwrap(), Plc::start("127.0.1.20").unwrap());
    let gateway = Running::with(behind.at, &Setup::default());
    let (mut through, mut direct) = (master(gateway.at), master(beside.at));
    let mut draw = Draw(3);
    for number in 0..1_500 {
        let request = draw.request();
        let said = format!("{number}: {request:?}");
        let one = through.call(request.clone()).unwrap_or_else(|error| panic!("{said}: {error} through the gateway"));
        let two = direct.call(request).unwrap_or_else(|error| panic!("{said}: {error} without it"));
        assert_eq!(one, two, "{said}");
        assert!(one.is_ok(), "{said}: {one:?}");
    }
    assert!(behind.memory() == beside.memory());
}

#[test]
fn a_refusal_is_the_exception_that_a_master_understands_and_the_device_does_not_know_of_it() {
    let plc = Plc::start("127.0.1.20").unwrap();
    let gateway = Running::with(plc.at, &Setup::default());
    let mut master = master(gateway.at);
    let before = plc.memory();
    for request in [
        Request::WriteSingleRegister(50, 1),
        Request::WriteSingleRegister(200, 1_300),
        Request::WriteMultipleRegisters(300, vec![1].into()),
        Request::ReadHoldingRegisters(195, 10),
        Request::ReadInputRegisters(0, 1),
        Request::Custom(90, vec![0, 2].into()),
    ] {
        assert_eq!(master.call(request).unwrap(), Err(1));
    }
    assert!(plc.memory() == before);
    assert_eq!(
        master.call(Request::WriteMultipleRegisters(300, vec![1, 0].into())).unwrap(),
        Ok(Response::WriteMultipleRegisters(300, 2))
    );
}

#[test]
fn the_frame_that_panics_a_library_is_answered_in_front_of_it() {
    // 65,535 coils in one byte: 14 bytes that end a process which decodes them with tokio-modbus and aborts on panic.
    let plc = Plc::start("127.0.1.20").unwrap();
    let gateway = Running::with(plc.at, &Setup::default());
    let mut hostile = gateway.client();
    hostile.say(&hex("0002 0000 0008 01 0f 0000 ffff 01 00"));
    assert_eq!(hostile.answer(2), "8f03");
    assert_eq!(plc.memory().requests, 0);
    assert_eq!(hostile.ask(3, "03 0005 0001"), "03020005", "the device is alive");
}
