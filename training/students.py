"""What every way to a student needs: the loss that keeps long budgets good, and a look at samples now and then."""

import torch

from common import DEVICE, autocast
from pretrain import corrupt, stratified
from sample import entropy, noise, perplexity, sample


def small_steps(net, windows, rows: int, length: int, vocab: int, denoise):
    """Generalized KL on data at dt = 1/64 … 1/1024."""
    x1 = windows(rows, length)
    t = (stratified(len(x1)) * 1024).floor() / 1024
    h = 2.0 ** -torch.randint(6, 11, t.shape, device=DEVICE)
    xt = corrupt(x1, t, vocab)
    return denoise(net(xt, t, h), xt, x1, t)


@torch.no_grad()
def look(net, move, judge, batches: dict[int, int], rows: int, vocab: int) -> dict:
    """Perplexity and entropy of `rows` samples of the network at a few budgets; `batches`: rows at once, for each length."""

    def step(x, t, h, last, solver):
        return move(net(x, t, h), x, t, h, last)

    result = {}
    for length, at_once in batches.items():
        for steps in (4, 8, 16):
            with autocast():
                ids = torch.cat([sample(step, noise(at_once, length, vocab, DEVICE), steps) for _ in range(-(-rows // at_once))])[:rows]
            result[f"{steps}@{length}"] = [round(perplexity(judge, ids).mean().item(), 2), round(entropy(ids).mean().item(), 3)]
    return result
