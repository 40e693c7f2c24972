"""What the reference calls in its own way, for who ports a program: `ResponseTextDeltaEvent`.

Only spellings that are not this package's; the rest of a name is the same.
The functions take lists, and tools in the shapes that the reference shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chatbots.realtime import names
from chatbots.realtime.address import Address
from chatbots.realtime.events import client, responses, server
from chatbots.realtime.events.beta import BETA_NAMES
from chatbots.realtime.events.event import Event
from chatbots.realtime.events.items import ContentPart, Item, generate_id
from chatbots.realtime.events.session import Session, Tool, Transcription, TurnDetection, choice

SessionUpdateEvent = client.SessionUpdate
InputAudioBufferAppendEvent = client.InputAudioBufferAppend
InputAudioBufferCommitEvent = client.InputAudioBufferCommit
InputAudioBufferClearEvent = client.InputAudioBufferClear
ConversationItemCreateEvent = client.ConversationItemCreate
ConversationItemTruncateEvent = client.ConversationItemTruncate
ConversationItemDeleteEvent = client.ConversationItemDelete
ResponseCreateEvent = client.ResponseCreate
ResponseCancelEvent = client.ResponseCancel
SessionCreatedEvent = server.SessionCreated
SessionUpdatedEvent = server.SessionUpdated
ConversationCreatedEvent = server.ConversationCreated
InputAudioBufferCommittedEvent = server.InputAudioBufferCommitted
InputAudioBufferClearedEvent = server.InputAudioBufferCleared
InputAudioBufferSpeechStartedEvent = server.InputAudioBufferSpeechStarted
InputAudioBufferSpeechStoppedEvent = server.InputAudioBufferSpeechStopped
ConversationItemCreatedEvent = server.ConversationItemCreated
ConversationItemTruncatedEvent = server.ConversationItemTruncated
ConversationItemDeletedEvent = server.ConversationItemDeleted
ConversationItemInputAudioTranscriptionCompletedEvent = (
    server.ConversationItemInputAudioTranscriptionCompleted
)
ConversationItemInputAudioTranscriptionFailedEvent = (
    server.ConversationItemInputAudioTranscriptionFailed
)
ResponseCreatedEvent = responses.ResponseCreated
ResponseDoneEvent = responses.ResponseDone
ResponseOutputItemAddedEvent = responses.ResponseOutputItemAdded
ResponseOutputItemDoneEvent = responses.ResponseOutputItemDone
ResponseContentPartAddedEvent = responses.ResponseContentPartAdded
ResponseContentPartDoneEvent = responses.ResponseContentPartDone
ResponseTextDeltaEvent = responses.ResponseTextDelta
ResponseTextDoneEvent = responses.ResponseTextDone
ResponseAudioTranscriptDeltaEvent = responses.ResponseAudioTranscriptDelta
ResponseAudioTranscriptDoneEvent = responses.ResponseAudioTranscriptDone
ResponseAudioDeltaEvent = responses.ResponseAudioDelta
ResponseAudioDoneEvent = responses.ResponseAudioDone
ResponseFunctionCallArgumentsDeltaEvent = responses.ResponseFunctionCallArgumentsDelta
ResponseFunctionCallArgumentsDoneEvent = responses.ResponseFunctionCallArgumentsDone
RateLimitsUpdatedEvent = server.RateLimitsUpdated
ErrorEvent = server.ErrorEvent
ResponseTextDeltaMessage = responses.ResponseTextDelta
ResponseDoneMessage = responses.ResponseDone

MessageContentPart = ContentPart
InputAudioTranscription = Transcription
ClientTurnDetection = TurnDetection
GenerateID = generate_id

GPT4oRealtimePreview: Final = names.GPT_4O_REALTIME_PREVIEW
GPT4oRealtimePreview20241001: Final = names.GPT_4O_REALTIME_PREVIEW_2024_10_01
GPT4oRealtimePreview20241217: Final = names.GPT_4O_REALTIME_PREVIEW_2024_12_17
GPT4oMiniRealtimePreview: Final = names.GPT_4O_MINI_REALTIME_PREVIEW
GPT4oMiniRealtimePreview20241217: Final = names.GPT_4O_MINI_REALTIME_PREVIEW_2024_12_17

ModalityText: Final = "text"
ModalityAudio: Final = "audio"
VoiceAlloy: Final = "alloy"
AudioFormatPcm16: Final = "pcm16"
AudioFormatPCM16: Final = "pcm16"
MessageItemTypeMessage: Final = "message"
MessageRoleUser: Final = "user"
MessageContentTypeInputText: Final = "input_text"
ClientTurnDetectionTypeServerVad: Final = "server_vad"
ToolTypeFunction: Final = "function"
ServerEventTypeResponseTextDelta: Final = "response.text.delta"
ServerEventTypeResponseDone: Final = "response.done"


def ServerEventType(event: Event) -> str:  # noqa: N802  # the reference's spelling
    """Return the name that the reference has for *event*, whichever dialect it came in."""
    return BETA_NAMES.get(event.type, event.type)


def DefaultAzureConfig(api_key: str, base_url: str) -> Address:  # noqa: N802  # the same
    """Return where Azure's dated API is, of the version that the reference asks for."""
    return Address(key=api_key, base_url=base_url, azure=True, api_version="2024-10-01-preview")


def MessageItem(  # noqa: N802  # the reference's spelling
    *,
    type: str,  # noqa: A002  # the API's word
    role: str,
    content: Sequence[ContentPart],
) -> Item:
    """Return a message of a conversation."""
    return Item(type=type, role=role, content=tuple(content))


def ClientSession(**told: Any) -> Session:  # noqa: N802  # the reference's spelling
    """Return a session that is told what is given; raises `InvalidRequest` for no tool."""
    if "modalities" in told:
        told["modalities"] = tuple(told["modalities"])
    if "tools" in told:
        told["tools"] = tuple(t if isinstance(t, Tool) else Tool.of(t) for t in told["tools"])
    if "tool_choice" in told:
        told["tool_choice"] = choice(told["tool_choice"])
    return Session(**told)
