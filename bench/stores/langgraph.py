"""LangGraph: a graph of one step with `AsyncSqliteSaver`, which keeps each step (`sync`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph


class Store:
    """One file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sessions.db"
        self.answered = ""
        self.opened: Any = None
        self.graph: Any = None

    async def open(self) -> None:
        self.opened = AsyncSqliteSaver.from_conn_string(str(self.path))
        saver = await self.opened.__aenter__()
        await saver.setup()
        graph = StateGraph(MessagesState)
        graph.add_node("answer", self.answer)
        graph.add_edge(START, "answer")
        graph.add_edge("answer", END)
        self.graph = graph.compile(checkpointer=saver)

    async def answer(self, _: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(self.answered)]}

    async def turn(self, session: str, number: int, asked: str, answered: str) -> None:
        del number  # it has no request ids
        self.answered = answered
        said = {"messages": [HumanMessage(asked)]}
        await self.graph.ainvoke(said, config(session), durability="sync")

    async def fill(self, session: str, messages: int, text: str) -> None:
        pairs = [kind(text) for _ in range(messages // 2) for kind in (HumanMessage, AIMessage)]
        await self.graph.aupdate_state(config(session), {"messages": pairs}, as_node="answer")

    async def last(self, session: str, messages: int) -> list[str]:
        state = await self.graph.aget_state(config(session))
        return [str(message.content) for message in state.values["messages"][-messages:]]

    async def close(self) -> None:
        await self.opened.__aexit__(None, None, None)


def config(session: str) -> Any:
    return {"configurable": {"thread_id": session}}
