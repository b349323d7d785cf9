"""Rows that the student's own sampler carries from noise to text, one step at a time: the states it learns from."""

import torch

from common import DEVICE
from pretrain import corrupt
from sample import noise

BUDGETS = [1, 2, 4, 8, 16, 32]
SHARES = [0.02, 0.06, 0.27, 0.37, 0.20, 0.08]  # of the states learnt from


class Walkers:
    """Rows of one length, each at step `i` of its own budget of `n`."""

    def __init__(self, rows: int, length: int, vocab: int, windows, data_share: float):
        self.length, self.vocab, self.windows, self.data_share = length, vocab, windows, data_share
        self.x = noise(rows, length, vocab, DEVICE)
        self.budgets = torch.tensor(BUDGETS, device=DEVICE)
        self.kind = torch.zeros(rows, dtype=torch.long, device=DEVICE)  # index into BUDGETS
        self.i = torch.zeros(rows, dtype=torch.long, device=DEVICE)
        # a walk of N steps is N states, so draw walks in proportion to share / N; start them spread over their way
        self.odds = torch.tensor(SHARES, device=DEVICE) / self.budgets
        self.restart(torch.ones(rows, dtype=torch.bool, device=DEVICE), scatter=True)

    @property
    def n(self):
        return self.budgets[self.kind]

    def restart(self, rows, scatter: bool = False) -> None:
        count = int(rows.sum())
        if not count:
            return
        odds = torch.tensor(SHARES, device=DEVICE) if scatter else self.odds
        kind = torch.multinomial(odds, count, replacement=True)
        n = self.budgets[kind]
        from_data = (torch.rand(count, device=DEVICE) < (1.0 if scatter else self.data_share)) & (n > 1)
        i = torch.where(from_data, (torch.rand(count, device=DEVICE) * n).long(), 0)
        x = corrupt(self.windows(count, self.length), i / n, self.vocab)
        self.x[rows], self.kind[rows], self.i[rows] = x, kind, i

    def where(self):
        """Time, step size, and whether the step is the last."""
        n = self.n
        return self.i / n, 1.0 / n, self.i == n - 1

    def move(self, x) -> None:
        """Takes the step; walkers that have arrived start again."""
        arrived = self.i == self.n - 1
        self.x, self.i = x, self.i + 1
        self.restart(arrived)
