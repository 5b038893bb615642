//! A master that others wrote, over a TLS stream: what it can say passes unchanged, and is refused as on the plain listener.

use bulkhead_simulators::master::Master;
use bulkhead_simulators::plc::Plc;
use bulkhead_simulators::{Request, Response};

use crate::kit::{CLIENT, Pki, Running, Setup, TLS12, TLS13, offer};

#[test]
fn a_tokio_modbus_master_over_tls_reads_writes_and_is_refused() {
    let plc = Plc::start("127.0.1.20").unwrap();
    let gateway = Running::with(plc.at, &Setup { tls: Some("127.0.9.28"), ..Setup::default() });
    let pki = Pki::new();
    gateway.house().trust.put(pki.material(&[]));
    let card = pki.client("Operator");
    gateway.register("station", card.spki);
    for version in [&TLS13, &TLS12] {
        let (from, to) = (CLIENT.parse().unwrap(), gateway.tls.unwrap());
        let mut master = Master::connect_tls(from, to, 1, offer(&pki, Some(&card), version), "gateway.plant").unwrap();
        for number in 0..200_u16 {
            let value = number.wrapping_mul(31);
            assert_eq!(
                master.call(Request::WriteSingleRegister(100 + number % 100, value)).unwrap(),
                Ok(Response::WriteSingleRegister(100 + number % 100, value))
            );
            assert_eq!(
                master.call(Request::ReadHoldingRegisters(100 + number % 100, 1)).unwrap(),
                Ok(Response::ReadHoldingRegisters(vec![value]))
            );
        }
        assert_eq!(
            master.call(Request::WriteMultipleRegisters(300, vec![1, 0].into())).unwrap(),
            Ok(Response::WriteMultipleRegisters(300, 2))
        );
        let before = plc.memory();
        for request in [
            Request::WriteSingleRegister(50, 1),
            Request::WriteSingleRegister(200, 1_300),
            Request::ReadHoldingRegisters(195, 10),
            Request::Custom(90, vec![0, 2].into()),
        ] {
            assert_eq!(master.call(request).unwrap(), Err(1));
        }
        assert!(plc.memory() == before, "{version:?}");
    }
}
