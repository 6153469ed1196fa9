"""Read takeovers as arrays, and plot your line beside the agent's."""

import matplotlib.pyplot as plt

from hitl import Store


def main(home="~/.hitl", corner=None, file="takeovers.png"):
    """Plot the takeovers (at ``corner``), and what the agent drove at the same place."""
    with Store(home, create=False) as store:
        figure, (road, speed) = plt.subplots(1, 2, layout="constrained")
        for takeover in store.takeovers(corner, verdict=("unreviewed", "good", "star")):
            mine = store.steps(takeover, columns=("x", "y", "progress", "speed", "executed", "proposed"))
            road.plot(mine["x"], mine["y"], "tab:orange")
            speed.plot(mine["progress"], mine["speed"], "tab:orange")
            steer = mine["executed", "steer"] - mine["proposed", "steer"]
            print(f"takeover {takeover.id}: {takeover.seconds:.1f} s, steers {abs(steer).mean():.2f} from the agent")
            for drive in store.episodes(takeover.track, purpose="evaluation", newest=3):
                agent = store.steps(drive, from_m=takeover.from_m, to_m=takeover.to_m)
                road.plot(agent["x"], agent["y"], "tab:blue")
                speed.plot(agent["progress"], agent["speed"], "tab:blue")
        road.set(xlabel="x (m)", ylabel="y (m)", aspect="equal")
        speed.set(xlabel="progress (m)", ylabel="speed (m/s)")
        figure.savefig(file)


if __name__ == "__main__":
    main()
