"""Who may drive: the policy, the human, the scripted driver."""
