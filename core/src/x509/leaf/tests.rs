//! Certificates as peers make them, and as they should not.

use rcgen::{
    CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    SerialNumber, date_time_ymd,
};

use super::*;

const ROLE_OID: &[u64] = &[1, 3, 6, 1, 4, 1, 50316, 802, 1];

fn extension(value: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(ROLE_OID, value.to_vec())
}

fn utf8(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[UTF8_STRING, length], text.as_bytes()].concat()
}

fn params(roles: &[&[u8]]) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["scada.plant".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "scada");
    params.serial_number = Some(SerialNumber::from_slice(&[0x5A, 0x01]));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.custom_extensions = roles.iter().map(|value| extension(value)).collect();
    params
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn role_of(roles: &[&[u8]]) -> RoleMark {
    Leaf::read(&der(&params(roles))).unwrap().role
}

#[test]
fn a_certificate_tells_key_number_dates_and_role() {
    let key = KeyPair::generate().unwrap();
    let certificate = params(&[&utf8("Operator")]).self_signed(&key).unwrap();
    let leaf = Leaf::read(certificate.der()).unwrap();
    assert_eq!(leaf.spki, Sha256::of(&key.subject_public_key_info()));
    assert_eq!((leaf.serial.to_string().as_str(), leaf.serial.bytes()), ("5A01", &[0x5A, 0x01][..]));
    assert_eq!((leaf.not_before, leaf.not_after), (UnixMs(1_767_225_600_000), UnixMs(1_798_761_600_000)));
    assert_eq!((leaf.usage, leaf.role.role()), (Usage::Client, Some(&"Operator".into())));
}

/// The fixtures that `SunSpec` names, each of which is to be let in without any right, and more ways to be no role.
#[test]
fn only_exactly_one_good_text_is_a_role() {
    assert_eq!(role_of(&[]), RoleMark::Absent, "no-role");
    assert_eq!(role_of(&[&utf8("Engineer"), &utf8("Operator")]), RoleMark::Bad(BadRole::Several), "two-role");
    assert_eq!(role_of(&[&utf8("Operator"), &utf8("Operator")]), RoleMark::Bad(BadRole::Several), "twice the same");
    assert_eq!(role_of(&[&utf8("")]), RoleMark::Bad(BadRole::Empty), "empty-role");
    let encodings: &[(&str, &[u8])] = &[
        ("bad-encoding: PrintableString", b"\x13\x08Engineer"),
        ("IA5String", b"\x16\x08Engineer"),
        ("OCTET STRING around it", b"\x04\x0A\x0C\x08Engineer"),
        ("a sequence of it", b"\x30\x0A\x0C\x08Engineer"),
        ("no tag at all", b"Engineer"),
        ("bytes behind it", b"\x0C\x08Engineer\x00"),
        ("a second one behind it", b"\x0C\x03abc\x0C\x03abc"),
        ("shorter than it says", b"\x0C\x09Engineer"),
        ("longer than it says", b"\x0C\x07Engineer"),
        ("a long length for a short text", b"\x0C\x81\x08Engineer"),
        ("an indefinite length", b"\x0C\x80Engineer\x00\x00"),
        ("no UTF-8", b"\x0C\x03a\xFFb"),
        ("a tag alone", b"\x0C"),
        ("nothing", b""),
    ];
    for (name, value) in encodings {
        assert_eq!(role_of(&[value]), RoleMark::Bad(BadRole::Encoding), "{name}");
    }
    assert_eq!(role_of(&[&utf8("Engi\nneer")]), RoleMark::Bad(BadRole::Control));
    assert_eq!(role_of(&[&utf8("Engineer\0")]), RoleMark::Bad(BadRole::Control));
    assert_eq!(role_of(&[&utf8(&"x".repeat(65))]), RoleMark::Bad(BadRole::Long));
    let very = [&[UTF8_STRING, 0x82, 0x01, 0x00][..], &[b'x'; 256]].concat();
    assert_eq!(role_of(&[&very]), RoleMark::Bad(BadRole::Long));
    assert_eq!(role_of(&[&utf8(&"x".repeat(64))]), RoleMark::One("x".repeat(64).as_str().into()));
    assert_eq!(role_of(&[&utf8("Anlagenführer")]), RoleMark::One("Anlagenführer".into()));
    assert_eq!(
        role_of(&[&utf8(" Engineer")]),
        RoleMark::One(" Engineer".into()),
        "the whole text, not what it resembles"
    );
}

#[test]
fn a_certificate_for_servers_alone_or_with_a_key_that_may_not_sign_is_none_for_clients() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let usage = |extended: &[ExtendedKeyUsagePurpose], key: &[KeyUsagePurpose]| {
        let mut params = params(&[]);
        params.extended_key_usages = extended.to_vec();
        params.key_usages = key.to_vec();
        Leaf::read(&der(&params)).unwrap().usage
    };
    assert_eq!(usage(&[ClientAuth], &[]), Usage::Client);
    assert_eq!(usage(&[ServerAuth, ClientAuth], &[KeyUsagePurpose::DigitalSignature]), Usage::Client);
    assert_eq!(usage(&[], &[]), Usage::Client, "no usages: any");
    assert_eq!(usage(&[ServerAuth], &[]), Usage::Other);
    assert_eq!(usage(&[ClientAuth], &[KeyUsagePurpose::KeyEncipherment]), Usage::Other);
}

#[test]
fn a_usage_that_is_stated_twice_says_nothing() {
    let mut twice = params(&[]);
    let client_auth = b"\x30\x0A\x06\x08\x2B\x06\x01\x05\x05\x07\x03\x02".to_vec();
    twice.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 37], client_auth)];
    assert_eq!(Leaf::read(&der(&twice)), Err(NotALeaf::Usage));
    let mut torn = params(&[]);
    torn.extended_key_usages.clear();
    torn.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 37], b"\x30\x7F".to_vec())];
    assert_eq!(Leaf::read(&der(&torn)), Err(NotALeaf::Usage));
}

#[test]
fn what_is_no_single_certificate_is_refused() {
    let good = der(&params(&[]));
    assert_eq!(Leaf::read(b""), Err(NotALeaf::Encoding));
    assert_eq!(Leaf::read(&good[..good.len() - 1]), Err(NotALeaf::Encoding));
    assert_eq!(Leaf::read(&[good.as_slice(), &[0]].concat()), Err(NotALeaf::Encoding));
    assert_eq!(Leaf::read(&vec![0x30; MAX_BYTES + 1]), Err(NotALeaf::Large));
    let mut long = params(&[]);
    long.serial_number = Some(SerialNumber::from_slice(&[0x11; 40]));
    assert_eq!(Leaf::read(&der(&long)), Err(NotALeaf::Serial));
}

/// 20,000 damaged certificates: no panic, and never a role that the text does not spell.
#[test]
fn a_damaged_certificate_is_read_or_refused_and_nothing_else() {
    let good = der(&params(&[&utf8("Operator")]));
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let mut read = 0;
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, bytes[at]),
                2 => bytes[at] ^= 1 << random(8),
                _ => bytes[at] = u8::try_from(random(256)).unwrap(),
            }
        }
        if let Ok(leaf) = Leaf::read(&bytes) {
            read += 1;
            assert!(leaf.role.role().is_none_or(|role| role.as_str().len() <= MAX_ROLE));
        }
    }
    assert!(read > 1_000, "most damage hits the signature, the key or a name: {read}");
}
