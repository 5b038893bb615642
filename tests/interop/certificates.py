"""Judges every certificate and list that the gateway issues, with programs written elsewhere: `cryptography` and openssl.

    certificates.py FOLDER NAME ROLE

FOLDER holds ca.pem (the CA's chain, its own certificate first), leaf.pem, key.pem, crl.pem, and server.pem if there is a listener; more
leaf-*.pem are judged too. Says `ok N certificates, 1 list` and ends with 0, or names what is wrong and ends with 1.
"""

import datetime
import pathlib
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

ROLE = x509.ObjectIdentifier("1.3.6.1.4.1.50316.802.1")
# What each kind of certificate has, in whatever order: the extension and whether it is critical.
COMMON = {
    ExtensionOID.BASIC_CONSTRAINTS: True,
    ExtensionOID.KEY_USAGE: True,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
}
LEAF = COMMON | {ExtensionOID.EXTENDED_KEY_USAGE: False}


def need(good, text):
    if not good:
        sys.exit(f"certificates: {text}")


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def strict(der, what):
    """DER and nothing else: openssl writes it again to the same bytes."""
    done = subprocess.run(["openssl", what, "-inform", "DER", "-outform", "DER"], input=der, capture_output=True, check=False)
    need(done.returncode == 0 and done.stdout == der, f"a {what} is not strict DER")


def common(name, certificate, issuer, extensions):
    der = certificate.public_bytes(Encoding.DER)
    strict(der, "x509")
    need(certificate.version == x509.Version.v3, f"{name}: not version 3")
    need(0 < certificate.serial_number < 1 << 159, f"{name}: serial {certificate.serial_number:x}")
    found = {extension.oid: extension.critical for extension in certificate.extensions}
    need(len(found) == len(list(certificate.extensions)), f"{name}: an extension stands there twice")
    need(found == extensions, f"{name}: extensions {found}")
    now = datetime.datetime.now(datetime.timezone.utc)
    need(certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc, f"{name}: dates")
    need(certificate.not_valid_after_utc <= issuer.not_valid_after_utc, f"{name}: it outlives its issuer")
    need(certificate.issuer == issuer.subject, f"{name}: issuer")
    certificate.verify_directly_issued_by(issuer)
    own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    need(certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest == own, f"{name}: SKI")
    of_issuer = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    need(authority.key_identifier == of_issuer, f"{name}: AKI")


def usage(name, certificate, wanted):
    value = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"]
    need({one for one in names if getattr(value, one)} == wanted, f"{name}: key usage")


def leaf(name, certificate, issuer, subject, role):
    common(name, certificate, issuer, LEAF | {ROLE: False})
    usage(name, certificate, {"digital_signature"})
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    need(list(extended) == [ExtendedKeyUsageOID.CLIENT_AUTH], f"{name}: extended key usage")
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    need(not constraints.ca, f"{name}: it is a CA")
    need(certificate.subject.rfc4514_string() == f"CN={subject}", f"{name}: {certificate.subject.rfc4514_string()}")
    value = certificate.extensions.get_extension_for_oid(ROLE).value.value
    need(value == bytes([0x0C, len(role.encode())]) + role.encode(), f"{name}: role {value!r}")


def server(certificate, issuer):
    common("server", certificate, issuer, LEAF | {ExtensionOID.SUBJECT_ALTERNATIVE_NAME: False})
    usage("server", certificate, {"digital_signature"})
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    need(list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH], "server: extended key usage")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    need(len(names.get_values_for_type(x509.IPAddress)) > 0, "server: no address")


def main(folder, subject, role):
    folder = pathlib.Path(folder)
    chain = x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes())
    ours = chain[0]
    common("CA", ours, chain[1] if len(chain) > 1 else ours, COMMON)
    usage("CA", ours, {"key_cert_sign", "crl_sign"})
    constraints = ours.extensions.get_extension_for_class(x509.BasicConstraints).value
    need(constraints.ca and constraints.path_length == 0, "CA: constraints")
    leaves = {path.name: x509.load_pem_x509_certificates(path.read_bytes())[0] for path in sorted(folder.glob("leaf*.pem"))}
    for name, certificate in leaves.items():
        leaf(name, certificate, ours, subject, role)
    serials = [certificate.serial_number for certificate in leaves.values()]
    need(len(set(serials)) == len(serials) > 0, "a serial number stands there twice")
    if (folder / "server.pem").exists():
        server(x509.load_pem_x509_certificates((folder / "server.pem").read_bytes())[0], ours)

    crl = x509.load_pem_x509_crl((folder / "crl.pem").read_bytes())
    strict(crl.public_bytes(Encoding.DER), "crl")
    need(crl.is_signature_valid(ours.public_key()), "list: signature")
    need(crl.issuer == ours.subject, "list: issuer")
    found = {extension.oid: extension.critical for extension in crl.extensions}
    need(found == {ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False, ExtensionOID.CRL_NUMBER: False}, f"list: extensions {found}")
    need(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > 0, "list: number")
    need(crl.last_update_utc <= datetime.datetime.now(datetime.timezone.utc) < crl.next_update_utc, "list: dates")

    root = ["-CAfile", str(folder / "root.pem")] if (folder / "root.pem").exists() else ["-CAfile", str(folder / "ca.pem")]
    for name, certificate in leaves.items():
        taken_back = crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
        good, said = openssl("verify", "-x509_strict", "-purpose", "sslclient", *root, "-untrusted", str(folder / "ca.pem"), str(folder / name))
        need(good, f"{name}: openssl verify says {said}")
        if len(chain) == 1:
            good, said = openssl("verify", "-crl_check", *root, "-CRLfile", str(folder / "crl.pem"), str(folder / name))
            need(good != taken_back, f"{name}: taken back {taken_back}, and openssl verify says {said}")
    good, said = openssl("crl", "-in", str(folder / "crl.pem"), "-noout", "-CAfile", str(folder / "ca.pem"))
    need(good and "verify OK" in said, f"list: openssl crl says {said}")
    print(f"ok {len(leaves) + 1} certificates, 1 list with {len(list(crl))} entries")


if __name__ == "__main__":
    main(*sys.argv[1:4])
