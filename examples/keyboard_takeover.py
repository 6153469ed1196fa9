"""Wrap an environment and take over with the keyboard: hold space and steer with the arrow keys."""

import gymnasium

from hitl import Store, Takeover


def main(human="keys", home="runs", steps=2000, env_id="CarRacing-v3", render="human"):
    """Let a random agent drive; ``human`` takes the wheel."""
    env = Takeover(gymnasium.make(env_id, render_mode=render), human, store=home)
    observation, info = env.reset(seed=0)
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        if env.leaving:
            break
        if terminated or truncated:
            observation, info = env.reset()
    env.close()
    with Store(home) as store:
        for takeover in store.takeovers():
            print(f"{takeover.seconds:.1f} s, {takeover.outcome}")


if __name__ == "__main__":
    main()
