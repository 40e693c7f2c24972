"""Who has the word, as tables: the user's states, the model's, and what follows from both.

Everything that affects these states is here.
Whether an event may come at all is the table's to say; what it means is `protocol.py`'s.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

User: TypeAlias = Literal["silent", "speaking", "paused"]
"""`paused`: the user has stopped, and the audio is not yet a message."""

Model: TypeAlias = Literal[
    "idle", "asked", "doomed", "answering", "stopping", "calling", "sounding"
]
"""`asked`: a response is asked for and has not begun; `doomed`: and will be cancelled when it has.
`stopping`: what still comes is not heard.
`calling`: results of functions are owed. `sounding`: it is whole, and is still being played."""

State: TypeAlias = User | Model

UserDeed: TypeAlias = Literal["speech_started", "speech_stopped", "committed", "cleared", "lost"]
ModelDeed: TypeAlias = Literal[
    "ask", "refused", "created", "cancel", "done", "calls", "sounds", "played", "lost"
]
Deed: TypeAlias = UserDeed | ModelDeed
"""What happens; `lost` is the connection."""

USER: Final[dict[User, dict[UserDeed, User]]] = {
    # Without turn detection a client commits and clears while nobody is heard to speak.
    "silent": {
        "speech_started": "speaking", "committed": "silent", "cleared": "silent", "lost": "silent",
    },
    "speaking": {
        "speech_stopped": "paused", "committed": "silent", "cleared": "silent", "lost": "silent",
    },
    "paused": {
        "speech_started": "speaking", "committed": "silent", "cleared": "silent", "lost": "silent",
    },
}  # fmt: skip

MODEL: Final[dict[Model, dict[ModelDeed, Model]]] = {
    # Turn detection lets the server begin a response that nobody has asked for.
    "idle": {"ask": "asked", "created": "answering", "lost": "idle"},
    "asked": {"created": "answering", "refused": "idle", "cancel": "doomed", "lost": "idle"},
    "doomed": {"created": "stopping", "refused": "idle", "lost": "idle"},
    "answering": {
        "done": "idle", "calls": "calling", "sounds": "sounding", "cancel": "stopping",
        "lost": "idle",
    },
    "stopping": {"done": "idle", "lost": "idle"},
    "calling": {"ask": "asked", "created": "answering", "lost": "idle"},
    "sounding": {"ask": "asked", "created": "answering", "played": "idle", "lost": "idle"},
}  # fmt: skip

BARGE_IN: Final[dict[tuple[User, Model], Model]] = {
    ("speaking", "answering"): "stopping",
    ("speaking", "sounding"): "idle",
}
"""The user speaks into what the model says: what becomes of the model."""


class Illegal(ValueError):
    """The table does not have it; nothing has changed."""


class Turns:
    """The user's state and the model's; `interruptible` says whether the user may cut in."""

    def __init__(self, *, interruptible: bool = True) -> None:
        self.user: User = "silent"
        self.model: Model = "idle"
        self.interruptible = interruptible

    def heard(self, deed: UserDeed) -> bool:
        """Do what the user does; return whether that interrupts the model. Raises `Illegal`."""
        if deed not in (table := USER[self.user]):
            raise Illegal(f"The user is {self.user}: {deed} cannot be.")
        self.user = table[deed]
        return self._barge_in()

    def does(self, deed: ModelDeed) -> bool:
        """Do what happens to the model; return whether the user interrupts it. Raises `Illegal`."""
        if deed not in (table := MODEL[self.model]):
            raise Illegal(f"The model is {self.model}: {deed} cannot be.")
        self.model = table[deed]
        return self._barge_in()

    def may(self, deed: ModelDeed) -> bool:
        """Tell whether *deed* is legal now."""
        return deed in MODEL[self.model]

    def _barge_in(self) -> bool:
        after = BARGE_IN.get((self.user, self.model)) if self.interruptible else None
        self.model = after or self.model
        return after is not None


def diagram(table: dict[User, dict[UserDeed, User]] | dict[Model, dict[ModelDeed, Model]]) -> str:
    """Draw a table for mermaid; what a lost connection does is left out."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(table))}"]
    for state, ways in table.items():
        lines += [f"    {state} --> {to}: {deed}" for deed, to in ways.items() if deed != "lost"]
    if next(iter(table)) == "idle":
        lines += [f"    {model} --> {to}: barge-in" for (_, model), to in BARGE_IN.items()]
    return "\n".join(lines)
