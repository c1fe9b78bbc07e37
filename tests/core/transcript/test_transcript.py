"""The one place that numbers, checks and folds."""

from collections.abc import Callable
from typing import Any

import pytest

from core.kit import Json, encode, from_json, skeleton, to_json
from penstock import wire
from penstock.transcript import IllegalEvent, Transcript, fold
from requirements import shows
from support import grammar, samples

MAY_REPEAT = {"append"}
MAY_BE_MISSING = {"append", "settle"}
"""By their fold words: events whose absence or repetition only the texts would show."""
PARTIAL = (wire.ShellCallCommandDelta, wire.ShellCallOutputContentDelta, wire.ShellCallOutputContentDone)
"""By their classes: the same of what stands in its item when that is done."""


def stream() -> list[wire.Event]:
    """A legal stream with every kind of item in it, by hand."""
    return [from_json(event, wire.StreamEvent) for event in samples.stream()]


def begun(*events: wire.Event) -> Transcript:
    transcript = Transcript()
    for event in (wire.Created(response=skeleton()), wire.InProgress(response=skeleton()), *events):
        transcript.record(event)
    return transcript


def added(index: int, item: Any = None) -> wire.OutputItemAdded:
    item = item or wire.Message(id=f"msg_{index}", status="in_progress", role="assistant", content=[])
    return wire.OutputItemAdded(output_index=index, item=item)


def done(index: int, item: Any = None) -> wire.OutputItemDone:
    item = item or wire.Message(id=f"msg_{index}", status="completed", role="assistant", content=[])
    return wire.OutputItemDone(output_index=index, item=item)


def at(item: int = 0, part: int = 0) -> Json:
    return {"item_id": f"msg_{item}", "output_index": item, "content_index": part}


TEXT = wire.OutputText(text="")
CALL = wire.FunctionCall(id="fc_0", status="in_progress", call_id="c", name="f", arguments="")


def part(index: int = 0, item: int = 0) -> wire.ContentPartAdded:
    return wire.ContentPartAdded(**at(item, index), part=TEXT)


@shows("numbers")
def test_numbers_run_from_zero_without_a_gap() -> None:
    events = stream()
    for event in events:
        event.sequence_number = 99
    fold(events)
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_the_fold_is_the_response_of_the_terminal_event() -> None:
    response = to_json(fold(stream()))
    assert response == to_json(stream()[-1])["response"]
    folded = grammar.fold([to_json(event) for event in stream()])
    assert response == folded


def test_the_fold_is_right_at_any_time() -> None:
    """What is open stands in the snapshot as far as it was sent."""
    transcript = Transcript()
    texts = []
    for event in stream()[:18]:
        transcript.record(event)
        texts.append([to_json(item).get("content") for item in transcript.snapshot().output])
    assert [text for text in texts if text][-1][1][0]["text"] == "Hi"
    assert [[{"type": "reasoning_text", "text": "So, "}]] in texts


def test_nothing_that_an_event_carries_changes_afterwards() -> None:
    transcript, written = Transcript(), []
    for event in stream():
        transcript.record(event)
        transcript.snapshot()
        written.append(encode(event))
    assert [encode(event) for event in transcript.take()] == written


def test_a_snapshot_does_not_change_afterwards() -> None:
    transcript, snapshots = Transcript(), []
    for event in stream():
        transcript.record(event)
        snapshots.append((response := transcript.snapshot(), encode(response)))
    assert [encode(response) for response, _ in snapshots] == [known for _, known in snapshots]


@shows("pairs")
@pytest.mark.parametrize("index", range(len(samples.stream())))
def test_no_event_may_be_missing_or_come_twice(index: int) -> None:
    events = stream()
    word = events[index].fold.operation
    is_partial = isinstance(events[index], PARTIAL)
    if word not in MAY_BE_MISSING and not is_partial:
        with pytest.raises(IllegalEvent):
            close_anyway(events[:index] + events[index + 1 :])
    if word not in MAY_REPEAT and not is_partial:
        with pytest.raises(IllegalEvent):
            close_anyway([*events[: index + 1], stream()[index], *events[index + 1 :]])


def close_anyway(events: list[wire.Event]) -> None:
    """The fold, and the proof that the stream has ended by then."""
    transcript = Transcript()
    for event in events:
        transcript.record(event)
    if not transcript.is_ended:
        raise IllegalEvent("it has not ended")


@shows("one-end")
@pytest.mark.parametrize("late", stream(), ids=lambda event: f"{event.sequence_number}-{event.type}")
def test_nothing_follows_the_terminal_event(late: wire.Event) -> None:
    transcript = Transcript()
    for event in stream():
        transcript.record(event)
    with pytest.raises(IllegalEvent):
        transcript.record(late)
    assert len(transcript.take()) == len(stream())


ILLEGAL: dict[str, tuple[list[wire.Event], wire.Event]] = {
    "an item that is not the next": ([], added(1)),
    "an item twice": ([added(0)], added(0)),
    "an item before the first": ([added(0)], added(-1)),
    "a part of no item": ([], part()),
    "a part that is not the next": ([added(0)], part(1)),
    "a part of a call": ([added(0, CALL)], part()),
    "a part of an item that has ended": ([added(0), done(0)], part()),
    "a delta of no part": ([added(0)], wire.OutputTextDelta(**at(), delta="x")),
    "a delta of the last item, told as -1": ([added(0), part()], wire.OutputTextDelta(**at(-1), delta="x")),
    "a delta of the last part, told as -1": ([added(0), part()], wire.OutputTextDelta(**at(0, -1), delta="x")),
    "a delta of another kind": ([added(0), part()], wire.RefusalDelta(**at(), delta="x")),
    "a delta of a text that is settled": (
        [added(0), part(), wire.OutputTextDone(**at(), text="")],
        wire.OutputTextDelta(**at(), delta="x"),
    ),
    "a part that ends unsettled": ([added(0), part()], wire.ContentPartDone(**at(), part=TEXT)),
    "an item that ends over its part": ([added(0), part()], done(0)),
    "a call that ends unsettled": ([added(0, CALL)], done(0, CALL)),
    "an item that ends twice": ([added(0), done(0)], done(0)),
    "an end over an item": ([added(0)], wire.Completed(response=skeleton(status="completed"))),
    "a failure over an item": ([added(0)], wire.Failed(response=skeleton(status="failed"))),
    "an item after the usage": ([wire.UsageReported(usage=wire.Usage(**samples.USAGE))], added(0)),
    "success after an error": ([wire.Error(message="x")], wire.Completed(response=skeleton(status="completed"))),
    "a beginning again": ([], wire.Created(response=skeleton())),
    "progress again": ([], wire.InProgress(response=skeleton())),
}


@pytest.mark.parametrize(("before", "event"), ILLEGAL.values(), ids=ILLEGAL)
def test_what_the_tables_do_not_allow_fails_and_leaves_no_trace(before: list[wire.Event], event: wire.Event) -> None:
    transcript = begun(*before)
    known, count = encode(transcript.snapshot()), len(transcript.take())
    with pytest.raises(IllegalEvent, match=event.type):
        transcript.record(event)
    assert (encode(transcript.snapshot()), transcript.take()) == (known, [])
    assert count == 2 + len(before)


@pytest.mark.parametrize("event", [wire.InProgress(response=skeleton()), added(0), wire.Error(message="x")])
def test_nothing_comes_before_the_beginning(event: wire.Event) -> None:
    with pytest.raises(IllegalEvent):
        Transcript().record(event)


WORDS: dict[str, tuple[list[wire.Event], Callable[[wire.Response], Any], Any]] = {
    "open": ([added(0), part()], lambda response: response.output[0].content, [TEXT]),
    "append": (
        [added(0), part(), *(wire.OutputTextDelta(**at(), delta=text) for text in "abc")],
        lambda response: response.output[0].content[0].text,
        "abc",
    ),
    "append to a list": (
        [
            added(0),
            part(),
            wire.OutputTextAnnotationAdded(**at(), annotation_index=0, annotation=wire.FilePath(file_id="f")),
        ],
        lambda response: response.output[0].content[0].annotations,
        [wire.FilePath(file_id="f")],
    ),
    "append and extend": (
        [added(0), part(), wire.OutputTextDelta(**at(), delta="a", logprobs=[wire.Logprob(token="a", logprob=-1)])],
        lambda response: response.output[0].content[0].logprobs,
        [wire.Logprob(token="a", logprob=-1)],
    ),
    "settle": (
        [added(0), part(), wire.OutputTextDelta(**at(), delta="a"), wire.OutputTextDone(**at(), text="ab")],
        lambda response: response.output[0].content[0].text,
        "ab",
    ),
    "append within a field": (
        [
            added(0, wire.ShellCall(id="sh_0", call_id="c", action=wire.ShellAction(commands=["a"], timeout_ms=1))),
            wire.ShellCallCommandAdded(output_index=0, command_index=1, command=""),
            wire.ShellCallCommandDone(output_index=0, command_index=1, command="b"),
        ],
        lambda response: response.output[0].action,
        wire.ShellAction(commands=["a", "b"], timeout_ms=1),
    ),
    "close": ([added(0), done(0)], lambda response: response.output[0].status, "completed"),
    "adopt": ([wire.Failed(response=skeleton(status="failed"))], lambda response: response.status, "failed"),
    "nothing": ([wire.Error(message="x")], lambda response: response, skeleton()),
    "settle of the response": (
        [wire.UsageReported(usage=wire.Usage(**samples.USAGE))],
        lambda response: response.usage and response.usage.total_tokens,
        7,
    ),
}


@pytest.mark.parametrize(("events", "look", "seen"), WORDS.values(), ids=WORDS)
def test_a_fold_word_does_what_it_names(
    events: list[wire.Event], look: Callable[[wire.Response], Any], seen: Any
) -> None:
    assert look(begun(*events).snapshot()) == seen


def test_what_is_taken_is_taken_once() -> None:
    transcript = begun(added(0))
    assert [event.sequence_number for event in transcript.take()] == [0, 1, 2]
    assert transcript.take() == []
    transcript.record(done(0))
    assert [event.sequence_number for event in transcript.take()] == [3]


def test_after_a_bug_of_ours_a_response_can_still_end() -> None:
    transcript = begun(added(0), part())
    transcript.abandon()
    transcript.record(wire.Failed(response=skeleton(status="failed")))
    assert transcript.is_ended
