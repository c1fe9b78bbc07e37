"""Writes a tiny random llama model as GGUF: big enough to be served, small enough to make at every run.

Run by the Python of `.venv-real` (it has numpy and gguf): `python tiny_gguf.py OUT`. Knows the GGUF
names of a llama model and of its tokenizer. It generates nothing sensible, but always the same nonsense.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

SEED = 20261121
WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 4096
EMBEDDING_SPREAD, WEIGHT_SPREAD, OUTPUT_SPREAD = 1.0, 0.12, 0.35
UNK, BOS, EOS, FIRST_BYTE = 0, 1, 2, 3
EOS_LOUDNESS = 2.0

# Like the templates of many real models it refuses a system message that is not the first one.
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' and not loop.first %}"
    "{{ raise_exception('System message must be at the beginning.') }}{% endif %}"
    "[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
)

Matrix = npt.NDArray[np.float32]
Piece = tuple[str, float, gguf.TokenType]


def tokens() -> list[Piece]:
    """345: three specials, every byte, and the pieces that plain English and JSON are made of."""
    specials = [
        ("<unk>", 0.0, gguf.TokenType.UNKNOWN),
        ("<s>", 0.0, gguf.TokenType.CONTROL),
        ("</s>", 0.0, gguf.TokenType.CONTROL),
    ]
    every_byte = [(f"<0x{byte:02X}>", 0.0, gguf.TokenType.BYTE) for byte in range(256)]
    letters = [
        "\u2581",
        *string.ascii_letters,
        *string.digits,
        *"{}[]\":,.-_!?'()/",
        *"th he in er an re on".split(),
    ]
    pieces = [(piece, -float(rank), gguf.TokenType.NORMAL) for rank, piece in enumerate(reversed(letters))]
    return specials + every_byte + pieces


def write(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer)
    _tokenizer(writer, tokens())
    _weights(writer, len(tokens()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter) -> None:
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _tokenizer(writer: gguf.GGUFWriter, pieces: list[Piece]) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text for text, _, _ in pieces])
    writer.add_token_scores([score for _, score, _ in pieces])
    writer.add_token_types([kind for _, _, kind in pieces])
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def _weights(writer: gguf.GGUFWriter, words: int) -> None:
    dice = np.random.default_rng(SEED)

    def roll(rows: int, columns: int, spread: float) -> Matrix:
        return (dice.standard_normal((rows, columns)) * spread).astype(np.float32)

    def add(name: str, rows: int, columns: int, spread: float = WEIGHT_SPREAD) -> None:
        writer.add_tensor(name, roll(rows, columns, spread))

    def add_norm(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, dtype=np.float32))

    add("token_embd.weight", words, WIDTH, EMBEDDING_SPREAD)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        add_norm(f"{block}.attn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}.{name}.weight", WIDTH, WIDTH)
        add_norm(f"{block}.ffn_norm.weight")
        add(f"{block}.ffn_gate.weight", INNER, WIDTH)
        add(f"{block}.ffn_up.weight", INNER, WIDTH)
        add(f"{block}.ffn_down.weight", WIDTH, INNER)
    add_norm("output_norm.weight")
    writer.add_tensor("output.weight", _tamed(roll(words, WIDTH, OUTPUT_SPREAD)))


def _tamed(output: Matrix) -> Matrix:
    """Answers end within a few dozen tokens, and half characters come only where a grammar wants them.

    (After a byte that starts no character llama-cpp-python holds all further text back.)
    """
    output[EOS] *= EOS_LOUDNESS
    output[[UNK, BOS]] = 0
    output[FIRST_BYTE + 0x80 : FIRST_BYTE + 0x100] = 0
    return output


if __name__ == "__main__":
    write(Path(sys.argv[1]))
