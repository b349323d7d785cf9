"""Distils the pre-trained network into a student that is told its step size.

The student learns on the states that its own sampler visits. Many *walkers* run side by side, each with a budget N of its own,
from noise to text at steps of h = 1/N; wherever they stand the student learns, then they take its step. There the pre-trained network
walks the same stretch in m finer steps, and the mean of the logits that it has on the way is the target. A share of reverse KL
lets the student prefer, among continuations that do not go together when drawn independently, the likelier.

`--target rk4` is the paper's shortcut instead: the student's own average at h/2, logits combined as Runge and Kutta would.

All along, generalized KL on data goes on at the small steps (1/64 … 1/1024), so that long budgets stay good.
"""

import argparse
import os
import time

from common import DEVICE, Gradients, Log, Schedule, autocast, compile_blocks, compiled, ema_update, save, setup, wait_for
import torch
import torch.nn.functional as F

import gpt2
from data import Windows, heldout_windows
from model import Config, Transformer, load, student_from
from muon import MuonAdamW, hidden_in_blocks
from pretrain import generalized_kl, lengths_of
from sample import advance, entropy, flat
from students import look, small_steps
from walkers import Walkers


def imitation_loss(logits, target, reverse):
    """(1 - reverse)·KL(target ‖ student) + reverse·KL(student ‖ target), a mean over positions."""
    mine, theirs = F.log_softmax(logits.float(), -1), F.log_softmax(target, -1)
    forward = (theirs.exp() * (theirs - mine)).sum(-1)
    backward = (mine.exp() * (mine - theirs)).sum(-1)
    return ((1 - reverse) * forward + reverse * backward).mean()


def main(a) -> None:
    setup(a.seed)
    os.makedirs(a.out, exist_ok=True)
    path, log = os.path.join(a.out, "distilled.pth"), Log(os.path.join(a.out, "distill.jsonl"))
    c = Config(hidden_size=a.hidden, n_blocks=a.blocks, n_heads=a.heads, cond_dim=a.cond)
    told = Config(**{**c.dict(), "dt_conditioned": True})
    plain = compile_blocks(Transformer(c).to(DEVICE)).requires_grad_(False)  # knows data
    student = compile_blocks(Transformer(told).to(DEVICE))
    average = compile_blocks(Transformer(told).to(DEVICE)).requires_grad_(False)
    gradients = Gradients(student.parameters())
    lengths, shares = lengths_of(a.lengths)
    windows, vocab, m = Windows(a.data, a.real_share, a.seed), c.vocab_size, a.substeps
    rows_at = {n: max(1, a.tokens // n) for n in lengths}

    move, denoise = flat(compiled(advance)), flat(compiled(generalized_kl))
    imitation = compiled(lambda logits, target: imitation_loss(logits, target, a.reverse))

    @torch.no_grad()
    def path_target(x, t, h, last):
        """Mean of the pre-trained network's logits over m finer steps from (x, t)."""
        never, total = torch.zeros_like(last), 0.0
        for k in range(m):
            at = t + h * k / m
            logits = plain(x, at)
            total = total + logits.float() / m
            if k < m - 1:
                x = move(logits, x, at, h / m, never)
        return total * torch.where(last, a.last, a.sharpen)[:, None, None]

    @torch.no_grad()
    def rk4_target(x, t, h, last):
        """The paper's: (l1 + 2 l2 + 2 l3 + l4) / 6 over jumps of h/2, the average asked at dt = h/2."""
        never, total = torch.zeros_like(last), 0.0
        for offset, weight in ((0, 1), (0.5, 2), (0.5, 2), (1, 1)):
            logits = average(x, t + offset * h, h / 2)
            total = total + logits.float() * weight / 6
            x = move(logits, x, t + offset * h, h / 2, never)
        return total

    target_of = rk4_target if a.target == "rk4" else path_target

    def imitate(logits, x, t, h, last):
        n = x.numel()  # positions in one row: one compiled shape for every length
        return imitation(logits.reshape(n, -1), target_of(x, t, h, last).reshape(n, -1))

    walkers = {n: Walkers(rows_at[n], n, vocab, windows, a.data_share) for n in lengths}
    for n in lengths:  # compile, outside the clock
        with autocast():
            w = walkers[n]
            t, h, last = w.where()
            imitate(student(w.x, t, h), w.x, t, h, last).backward()
            small_steps(student, windows, rows_at[n], n, vocab, denoise).backward()
            with torch.no_grad():
                move(average(w.x, t, h), w.x, t, h, last)
    wait_for(a.wait)
    if a.until:
        a.seconds = a.until - time.time()

    pretrained = torch.load(a.pretrained, map_location=DEVICE, weights_only=False)["model"]
    plain.load_state_dict(pretrained)
    start = student_from(load(pretrained).to(DEVICE)).state_dict()
    for net in (student, average):
        net.load_state_dict(start)
    averaged = dict(average.named_parameters())
    optimizer = MuonAdamW(student, hidden_in_blocks, a.muon_lr, a.adam_lr, 0.0)
    j = torch.load(a.judge, map_location=DEVICE, weights_only=False)
    judge = gpt2.load(j["model"], j["config"]["n_head"]).to(DEVICE)
    reference = {n: round(entropy(heldout_windows(a.data, n)).mean().item(), 3) for n in lengths}
    schedule, shown, looked, saved = Schedule(a.steps, a.seconds, cooldown=a.cooldown), 0.0, 0.0, 0.0
    if os.path.exists(path):
        s = torch.load(path, map_location=DEVICE, weights_only=False)
        student.load_state_dict(s["student_model"]), average.load_state_dict(s["student_ema_model"])
        optimizer.load_state_dict(s["student_optimizer"]), windows.load(s["train_sampler"])
        schedule.restore(s["step"], s["elapsed"])

    def checkpoint():
        save(path, {"teacher_model": pretrained, "student_model": student.state_dict(), "student_ema_model": average.state_dict(),
                    "student_optimizer": optimizer.state_dict(), "step": schedule.step, "train_sampler": windows.state(), "test_sampler": {},
                    "elapsed": schedule.elapsed})

    sums = torch.zeros(2, device=DEVICE)
    count = 0
    while (progress := schedule.progress()) < 1:
        rate = schedule.rate(progress)
        length = lengths[torch.multinomial(shares, 1).item()]
        gradients.zero()
        w = walkers[length]
        t, h, last = w.where()
        with autocast():
            logits = student(w.x, t, h)
            loss = imitate(logits, w.x, t, h, last)
            with torch.no_grad():
                x = move(logits.detach(), w.x, t, h, last)
        loss.backward()
        w.move(x)
        if schedule.step % a.data_every == 0:
            with autocast():
                data = small_steps(student, windows, rows_at[length], length, vocab, denoise)
            (a.data_weight * data).backward()
            sums[1] += data.detach() * a.data_every
        norm = gradients.reduce()
        optimizer.step(rate)
        schedule.step += 1
        ema_update(averaged, student, min(a.ema, (schedule.step + 1) / (schedule.step + 10)))
        sums[0] += loss.detach()
        count += 1
        if progress - shown >= 0.03:
            mean = (sums / count).tolist()
            log(step=schedule.step, progress=progress, path=mean[0], data=mean[1], norm=norm.item(), seconds=schedule.elapsed)
            sums.zero_()
            shown, count = progress, 0
        if progress - looked >= a.look or schedule.step == 1:
            looked = progress
            log(look=look(average, move, judge, rows_at, a.look_rows, vocab), step=schedule.step, progress=progress, reference=reference)
        if a.save_every and progress - saved >= a.save_every:
            saved = progress
            checkpoint()
    checkpoint()
    log(done="distill", steps=schedule.step, seconds=schedule.elapsed, reference=reference,
        look=look(average, move, judge, rows_at, 2 * a.look_rows, vocab))
    save(path + ".done", {})


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--pretrained", required=True)
    ap.add_argument("--judge", required=True, help="only to look at samples now and then")
    ap.add_argument("--out", required=True)
    ap.add_argument("--wait", default="", help="compile, then wait until this file exists")
    ap.add_argument("--steps", type=int, default=0, help="length of the run; 0: by --seconds")
    ap.add_argument("--seconds", type=float, default=270)
    ap.add_argument("--tokens", type=int, default=32768, help="walkers' tokens a step")
    ap.add_argument("--lengths", default="256:2,1024:1")
    ap.add_argument("--hidden", type=int, default=512)
    ap.add_argument("--blocks", type=int, default=8)
    ap.add_argument("--heads", type=int, default=8)
    ap.add_argument("--cond", type=int, default=128)
    ap.add_argument("--target", choices=("path", "rk4"), default="path")
    ap.add_argument("--substeps", type=int, default=4)
    ap.add_argument("--reverse", type=float, default=0.3, help="share of reverse KL in the path objective")
    ap.add_argument("--sharpen", type=float, default=1.0, help="factor on the target logits")
    ap.add_argument("--last", type=float, default=1.0, help="the same at a budget's last step")
    ap.add_argument("--data-share", type=float, default=0.2, help="walks that start from data part of the way")
    ap.add_argument("--data-every", type=int, default=3)
    ap.add_argument("--data-weight", type=float, default=0.2)
    ap.add_argument("--real-share", type=float, default=0.15)
    ap.add_argument("--muon-lr", type=float, default=0.005)
    ap.add_argument("--adam-lr", type=float, default=5e-4)
    ap.add_argument("--cooldown", type=float, default=0.6)
    ap.add_argument("--ema", type=float, default=0.995)
    ap.add_argument("--until", type=float, default=0, help="end at this time (seconds since 1970) instead of after --seconds")
    ap.add_argument("--look", type=float, default=0.1, help="share of the run between looks at samples")
    ap.add_argument("--look-rows", type=int, default=128)
    ap.add_argument("--save-every", type=float, default=0.2, help="share of the run between checkpoints; 0: only the last")
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args())
