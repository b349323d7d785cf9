#!/usr/bin/env python3
"""Writes the tiny models that the tests run: a uniform student, a mask student and a judge.

Their weights are random (fixed seeds), shaped only so that what they write is mostly readable. Needs nothing but
Python's standard library; run it from this folder after a change, and commit what it wrote.

    uniform/  student, uniform source, f32
    mask/     student, mask source, int8 with a scale an output channel
    judge/    GPT-2 in the Hugging Face layout, f16, same tokenizer
"""

import json
import math
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).parent
VOCAB = 320
HIDDEN, BLOCKS, HEADS, COND, LENGTH = 32, 2, 4, 16, 128

# What the tokenizer's merges are learned from.
TEXT = """A fox sat by the river and looked at the moon. The moon looked back, and the river sang to them both.
Then the little owl came down from the tall tree and said: who is there? It is only me, said the fox, and the night.
The rain came, the wind came, and the fox ran home over the hill to sleep near the warm fire in the old house.
""" * 2


def byte_characters():
    """GPT-2's printable stand-ins for the 256 bytes, by byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in plain:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


def learn_merges(count):
    """Plain byte-pair encoding over words that carry their leading space; ties go to the first in order."""
    stand_in = byte_characters()
    words = {}
    for line in TEXT.splitlines():
        for word in line.split(" "):
            symbols = tuple(stand_in[b] for b in (" " + word).encode())
            words[symbols] = words.get(symbols, 0) + 1
    merges = []
    while len(merges) < count:
        pairs = {}
        for symbols, n in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] = pairs.get(pair, 0) + n
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        merged = {}
        for symbols, n in words.items():
            out, i = [], 0
            while i < len(symbols):
                if symbols[i : i + 2] == best:
                    out.append(best[0] + best[1])
                    i += 2
                else:
                    out.append(symbols[i])
                    i += 1
            merged[tuple(out)] = merged.get(tuple(out), 0) + n
        words = merged
    return merges


def tokenizer():
    merges = learn_merges(VOCAB - 257)
    entries = ["<|endoftext|>", *byte_characters().values(), *(a + b for a, b in merges)]
    assert len(set(entries)) == VOCAB
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return entries, {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": 0,
                "content": "<|endoftext|>",
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {text: i for i, text in enumerate(entries)},
            "merges": [list(pair) for pair in merges],
        },
    }


def preference(entries, rows):
    """A head bias that favours learned pieces and letters over stray bytes, so that samples are mostly readable."""

    def of(text):
        if text == "<|endoftext|>":
            return -1.0
        if len(text) > 1:
            return 2.0 + 0.3 * len(text)
        return 0.5 if text.isascii() and text.isalpha() else -3.0

    return [*(of(text) for text in entries), *([0.0] * (rows - len(entries)))]


class Weights:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tensors = {}

    def normal(self, name, shape, scale):
        self.tensors[name] = (shape, [self.random.gauss(0.0, scale) for _ in range(math.prod(shape))])

    def around_one(self, name, width):
        self.tensors[name] = ([width], [1.0 + self.random.gauss(0.0, 0.1) for _ in range(width)])

    def linear(self, name, inputs, outputs, gain=1.0, bias=0.05):
        self.normal(f"{name}.weight", [outputs, inputs], gain / math.sqrt(inputs))
        self.normal(f"{name}.bias", [outputs], bias)


def student(seed, rows, entries):
    w = Weights(seed)
    d, c = HIDDEN, COND
    w.normal("vocab_embed.weight", [rows, d], 1.0)
    for name in ("time_embedding", "dt_embedding"):
        w.linear(f"{name}.mlp.0", 256, c, 2.0)
        w.linear(f"{name}.mlp.2", c, c, 2.0)
    w.linear("time_condition_fuser", 2 * c, 2 * c, 2.0)
    for i in range(BLOCKS):
        for part in ("norm1", "norm2"):
            w.around_one(f"blocks.{i}.{part}.weight", d)
        for part in ("qw", "kw", "vw", "attn_out"):
            w.normal(f"blocks.{i}.{part}.weight", [d, d], 1.0 / math.sqrt(d))
        w.linear(f"blocks.{i}.mlp.0", d, 4 * d)
        w.linear(f"blocks.{i}.mlp.2", 4 * d, d)
        w.linear(f"blocks.{i}.condition_fuser", 2 * c, c, 2.0)
        w.linear(f"blocks.{i}.adaLN_modulation", c, 6 * d, 1.0, 0.3)
    w.around_one("output_layer.norm_final.weight", d)
    w.linear("output_layer.linear", d, rows, 1.2)
    w.linear("output_layer.condition_fuser", 2 * c, c, 2.0)
    w.linear("output_layer.adaLN_modulation", c, 2 * d, 0.5)
    w.tensors["output_layer.linear.bias"] = ([rows], preference(entries, rows))
    return w.tensors


def judge(seed):
    w = Weights(seed)
    d = HIDDEN
    w.normal("transformer.wte.weight", [VOCAB, d], 0.3)
    w.normal("transformer.wpe.weight", [LENGTH, d], 0.1)
    for i in range(BLOCKS):
        for part in ("ln_1", "ln_2"):
            w.around_one(f"transformer.h.{i}.{part}.weight", d)
            w.normal(f"transformer.h.{i}.{part}.bias", [d], 0.05)
        for part, inputs, outputs in (
            ("attn.c_attn", d, 3 * d),
            ("attn.c_proj", d, d),
            ("mlp.c_fc", d, 4 * d),
            ("mlp.c_proj", 4 * d, d),
        ):
            # Conv1D: the file holds (in, out).
            w.normal(f"transformer.h.{i}.{part}.weight", [inputs, outputs], 1.0 / math.sqrt(inputs))
            w.normal(f"transformer.h.{i}.{part}.bias", [outputs], 0.05)
    w.around_one("transformer.ln_f.weight", d)
    w.normal("transformer.ln_f.bias", [d], 0.05)
    return w.tensors


def int8(tensors):
    """Matrices as int8 with one f32 scale a row; the rest stays f32."""
    out = {}
    for name, (shape, values) in tensors.items():
        if len(shape) != 2:
            out[name] = ("F32", shape, values)
            continue
        rows, cols = shape
        quantised, scales = [], []
        for r in range(rows):
            row = values[r * cols : (r + 1) * cols]
            scale = max(map(abs, row)) / 127.0
            scales.append(scale)
            quantised += [round(v / scale) for v in row]
        out[name] = ("I8", shape, quantised)
        out[name.removesuffix(".weight") + ".scale"] = ("F32", [rows], scales)
    return out


def as_dtype(tensors, dtype):
    return {name: (dtype, shape, values) for name, (shape, values) in tensors.items()}


def write_safetensors(path, tensors):
    formats = {"F32": "f", "F16": "e", "I8": "b"}
    header, body = {}, b""
    for name in sorted(tensors):
        dtype, shape, values = tensors[name]
        data = struct.pack(f"<{len(values)}{formats[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def write(name, config, tokens, tensors):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(tokens, ensure_ascii=False, separators=(",", ":")) + "\n")
    write_safetensors(folder / "model.safetensors", tensors)


def main():
    entries, tokens = tokenizer()
    config = {
        "model_type": "fs_dfm",
        "vocab_size": VOCAB,
        "hidden_size": HIDDEN,
        "n_blocks": BLOCKS,
        "n_heads": HEADS,
        "cond_dim": COND,
        "mlp_ratio": 4,
        "length": LENGTH,
        "dt_conditioned": True,
        "scheduler": {"type": "polynomial", "exponent": 1.0},
        "eos_token_id": 0,
    }
    uniform = as_dtype(student(1, VOCAB, entries), "F32")
    write("uniform", {"name": "tiny-uniform", "source": "uniform", **config}, tokens, uniform)
    mask = int8(student(2, VOCAB + 1, entries))
    write("mask", {"name": "tiny-mask", "source": "mask", **config}, tokens, mask)
    gpt2 = {
        "name": "tiny-judge",
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": VOCAB,
        "n_positions": LENGTH,
        "n_ctx": LENGTH,
        "n_embd": HIDDEN,
        "n_layer": BLOCKS,
        "n_head": HEADS,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-05,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
    }
    write("judge", gpt2, tokens, as_dtype(judge(3), "F16"))


if __name__ == "__main__":
    main()
