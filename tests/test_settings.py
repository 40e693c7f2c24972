"""Settings: what wins over what, and what a wrong value says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.model_names import DEFAULT_MODEL
from chatbots.settings import Settings, environment

ROOT = Path(__file__).parent.parent


def env_file(folder: Path, text: str) -> Path:
    (folder / ".env").write_text(text, encoding="utf-8")
    return folder


def test_settings_made_in_code_read_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_MODEL", "of-the-environment")
    monkeypatch.chdir(env_file(tmp_path, "SERVER_PORT=3000"))
    settings = Settings()
    assert settings.openai_model == DEFAULT_MODEL
    assert settings.server_port == 8080


@pytest.mark.checklist(9, 253)
def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.load(tmp_path).openai_model == DEFAULT_MODEL
    env_file(tmp_path, "OPENAI_MODEL=of-the-file")
    assert Settings.load(tmp_path).openai_model == "of-the-file"
    monkeypatch.setenv("OPENAI_MODEL", "of-the-environment")
    assert Settings.load(tmp_path).openai_model == "of-the-environment"
    assert Settings.load(tmp_path, openai_model="of-the-flag").openai_model == "of-the-flag"
    assert Settings.load(tmp_path, openai_model=None).openai_model == "of-the-environment"


SAMPLES = {
    "str": ("one", "two"),
    "int": ("7", "8"),
    "float": ("0.25", "0.5"),
    "bool": ("0", "1"),
    "path": ("/one", "/two"),
}


def samples() -> Iterator[tuple[str, str, str]]:
    special = {
        "openai_base_url": ("http://one/v1", "http://two/v1"),
        "azure_openai_endpoint": ("https://one", "https://two"),
        "log_level": ("debug", "error"),
        "log_format": ("json", "console"),
        "db_type": ("memory", "postgres"),
        "openai_realtime_dialect": ("beta", "ga"),
        "chatbots_local": ("0", "1"),
        "chatbots_summarize": ("0", "1"),
    }
    for name, field in Settings.model_fields.items():
        kind = str(field.annotation)
        by_kind = "path" if "Path" in kind else "float" if "float" in kind else "int"
        first, second = special.get(name) or SAMPLES["str" if "str" in kind.lower() else by_kind]
        yield name, first, second


@pytest.mark.checklist(162, 207, 236, 237, 253, 254)
@pytest.mark.parametrize(("name", "in_file", "in_environment"), list(samples()))
def test_every_variable_may_stand_in_the_file_and_the_environment_wins(
    name: str, in_file: str, in_environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file(tmp_path, f"{name.upper()}={in_file}")
    from_file = getattr(Settings.load(tmp_path), name)
    assert from_file == getattr(Settings(**{name: in_file}), name)
    monkeypatch.setenv(name.upper(), in_environment)
    from_environment = getattr(Settings.load(tmp_path), name)
    assert from_environment == getattr(Settings(**{name: in_environment}), name)
    assert from_environment != from_file


def test_an_empty_variable_counts_as_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file(tmp_path, "OPENAI_MODEL=of-the-file")
    monkeypatch.setenv("OPENAI_MODEL", " ")
    assert Settings.load(tmp_path).openai_model == "of-the-file"


@pytest.mark.checklist(11)
def test_the_file_may_hold_quotes_comments_spaces_and_exports(tmp_path: Path) -> None:
    env_file(
        tmp_path,
        "\ufeff# comment\n"
        'export OPENAI_API_KEY="sk-in-quotes"\n'
        " OPENAI_MODEL = 'single $HOME' # after it\n"
        "SERVER_PORT=3000\r\n"
        "ELSE=ignored\n",
    )
    settings = Settings.load(tmp_path)
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-in-quotes"
    assert settings.openai_model == "single $HOME"
    assert settings.server_port == 3000


@pytest.mark.checklist(249)
def test_the_reference_file_takes_effect(tmp_path: Path) -> None:
    env_file(
        tmp_path,
        "# Server configuration\nSERVER_PORT=3000\n\n# OpenAI configuration\n"
        "OPENAI_API_KEY=your-key\nOPENAI_MODEL=gpt-4\nOPENAI_MAX_TOKENS=2000\n"
        "OPENAI_TEMPERATURE=0.8\n",
    )
    settings = Settings.load(tmp_path)
    assert settings.server_port == 3000
    assert settings.openai_model == "gpt-4"
    assert settings.openai_max_tokens == 2000
    assert settings.openai_temperature == 0.8


@pytest.mark.checklist(227)
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("openai_temperature", "nan", "finite"),
        ("openai_temperature", "2.5", "less than or equal to 2"),
        ("openai_temperature", "warm", "number"),
        ("openai_max_tokens", "0", "greater than or equal to 1"),
        ("openai_base_url", "localhost:8000/v1", "http://"),
        ("openai_base_url", "http://", "http://"),
        ("server_port", "80800", "65535"),
        ("server_port", "http", "integer"),
        ("log_level", "loud", "debug"),
        ("chatbots_timeout", "0", "greater than 0"),
        ("chatbots_timeout", "inf", "finite"),
        ("chatbots_local_idle", "-1", "greater than or equal to 0"),
        ("db_type", "mongo", "sqlite"),
        ("db_name", "../passwd", "match"),
        ("openai_base_url", "http://[::1", "no address"),
        ("openai_base_url", "http://h:99999/v1", "no address"),
        ("openai_base_url", "http://a b/v1", "no address"),
        ("openai_base_url", "http://漢/v1", "no address"),
        ("openai_api_key", "sk-é漢", "no header"),
        ("openai_api_key", "'sk-abc def'", "no header"),
        ("openai_org_id", "漢", "no header"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    name: str, value: str, says: str, tmp_path: Path
) -> None:
    env_file(tmp_path, f"{name.upper()}={value}")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(tmp_path)
    assert caught.value.code == "invalid_setting"
    assert name.upper() in str(caught.value)
    assert says in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("assistant_instructions", "a\udcffb"),
        ("assistant_instructions", "a\0b"),
        ("openai_model", "\udcff"),
        ("openai_model", ""),
        ("openai_api_key", "sk-abcdefgh\nCANARY"),
        ("openai_base_url", "http://\udcff/v1"),
    ],
)
def test_text_that_cannot_be_sent_is_refused_and_not_repeated(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**{name: value})
    assert caught.value.code == "invalid_setting"
    assert name.upper() in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_blanks_around_a_key_are_dropped() -> None:
    assert Settings(openai_api_key=" sk-1\n").secrets == ("sk-1",)


@pytest.mark.checklist(196, 237)
def test_a_secret_never_shows_in_the_settings_or_in_an_error() -> None:
    settings = Settings(openai_api_key="sk-canary-1", db_password="canary-2")
    assert "canary" not in f"{settings!r} {settings}"
    assert settings.secrets == ("sk-canary-1", "canary-2")
    with pytest.raises(ConfigurationError) as caught:
        Settings(openai_api_key=["sk-canary-1"])
    assert "canary" not in str(caught.value)


def test_azures_key_is_a_secret_that_fits_a_header() -> None:
    settings = Settings(azure_openai_api_key=" azure-canary-1\n")
    assert settings.secrets == ("azure-canary-1",)
    assert "canary" not in f"{settings!r} {settings}"
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY") as caught:
        Settings(azure_openai_api_key="canary\nx-evil: 1")
    assert "canary" not in str(caught.value)


def test_azure_is_asked_unless_a_base_url_names_another_server(tmp_path: Path) -> None:
    azure = {
        "azure_openai_endpoint": "https://r.openai.azure.com/",
        "azure_openai_deployment": "mine",
    }
    asked = Settings(**azure)
    assert (asked.azure, asked.openai_model) == ("https://r.openai.azure.com", "mine")
    assert asked.says_where
    assert Settings(**azure, openai_model="named").openai_model == "named"
    assert Settings.load(tmp_path, **azure, openai_model="flag").openai_model == "flag"
    other = Settings(**azure, openai_base_url="http://h/v1")
    assert (other.azure, other.openai_model) == (None, DEFAULT_MODEL)
    assert Settings(azure_openai_deployment="mine").openai_model == DEFAULT_MODEL
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        Settings(azure_openai_endpoint="r.openai.azure.com")


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_MODLE cannot be used: there is no such"):
        Settings(openai_modle="x")


@pytest.mark.checklist(192)
def test_levels_and_types_may_be_in_capitals() -> None:
    assert Settings(log_level="DEBUG").log_level == "debug"
    assert Settings(log_level="WARN").log_level == "warning"
    assert Settings(db_type="SQLite").db_type == "sqlite"
    assert Settings(openai_realtime_dialect="Beta").openai_realtime_dialect == "beta"


@pytest.mark.checklist(231)
def test_a_trailing_slash_of_the_base_url_is_dropped() -> None:
    assert Settings(openai_base_url="http://h:1/v1/").openai_base_url == "http://h:1/v1"


@pytest.mark.parametrize(
    ("text", "models"), [("", ()), ("one", ("one",)), (" one, two/b:1 ,,", ("one", "two/b:1"))]
)
def test_fallback_models_are_names_between_commas(text: str, models: tuple[str, ...]) -> None:
    assert Settings(chatbots_fallback_models=text).fallback_models == models


def test_who_is_to_be_asked() -> None:
    assert not Settings().says_where
    assert Settings(openai_api_key="k").says_where
    assert Settings(openai_base_url="http://h/v1").says_where
    assert Settings(openai_model="local").wants_local
    assert Settings(chatbots_local=True).wants_local
    assert not Settings().wants_local


@pytest.mark.checklist(9, 10)
def test_instructions_come_from_the_file_unless_they_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.load(tmp_path).assistant_instructions == ""
    (tmp_path / "instructions.txt").write_bytes(b"\xef\xbb\xbfBe brief.\r\nBe kind.\r\n")
    assert Settings.load(tmp_path).assistant_instructions == "Be brief.\nBe kind."
    monkeypatch.setenv("ASSISTANT_INSTRUCTIONS", "Be loud.")
    assert Settings.load(tmp_path).assistant_instructions == "Be loud."


@pytest.mark.checklist(224)
def test_the_example_file_names_every_setting_and_changes_nothing(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in Settings.model_fields:
        assert f"\n# {name.upper()}=" in f"\n{example}" or f"\n{name.upper()}=" in f"\n{example}"
    env_file(tmp_path, example)
    loaded = Settings.load(tmp_path)
    assert loaded.model_dump() == Settings().model_dump()


def test_all_variables_are_those_of_the_process_and_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MY_KEY=file\nPATH=nowhere\nEMPTY\n")
    monkeypatch.setenv("PATH", "here")
    found = environment(tmp_path)
    assert (found["MY_KEY"], found["PATH"]) == ("file", "here")
    assert "EMPTY" not in found
