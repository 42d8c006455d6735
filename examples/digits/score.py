"""Score a model that train.py left, on the digits that it never saw.

python examples/digits/score.py digits-run/outputs/model.npz
"""

import sys

import numpy as np
from train import accuracy, load_data

with np.load(sys.argv[1]) as saved:
    weights = {name: saved[name] for name in saved.files}
_, _, images, labels = load_data()
print(f"held-out accuracy {accuracy(weights, images, labels):.4f}")
