"""What the code costs on this machine: every ratio is measured in one run."""
