//! Modbus/TCP bytes as tokio-modbus means them: for captures, and for peers that must send more or less than tokio-modbus would.

use std::borrow::Cow;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_modbus::{Request, Response};

/// A whole frame: transaction id, protocol id 0, length, unit, PDU.
#[must_use]
pub fn adu(id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX);
    [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
}

/// The next whole frame of a stream; none at its end.
///
/// # Errors
/// What the stream says, and a header that is none.
pub async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0; 6];
    match stream.read_exact(&mut frame).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [_, _, protocol @ .., high, low] = frame.as_slice() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if protocol != [0, 0] || !(2..=1_025).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no Modbus/TCP"));
    }
    frame.resize(6 + length, 0);
    if let Some(body) = frame.get_mut(6..) {
        stream.read_exact(body).await?;
    }
    Ok(Some(frame))
}

fn words(code: u8, numbers: &[u16]) -> Vec<u8> {
    std::iter::once(code).chain(numbers.iter().flat_map(|number| number.to_be_bytes())).collect()
}

fn count(of: usize) -> u16 {
    u16::try_from(of).unwrap_or(u16::MAX)
}

fn byte_count(of: usize) -> u8 {
    u8::try_from(of).unwrap_or(u8::MAX)
}

fn packed(coils: &[bool]) -> Vec<u8> {
    coils.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, on| byte << 1 | u8::from(*on))).collect()
}

fn counted(code: u8, data: &[u8]) -> Vec<u8> {
    [&[code, byte_count(data.len())], data].concat()
}

fn registers(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A request as its PDU.
#[must_use]
pub fn request_pdu(request: &Request<'_>) -> Vec<u8> {
    let write = |head: Vec<u8>, data: &[u8]| [&head[..], &[byte_count(data.len())], data].concat();
    match request {
        Request::ReadCoils(first, n) => words(1, &[*first, *n]),
        Request::ReadDiscreteInputs(first, n) => words(2, &[*first, *n]),
        Request::ReadHoldingRegisters(first, n) => words(3, &[*first, *n]),
        Request::ReadInputRegisters(first, n) => words(4, &[*first, *n]),
        Request::WriteSingleCoil(at, on) => words(5, &[*at, if *on { 0xFF00 } else { 0 }]),
        Request::WriteSingleRegister(at, value) => words(6, &[*at, *value]),
        Request::WriteMultipleCoils(first, coils) => write(words(15, &[*first, count(coils.len())]), &packed(coils)),
        Request::WriteMultipleRegisters(first, values) => {
            write(words(16, &[*first, count(values.len())]), &registers(values))
        }
        Request::ReportServerId => vec![17],
        Request::MaskWriteRegister(at, and, or) => words(22, &[*at, *and, *or]),
        Request::ReadWriteMultipleRegisters(first, n, at, values) => {
            write(words(23, &[*first, *n, *at, count(values.len())]), &registers(values))
        }
        Request::ReadDeviceIdentification(..) => vec![43, 14, 1, 0],
        Request::Custom(code, data) => [&[*code], &data[..]].concat(),
    }
}

/// A request PDU, where it has the one length that its function has; everything else is [`Request::Custom`].
#[must_use]
pub fn request_of(pdu: &[u8]) -> Option<Request<'static>> {
    let (&code, data) = pdu.split_first()?;
    let pairs: Vec<u16> = data.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    let behind = |at: usize, n: u16, size: usize| -> Option<&[u8]> {
        let (length, data) = data.get(at..)?.split_first()?;
        (usize::from(*length) == data.len() && data.len() == size && n > 0).then_some(data)
    };
    let many = |data: &[u8]| -> Cow<'static, [u16]> {
        data.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect::<Vec<_>>().into()
    };
    let fixed = (data.len() == 4).then_some(());
    Some(match (code, pairs.as_slice()) {
        (1, [first, n]) if fixed.is_some() && (1..=2000).contains(n) => Request::ReadCoils(*first, *n),
        (2, [first, n]) if fixed.is_some() && (1..=2000).contains(n) => Request::ReadDiscreteInputs(*first, *n),
        (3, [first, n]) if fixed.is_some() && (1..=125).contains(n) => Request::ReadHoldingRegisters(*first, *n),
        (4, [first, n]) if fixed.is_some() && (1..=125).contains(n) => Request::ReadInputRegisters(*first, *n),
        (5, [at, value]) if fixed.is_some() && [0, 0xFF00].contains(value) => Request::WriteSingleCoil(*at, *value > 0),
        (6, [at, value]) if fixed.is_some() => Request::WriteSingleRegister(*at, *value),
        (15, [first, n, ..]) => {
            let packed = behind(4, *n, usize::from(*n).div_ceil(8))?;
            let bit = |at: u16| packed.get(usize::from(at / 8)).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            Request::WriteMultipleCoils(*first, (0..*n).map(bit).collect::<Vec<_>>().into())
        }
        (16, [first, n, ..]) => Request::WriteMultipleRegisters(*first, many(behind(4, *n, usize::from(*n) * 2)?)),
        (17, []) if data.is_empty() => Request::ReportServerId,
        (22, [at, and, or]) if data.len() == 6 => Request::MaskWriteRegister(*at, *and, *or),
        (23, [first, n, at, writes, ..]) if (1..=125).contains(n) => {
            let values = many(behind(8, *writes, usize::from(*writes) * 2)?);
            Request::ReadWriteMultipleRegisters(*first, *n, *at, values)
        }
        (0..=6 | 15..=17 | 22 | 23 | 128.., _) => return None,
        (_, _) => Request::Custom(code, data.to_vec().into()),
    })
}

/// An answer as its PDU; an exception is its code.
#[must_use]
pub fn response_pdu(function: u8, answer: &Result<Response, u8>) -> Vec<u8> {
    let response = match answer {
        Ok(response) => response,
        Err(code) => return vec![function | 0x80, *code],
    };
    match response {
        Response::ReadCoils(coils) => counted(1, &packed(coils)),
        Response::ReadDiscreteInputs(coils) => counted(2, &packed(coils)),
        Response::ReadHoldingRegisters(values) => counted(3, &registers(values)),
        Response::ReadInputRegisters(values) => counted(4, &registers(values)),
        Response::WriteSingleCoil(at, on) => words(5, &[*at, if *on { 0xFF00 } else { 0 }]),
        Response::WriteSingleRegister(at, value) => words(6, &[*at, *value]),
        Response::WriteMultipleCoils(first, n) => words(15, &[*first, *n]),
        Response::WriteMultipleRegisters(first, n) => words(16, &[*first, *n]),
        Response::ReportServerId(id, running, more) => {
            counted(17, &[&[*id, if *running { 0xFF } else { 0 }], &more[..]].concat())
        }
        Response::MaskWriteRegister(at, and, or) => words(22, &[*at, *and, *or]),
        Response::ReadWriteMultipleRegisters(values) => counted(23, &registers(values)),
        Response::ReadDeviceIdentification(_) => vec![function | 0x80, 1],
        Response::Custom(code, data) => [&[*code], &data[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hand-written from the application protocol, section 6.
    const KNOWN: [&[u8]; 10] = [
        &[1, 0, 19, 0, 37],
        &[3, 0, 107, 0, 3],
        &[5, 0, 172, 0xFF, 0],
        &[6, 0, 1, 0, 3],
        &[15, 0, 19, 0, 10, 2, 0xCD, 1],
        &[16, 0, 1, 0, 2, 4, 0, 10, 1, 2],
        &[17],
        &[22, 0, 4, 0, 0xF2, 0, 0x25],
        &[23, 0, 3, 0, 6, 0, 14, 0, 3, 6, 0, 255, 0, 255, 0, 255],
        &[90, 0, 2],
    ];

    #[test]
    fn a_request_is_the_bytes_that_it_was_read_from() {
        for pdu in KNOWN {
            assert_eq!(request_pdu(&request_of(pdu).unwrap()), pdu);
        }
    }

    #[test]
    fn a_byte_more_or_less_is_no_request_of_a_known_function() {
        for pdu in &KNOWN[..9] {
            assert_eq!(request_of(&[pdu, &[0][..]].concat()), None, "{pdu:?} and one more");
            assert_eq!(request_of(&pdu[..pdu.len() - 1]), None, "{pdu:?} without its last");
        }
        assert_eq!(request_of(&[]), None);
        assert_eq!(request_of(&[0x83, 1]), None);
    }

    #[test]
    fn answers_have_their_lengths_and_exceptions_their_bit() {
        assert_eq!(response_pdu(3, &Ok(Response::ReadHoldingRegisters(vec![1, 2]))), [3, 4, 0, 1, 0, 2]);
        assert_eq!(response_pdu(1, &Ok(Response::ReadCoils([true; 9].to_vec()))), [1, 2, 255, 1]);
        assert_eq!(response_pdu(3, &Err(2)), [0x83, 2]);
        assert_eq!(adu(7, 1, &[3, 0]), [0, 7, 0, 0, 0, 3, 1, 3, 0]);
    }
}
