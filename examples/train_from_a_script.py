"""Drive, take over and train with our learner: what `hitl play` and `hitl train` do, in one loop."""

from hitl import SymmetricReplay, Takeover, evaluate, open_env


def main(human="auto", home="own-runs", episodes=20, overlay=True, **settings):
    """Learn after each episode; ``settings`` are those of `hitl train --set`."""
    env = Takeover(open_env("box2d", "default"), human, store=home, overlay=overlay)
    replay, learner = SymmetricReplay(home, **settings), None
    for number in range(episodes):
        observation, info = env.reset(seed=number)
        over = False
        while not over:
            action = env.action_space.sample() if learner is None else learner.act(observation, deterministic=False)
            observation, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        env.flush()
        replay.poll()
        learner = learner or replay.learner()
        for batch in replay.batches(learner):  # the updates that are owed for what was driven
            learner.update(batch)
        print(f"episode {number}: {info['progress']:.0f} m ({info['reason']}), {learner.updates} updates")
    print("checkpoint:", replay.save(learner).name)  # `hitl play` drives with it
    results = evaluate(learner, env, episodes=5)
    env.close()
    return results


if __name__ == "__main__":
    main()
