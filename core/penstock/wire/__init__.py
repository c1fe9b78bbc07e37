"""The wire format of the Responses API: one family of types a file, and here the unions of all families.

The unions define which type is allowed where. A type that is missing from its union is unknown to all other packages.
The types hold data only: nothing in this package acts on it. Their annotations are no texts, except where they name a
type of a later file: a decoder evaluates each text that it needs, which would be a tenth of the time of a start.
"""

from typing import TypeAlias

from ._base import NULL, UNKNOWN, UNSET, Event, Fold, Item, ItemEvent, ItemStatus, Part, Unknown, UnsetType, Wire
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
from .audio import AudioDelta, AudioDone, AudioTranscriptDelta, AudioTranscriptDone
from .code_interpreter import (
    CodeInterpreterCall,
    CodeInterpreterCallCodeDelta,
    CodeInterpreterCallCodeDone,
    CodeInterpreterCallCompleted,
    CodeInterpreterCallInProgress,
    CodeInterpreterCallInterpreting,
    CodeInterpreterTool,
)
from .compaction import CompactedResponse, CompactionCompacting, CompactionItem, CompactionTrigger, CompactResponse
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
from .configuration_update import ConfigurationUpdate
from .conversation import (
    CONVERSATION_ITEMS_MAX,
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
from .file_search import (
    FileSearchCall,
    FileSearchCallCompleted,
    FileSearchCallInProgress,
    FileSearchCallSearching,
    FileSearchTool,
)
from .framing import ContentPartAdded, ContentPartDone, OutputItemAdded, OutputItemDone
from .function_call import (
    FunctionCall,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    FunctionCallOutput,
    FunctionTool,
)
from .image_generation import (
    ImageGenerationCall,
    ImageGenerationCallCompleted,
    ImageGenerationCallGenerating,
    ImageGenerationCallInProgress,
    ImageGenerationCallPartialImage,
    ImageGenerationTool,
)
from .local_shell import LocalShellCall, LocalShellCallOutput, LocalShellExec, LocalShellTool
from .mcp import (
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpCallArgumentsDelta,
    McpCallArgumentsDone,
    McpCallCompleted,
    McpCallFailed,
    McpCallInProgress,
    McpListTools,
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
    McpTool,
)
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
from .program import Program, ProgramOutput
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
    BackgroundOptions,
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
    InputTokens,
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
    ContainerAuto,
    ContainerReference,
    ExitOutcome,
    LocalEnvironment,
    LocalSkill,
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
from .status import ServerStatus, ServerVersion
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
from .unknown import UnknownAnnotation, UnknownEvent, UnknownItem, UnknownPart, UnknownTool
from .web_search import (
    WebSearchCall,
    WebSearchCallCompleted,
    WebSearchCallInProgress,
    WebSearchCallSearching,
    WebSearchPreviewTool,
    WebSearchPreviewTool2025,
    WebSearchTool,
    WebSearchTool2025,
)
from .websocket import ClientEvent, Steer, SteerError, SteerFailed, WebSocketError, WebSocketErrorDetail

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
    | UnknownTool
)

OutputPart: TypeAlias = OutputText | Refusal | ReasoningText | UnknownPart
ContentPart: TypeAlias = InputText | InputImage | InputFile | InputAudio | OutputText | Refusal | UnknownPart

OutputItem: TypeAlias = (
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
    | WebSearchCall
    | FileSearchCall
    | CodeInterpreterCall
    | ImageGenerationCall
    | McpCall
    | McpListTools
    | McpApprovalRequest
    | McpApprovalResponse
    | Program
    | ProgramOutput
    | CompactionItem
    | UnknownItem
)
InputItem: TypeAlias = OutputItem | ItemReference | CompactionTrigger | ConfigurationUpdate

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
    | WebSearchCallInProgress
    | WebSearchCallSearching
    | WebSearchCallCompleted
    | FileSearchCallInProgress
    | FileSearchCallSearching
    | FileSearchCallCompleted
    | CodeInterpreterCallInProgress
    | CodeInterpreterCallCodeDelta
    | CodeInterpreterCallCodeDone
    | CodeInterpreterCallInterpreting
    | CodeInterpreterCallCompleted
    | ImageGenerationCallInProgress
    | ImageGenerationCallGenerating
    | ImageGenerationCallPartialImage
    | ImageGenerationCallCompleted
    | McpCallInProgress
    | McpCallArgumentsDelta
    | McpCallArgumentsDone
    | McpCallCompleted
    | McpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | CompactionCompacting
    | AudioDelta
    | AudioDone
    | AudioTranscriptDelta
    | AudioTranscriptDone
    | UnknownEvent
)
