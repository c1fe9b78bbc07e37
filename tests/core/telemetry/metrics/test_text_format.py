"""The text: Prometheus' own package reads back what was counted, whatever the labels are."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.metrics import Metrics as Counted
from penstock.telemetry.metrics import registry, take_snapshot, to_text
from penstock.telemetry.metrics.registry import REGISTRY
from support.metrics import Metrics

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029\r\x0b\x0c\x1c\x1d\x1e"), min_size=1)
"""But for what the package takes for the end of a line, which no format defines."""


def counted(*models: str) -> Counted:
    metrics = Counted(models=models)
    for number, model in enumerate(models, 1):
        metrics.values.number(registry.INPUT_TOKENS, model).value += number
        metrics.values.number(registry.RESPONSES, model, "completed", "").value += number
        metrics.values.number(registry.RESPONSES, model, "incomplete", "content_filter").value += 1
        metrics.values.number(registry.RESPONSES, model, "incomplete", "max_output_tokens").value += 2
        metrics.values.histogram(registry.FIRST_TOKEN, model).observe_all([0.0001, 0.001, 0.3, 1000.0])
    return metrics


def text(*models: str, workers: int = 1, vllm: bool = False) -> str:
    snapshots = [take_snapshot(str(worker), counted(*models).values) for worker in range(workers)]
    return to_text(snapshots, workers=workers > 1, vllm=vllm).decode()


@given(st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_what_is_read_is_what_was_counted(models: list[str]) -> None:
    read = Metrics(text(*models))
    for number, model in enumerate(models, 1):
        assert read("penstock_input_tokens_total", model=model) == number
        assert read("penstock_time_to_first_token_seconds_count", model=model) == 4
        assert read("penstock_time_to_first_token_seconds_sum", model=model) == 1000.3011
        buckets = {
            float(sample.labels["le"]): sample.value
            for sample in read.samples
            if sample.name.endswith("_bucket") and sample.labels.get("model") == model
        }
        assert list(buckets) == [*registry.FIRST_TOKEN.buckets, math.inf]
        assert (buckets[0.001], buckets[0.25], buckets[0.5], buckets[math.inf]) == (2, 2, 3, 4)


def test_a_metric_stands_once_whatever_process_counts() -> None:
    read = Metrics(text("m", workers=3))
    assert read.labels("penstock_input_tokens_total", "worker") == {"0", "1", "2"}
    heads = {row.name: read.text.count(f"# TYPE {row.name} ") for row in REGISTRY}
    assert heads == {row.name: int(not row.is_synthetic) for row in REGISTRY}  # no synthetic model counts here
    assert "worker=" not in text("m")


def test_vllms_names_have_the_same_values() -> None:
    read = Metrics(text("m", "n", vllm=True))
    assert read("vllm:prompt_tokens_total", model_name="n") == 2
    assert read("vllm:time_to_first_token_seconds_count", model_name="m") == 4
    assert read("vllm:request_success_total", model_name="n", finished_reason="stop") == 2
    assert read("vllm:request_success_total", model_name="n", finished_reason="length") == 3
    assert "vllm" not in text("m")
