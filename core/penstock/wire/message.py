"""The message family: messages of input and output, their content parts, and the events of text and refusals.

It knows the JSON of OpenAI's `Message`, `EasyInputMessage`, `ResponseOutputMessage` and their parts. One class is for
input and output, since a client sends output back as input.
"""

from typing import ClassVar, Literal, Self, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock import wire

from ._base import UNSET, Event, Fold, Item, ItemStatus, Part, UnsetType, Wire, append, settle
from .unknown import UnknownAnnotation

ImageDetail: TypeAlias = Literal["low", "high", "auto", "original"]


class InputText(Part, kw_only=True, tag="input_text"):
    """Text of the client."""

    text: str
    prompt_cache_breakpoint: msgspec.Raw | UnsetType = UNSET


class InputImage(Part, kw_only=True, tag="input_image"):
    """An image, by URL (also a `data:` URL) or by the id of a file."""

    detail: ImageDetail | None = "auto"
    image_url: str | None | UnsetType = UNSET
    file_id: str | None | UnsetType = UNSET
    prompt_cache_breakpoint: msgspec.Raw | UnsetType = UNSET


class InputFile(Part, kw_only=True, tag="input_file"):
    """A file, by its data (base64 or a `data:` URL), by URL or by id."""

    filename: str | None | UnsetType = UNSET
    file_data: str | None | UnsetType = UNSET
    file_url: str | None | UnsetType = UNSET
    file_id: str | None | UnsetType = UNSET
    detail: Literal["auto", "low", "high"] | None | UnsetType = UNSET
    prompt_cache_breakpoint: msgspec.Raw | UnsetType = UNSET


class AudioData(Wire, kw_only=True):
    """Base64 audio and its format."""

    data: str
    format: Literal["mp3", "wav"]


class InputAudio(Part, kw_only=True, tag="input_audio"):
    """Audio of the client."""

    input_audio: AudioData


class FileCitation(Wire, kw_only=True, tag_field="type", tag="file_citation"):
    """An annotation: the text cites a file."""

    file_id: str
    filename: str = ""
    index: int = 0


class UrlCitation(Wire, kw_only=True, tag_field="type", tag="url_citation"):
    """An annotation: the characters from `start_index` to `end_index` cite a web page."""

    url: str
    title: str = ""
    start_index: int = 0
    end_index: int = 0


class ContainerFileCitation(Wire, kw_only=True, tag_field="type", tag="container_file_citation"):
    """An annotation: these characters cite a file of a code interpreter's container."""

    container_id: str
    file_id: str
    filename: str = ""
    start_index: int = 0
    end_index: int = 0


class FilePath(Wire, kw_only=True, tag_field="type", tag="file_path"):
    """An annotation: the path of a file that the model made."""

    file_id: str
    index: int = 0


Annotation: TypeAlias = FileCitation | UrlCitation | ContainerFileCitation | FilePath | UnknownAnnotation


class TopLogprob(Wire, kw_only=True):
    """One of the most likely tokens at a position. `logprob` is a natural logarithm."""

    token: str
    bytes: list[int] | None = []
    logprob: float


class Logprob(TopLogprob, kw_only=True):
    """The chosen token at a position, and the most likely tokens there."""

    top_logprobs: list[TopLogprob] | None = []


class OutputText(Part, kw_only=True, tag="output_text"):
    """Text of the model. The lists may be null where a client sends back the output of another server."""

    text: str
    annotations: list[Annotation] | None = []
    logprobs: list[Logprob] | None = []


class Refusal(Part, kw_only=True, tag="refusal"):
    """The model's explanation of why it does not answer."""

    refusal: str


class Message(Item, kw_only=True, tag="message"):
    """A message of any role. `content` is a string only where a client sent a string."""

    id_prefix: ClassVar[str] = "msg_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    role: Literal["user", "assistant", "system", "developer"]
    content: "str | list[wire.ContentPart]"
    phase: Literal["commentary", "final_answer"] | None | UnsetType = UNSET

    def long_form(self) -> Self:
        """The message with its content as a list of parts."""
        if not isinstance(self.content, str):
            return self
        part = OutputText if self.role == "assistant" else InputText
        return replace(self, content=[part(text=self.content)])


class _PartEvent(Event, kw_only=True, tag=""):
    """An event about one content part of one item."""

    item_id: str
    output_index: int
    content_index: int


class OutputTextDelta(_PartEvent, kw_only=True, tag="response.output_text.delta"):
    """A piece of text. `obfuscation` is padding, so that the size of the event does not show the text's length."""

    fold: ClassVar[Fold] = append("text", extend="logprobs")

    delta: str
    logprobs: list[Logprob] = []
    obfuscation: str | UnsetType = UNSET


class OutputTextAnnotationAdded(_PartEvent, kw_only=True, tag="response.output_text.annotation.added"):
    """An annotation of the text so far."""

    fold: ClassVar[Fold] = append("annotations", source="annotation")

    annotation_index: int
    annotation: Annotation


class OutputTextDone(_PartEvent, kw_only=True, tag="response.output_text.done"):
    """The text is complete."""

    fold: ClassVar[Fold] = settle("text", "logprobs")

    text: str
    logprobs: list[Logprob] | None = []


class RefusalDelta(_PartEvent, kw_only=True, tag="response.refusal.delta"):
    """A piece of a refusal."""

    fold: ClassVar[Fold] = append("refusal")

    delta: str
    obfuscation: str | UnsetType = UNSET


class RefusalDone(_PartEvent, kw_only=True, tag="response.refusal.done"):
    """The refusal is complete."""

    fold: ClassVar[Fold] = settle("refusal")

    refusal: str
