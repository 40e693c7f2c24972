"""Whether it is safe to start: who can reach the server, and what keeps strangers out."""

from __future__ import annotations

from ipaddress import ip_address

from chatbots.errors import ConfigurationError


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches *host*, an address or a name."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_exposure(
    host: str, *, has_tokens: bool, quota: int | None, names: str = "", insecure: bool = False
) -> None:
    """Raise `ConfigurationError` (`unsafe_start`) where strangers could spend the operator's money.

    Beyond this machine the server needs tokens, so that nobody comes in who is not known, and
    a quota, so that nobody who is known spends without end; *insecure* waives both. With *names*
    it is reached by a proxy, wherever it listens.
    """
    if insecure or (has_tokens and quota is not None) or (is_loopback(host) and not names.strip()):
        return
    where = f"as {names}" if is_loopback(host) else f"on {host}"
    missing = [
        what
        for what, is_there in (
            ("nobody has a token (`chatbots tokens add NAME` makes one)", has_tokens),
            ("no SERVER_QUOTA is set (tokens of the model each user may spend a day)", quota),
        )
        if not is_there
    ]
    raise ConfigurationError(
        "unsafe_start",
        f"The server does not start {where}, where others reach it: {', and '.join(missing)}.",
        hint="Do that, or start it with --insecure to let in everybody who can reach it. "
        "With SERVER_HOST=127.0.0.1, and no SERVER_HOSTS, only this machine can.",
        param="server_host",
    )
