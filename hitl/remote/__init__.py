"""Several machines, one trainer: over tlspyo, the engine under tmrl's Server, Trainer and RolloutWorker, in the same groups.

A worker is a live session whose store is forwarded; the trainer's machine writes what arrives into its own store, and learns
from that as from any other. Every role is one process: what tlspyo runs in a child of its own runs here in the main thread,
so that a killed process frees its port.
"""
