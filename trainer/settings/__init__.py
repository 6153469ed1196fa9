"""The settings of a run, by what they are about; ``trainer.config`` puts them together."""
