"""Who is asked: each client, how it is used, and what its documentation promises."""

from __future__ import annotations

from typing import Final, NamedTuple

from report.scoring import SDK_ERRORS, Habits


class Client(NamedTuple):
    """A client in one manner of use.

    *program* is a module of `report/clients/`; *environment* a file of `report/pinned/`,
    empty for the environment that runs the report; *packages* are those whose versions count.
    """

    name: str
    program: str
    environment: str
    packages: tuple[str, ...]
    habits: Habits
    use: str


SDK: Final = "openai"
_PYDANTIC_AI: Final = ("pydantic_ai.exceptions.AgentRunError", "pydantic_ai.exceptions.UserError")
_AGENTS: Final = ("agents.exceptions.AgentsException",)

OURS: Final = Client(
    "chatbots",
    "chatbots_bot",
    "",
    (SDK,),
    Habits(("chatbots.errors.ChatError",), "`reply.state`, `reply.reason`"),
    "`bots.streaming().stream(...)`, reading `s.text`; `timeout=6`, "
    "`chatbots_first_token_timeout=2`, `chatbots_gap_timeout=2`",
)
OPENAI_SDK: Final = Client(
    "openai",
    "openai_sdk",
    "openai",
    (SDK,),
    Habits((SDK_ERRORS,), "`finish_reason` of a chunk's choice"),
    "`chat.completions.create(stream=True)`; `timeout=2`",
)
CLIENTS: Final = (
    OURS,
    OPENAI_SDK,
    Client(
        "pydantic-ai",
        "pydantic_ai_agent",
        "pydantic-ai",
        ("pydantic-ai-slim", SDK),
        Habits(_PYDANTIC_AI, "`result.response.finish_reason`"),
        "`agent.run_stream(...)`, `stream_text(delta=True)`; `timeout=2`, `request_timeout=6`",
    ),
    Client(
        "pydantic-ai, strict",
        "pydantic_ai_strict",
        "pydantic-ai",
        ("pydantic-ai-slim", SDK),
        Habits(_PYDANTIC_AI, "`result.response.finish_reason`"),
        "the same, with `openai_chat_streaming_requires_finish_reason=True` in the profile",
    ),
    Client(
        "openai-agents",
        "openai_agents",
        "openai-agents",
        ("openai-agents", SDK),
        Habits(_AGENTS, ""),
        "`Runner.run_streamed`, raw text deltas, `OpenAIChatCompletionsModel`; "
        "the SDK's `timeout=2`, `ModelSettings(timeout=6)`",
    ),
    Client(
        "openai-agents, official",
        "openai_agents_official",
        "openai-agents",
        ("openai-agents", SDK),
        Habits(_AGENTS, ""),
        "the same, made to believe that the server is OpenAI's: "
        "only there it asks for a `finish_reason`",
    ),
    Client(
        "LangChain",
        "langchain_chat",
        "langchain",
        ("langchain-openai", "langchain-core", SDK),
        Habits(
            (
                "langchain_core.exceptions.LangChainException",
                "langchain_openai.chat_models._client_utils.StreamChunkTimeoutError",
            ),
            "`response_metadata['finish_reason']` of a chunk",
        ),
        "`ChatOpenAI(...).astream(...)`; `timeout=2`, `stream_chunk_timeout=2`",
    ),
    Client(
        "LiteLLM",
        "litellm_completion",
        "litellm",
        ("litellm", SDK),
        # Its documentation tells to catch the SDK's classes: its own are made from them.
        Habits((SDK_ERRORS,), "`finish_reason` of a chunk's choice"),
        "`acompletion(stream=True)`; `timeout=2`",
    ),
    Client(
        "llm",
        "llm_prompt",
        "llm",
        ("llm", SDK),
        Habits(("llm.errors.ModelError",), "`response.json()['finish_reason']`"),
        "iterating over `model.prompt(...)`; it documents no timeout",
    ),
)
