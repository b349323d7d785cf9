"""Pre-trains the plain discrete-flow network: uniform source, κ_t = t, generalized KL."""

import argparse
import os

from common import DEVICE, RANK, WORLD, Gradients, Log, Schedule, autocast, compiled, ema_update, save, setup, teardown, wait_for
import torch
import torch.nn.functional as F

from data import Windows
from model import Config, Transformer
from muon import MuonAdamW, hidden_in_blocks


def corrupt(x1, t, vocab: int):
    """The mixture path: each token is the data's with probability t, else uniform noise."""
    keep = torch.rand(x1.shape, device=x1.device) < t[:, None]
    return torch.where(keep, x1, torch.randint(vocab, x1.shape, device=x1.device))


def generalized_kl(logits, xt, x1, t):
    """Bregman loss of discrete flow matching, a mean over positions; `t` must broadcast over them."""
    logp = F.log_softmax(logits.float(), -1)
    p_here = logp.gather(-1, xt[..., None]).squeeze(-1).exp()
    logp_data = logp.gather(-1, x1[..., None]).squeeze(-1)
    same = (xt == x1).float()
    return (-(p_here - same + (1 - same) * logp_data) / (1 - t)).mean()


def stratified(rows: int, top: float = 1 - 1e-3):
    """Times spread evenly over [0, top]: one in each of `rows` equal cells."""
    return (torch.randperm(rows, device=DEVICE) + torch.rand(rows, device=DEVICE)) / rows * top


def lengths_of(text: str) -> tuple[list[int], torch.Tensor]:
    """'64:1,256:5,1024:4' → lengths and their shares."""
    pairs = [p.split(":") for p in text.split(",")]
    return [int(n) for n, _ in pairs], torch.tensor([float(w) for _, w in pairs])


def main(a) -> None:
    setup(a.seed)
    os.makedirs(a.out, exist_ok=True)
    path, log = os.path.join(a.out, "pretrained.pth"), Log(os.path.join(a.out, "pretrain.jsonl"))
    torch.manual_seed(a.seed)  # the same start, and the same lengths, on every rank
    net = Transformer(Config(hidden_size=a.hidden, n_blocks=a.blocks, n_heads=a.heads, cond_dim=a.cond)).to(DEVICE)
    pick = torch.Generator().manual_seed(a.seed)
    if a.start:
        net.load_state_dict(torch.load(a.start, map_location=DEVICE, weights_only=False)["model"])
    torch.manual_seed(a.seed * 1000 + RANK)
    average = {k: v.detach().clone() for k, v in net.state_dict().items()}
    optimizer = MuonAdamW(net, hidden_in_blocks, a.muon_lr, a.adam_lr, a.weight_decay)
    gradients = Gradients(net.parameters())
    windows = Windows(a.data, a.real_share, a.seed, a.synthetic)
    lengths, shares = lengths_of(a.lengths)
    vocab = net.config.vocab_size
    loss_of = compiled(lambda xt, x1, t: generalized_kl(net(xt, t), xt, x1, t[:, None]))

    def loss_at(length: int):
        x1 = windows(a.tokens // length, length)
        t = stratified(len(x1))
        with autocast():
            return loss_of(corrupt(x1, t, vocab), x1, t)

    for length in lengths:
        loss_at(length).backward()  # compiles, outside the clock
    wait_for(a.wait)
    schedule, saved, shown, total = Schedule(a.steps, a.seconds, cooldown=a.cooldown), 0.0, 0.0, 0.0
    if os.path.exists(path):
        s = torch.load(path, map_location=DEVICE, weights_only=False)
        net.load_state_dict(s["live"]), optimizer.load_state_dict(s["optimizer"]), windows.load(s["train_sampler"])
        average = s["model"]
        pick.set_state(s["pick"].cpu())
        schedule.restore(s["step"], s["elapsed"])

    def checkpoint():
        save(path, {"model": average, "optimizer": optimizer.state_dict(), "step": schedule.step, "train_sampler": windows.state(),
                    "test_sampler": {}, "live": net.state_dict(), "elapsed": schedule.elapsed, "pick": pick.get_state()})

    count = 0
    while (progress := schedule.progress()) < 1:
        gradients.zero()
        loss = loss_at(lengths[torch.multinomial(shares, 1, generator=pick).item()])
        loss.backward()
        norm = gradients.reduce()
        optimizer.step(schedule.rate(progress))
        schedule.step += 1
        ema_update(average, net, min(a.ema, schedule.step / (schedule.step + 10)))
        total, count = total + loss.detach(), count + 1
        if progress - shown >= 0.01:
            log(step=schedule.step, progress=progress, loss=(total / count).item(), norm=norm.item(),
                tokens=schedule.step * a.tokens * WORLD, seconds=schedule.elapsed)
            shown, total, count = progress, 0.0, 0
        if progress - saved >= 0.15:
            saved = progress
            checkpoint()
    checkpoint()
    log(done="pretrain", steps=schedule.step, tokens=schedule.step * a.tokens * WORLD, seconds=schedule.elapsed)
    save(path + ".done", {})
    teardown()


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--start", default="", help="go on from these weights, with a schedule of its own")
    ap.add_argument("--synthetic", default="synthetic", help="which synthetic stories: all, or those that select_stories.py kept (selected)")
    ap.add_argument("--wait", default="", help="compile, then wait until this file exists")
    ap.add_argument("--steps", type=int, default=0, help="length of the run; 0: by --seconds")
    ap.add_argument("--seconds", type=float, default=500)
    ap.add_argument("--tokens", type=int, default=65536, help="a step, on each device")
    ap.add_argument("--lengths", default="64:1,256:5,1024:4", help="window lengths and their shares")
    ap.add_argument("--hidden", type=int, default=512)
    ap.add_argument("--blocks", type=int, default=8)
    ap.add_argument("--heads", type=int, default=8)
    ap.add_argument("--cond", type=int, default=128)
    ap.add_argument("--real-share", type=float, default=0.15)
    ap.add_argument("--muon-lr", type=float, default=0.02)
    ap.add_argument("--adam-lr", type=float, default=2e-3)
    ap.add_argument("--weight-decay", type=float, default=0.02)
    ap.add_argument("--cooldown", type=float, default=0.5)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args())
