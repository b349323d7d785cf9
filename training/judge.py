"""Trains the judge (next-token NLL) and keeps the weights that are best on held-out text."""

import argparse
import os

from common import DEVICE, RANK, WORLD, Gradients, Log, Schedule, autocast, compiled, ema_update, save, setup, teardown
import torch

from data import Windows, heldout_windows
from gpt2 import GPT2, Config
from muon import MuonAdamW, hidden_in_blocks


def held_out_nll(net, windows) -> float:
    """Mean over all held-out windows of the mean NLL a token."""
    net.eval()
    with torch.no_grad(), autocast():
        value = torch.cat([net.nll(w).mean(1) for w in windows.split(32)]).mean().item()
    net.train()
    return value


def main(a) -> None:
    setup(a.seed)
    os.makedirs(a.out, exist_ok=True)
    path, log = os.path.join(a.out, "judge.pth"), Log(os.path.join(a.out, "judge.jsonl"))
    c = Config(n_positions=a.length, n_embd=a.width, n_layer=a.layers, n_head=a.heads, dropout=a.dropout)
    torch.manual_seed(a.seed)  # the same start on every rank
    net = GPT2(c).to(DEVICE)
    torch.manual_seed(a.seed * 1000 + RANK)
    average = {k: v.detach().clone() for k, v in net.named_parameters()}
    shadow = GPT2(c).to(DEVICE)  # what is evaluated: the average
    optimizer = MuonAdamW(net, hidden_in_blocks, a.muon_lr, a.adam_lr, a.weight_decay)
    gradients = Gradients(net.parameters())
    windows = Windows(a.data, a.real_share, a.seed)
    heldout = heldout_windows(a.data, min(256, a.length))
    loss_of = compiled(lambda x: net.nll(x).mean())
    schedule, best, last_check = Schedule(a.steps, a.seconds, cooldown=0.6), float("inf"), 0.0
    if os.path.exists(path + ".resume"):
        s = torch.load(path + ".resume", map_location=DEVICE, weights_only=False)
        net.load_state_dict(s["model"]), optimizer.load_state_dict(s["optimizer"]), windows.load(s["train_sampler"])
        average, best = s["average"], s["best"]
        schedule.restore(s["step"], s["elapsed"])
    else:
        with autocast():
            loss_of(windows(a.tokens // a.length, a.length)).backward()  # compiles, outside the clock
        schedule.restore(0, 0.0)
    while (progress := schedule.progress()) < 1:
        gradients.zero()
        x = windows(a.tokens // a.length, a.length)
        with autocast():
            loss = loss_of(x)
        loss.backward()
        norm = gradients.reduce()
        optimizer.step(schedule.rate(progress))
        schedule.step += 1
        ema_update(average, net, min(a.ema, schedule.step / (schedule.step + 10)))
        if progress - last_check >= a.check or (a.steps and schedule.step == a.steps):
            last_check = progress
            if RANK == 0:
                shadow.load_state_dict(average)
                nll = held_out_nll(shadow, heldout)
                log(step=schedule.step, progress=progress, loss=loss.item(), norm=norm.item(), heldout=nll,
                    tokens=schedule.step * a.tokens * WORLD, seconds=schedule.elapsed)
                if nll < best:
                    best = nll
                    save(path, {"model": average, "config": c.dict(), "heldout_nll": nll, "step": schedule.step})
                save(path + ".resume", {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average,
                     "best": best, "step": schedule.step, "elapsed": schedule.elapsed, "train_sampler": windows.state()})
    log(done="judge", best=best, steps=schedule.step, seconds=schedule.elapsed)
    save(path + ".done", {})
    teardown()


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--data", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--steps", type=int, default=0, help="length of the run; 0: by --seconds")
    ap.add_argument("--seconds", type=float, default=100)
    ap.add_argument("--tokens", type=int, default=32768, help="a step, on each device")
    ap.add_argument("--length", type=int, default=1024)
    ap.add_argument("--width", type=int, default=384)
    ap.add_argument("--layers", type=int, default=7)
    ap.add_argument("--heads", type=int, default=6)
    ap.add_argument("--dropout", type=float, default=0.1)
    ap.add_argument("--real-share", type=float, default=0.12)
    ap.add_argument("--muon-lr", type=float, default=0.02)
    ap.add_argument("--adam-lr", type=float, default=2e-3)
    ap.add_argument("--weight-decay", type=float, default=0.02)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--check", type=float, default=0.04, help="share of the run between looks at held-out text")
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args())
