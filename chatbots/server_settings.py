"""What can be configured of the server: its address, who is let in, and how much each may do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class ServerSettings(BaseModel):
    """The part of `Settings` that the server alone uses."""

    model_config = ConfigDict(frozen=True)

    server_host: str = Field(
        "127.0.0.1",
        description="The address the server listens on. Beyond this machine (0.0.0.0) it starts "
        "only with tokens and a SERVER_QUOTA.",
    )
    server_port: Port = Field(8080, description="The port the server listens on.")
    server_read_timeout: Seconds = Field(
        30.0, description="Seconds for the rest of a frame or request once begun."
    )
    server_write_timeout: Seconds = Field(30.0, description="Seconds a send to a client may take.")
    server_tokens_file: Path | None = Field(
        None,
        description="The file of `chatbots tokens`; server-tokens in the user's data folder if "
        "not set. Where it exists, nobody comes in without a token.",
    )
    server_quota: Count | None = Field(
        None, description="Tokens of the model that each user may spend a day (UTC)."
    )
    server_rate: Count = Field(100, description="Messages a minute that each user may send.")
    server_burst: Count = Field(20, description="Messages each user may send at once.")
    server_user_sockets: Count = Field(20, description="Sockets each user may have open.")
    server_in_flight: Count = Field(
        8, description="Requests of one socket that are answered at the same time."
    )
    server_drain_timeout: Seconds = Field(
        10.0, description="Seconds that running answers have to end when the server is told to."
    )
    server_user_streams: Count = Field(20, description="Turns each user may have running.")
    server_hosts: str = Field(
        "",
        description="Names the server is called by, as in `chat.example.com,chat.example.org`; "
        "localhost and addresses are known.",
    )
    server_origins: str = Field(
        "",
        description="Web pages of others that may connect, as in `https://example.com`; the "
        "server's own may.",
    )
    server_tls_certificate: Path | None = Field(
        None, description="A PEM file of the certificate and its chain: wss:// and https://."
    )
    server_tls_key: Path | None = Field(
        None, description="A PEM file of its private key; in the certificate's file if not set."
    )

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
