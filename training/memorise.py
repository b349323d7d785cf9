"""How much of the generated text stands in the training text: the share of its token 8-grams found there, beside held-out text's share."""

import argparse
import glob
import json
import os

import numpy as np

N = 8


def hashes(ids: np.ndarray) -> np.ndarray:
    """A 64-bit hash of every N-gram along the last axis; grams that hold a document's end get 0."""
    ids = ids.astype(np.uint64)
    count = ids.shape[-1] - N + 1
    h, ends = np.zeros(ids.shape[:-1] + (count,), np.uint64), np.zeros(ids.shape[:-1] + (count,), bool)
    for k in range(N):
        part = ids[..., k : k + count]
        h = h * np.uint64(6364136223846793005) + part + np.uint64(1442695040888963407)
        ends |= part == 0
    return np.where(ends, np.uint64(0), h)


def share(known: np.ndarray, ids: np.ndarray) -> float:
    h = hashes(ids).reshape(-1)
    h = h[h != 0]
    at = np.searchsorted(known, h).clip(max=len(known) - 1)
    return float((known[at] == h).mean())


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", required=True)
    ap.add_argument("--rows", required=True, help="what evaluate.py wrote; each row's JSON gets the share")
    a = ap.parse_args()
    known = np.unique(np.concatenate([hashes(np.load(os.path.join(a.data, f"{n}.npz"))["ids"]) for n in ("real", "synthetic")]))
    for path in sorted(glob.glob(os.path.join(a.rows, "*.npy"))):
        name = path[: -len(".npy")] + ".json"
        with open(name) as f:
            row = json.load(f)
        row["seen_8grams"] = share(known, np.load(path))
        with open(name, "w") as f:
            json.dump(row, f)
        print(f"{row['key']}: {100 * row['seen_8grams']:.1f} %", flush=True)
