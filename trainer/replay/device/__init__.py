"""What is drawn from and read where the learner is."""
