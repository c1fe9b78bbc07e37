"""The vocabulary of the Responses API: one family a file, and here the unions that say what may stand where.

It knows every word and no grammar: nothing in this package runs. A word that is missing from its union here does
not exist for the rest of the house.
"""

from __future__ import annotations

from typing import TypeAlias

from ._base import NULL, UNSET, Event, Fold, Item, ItemStatus, Part, UnsetType, Wire
from .additional_tools import AdditionalTools
from .apply_patch import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ApplyPatchOperation,
    ApplyPatchTool,
    CreateFile,
    DeleteFile,
    UpdateFile,
)
from .code_interpreter import CodeInterpreterTool
from .computer import (
    Click,
    ComputerAction,
    ComputerCall,
    ComputerCallOutput,
    ComputerScreenshot,
    ComputerTool,
    ComputerUsePreviewTool,
    DoubleClick,
    Drag,
    DragPoint,
    Keypress,
    Move,
    SafetyCheck,
    Screenshot,
    Scroll,
    Type,
    Wait,
)
from .conversation import (
    Conversation,
    ConversationReference,
    CreateConversation,
    CreateConversationItems,
    Deleted,
    ItemReference,
    UpdateConversation,
)
from .custom_tool import (
    CustomTool,
    CustomToolCall,
    CustomToolCallInputDelta,
    CustomToolCallInputDone,
    CustomToolCallOutput,
    CustomToolInputFormat,
    GrammarInput,
    TextInput,
)
from .error import Error, ErrorBody, ErrorDetail, ResponseError
from .file_search import FileSearchTool
from .framing import ContentPartAdded, ContentPartDone, OutputItemAdded, OutputItemDone
from .function_call import (
    FunctionCall,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    FunctionCallOutput,
    FunctionTool,
)
from .image_generation import ImageGenerationTool
from .local_shell import LocalShellCall, LocalShellCallOutput, LocalShellExec, LocalShellTool
from .mcp import McpTool
from .message import (
    Annotation,
    AudioData,
    ContainerFileCitation,
    FileCitation,
    FilePath,
    ImageDetail,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    Logprob,
    Message,
    OutputText,
    OutputTextAnnotationAdded,
    OutputTextDelta,
    OutputTextDone,
    Refusal,
    RefusalDelta,
    RefusalDone,
    TopLogprob,
    UrlCitation,
)
from .model import Model, ModelList
from .namespace import NamespaceTool
from .page import ItemList
from .reasoning import (
    Effort,
    Reasoning,
    ReasoningItem,
    ReasoningSummaryPartAdded,
    ReasoningSummaryPartDone,
    ReasoningSummaryTextDelta,
    ReasoningSummaryTextDone,
    ReasoningText,
    ReasoningTextDelta,
    ReasoningTextDone,
    SummaryStyle,
    SummaryText,
)
from .request import (
    ContextManagement,
    CreateResponse,
    Include,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    PromptCacheOptions,
    ServiceTier,
    StreamOptions,
    TextConfig,
    TextFormat,
)
from .response import (
    Completed,
    Created,
    Failed,
    Incomplete,
    IncompleteDetails,
    IncompleteReason,
    InProgress,
    InputTokensDetails,
    LifecycleEvent,
    OutputTokensDetails,
    Queued,
    Response,
    ResponseStatus,
    Usage,
    UsageReported,
)
from .shell import (
    ExitOutcome,
    ShellAction,
    ShellCall,
    ShellCallCommandAdded,
    ShellCallCommandDelta,
    ShellCallCommandDone,
    ShellCallOutput,
    ShellCallOutputContentDelta,
    ShellCallOutputContentDone,
    ShellOutcome,
    ShellOutput,
    ShellOutputDelta,
    ShellTool,
    TimeoutOutcome,
)
from .tool_choice import (
    AllowedTool,
    ToolChoice,
    ToolChoiceAllowed,
    ToolChoiceApplyPatch,
    ToolChoiceCodeInterpreter,
    ToolChoiceComputer,
    ToolChoiceComputerUse,
    ToolChoiceComputerUsePreview,
    ToolChoiceCustom,
    ToolChoiceFileSearch,
    ToolChoiceFunction,
    ToolChoiceHosted,
    ToolChoiceImageGeneration,
    ToolChoiceMcp,
    ToolChoiceObject,
    ToolChoiceOptions,
    ToolChoiceProgrammatic,
    ToolChoiceShell,
    ToolChoiceWebSearch,
    ToolChoiceWebSearchPreview,
    ToolChoiceWebSearchPreview2025,
)
from .tool_search import ProgrammaticToolCallingTool, ToolSearchCall, ToolSearchOutput, ToolSearchTool
from .web_search import WebSearchPreviewTool, WebSearchPreviewTool2025, WebSearchTool, WebSearchTool2025

Tool: TypeAlias = (
    FunctionTool
    | CustomTool
    | NamespaceTool
    | ToolSearchTool
    | ProgrammaticToolCallingTool
    | WebSearchTool
    | WebSearchTool2025
    | WebSearchPreviewTool
    | WebSearchPreviewTool2025
    | FileSearchTool
    | CodeInterpreterTool
    | ImageGenerationTool
    | McpTool
    | ComputerTool
    | ComputerUsePreviewTool
    | ShellTool
    | LocalShellTool
    | ApplyPatchTool
)

OutputPart: TypeAlias = OutputText | Refusal | ReasoningText
ContentPart: TypeAlias = InputText | InputImage | InputFile | InputAudio | OutputText | Refusal

OutputItem: TypeAlias = (
    Message
    | ReasoningItem
    | FunctionCall
    | CustomToolCall
    | LocalShellCall
    | LocalShellCallOutput
    | ShellCall
    | ShellCallOutput
    | ApplyPatchCall
    | ApplyPatchCallOutput
    | ComputerCall
    | ComputerCallOutput
    | ToolSearchCall
    | ToolSearchOutput
    | AdditionalTools
)
InputItem: TypeAlias = (
    Message
    | ReasoningItem
    | FunctionCall
    | FunctionCallOutput
    | CustomToolCall
    | CustomToolCallOutput
    | LocalShellCall
    | LocalShellCallOutput
    | ShellCall
    | ShellCallOutput
    | ApplyPatchCall
    | ApplyPatchCallOutput
    | ComputerCall
    | ComputerCallOutput
    | ToolSearchCall
    | ToolSearchOutput
    | AdditionalTools
    | ItemReference
)

StreamEvent: TypeAlias = (
    Created
    | Queued
    | InProgress
    | Completed
    | Incomplete
    | Failed
    | UsageReported
    | Error
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextAnnotationAdded
    | OutputTextDone
    | RefusalDelta
    | RefusalDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | ReasoningSummaryPartAdded
    | ReasoningSummaryTextDelta
    | ReasoningSummaryTextDone
    | ReasoningSummaryPartDone
    | FunctionCallArgumentsDelta
    | FunctionCallArgumentsDone
    | CustomToolCallInputDelta
    | CustomToolCallInputDone
    | ShellCallCommandAdded
    | ShellCallCommandDelta
    | ShellCallCommandDone
    | ShellCallOutputContentDelta
    | ShellCallOutputContentDone
)
