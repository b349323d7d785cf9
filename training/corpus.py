"""Reads text files and turns them into flat arrays of token ids with the places where documents start."""

import argparse
import lzma
import os

import numpy as np

END = "<|endoftext|>"


def documents(path: str) -> list[str]:
    """The documents of one file, stripped, in order; `.xz` is unpacked on the way."""
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        return [d for d in (d.strip() for d in f.read().split(END)) if d]


def tokenize(docs: list[str], tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """All documents in a row, each closed by id 0, and the index at which each starts."""
    ids = [np.array(e.ids + [0], dtype=np.uint16) for e in tokenizer.encode_batch(docs)]
    starts = np.cumsum([0] + [len(i) for i in ids[:-1]])
    return np.concatenate(ids), starts.astype(np.int64)


if __name__ == "__main__":
    from tokenizers import Tokenizer

    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--real", required=True, help="genuine stories")
    ap.add_argument("--synthetic", required=True, help="model-written stories")
    ap.add_argument("--heldout", required=True, help="stories for measurement only")
    ap.add_argument("--out", required=True)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    tok = Tokenizer.from_file(a.tokenizer)
    for name in ("real", "synthetic", "heldout"):
        docs = documents(getattr(a, name))
        if name != "heldout":
            np.random.default_rng(a.seed).shuffle(docs)
        ids, starts = tokenize(docs, tok)
        np.savez(os.path.join(a.out, name + ".npz"), ids=ids, starts=starts, bytes=sum(len(d.encode()) for d in docs))
        print(f"{name}: {len(docs)} documents, {len(ids)} tokens", flush=True)
