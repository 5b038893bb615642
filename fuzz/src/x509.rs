//! What a client shows in a handshake, before anybody has looked at a signature.

use bulkhead_core::x509::leaf::{Leaf, MAX_ROLE, RoleMark};
use bulkhead_core::x509::request::Request;

/// One certificate.
pub fn leaf(data: &[u8]) {
    let Ok(leaf) = Leaf::read(data) else { return };
    assert!(!leaf.serial.bytes().is_empty());
    let RoleMark::One(role) = &leaf.role else { return };
    let text = role.as_str();
    assert!(!text.is_empty() && text.len() <= MAX_ROLE && !text.chars().any(char::is_control), "{text:?}");
    // Nothing is a role that does not stand in the certificate as one UTF8String, byte for byte.
    let length = u8::try_from(text.len()).expect("a short role");
    let der = [&[0x0C, length], text.as_bytes()].concat();
    assert!(data.windows(der.len()).any(|window| window == der), "{text:?} is nowhere in it");
}

/// One certificate request, PEM or DER, and what a CA would make of it.
pub fn request(data: &[u8]) {
    let Ok(request) = Request::read(data) else { return };
    // Only a key whose holder has signed comes through, byte for byte as it goes into the certificate.
    assert!(request.spki.ends_with(&request.public_key) && request.spki.first() == Some(&0x30));
    let whole = Request::read(data).expect("the same again");
    assert_eq!(whole.digest(), request.digest());
}
