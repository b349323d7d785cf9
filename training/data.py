"""Windows of token ids: each starts at a document's start and runs on into the next documents."""

import os

import numpy as np
import torch

from common import DEVICE, RANK


class Stream:
    """One tokenised file, on the device, from which windows are cut."""

    def __init__(self, path: str):
        z = np.load(path)
        self.ids = torch.from_numpy(z["ids"].astype(np.int16)).to(DEVICE)
        self.starts = torch.from_numpy(z["starts"]).to(DEVICE)
        self.bytes = int(z["bytes"])

    def cut(self, starts: torch.Tensor, length: int) -> torch.Tensor:
        return self.ids[starts[:, None] + torch.arange(length, device=DEVICE)].long()

    def fitting(self, length: int) -> torch.Tensor:
        """The document starts from which a whole window fits."""
        return self.starts[self.starts + length <= len(self.ids)]


class Windows:
    """Random training windows, a share of them from the genuine stories."""

    def __init__(self, folder: str, real_share: float, seed: int, synthetic: str = "synthetic"):
        self.real = Stream(os.path.join(folder, "real.npz"))
        self.synthetic = Stream(os.path.join(folder, synthetic + ".npz"))
        self.real_share = real_share
        self.rng = torch.Generator(DEVICE).manual_seed(seed * 7919 + RANK)

    def __call__(self, rows: int, length: int) -> torch.Tensor:
        n_real = int(rows * self.real_share)
        n_real += int(torch.rand((), generator=self.rng, device=DEVICE).item() < rows * self.real_share - n_real)
        parts = []
        for stream, n in ((self.real, n_real), (self.synthetic, rows - n_real)):
            where = stream.fitting(length)
            pick = torch.randint(len(where), (n,), generator=self.rng, device=DEVICE)
            parts.append(stream.cut(where[pick], length))
        return torch.cat(parts)

    def state(self) -> dict:
        return {"rng": self.rng.get_state()}

    def load(self, state: dict) -> None:
        if RANK == 0:  # the state is rank 0's; the others keep streams of their own
            self.rng.set_state(state["rng"].cpu())


def heldout_windows(folder: str, length: int) -> torch.Tensor:
    """Every window of held-out text that starts at a document's start and fits."""
    stream = Stream(os.path.join(folder, "heldout.npz"))
    return stream.cut(stream.fitting(length), length)
