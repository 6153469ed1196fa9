"""DDPG in one file, as CleanRL has it, with symmetric batches and takeovers. Nothing of hitl's learner is used."""

import torch
from torch import nn

from hitl import SymmetricReplay, Takeover, open_env


def net(inputs, outputs, *last):
    return nn.Sequential(nn.Linear(inputs, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, outputs), *last)

def main(human="auto", home="ddpg-runs", env=None, steps=50_000, gamma=0.98, noise=0.2, lr=1e-3, overlay=True):
    env = Takeover(env or open_env(), human, store=home, overlay=overlay)
    o, a = env.observation_space.shape[0], env.action_space.shape[0]
    actor, slow_actor = net(o, a, nn.Tanh()), net(o, a, nn.Tanh())
    q, slow_q = net(o + a, 1), net(o + a, 1)
    slow = [*slow_actor.parameters(), *slow_q.parameters()]
    of_actor, of_q = torch.optim.Adam(actor.parameters(), lr), torch.optim.Adam(q.parameters(), lr)
    replay, (seen, _) = SymmetricReplay(home, "plain", gamma=gamma), env.reset(seed=0)
    for _ in range(steps):
        action = (actor(torch.as_tensor(seen)[None])[0] + noise * torch.randn(a)).clamp(-1, 1)
        seen, _, terminated, truncated, _ = env.step(action.detach().numpy())
        if terminated or truncated:
            (seen, _), _, _ = env.reset(), env.flush(), replay.poll()
        if replay.online_rows < 100:
            continue
        batch = replay.sample(128)  # half of it takeovers and laps, all with the actions that were executed
        with torch.no_grad():
            following = torch.cat((batch.next_observation, slow_actor(batch.next_observation)), 1)
            target = batch.reward + batch.discount * slow_q(following)[:, 0]
        of_q.zero_grad(), (q(batch.pair)[:, 0] - target).square().mean().backward(), of_q.step()
        own = torch.cat((batch.observation, actor(batch.observation)), 1)
        of_actor.zero_grad(), (-q(own).mean()).backward(), of_actor.step()
        for new, old in zip([*actor.parameters(), *q.parameters()], slow, strict=True):
            old.data.lerp_(new.data, 0.01)
    env.close()
    return actor

if __name__ == "__main__":
    main()
