"""Certificates as a plant has them, good and odd, made by a library that is not ours (the Python package `cryptography`).

    pki.py make DIR                 a plant CA and a rogue one
    pki.py odd DIR KEY CA           a key and certificate for each of ODD, by the CA whose key (PKCS#8, DER) and certificate these are:
                                    what a gateway's CA would never issue, made with its key
    pki.py ask DIR NAME             a key and a request of its own: NAME.key, NAME.csr
    pki.py sign-ca DIR CSR OUT      the plant CA signs a gateway's CA; OUT holds the chain up to the plant CA
"""
import base64
import datetime
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

ROLE = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
SECOND = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.2")  # becomes ROLE before the certificate is signed: no library writes one twice
OID_DER = bytes.fromhex("060b2b0601040183890c862201")
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
OPERATOR = b"\x0c\x08Operator"

# name: (role extensions as DER, usages, issuer, begin and end in days from now)
ODD = {
    "good-role": ([OPERATOR], [Usage.CLIENT_AUTH], "gateway", (-1, 30)),
    "no-role": ([], [Usage.CLIENT_AUTH], "gateway", (-1, 30)),
    "two-role": ([OPERATOR, b"\x0c\x08Engineer"], [Usage.CLIENT_AUTH], "gateway", (-1, 30)),
    "empty-role": ([b"\x0c\x00"], [Usage.CLIENT_AUTH], "gateway", (-1, 30)),
    "bad-encoding": ([b"\x13\x08Operator"], [Usage.CLIENT_AUTH], "gateway", (-1, 30)),
    "wrong-usage": ([OPERATOR], [Usage.SERVER_AUTH], "gateway", (-1, 30)),
    "rogue": ([OPERATOR], [Usage.CLIENT_AUTH], "rogue", (-1, 30)),
    "expired": ([OPERATOR], [Usage.CLIENT_AUTH], "gateway", (-30, -1)),
    "not-yet": ([OPERATOR], [Usage.CLIENT_AUTH], "gateway", (10, 30)),
}


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def new_key(path):
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key_pem(key))
    return key


def builder(subject, public, issuer, begin, end):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(NOW + begin * DAY).not_valid_after(NOW + end * DAY))


def authority(folder, text):
    key = new_key(folder / f"{text}-ca.key")
    made = builder(name(f"{text} CA"), key.public_key(), name(f"{text} CA"), -2, 3650)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    made = made.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = made.sign(key, hashes.SHA256())
    (folder / f"{text}-ca.pem").write_bytes(pem(certificate))
    return key, certificate


def usage(**granted):
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{one: granted.get(one, False) for one in every})


def der(tag, body):
    length = len(body)
    if length < 128:
        return bytes([tag, length]) + body
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + body


def with_second_role(certificate, key):
    """The same certificate with the second role extension under the OID of the first, signed anew."""
    body = certificate.tbs_certificate_bytes
    second = OID_DER[:-1] + b"\x02"
    assert body.count(second) == 1, "one placeholder"
    body = body.replace(second, OID_DER)
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
    return der(0x30, body + algorithm + der(0x03, b"\0" + key.sign(body, ec.ECDSA(hashes.SHA256()))))


def leaf(folder, text, issuer_key, issuer, roles, usages, begin, end):
    key = new_key(folder / f"{text}.key")
    made = builder(name(text), key.public_key(), issuer.subject, begin, end)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(usage(digital_signature=True), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for oid, value in zip((ROLE, SECOND), roles):
        made = made.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    certificate = made.sign(issuer_key, hashes.SHA256())
    if len(roles) < 2:
        (folder / f"{text}.pem").write_bytes(pem(certificate))
        return
    raw = base64.encodebytes(with_second_role(certificate, issuer_key)).decode()
    (folder / f"{text}.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{raw}-----END CERTIFICATE-----\n")


def make(folder):
    folder.mkdir(exist_ok=True)
    for text in "plant", "rogue":
        authority(folder, text)


def odd(folder, ca_key, ca):
    issuers = {
        "gateway": (serialization.load_der_private_key(pathlib.Path(ca_key).read_bytes(), None),
                    x509.load_pem_x509_certificate(pathlib.Path(ca).read_bytes())),
        "rogue": (serialization.load_pem_private_key((folder / "rogue-ca.key").read_bytes(), None),
                  x509.load_pem_x509_certificate((folder / "rogue-ca.pem").read_bytes())),
    }
    for text, (roles, usages, issuer, (begin, end)) in ODD.items():
        leaf(folder, text, *issuers[issuer], roles, usages, begin, end)


def ask(folder, text):
    key = new_key(folder / f"{text}.key")
    made = x509.CertificateSigningRequestBuilder().subject_name(name(text)).sign(key, hashes.SHA256())
    (folder / f"{text}.csr").write_bytes(pem(made))


def sign_ca(folder, csr, out):
    key = serialization.load_pem_private_key((folder / "plant-ca.key").read_bytes(), None)
    issuer = x509.load_pem_x509_certificate((folder / "plant-ca.pem").read_bytes())
    request = x509.load_pem_x509_csr(pathlib.Path(csr).read_bytes())
    assert request.is_signature_valid, "the gateway proves that it has the key"
    made = builder(request.subject, request.public_key(), issuer.subject, -1, 3000)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    pathlib.Path(out).write_bytes(pem(made.sign(key, hashes.SHA256())) + pem(issuer))


if __name__ == "__main__":
    verb, folder, *rest = sys.argv[1:] or [None, None]
    if verb == "make":
        make(pathlib.Path(folder))
    elif verb == "odd":
        odd(pathlib.Path(folder), *rest)
    elif verb == "ask":
        ask(pathlib.Path(folder), *rest)
    elif verb == "sign-ca":
        sign_ca(pathlib.Path(folder), *rest)
    else:
        raise SystemExit(__doc__)
