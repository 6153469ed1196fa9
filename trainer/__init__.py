"""The learner: networks, TQC, replay, symmetric sampling, daemon, checkpoints."""
