//! What a client shows in a handshake, before anybody has looked at a signature.

use bulkhead_core::x509::leaf::{Leaf, MAX_ROLE, RoleMark};

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
