"""Take over in a real-time interface of your own: here a mass on a rail, pushed 20 times a second, to be held at 0."""

import numpy as np
import rtgym
from gymnasium import spaces

from hitl import TakeoverInterface


class Rail(rtgym.RealTimeGymInterface):  # observes place (m) and speed (m/s); the action accelerates, in m/s^2
    def get_observation_space(self):
        return spaces.Tuple((spaces.Box(-np.inf, np.inf, (2,), np.float32),))
    def get_action_space(self):
        return spaces.Box(-1.0, 1.0, (1,), np.float32)
    def get_default_action(self):
        return np.zeros(1, np.float32)
    def send_control(self, control):
        self.push = float(control[0])
    def reset(self, seed=None, options=None):
        self.seen = np.array([1.0, 0.0], np.float32)
        return [self.seen], {}
    def get_obs_rew_terminated_info(self):
        self.seen = np.array([self.seen[0] + 0.05 * self.seen[1], self.seen[1] + 0.05 * self.push], np.float32)
        return [self.seen], -abs(float(self.seen[0])), bool(abs(self.seen[0]) > 3.0), {}


def main(human="auto", home="rail-runs", steps=400, agent=lambda seen: -np.sign(seen[0][:1]), **config):
    env = TakeoverInterface.make(Rail(), config, human, store=home, controls=("steer",))
    observation, info = env.reset()
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(agent(observation))
        assert observation[-1] == info["executed"]  # rtgym's action buffer holds what was executed
        if terminated or truncated:
            observation, info = env.reset()
    env.close()


if __name__ == "__main__":
    main()
