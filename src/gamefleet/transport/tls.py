"""Both ends prove that they hold the token, and nobody else can read or change what they say.

Job: TLS 1.3 contexts from a token. The key of a certificate authority is derived from the token, so that whoever holds
it can sign a certificate, and nobody else; each process signs a fresh one for itself, which says what it is for. Place
in the data flow: under every link. Left out: the token's file (`token`), sockets (`link_connection`).

A certificate is for one side only (calling or answering, as TLS has it) and names the role of its process; `peer_of`
tells it to whoever must refuse a wrong one. Dates in certificates are fixed and far apart: a wrong clock keeps nobody
away, and age is no measure of trust where everyone who may sign can sign again. Forward secrecy is TLS's.

Source: RFC 8446 (TLS 1.3), RFC 5869 (HKDF), RFC 8032 (Ed25519).
"""

from __future__ import annotations

import datetime
import os
import secrets
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gamefleet.transport.token import Token

OTHER_TOKEN = "the two sides do not hold the same token"
SAME_TOKEN = (
    "compare the fingerprints that `gamefleet token` shows on both machines; `gamefleet token send USER@HOST` makes "
    "them equal"
)
_ORGANISATION = "gamefleet"
_BEGIN = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_END = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Who is at the other end, as its certificate says.

    Args:
        name: What the process calls itself.
        role: What it is for.
    """

    name: str
    role: str


def client_context(token: Token, *, name: str, role: str) -> ssl.SSLContext:
    """For the side that calls; takes some milliseconds."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, token)
    # Certificates are of roles; the hosts at the two ends of a tunnel have no names that both sides know.
    context.check_hostname = False
    _load(context, token, _subject(name, role), ExtendedKeyUsageOID.CLIENT_AUTH)
    return context


def server_context(token: Token, *, name: str, role: str) -> ssl.SSLContext:
    """For the side that answers; takes some milliseconds."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, token)
    context.num_tickets = 0  # a resumed session would not show its certificate again
    _load(context, token, _subject(name, role), ExtendedKeyUsageOID.SERVER_AUTH)
    return context


def peer_of(connection: ssl.SSLObject) -> Proof:
    """What the certificate of the other end says.

    Raises:
        ssl.SSLError: There is none, or it is none of ours.
    """
    certificate: dict[str, Any] = dict(connection.getpeercert() or {})
    subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
    name, role = subject.get("commonName"), subject.get("organizationalUnitName")
    if subject.get("organizationName") != _ORGANISATION or not name or not role:
        raise ssl.SSLError("the certificate of the other side names no role")
    return Proof(name=str(name), role=str(role))


def explain(error: ssl.SSLError) -> tuple[str, bool]:
    """A sentence for a handshake that failed, and whether both sides must be looked at by a person.

    Returns:
        The sentence, without a full stop, and False for what may be gone at the next try.
    """
    reason = (error.reason or str(error)).upper().replace(" ", "_")
    if "UNKNOWN_CA" in reason or "CERTIFICATE_VERIFY_FAILED" in reason or "DECRYPT_ERROR" in reason:
        if "PURPOSE" in str(error).upper():
            return "the certificate of the other side is for another side of the link", True
        return f"{OTHER_TOKEN}; {SAME_TOKEN}", True
    if "CERTIFICATE_REQUIRED" in reason or "PEER_DID_NOT_RETURN" in reason:
        return f"one side showed no certificate, so it does not hold the token; {SAME_TOKEN}", True
    if any(word in reason for word in ("WRONG_VERSION", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PROTOCOL_VERSION")):
        return "the other side does not speak gamefleet's protocol; is this the right port?", True
    if "EOF" in reason:
        return "the other side hung up during the handshake", False
    return f"the handshake failed: {reason.lower().replace('_', ' ')[:100]}", False


def _context(kind: int, token: Token) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=_authority(token)[1].public_bytes(Encoding.DER))
    return context


def _subject(name: str, role: str) -> x509.Name:
    if not role or len(role) > LONGEST_NAME:
        raise ValueError(f"a role has 1 to {LONGEST_NAME} characters, not {role!r}")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:LONGEST_NAME] or "-"),
        ]
    )


def _authority(token: Token) -> tuple[Ed25519PrivateKey, x509.Certificate]:
    """Equal on every machine that holds the token."""
    key = Ed25519PrivateKey.from_private_bytes(token.derive("certificate authority"))
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{_ORGANISATION} authority")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, None)
    )
    return key, certificate


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(context: ssl.SSLContext, token: Token, subject: x509.Name, purpose: x509.ObjectIdentifier) -> None:
    """Give a context a fresh certificate.

    The ssl module takes keys from files only; this one is encrypted with a password that never leaves the process, so
    that a file which a crash leaves behind is worth nothing.
    """
    key = generate_private_key(SECP256R1())
    password = secrets.token_hex(16)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    descriptor, name = tempfile.mkstemp(prefix="gamefleet-", suffix=".pem")  # mode 600
    try:
        with open(descriptor, "wb") as stream:
            stream.write(_leaf(token, key, subject, purpose).public_bytes(Encoding.PEM) + private)
        context.load_cert_chain(name, password=password)
    finally:
        os.unlink(Path(name))


def _leaf(
    token: Token, key: EllipticCurvePrivateKey, subject: x509.Name, purpose: x509.ObjectIdentifier
) -> x509.Certificate:
    authority, issuer = _authority(token)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, None)
    )
