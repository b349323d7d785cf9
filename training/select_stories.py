"""Picks the more various half of the synthetic stories, for the last part of training.

Sampled stories use fewer words than people's (6.14 bits of token entropy in 256 tokens, people's 6.33) and repeat one another's phrases.
Each story gets a score: its token entropy, less what its length lets expect, minus 0.3 of the share of its 8-grams that stand elsewhere in
the training text, both in standard deviations. The best `--keep` of them are kept. No judge and no other model has a say.
"""

import argparse
import os

import numpy as np

from memorise import hashes


def token_entropy(ids, starts, ends) -> np.ndarray:
    """Bits, of each document's own histogram, less a quadratic fit in the logarithm of its length."""
    doc = np.repeat(np.arange(len(starts)), ends - starts)
    pairs, counts = np.unique((doc.astype(np.int64) * 65536 + ids)[ids != 0], return_counts=True)
    of, n = pairs // 65536, np.maximum(1, ends - starts - 1)
    p = counts / n[of]
    bits = np.bincount(of, weights=-p * np.log2(p), minlength=len(starts))
    x = np.stack([np.ones(len(n)), np.log(n), np.log(n) ** 2], 1)
    return bits - x @ np.linalg.lstsq(x, bits, rcond=None)[0]


def seen_share(ids, starts, ends, others) -> np.ndarray:
    """Share of each document's 8-grams that stand in the text more than once."""
    h = hashes(ids)
    every = np.sort(np.concatenate([h, hashes(others)]))
    again = (np.searchsorted(every, h, side="right") - np.searchsorted(every, h) > 1) & (h != 0)
    total = np.concatenate([[0], np.cumsum(np.stack([again, h != 0], 1), 0)[:, 0]]), np.concatenate([[0], np.cumsum(h != 0)])
    first, last = np.minimum(starts, len(h)), np.minimum(ends, len(h))
    return (total[0][last] - total[0][first]) / np.maximum(1, total[1][last] - total[1][first])


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True, help="what corpus.py wrote; gets selected.npz")
    ap.add_argument("--keep", type=float, default=0.5)
    ap.add_argument("--shortest", type=int, default=40, help="tokens")
    a = ap.parse_args()
    z = np.load(os.path.join(a.data, "synthetic.npz"))
    ids, starts = z["ids"], z["starts"]
    ends = np.append(starts[1:], len(ids))
    bits = token_entropy(ids, starts, ends)
    seen = seen_share(ids, starts, ends, np.load(os.path.join(a.data, "real.npz"))["ids"])
    score = bits / bits.std() - 0.3 * seen / max(seen.std(), 1e-9)
    score[ends - starts <= a.shortest] = -np.inf
    kept = np.flatnonzero(score >= np.quantile(score, 1 - a.keep))
    lengths = (ends - starts)[kept]
    out = np.concatenate([ids[starts[k] : ends[k]] for k in kept])
    np.savez(os.path.join(a.data, "selected.npz"), ids=out, starts=np.cumsum(np.append(0, lengths[:-1])).astype(np.int64), bytes=0)
    print(f"kept {len(kept)} of {len(starts)} documents, {len(out)} tokens; seen elsewhere {seen[kept].mean():.3f}, of all {seen.mean():.3f}")
