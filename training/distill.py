"""Distils the pre-trained network into a student that is told its step size.

The student learns on the states that its own sampler visits. Many *walkers* run side by side, each with a budget N of its own,
from noise to text at steps of h = 1/N. Wherever a walker stands, a teacher — the average of the student's own past weights, asked at
dt = h/m — walks the same stretch in m finer steps, and the mean of the logits that it has on the way is the student's target there.
Then the walker takes the student's step and the next state is learnt from. So a step of 1/8 learns from four of 1/32, those learn
from 1/128, and 1/1024 learns from data: the generalized KL of pre-training goes on at the smallest steps.

`--teacher rk4` is the paper's shortcut instead: states from data, logits of the two half steps combined as Runge and Kutta would.

Sharpening. Independent draws at many positions in one step make text less coherent; a lower temperature makes up for it and costs
diversity. The teacher's logits are multiplied by γ_N ≥ 1 for budgets up to 32, and a controller raises γ_N only as long as the entropy of
finished walkers stays above the held-out text's less an allowance.
"""

import argparse
import os

import common
from common import DEVICE, RANK, Gradients, Log, Schedule, autocast, compiled, ema_update, save, setup, wait_for
import torch
import torch.nn.functional as F

import gpt2
from data import Windows, heldout_windows
from model import Config, Transformer, load, student_from
from muon import MuonAdamW, hidden_in_blocks
from pretrain import corrupt, generalized_kl, lengths_of, stratified
from sample import advance, entropy, noise, perplexity, sample

BUDGETS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
SHARES = [0.02, 0.05, 0.22, 0.30, 0.17, 0.10, 0.07, 0.04, 0.03]  # of the states learnt from
ALLOWANCE = [0.10, 0.10, 0.10, 0.09, 0.05, 0.02]  # bits below held-out text, for budgets 1 … 32; none above
GAMMA_RANGE = (0.85, 1.8)


class Walkers:
    """Rows of one length, each at step `i` of its own budget of `n`."""

    def __init__(self, rows: int, length: int, vocab: int, windows, data_share: float):
        self.length, self.vocab, self.windows, self.data_share = length, vocab, windows, data_share
        self.x = noise(rows, length, vocab, DEVICE)
        self.budgets = torch.tensor(BUDGETS, device=DEVICE)
        self.kind = torch.zeros(rows, dtype=torch.long, device=DEVICE)  # index into BUDGETS
        self.i = torch.zeros(rows, dtype=torch.long, device=DEVICE)
        self.whole = torch.ones(rows, dtype=torch.bool, device=DEVICE)  # walked all the way from noise
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
        self.x[rows], self.kind[rows], self.i[rows], self.whole[rows] = x, kind, i, ~from_data

    def where(self):
        """Time, step size, and whether the step is the last."""
        n = self.n
        return self.i / n, 1.0 / n, self.i == n - 1

    def move(self, x):
        """Takes the step; returns the finished walks from noise as (kind, entropy)."""
        last = self.i == self.n - 1
        self.x, self.i = x, self.i + 1
        done = last & self.whole
        result = (self.kind[done], entropy(x[done])) if done.any() else None
        self.restart(last)
        return result


class Sharpening:
    """γ for each budget, steered by the entropy of what that budget writes."""

    def __init__(self, reference: float, gain: float):
        self.gamma = torch.ones(len(BUDGETS), device=DEVICE)
        self.goal = reference - torch.tensor(ALLOWANCE, device=DEVICE)
        self.seen = self.goal.clone()
        self.gain = gain

    def observe(self, kinds, bits, rate: float) -> None:
        for k in range(len(ALLOWANCE)):
            mine = bits[kinds == k]
            if len(mine):
                keep = 0.98 ** len(mine)
                self.seen[k] = keep * self.seen[k] + (1 - keep) * mine.mean()
        step = self.gain * rate * (self.seen - self.goal).clamp(-0.2, 0.2)
        self.gamma[: len(ALLOWANCE)] = (self.gamma[: len(ALLOWANCE)] + step).clamp(*GAMMA_RANGE)


def main(a) -> None:
    setup(a.seed)
    os.makedirs(a.out, exist_ok=True)
    path, log = os.path.join(a.out, "distilled.pth"), Log(os.path.join(a.out, "distill.jsonl"))
    c = Config(hidden_size=a.hidden, n_blocks=a.blocks, n_heads=a.heads, cond_dim=a.cond, dt_conditioned=True)
    student, teacher = Transformer(c).to(DEVICE), Transformer(c).to(DEVICE).requires_grad_(False)
    gradients = Gradients(student.parameters())
    lengths, shares = lengths_of(a.lengths)
    windows, vocab, m = Windows(a.data, a.real_share, a.seed), c.vocab_size, a.substeps
    rows_at = {n: max(1, a.tokens // n) for n in lengths}

    def teach(x, t, h, gamma, last, solver="cumulative_scalar"):
        logits = teacher(x, t, h).float() * gamma[:, None, None]
        return logits, advance(logits, x, t, h, last, solver)

    def learn(x, t, h, last, target):
        logits = student(x, t, h)
        mine, theirs = F.log_softmax(logits.float(), -1), F.log_softmax(target, -1)
        forward = (theirs.exp() * (theirs - mine)).sum(-1)
        backward = (mine.exp() * (mine - theirs)).sum(-1)
        loss = (1 - a.reverse) * forward.mean() + a.reverse * backward.mean()
        return loss, advance(logits.detach(), x, t, h, last)

    teach, learn = compiled(teach), compiled(learn)
    data_loss = compiled(lambda xt, x1, t, h: generalized_kl(student(xt, t, h), xt, x1, t))

    @torch.no_grad()
    def path_target(x, t, h, gamma):
        """Mean of the teacher's logits over m finer steps from (x, t)."""
        never, total = torch.zeros_like(t, dtype=torch.bool), 0.0
        for k in range(m):
            logits, x = teach(x, t + h * k / m, h / m, gamma, never)
            total = total + logits / m
        return total

    @torch.no_grad()
    def rk4_target(x, t, h, gamma):
        """The paper's: (l1 + 2 l2 + 2 l3 + l4) / 6 over jumps of h/2, the teacher asked at dt = h/2."""
        never, total = torch.zeros_like(t, dtype=torch.bool), 0.0
        for offset, weight in ((0, 1), (0.5, 2), (0.5, 2), (1, 1)):
            logits, y = teach(x, t + offset * h, h / 2, gamma, never)
            x, total = y, total + logits * weight / 6
        return total

    def data_states(rows, length):
        """States from data on the grids of the budgets, as the paper has them."""
        kind = torch.multinomial(torch.tensor(SHARES, device=DEVICE), rows, replacement=True)
        n = torch.tensor(BUDGETS, device=DEVICE)[kind]
        i = (torch.rand(rows, device=DEVICE) * n).long()
        return corrupt(windows(rows, length), i / n, vocab), kind, i / n, 1.0 / n, i == n - 1

    def small_steps(length):
        """Generalized KL on data at dt = 1/512 and 1/1024."""
        x1 = windows(rows_at[length], length)
        t = (stratified(len(x1)) * 1024).floor() / 1024
        h = torch.where(torch.rand_like(t) < 0.5, 1 / 1024, 1 / 512)
        with autocast():
            return data_loss(corrupt(x1, t, vocab), x1, t, h)

    @torch.no_grad()
    def look(length, rows=128):
        """Perplexity and entropy of the average's samples at a few budgets."""
        result = {}
        for steps in (4, 8, 16):
            one = torch.ones(rows_at[length], device=DEVICE)
            step = lambda x, t, h, last, solver: teach(x, t, h, one, last)[1]
            done = 0
            ids = []
            with autocast():
                while done < rows:
                    ids.append(sample(step, noise(rows_at[length], length, vocab, DEVICE), steps))
                    done += rows_at[length]
            ids = torch.cat(ids)[:rows]
            result[f"{steps}@{length}"] = [round(perplexity(judge, ids).mean().item(), 2), round(entropy(ids).mean().item(), 3)]
        return result

    walkers = {n: Walkers(rows_at[n], n, vocab, windows, a.data_share) for n in lengths}
    for n in lengths:  # compile, outside the clock
        with autocast():
            w = walkers[n]
            t, h, last = w.where()
            learn(w.x, t, h, last, teach(w.x, t, h, torch.ones_like(h), last)[0].detach())[0].backward()
        small_steps(n).backward()
    wait_for(a.wait)

    pretrained = torch.load(a.pretrained, map_location=DEVICE, weights_only=False)["model"]
    student.load_state_dict(student_from(load(pretrained).to(DEVICE)).state_dict())
    teacher.load_state_dict(student.state_dict())
    average = dict(teacher.named_parameters())
    optimizer = MuonAdamW(student, hidden_in_blocks, a.muon_lr, a.adam_lr, 0.0)
    j = torch.load(a.judge, map_location=DEVICE, weights_only=False)
    judge = gpt2.load(j["model"], j["config"]["n_head"]).to(DEVICE)
    reference = entropy(heldout_windows(a.data, min(lengths))).mean().item()
    sharpening = Sharpening(reference, a.gain)
    schedule, shown, looked, saved = Schedule(a.steps, a.seconds, cooldown=a.cooldown), 0.0, 0.0, 0.0
    if os.path.exists(path):
        s = torch.load(path, map_location=DEVICE, weights_only=False)
        student.load_state_dict(s["student_model"]), teacher.load_state_dict(s["student_ema_model"])
        optimizer.load_state_dict(s["student_optimizer"]), windows.load(s["train_sampler"])
        sharpening.gamma, sharpening.seen = s["gamma"], s["seen"]
        schedule.restore(s["step"], s["elapsed"])

    def checkpoint():
        save(path, {"teacher_model": pretrained, "student_model": student.state_dict(), "student_ema_model": teacher.state_dict(),
                    "student_optimizer": optimizer.state_dict(), "step": schedule.step, "train_sampler": windows.state(), "test_sampler": {},
                    "gamma": sharpening.gamma, "seen": sharpening.seen, "elapsed": schedule.elapsed})

    sums = torch.zeros(2, device=DEVICE)
    count = 0
    while (progress := schedule.progress()) < 1:
        rate = schedule.rate(progress)
        length = lengths[torch.multinomial(shares, 1).item()]
        gradients.zero()
        with autocast():
            if a.teacher == "rk4":
                x, kind, t, h, last = data_states(rows_at[length], length)
                loss, _ = learn(x, t, h, last, rk4_target(x, t, h, torch.ones_like(h)))
            else:
                w = walkers[length]
                t, h, last = w.where()
                gamma = sharpening.gamma[w.kind]
                loss, x = learn(w.x, t, h, last, path_target(w.x, t, h, gamma))
                finished = w.move(x)
                if finished is not None and length == min(lengths):
                    sharpening.observe(*finished, rate)
        loss.backward()
        if schedule.step % a.data_every == 0:
            data = small_steps(length)
            (a.data_weight * data).backward()
            sums[1] += data.detach() * a.data_every
        norm = gradients.reduce()
        optimizer.step(rate)
        schedule.step += 1
        ema_update(average, student, min(a.ema, (schedule.step + 1) / (schedule.step + 10)))
        sums[0] += loss.detach()
        count += 1
        if progress - shown >= 0.02:
            log(step=schedule.step, progress=progress, shortcut=(sums[0] / count).item(), data=(sums[1] / count).item(), norm=norm.item(),
                gamma=[round(g, 3) for g in sharpening.gamma[: len(ALLOWANCE)].tolist()],
                entropy=[round(g, 3) for g in sharpening.seen.tolist()], seconds=schedule.elapsed)
            sums.zero_()
            shown, count = progress, 0
        if progress - looked >= a.look or schedule.step == 1:
            looked = progress
            log(look={k: v for n in lengths for k, v in look(n).items()}, step=schedule.step, progress=progress, reference=reference)
        if progress - saved >= 0.2:
            saved = progress
            checkpoint()
    checkpoint()
    log(done="distill", steps=schedule.step, seconds=schedule.elapsed, look={k: v for n in lengths for k, v in look(n, 512).items()},
        gamma=sharpening.gamma.tolist(), reference=reference)
    save(path + ".done", {})


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--pretrained", required=True)
    ap.add_argument("--judge", required=True, help="only to look at samples now and then")
    ap.add_argument("--out", required=True)
    ap.add_argument("--wait", default="", help="compile, then wait until this file exists")
    ap.add_argument("--steps", type=int, default=0, help="length of the run; 0: by --seconds")
    ap.add_argument("--seconds", type=float, default=400)
    ap.add_argument("--tokens", type=int, default=32768, help="walkers' tokens a step")
    ap.add_argument("--lengths", default="256:2,1024:1")
    ap.add_argument("--hidden", type=int, default=512)
    ap.add_argument("--blocks", type=int, default=8)
    ap.add_argument("--heads", type=int, default=8)
    ap.add_argument("--cond", type=int, default=128)
    ap.add_argument("--teacher", choices=("path", "rk4"), default="path")
    ap.add_argument("--substeps", type=int, default=4)
    ap.add_argument("--reverse", type=float, default=0.0, help="share of reverse KL")
    ap.add_argument("--gain", type=float, default=0.003, help="of the sharpening; 0 leaves γ at 1")
    ap.add_argument("--data-share", type=float, default=0.2, help="walks that start from data part of the way")
    ap.add_argument("--data-every", type=int, default=2)
    ap.add_argument("--data-weight", type=float, default=0.5)
    ap.add_argument("--real-share", type=float, default=0.15)
    ap.add_argument("--muon-lr", type=float, default=0.01)
    ap.add_argument("--adam-lr", type=float, default=1e-3)
    ap.add_argument("--cooldown", type=float, default=0.5)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--look", type=float, default=0.1)
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args())
