"""Let a Stable-Baselines3 agent stall at the hairpin, help it there, and go on with Stable-Baselines3."""

from stable_baselines3 import SAC

from hitl import Store, SymmetricReplayBuffer, Takeover, evaluate, open_env


def main(human="auto", home="sb3-runs", alone=20_000, helped=5_000, overlay=True, **settings):
    """Train alone, then with ``human`` at the wheel where it is needed, then without again."""
    game = open_env("box2d", "default")
    env = Takeover(game, None)
    model = SAC(
        "MlpPolicy", env, gamma=0.99, replay_buffer_class=SymmetricReplayBuffer,
        replay_buffer_kwargs={"store": home}, **settings,
    )  # fmt: skip
    model.learn(alone)
    print("alone:", [round(drive.progress) for drive in evaluate(model, game, 3)], "m")

    helping = Takeover(game, human, store=home, overlay=overlay)
    model.set_env(helping)
    model.learn(helped, reset_num_timesteps=False)  # take over before the hairpin; half of each batch is what you showed
    helping.wheel.close()
    with Store(home) as store:
        print(len(store.takeovers(corner="hairpin")), "takeovers at the hairpin")

    model.set_env(env)
    model.learn(helped, reset_num_timesteps=False)
    print("with help:", [round(drive.progress) for drive in evaluate(model, game, 3)], "m")


if __name__ == "__main__":
    main()
