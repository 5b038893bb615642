//! Writing DER (X.690): as much of it as certificates, lists and requests of ours need. Every length is definite and minimal.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::moment::UnixMs;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0C;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Tag, length, contents.
pub(super) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = contents.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(_) | Err(_) => {
            let bytes = length.to_be_bytes();
            let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
            let bytes = bytes.get(start..).unwrap_or_default();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// A SEQUENCE of parts.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// An unsigned number, big-endian, as the shortest positive INTEGER.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(start..).unwrap_or_default();
    let positive = digits.first().is_none_or(|first| first & 0x80 != 0);
    let contents = if positive { [&[0], digits].concat() } else { digits.to_vec() };
    tlv(INTEGER, &contents)
}

/// A BIT STRING of whole bytes.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

/// A moment to the second, as RFC 5280 section 4.1.2.5 wants it: `UTCTime` to 2049, `GeneralizedTime` outside.
pub(super) fn time(at: UnixMs) -> Vec<u8> {
    let at = Timestamp::from_second(at.0.div_euclid(1_000)).unwrap_or_default().to_zoned(TimeZone::UTC);
    let rest = at.strftime("%m%d%H%M%SZ");
    if (1950..2050).contains(&at.year()) {
        tlv(UTC_TIME, format!("{:02}{rest}", at.year().rem_euclid(100)).as_bytes())
    } else {
        tlv(GENERALIZED_TIME, format!("{:04}{rest}", at.year()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_integers_are_the_shortest_that_say_it() {
        assert_eq!(tlv(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[7; 256])[..4], [4, 0x82, 1, 0]);
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0, 5]), [2, 1, 5]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0x7f, 0xff]), [2, 2, 0x7f, 0xff]);
    }

    #[test]
    fn a_moment_is_utc_time_to_2049_and_generalized_time_after() {
        assert_eq!(time(UnixMs(0)), [&[0x17, 13][..], b"700101000000Z"].concat());
        assert_eq!(time(UnixMs(2_524_607_999_999)), [&[0x17, 13][..], b"491231235959Z"].concat());
        assert_eq!(time(UnixMs(2_524_608_000_000)), [&[0x18, 15][..], b"20500101000000Z"].concat());
    }
}
