"""DDPG in one file, as CleanRL has it, with symmetric batches and takeovers. Nothing of hitl's learner is used."""

import torch
from torch import nn

from hitl import SymmetricReplay, Takeover, open_env


def net(inputs, outputs, *last):
    return nn.Sequential(nn.Linear(inputs, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, outputs), *last)


def main(human="auto", home="ddpg-runs", env=None, steps=50_000, gamma=0.98, noise=0.2, lr=1e-3, overlay=True):
    env = Takeover(env or open_env(), human, store=home, overlay=overlay)
    o, a = env.observation_space.shape[0], env.action_space.shape[0]
    (actor, q), (late_actor, late_q) = now, late = [nn.ModuleList((net(o, a, nn.Tanh()), net(o + a, 1))) for _ in "12"]
    of_actor, of_q = torch.optim.Adam(actor.parameters(), lr), torch.optim.Adam(q.parameters(), lr)
    replay, (seen, _) = SymmetricReplay(home, "plain", gamma=gamma), env.reset(seed=0)
    for _ in range(steps):
        action = (actor(torch.as_tensor(seen)[None])[0] + noise * torch.randn(a)).clamp(-1, 1)
        seen, _, terminated, truncated, _ = env.step(action.detach().numpy())
        if terminated or truncated:
            (seen, _), _, _ = env.reset(), env.flush(), replay.poll()
        if replay.online_rows < 100:
            continue
        b = replay.sample(128)  # half of it takeovers and laps; the actions are those that were executed
        with torch.no_grad():
            y = b.reward + b.discount * late_q(torch.cat((b.next_observation, late_actor(b.next_observation)), 1))[:, 0]
        of_q.zero_grad(), (q(b.pair)[:, 0] - y).square().mean().backward(), of_q.step()
        loss = -q(torch.cat((b.observation, actor(b.observation)), 1)).mean()
        of_actor.zero_grad(), loss.backward(), of_actor.step()
        for new, old in zip(now.parameters(), late.parameters(), strict=True):
            old.data.lerp_(new.data, 0.01)
    env.close()
    return actor


if __name__ == "__main__":
    main()
