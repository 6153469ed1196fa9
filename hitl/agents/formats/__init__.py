"""One file for each form in which an agent comes: each returns a `hitl.agents.agent.Network`."""
