"""What emukern costs: `python -m bench` prints one table. It needs an installed or built package, and nothing else."""
