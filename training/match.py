"""Distils the pre-trained network into a student whose steps, taken together, are distributed as the data's noised texts are.

Where many tokens jump at once, each from a posterior of its own, the marginals can all be right and the text still be wrong. So the student
is not shown marginals: after each of its steps the new state y, which should be text noised to κ = t + h, is compared with such text as a whole.
y is noised further, to a random time s < κ. There the pre-trained network (*teacher*) knows how likely each token was in the data, given
the noisy rest; a second network (*critic*), trained all along on the student's own states, knows how likely it is in the student's.
At a position whose token was noised away, with all others fixed,

    log critic(v) - log teacher(v) = log q_s(… v …) - log p_s(… v …) + a constant,

since the chance of the noise cancels. The student's probability of v, differentiated times this number, is an unbiased gradient of the
divergence KL(q_s ‖ p_s) of all the student's noised states from all the data's, correlations between positions included.

Because a token of y is still noise with probability 1 - κ, both networks' posteriors are mixed with 1 - κ of the uniform source.
All along, generalized KL on data goes on at the small steps (1/64 … 1/1024), so that long budgets stay good.
"""

import argparse
import os
import time

from common import DEVICE, Gradients, Log, Schedule, autocast, compile_blocks, compiled, ema_update, save, setup, wait_for
import torch
import torch.nn as nn
import torch.nn.functional as F

import gpt2
from data import Windows, heldout_windows
from model import Config, Transformer, load, student_from
from muon import MuonAdamW, hidden_in_blocks
from pretrain import generalized_kl, lengths_of, stratified
from sample import advance, draw, entropy, flat
from students import look, small_steps
from walkers import BUDGETS, Walkers

NEAR_ONE = 1 - 1e-3  # κ at the last step, so that no logarithm is of nothing
FIRST = torch.tensor([sum(BUDGETS[:k]) for k in range(len(BUDGETS))])  # number of a budget's first state among all states


def kernel(logits, x, t, h, last):
    """Probabilities of the state after the step, as `sample.advance` draws it; arguments of one shape, vocabulary behind."""
    p = F.softmax(logits.float(), -1)
    here = torch.arange(p.shape[-1], device=p.device) == x[..., None]
    off = p.masked_fill(here, 0)
    away = off.sum(-1)
    jump = 1 - torch.exp(-((1 - t).clamp(1e-8, 1).log() - (1 - t - h).clamp(1e-8, 1).log()) * away)
    moved = off * (jump / away.clamp_min(1e-6))[..., None] + here * (1 - jump)[..., None]
    return torch.where(last[..., None], p, moved)


def mixed(logits, kappa):
    """log of κ·posterior + (1 - κ)/V."""
    return (F.softmax(logits.float(), -1) * kappa[..., None] + ((1 - kappa) / logits.shape[-1])[..., None]).log()


def cost(critic, teacher, kappa, weight, sharpen: float, bound: float):
    """What each token would cost at each position, times the position's weight."""
    g = mixed(critic, kappa) - mixed(teacher * sharpen, kappa)
    return g.clamp(-bound, bound) * weight[..., None]


def critic_loss(logits, y, kappa, weight):
    return -(mixed(logits, kappa).gather(-1, y[..., None]).squeeze(-1) * weight).sum()


def make_critic(c: Config) -> Transformer:
    """A network that is told, instead of a step size, which state of which budget it looks at."""
    net = Transformer(c)
    net.dt_embedding = nn.Embedding(sum(BUDGETS), c.cond_dim)
    return net


def main(a) -> None:
    setup(a.seed)
    os.makedirs(a.out, exist_ok=True)
    path, log = os.path.join(a.out, "distilled.pth"), Log(os.path.join(a.out, "match.jsonl"))
    c = Config(hidden_size=a.hidden, n_blocks=a.blocks, n_heads=a.heads, cond_dim=a.cond)
    told = Config(**{**c.dict(), "dt_conditioned": True})
    teacher = compile_blocks(Transformer(c).to(DEVICE)).requires_grad_(False)
    student = compile_blocks(Transformer(told).to(DEVICE))
    average = compile_blocks(Transformer(told).to(DEVICE)).requires_grad_(False)
    critic = compile_blocks(make_critic(told).to(DEVICE))
    gradients, critic_gradients = Gradients(student.parameters()), Gradients(critic.parameters())
    lengths, shares = lengths_of(a.lengths)
    windows, vocab = Windows(a.data, a.real_share, a.seed, a.synthetic), c.vocab_size
    rows_at = {n: max(1, a.tokens // n) for n in lengths}
    first = FIRST.to(DEVICE)

    move, denoise = flat(compiled(advance)), flat(compiled(generalized_kl))
    step_of = flat(compiled(lambda logits, x, t, h, last: draw(kernel(logits, x, t, h, last))))
    costs = compiled(lambda f, p, kappa, weight: cost(f, p, kappa, weight, a.sharpen, a.bound))
    learn = compiled(critic_loss)
    expected = compiled(lambda logits, x, t, h, last, g: (kernel(logits, x, t, h, last) * g).sum())

    def each(v, like):
        """A number a row → one a position, in one row: one compiled shape for every length."""
        return v[:, None].expand(like.shape).reshape(-1)

    def compare(y, kappa, state, want_cost: bool):
        """Trains the critic on one noising of `y`; with it, what each token there would cost the student."""
        n = y.numel()
        share = stratified(len(y), 1.0) * 0.96 + 0.02
        kept = torch.rand(y.shape, device=DEVICE) < share[:, None]
        noisy = torch.where(kept, y, torch.randint(vocab, y.shape, device=DEVICE))
        weight = (~kept).float()
        weight = (weight / weight.sum(1, keepdim=True).clamp_min(1) / len(y)).reshape(-1)
        k, s = each(kappa.clamp_max(NEAR_ONE), y), share * kappa
        with autocast():
            guess = critic(noisy, s, state)
            loss = learn(guess.reshape(n, -1), y.reshape(-1), k, weight)
        loss.backward()
        if not want_cost:
            return loss.detach(), None
        with torch.no_grad(), autocast():
            return loss.detach(), costs(guess.detach().reshape(n, -1), teacher(noisy, s).reshape(n, -1), k, weight)

    walkers = {n: Walkers(rows_at[n], n, vocab, windows, 0.0) for n in lengths}

    def learn_from(w, teach: bool):
        """One step of all walkers: the critic learns from where they get to and, if `teach`, the student from the critic."""
        t, h, last = w.where()
        state, kappa = first[w.kind] + w.i, t + h
        n, x = w.x.numel(), w.x
        with torch.set_grad_enabled(teach), autocast():
            logits = student(x, t, h)
        with torch.no_grad():
            y = step_of(logits.detach(), x, t, h, last)
        total, g = torch.zeros((), device=DEVICE), None
        for k in range(a.critic_steps):
            critic_gradients.zero()
            loss, part = compare(y, kappa, state, teach and k >= a.critic_steps - a.looks)
            critic_gradients.reduce()
            critic_optimizer.step(critic_rate())
            total += loss / a.critic_steps
            if part is not None:
                g = part if g is None else g + part
        value = torch.zeros((), device=DEVICE)
        if teach:
            with autocast():
                value = expected(logits.reshape(n, -1), x.reshape(-1), each(t, x), each(h, x), each(last, x), g) / a.looks
            value.backward()
        w.move(y)
        return total, value.detach()

    critic_optimizer = MuonAdamW(critic, hidden_in_blocks, a.critic_muon_lr, a.critic_adam_lr, 0.0)
    critic_rate = lambda: 0.0  # while compiling
    for n in lengths:  # compile, outside the clock
        for teach in (False, True):
            learn_from(walkers[n], teach)
        with autocast():
            small_steps(student, windows, rows_at[n], n, vocab, denoise).backward()
        with torch.no_grad(), autocast():
            w = walkers[n]
            t, h, last = w.where()
            move(average(w.x, t, h), w.x, t, h, last)
    wait_for(a.wait)
    if a.until:
        a.seconds = a.until - time.time()

    pretrained = torch.load(a.pretrained, map_location=DEVICE, weights_only=False)["model"]
    teacher.load_state_dict(pretrained)
    start = student_from(load(pretrained).to(DEVICE)).state_dict()
    critic.load_state_dict({k: v for k, v in start.items() if not k.startswith("dt_embedding")}, strict=False)
    if a.start:
        before = torch.load(a.start, map_location=DEVICE, weights_only=False)
        start = before["student_ema_model"]
        critic.load_state_dict(before.get("critic_model", {}), strict=False)
    for net in (student, average):
        net.load_state_dict(start)
    averaged = dict(average.named_parameters())
    optimizer = MuonAdamW(student, hidden_in_blocks, a.muon_lr, a.adam_lr, 0.0)
    critic_optimizer = MuonAdamW(critic, hidden_in_blocks, a.critic_muon_lr, a.critic_adam_lr, 0.0)
    j = torch.load(a.judge, map_location=DEVICE, weights_only=False)
    judge = gpt2.load(j["model"], j["config"]["n_head"]).to(DEVICE)
    reference = {n: round(entropy(heldout_windows(a.data, n)).mean().item(), 3) for n in lengths}
    schedule, shown, looked, saved = Schedule(a.steps, a.seconds, cooldown=a.cooldown), 0.0, -1.0, 0.0
    critic_rate = lambda: min(1.0, schedule.step / 30 + 1e-3) * max(a.critic_floor, schedule.rate(max(schedule.progress(), 0.03)))
    if os.path.exists(path):
        s = torch.load(path, map_location=DEVICE, weights_only=False)
        student.load_state_dict(s["student_model"]), average.load_state_dict(s["student_ema_model"]), critic.load_state_dict(s["critic_model"])
        optimizer.load_state_dict(s["student_optimizer"]), critic_optimizer.load_state_dict(s["critic_optimizer"])
        windows.load(s["train_sampler"])
        schedule.restore(s["step"], s["elapsed"])

    def checkpoint():
        save(path, {"teacher_model": pretrained, "student_model": student.state_dict(), "student_ema_model": average.state_dict(),
                    "critic_model": critic.state_dict(), "student_optimizer": optimizer.state_dict(),
                    "critic_optimizer": critic_optimizer.state_dict(), "step": schedule.step, "train_sampler": windows.state(),
                    "test_sampler": {}, "elapsed": schedule.elapsed})

    sums, count = torch.zeros(3, device=DEVICE), 0
    while (progress := schedule.progress()) < 1:
        length = lengths[torch.multinomial(shares, 1).item()]
        teach = schedule.step >= a.warm
        gradients.zero()
        fake, value = learn_from(walkers[length], teach)
        norm = torch.zeros(())
        if teach:
            if schedule.step % a.data_every == 0:
                with autocast():
                    data = small_steps(student, windows, rows_at[length], length, vocab, denoise)
                (a.data_weight * data).backward()
                sums[2] += data.detach() * a.data_every
            norm = gradients.reduce()
            optimizer.step(schedule.rate(progress))
            ema_update(averaged, student, min(a.ema, (schedule.step - a.warm + 1) / (schedule.step - a.warm + 10)))
        schedule.step += 1
        sums[0] += fake
        sums[1] += value
        count += 1
        if progress - shown >= 0.02:
            mean = (sums / count).tolist()
            log(step=schedule.step, progress=progress, critic=mean[0], divergence=mean[1], data=mean[2], norm=norm.item(), seconds=schedule.elapsed)
            sums.zero_()
            shown, count = progress, 0
        if progress - looked >= a.look:
            looked = progress
            log(look=look(average, move, judge, rows_at, a.look_rows, vocab), step=schedule.step, progress=progress, reference=reference)
        if a.save_every and progress - saved >= a.save_every:
            saved = progress
            checkpoint()
    checkpoint()
    log(done="match", steps=schedule.step, seconds=schedule.elapsed, reference=reference,
        look=look(average, move, judge, rows_at, 2 * a.look_rows, vocab))
    save(path + ".done", {})


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--pretrained", required=True)
    ap.add_argument("--judge", required=True, help="only to look at samples now and then")
    ap.add_argument("--out", required=True)
    ap.add_argument("--start", default="", help="a .pth with student_ema_model to start from; else the pre-trained network")
    ap.add_argument("--wait", default="", help="compile, then wait until this file exists")
    ap.add_argument("--steps", type=int, default=0, help="length of the run; 0: by --seconds")
    ap.add_argument("--seconds", type=float, default=860)
    ap.add_argument("--until", type=float, default=0, help="end at this time (seconds since 1970) instead of after --seconds")
    ap.add_argument("--tokens", type=int, default=32768, help="walkers' tokens a step")
    ap.add_argument("--lengths", default="256:3,1024:1")
    ap.add_argument("--hidden", type=int, default=512)
    ap.add_argument("--blocks", type=int, default=8)
    ap.add_argument("--heads", type=int, default=8)
    ap.add_argument("--cond", type=int, default=128)
    ap.add_argument("--warm", type=int, default=30, help="steps in which only the critic learns")
    ap.add_argument("--critic-steps", type=int, default=3, help="the critic's updates a step")
    ap.add_argument("--looks", type=int, default=1, help="of these, how many noisings the student learns from")
    ap.add_argument("--sharpen", type=float, default=1.05, help="factor on the teacher's logits")
    ap.add_argument("--bound", type=float, default=5.0, help="largest cost of a token, nats")
    ap.add_argument("--data-every", type=int, default=3)
    ap.add_argument("--data-weight", type=float, default=0.5)
    ap.add_argument("--real-share", type=float, default=0.15)
    ap.add_argument("--synthetic", default="selected")
    ap.add_argument("--muon-lr", type=float, default=0.0025)
    ap.add_argument("--adam-lr", type=float, default=2e-4)
    ap.add_argument("--critic-muon-lr", type=float, default=0.012)
    ap.add_argument("--critic-adam-lr", type=float, default=1e-3)
    ap.add_argument("--critic-floor", type=float, default=0.5, help="the critic's rate does not fall below this share")
    ap.add_argument("--cooldown", type=float, default=0.85)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--look", type=float, default=0.07, help="share of the run between looks at samples")
    ap.add_argument("--look-rows", type=int, default=256)
    ap.add_argument("--save-every", type=float, default=0.3, help="share of the run between checkpoints; 0: only the last")
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args())
