"""The image generation family: the hosted tool, its call, and the call's events.

The tool's settings stay undecoded, and images stay base64.
"""

from typing import ClassVar, Literal

import msgspec

from ._base import UNSET, Fold, Item, ItemEvent, Tool, UnsetType, nothing, status


class ImageGenerationTool(Tool, kw_only=True, tag="image_generation"):
    """The server makes images for the model."""

    action: str | None | UnsetType = UNSET
    background: str | None | UnsetType = UNSET
    complexity: str | None | UnsetType = UNSET
    frame_count: int | None | UnsetType = UNSET
    frame_duration_ms: int | None | UnsetType = UNSET
    input_fidelity: str | None | UnsetType = UNSET
    input_image_mask: msgspec.Raw | UnsetType = UNSET
    model: str | None | UnsetType = UNSET
    moderation: str | None | UnsetType = UNSET
    output_compression: int | None | UnsetType = UNSET
    output_format: str | None | UnsetType = UNSET
    partial_images: int | None | UnsetType = UNSET
    quality: str | None | UnsetType = UNSET
    size: str | None | UnsetType = UNSET
    svg: msgspec.Raw | UnsetType = UNSET


class ImageGenerationCall(Item, kw_only=True, tag="image_generation_call"):
    """An image that a server generated. `result` is its base64, or null until it is complete."""

    id_prefix: ClassVar[str] = "ig_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "completed", "generating", "failed"] | None | UnsetType = UNSET
    result: str | None = None
    revised_prompt: str | None | UnsetType = UNSET
    action: str | None | UnsetType = UNSET
    background: str | None | UnsetType = UNSET
    output_format: str | None | UnsetType = UNSET
    quality: str | None | UnsetType = UNSET
    size: str | None | UnsetType = UNSET
    error: msgspec.Raw | UnsetType = UNSET
    svg_usage: msgspec.Raw | UnsetType = UNSET


class ImageGenerationCallInProgress(ItemEvent, kw_only=True, tag="response.image_generation_call.in_progress"):
    """The call begins."""

    fold: ClassVar[Fold] = status("in_progress")


class ImageGenerationCallGenerating(ItemEvent, kw_only=True, tag="response.image_generation_call.generating"):
    """The image is being generated."""

    fold: ClassVar[Fold] = status("generating")


class ImageGenerationCallPartialImage(ItemEvent, kw_only=True, tag="response.image_generation_call.partial_image"):
    """A preview of the image. It never becomes the call's `result`."""

    fold: ClassVar[Fold] = nothing()

    partial_image_index: int
    partial_image_b64: str
    background: str | None | UnsetType = UNSET
    output_format: str | None | UnsetType = UNSET
    quality: str | None | UnsetType = UNSET
    size: str | None | UnsetType = UNSET


class ImageGenerationCallCompleted(ItemEvent, kw_only=True, tag="response.image_generation_call.completed"):
    """The image is complete."""

    fold: ClassVar[Fold] = status("completed")
