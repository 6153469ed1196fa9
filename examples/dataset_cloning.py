"""Clone a human's driving from a torch DataLoader over a store."""

import torch
from torch.utils.data import DataLoader

from hitl import SymmetricDataset


def main(home="~/.hitl", batches=2000, batch_size=256):
    """Return a network that acts as the human did, and its last error."""
    data = DataLoader(SymmetricDataset(home, batch_size=batch_size), batch_size=None)
    first = next(iter(data))
    sizes = first["observation"].shape[1], first["action"].shape[1]
    network = torch.nn.Sequential(torch.nn.Linear(sizes[0], 64), torch.nn.Tanh(), torch.nn.Linear(64, sizes[1]))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _, batch in zip(range(batches), data, strict=False):
        mine = batch["human"]  # of the demo half all, of the online half what was taken over
        loss = (network(batch["observation"][mine]) - batch["action"][mine]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network, loss.item()


if __name__ == "__main__":
    main()
