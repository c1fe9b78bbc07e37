"""The image generation family: the hosted tool.

Its settings stay the bytes that the client sent: no driver here reads them yet.
"""

from __future__ import annotations

import msgspec

from ._base import UNSET, Tool, UnsetType


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
