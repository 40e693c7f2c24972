"""TLS from two files, and what is said of wrong ones."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chatbots.errors import ConfigurationError
from chatbots.server.tls import tls_context
from tests.provider.tls import certificate


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls") / "own.pem")


def key_file(path: Path, password: bytes | None = None) -> Path:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
    )
    return path


def test_a_certificate_and_its_key_may_be_in_one_file_or_two(own: Path, tmp_path: Path) -> None:
    text = own.read_text()
    parts = re.findall(r"-----BEGIN.*?-----END[^\n]*\n", text, re.DOTALL)
    (key,) = [part for part in parts if "PRIVATE" in part]
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_text(text.replace(key, ""))
    files[1].write_text(key)
    for context in (tls_context(own), tls_context(*files)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_NONE


def test_a_file_that_is_not_there_is_named_with_its_setting(own: Path, tmp_path: Path) -> None:
    for files, name in (
        ((tmp_path / "no.pem", None), "SERVER_TLS_CERTIFICATE"),
        ((own, tmp_path / "no.pem"), "SERVER_TLS_KEY"),
    ):
        with pytest.raises(ConfigurationError, match=rf"no\.pem.* of {name} .*No such file"):
            tls_context(*files)


@pytest.mark.parametrize("wrong", ["another", "no PEM", "password"])
def test_what_is_wrong_with_a_key_is_said(wrong: str, own: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    if wrong == "no PEM":
        key.write_text("key")
    else:
        key_file(key, b"secret" if wrong == "password" else None)
    says = {"another": "not the certificate's", "no PEM": "in PEM", "password": "has a password"}
    with pytest.raises(ConfigurationError, match=says[wrong]) as caught:
        tls_context(own, key)
    assert caught.value.code == "invalid_setting"
    assert "key.pem" in str(caught.value)
