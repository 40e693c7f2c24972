"""Tools a bot can do without: where the model's server takes none, it is asked without them."""

from __future__ import annotations

import re
from typing import Final

from chatbots.errors import ChatError
from chatbots.tool_calls import ToolRunner

NOTICE: Final = "The model's server takes no tools; it is asked without them from now on."

_REFUSALS: Final = ("invalid_request", "model_not_available", "upstream_error")
"""As compatible servers have it: status 400 or 422, OpenRouter's 404, llama.cpp's 500."""
_ABOUT_TOOLS: Final = re.compile("tool|function", re.IGNORECASE)


class OptionalTools:
    """A `ToolRunner` of *tools*; who refuses them is asked once more, and ever after, without."""

    def __init__(self, tools: ToolRunner) -> None:
        self.specs = tools.specs
        self.run = tools.run
        self._refusing: set[str | None] = set()

    def suit(self, model: str | None) -> bool:
        """Whether *model* may be offered them, as far as is known."""
        return model not in self._refusing

    def refused(self, model: str | None, error: ChatError) -> bool:
        """Tell whether *error* is about them, and remember it of *model*."""
        about = error.code in _REFUSALS and bool(_ABOUT_TOOLS.search(error.message))
        if about:
            self._refusing.add(model)
        return about
