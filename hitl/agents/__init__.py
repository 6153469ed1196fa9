"""Agents that people bring along: opened from the file that they have, driven as they are, and never changed.

``hitl.agents.opening.open_agent`` returns a `hitl.agents.agent.Agent`; `hitl.agents.policy.ForeignPolicy` drives with it.
"""
