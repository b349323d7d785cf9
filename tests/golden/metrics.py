"""Expected values of the metrics tests, in plain Python: python3 metrics.py > metrics.json"""

import json
import math


def lcg(state):
    while True:
        state = (state * 1103515245 + 12345) % 2**31
        yield state >> 8


def perplexity(nll):
    return math.exp(math.fsum(nll) / len(nll)) if nll else None


def entropy(ids):
    probabilities = [ids.count(i) / len(ids) for i in set(ids)]
    return -math.fsum(p * math.log2(p) for p in probabilities)


def repeats(ids, n):
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    again = sum(gram in grams[:i] for i, gram in enumerate(grams))
    return again / len(grams) if grams else 0.0


def last_change(frames):
    def last(position):
        steps = [s for s in range(1, len(frames)) if frames[s][position] != frames[s - 1][position]]
        return max(steps, default=0)

    return [last(position) for position in range(len(frames[0]))]


def sample(seed, length, vocab, steps):
    noise = lcg(seed)
    frames = [[next(noise) % vocab for _ in range(length)]]
    for step in range(steps):
        frames.append([next(noise) % vocab if next(noise) % (step + 2) == 0 else i for i in frames[-1]])
    ids = frames[-1]
    nll = [round((next(noise) % 9000) / 1000 + 0.01, 3) for _ in ids[1:]]
    last = last_change(frames)
    return {
        "frames": frames,
        "nll": nll,
        "prompt": length // 4,
        "perplexity": perplexity(nll[max(length // 4 - 1, 0) :]),
        "perplexity_with_prompt": perplexity(nll),
        "entropy": entropy(ids),
        "repeats": repeats(ids, 4),
        "changed": [[p for p in range(length) if a[p] != b[p]] for a, b in zip(frames, frames[1:])],
        "last_change": last,
        "settled": [sum(step < k for step in last) for k in range(len(frames))],
    }


shapes = [(1, 1, 5, 1), (2, 3, 5, 2), (3, 40, 2, 4), (4, 64, 3, 8), (5, 96, 700, 6), (6, 50, 1, 3)]
print(json.dumps([sample(*shape) for shape in shapes]))
