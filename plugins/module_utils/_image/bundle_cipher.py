# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The cryptography of image bundles: RSA with PKCS #1 version 1.5 and SHA-1, AES-128-CBC. The format is of 2007 and knows no other.

By the Python library, not by the openssl program: there the key of the image would be an argument, which everyone on the machine
can read. It is imported when it is needed.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

KEY_SIZE = 16


class PrivateKey:
    """The user's RSA key: it signs, and opens what was encrypted for its certificate."""

    def __init__(self, path: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(_read(path), password=None)
        except (ValueError, TypeError) as error:
            raise Failure(f"read the key {path}", "it is no private key, or has a passphrase", "Give an RSA key as PEM, without a passphrase") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Failure(f"read the key {path}", "it is no RSA key", "Give an RSA key")
        self._key = key

    def sign(self, data: bytes) -> str:
        """The signature, hexadecimal."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA1()).hex()

    def decrypt(self, encrypted: str) -> t.Optional[bytes]:
        """A session key or vector; None when it is not encrypted for this key. The plain text is hexadecimal again."""
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            value = bytes.fromhex(self._key.decrypt(bytes.fromhex(encrypted), padding.PKCS1v15()).decode("ascii"))
        except ValueError:  # also what newer libraries give instead of an error: bytes at random
            return None
        return value if len(value) == KEY_SIZE else None

    def certified(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self._key.public_key())


class PublicKey:
    """The public half of an RSA key."""

    def __init__(self, key: t.Any) -> None:
        self._key = key

    def verifies(self, signature: str, data: bytes) -> bool:
        """Whether a hexadecimal signature is of this key over the data."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            self._key.verify(bytes.fromhex(signature), data, padding.PKCS1v15(), hashes.SHA1())
        except (InvalidSignature, ValueError):
            return False
        return True

    def encrypt(self, value: bytes) -> str:
        """A session key or vector for the owner of this key, hexadecimal."""
        from cryptography.hazmat.primitives.asymmetric import padding

        return self._key.encrypt(value.hex().encode("ascii"), padding.PKCS1v15()).hex()


def certificate(path: str) -> PublicKey:
    """The key of an X.509 certificate in a PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    try:
        key = x509.load_pem_x509_certificate(_read(path)).public_key()
    except ValueError as error:
        raise Failure(f"read the certificate {path}", "it is no X.509 certificate as PEM", "Give the certificate") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise Failure(f"read the certificate {path}", "its key is no RSA key", "Give a certificate of an RSA key")
    return PublicKey(key)


def encrypted(chunks: t.Iterable[bytes], key: bytes, vector: bytes) -> t.Iterator[bytes]:
    """AES-128-CBC with the padding of PKCS #7."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    cipher, padder = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor(), PKCS7(128).padder()
    for chunk in chunks:
        yield cipher.update(padder.update(chunk))
    yield cipher.update(padder.finalize()) + cipher.finalize()


def decrypted(chunks: t.Iterable[bytes], key: bytes, vector: bytes) -> t.Iterator[bytes]:
    """The way back. Raises ValueError for what does not end as it must."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    cipher, unpadder = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor(), PKCS7(128).unpadder()
    for chunk in chunks:
        yield unpadder.update(cipher.update(chunk))
    yield unpadder.update(cipher.finalize()) + unpadder.finalize()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError as error:
        raise Failure(f"read {path}", error.strerror or str(error), "Name the file") from error
