"""What every task trains and predicts with: the training loop, its settings and log, devices, networks from files."""
