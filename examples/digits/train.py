"""Train a small network on handwritten digits: real data, real checkpoints, a held-out accuracy at the end.

    python examples/digits/train.py --hidden 64 --learning-rate 0.1

It runs the same with and without Trainyard; every job finds the package `trainyard`, elsewhere it does without.
To train a model of your own, put it in place of the part between the two rulers; what is below the second one
(checkpoint, progress, stopping when told to) stays as it is.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

try:
    import trainyard
except ImportError:  # somewhere without Trainyard: nobody to report to, and nobody who asks for a checkpoint
    trainyard = None  # type: ignore[assignment]

Array = NDArray[Any]
Weights = dict[str, Array]


# ======== Your model: its options, its data, its state, one epoch of training, its score ===============================
def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits.")
    parser.add_argument("--hidden", type=int, default=64, help="size of the hidden layer")
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def load_data() -> tuple[Array, Array, Array, Array]:
    """Images and labels to learn from, and those held out. The first are also shown shifted by a pixel each way."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order].reshape(-1, 8, 8).astype(np.float32) / 16, labels[order]
    held_out = len(images) // 4
    train, train_labels = images[held_out:], labels[held_out:]
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    shifted = np.concatenate([np.roll(train, move, axis=(1, 2)) for move in moves]).reshape(-1, 64)
    return shifted, np.tile(train_labels, len(moves)), images[:held_out].reshape(-1, 64), labels[:held_out]


def new_weights(args: argparse.Namespace) -> Weights:
    random = np.random.default_rng(args.seed)
    first = random.normal(0, np.sqrt(2 / 64), (64, args.hidden)).astype(np.float32)
    second = random.normal(0, np.sqrt(2 / args.hidden), (args.hidden, 10)).astype(np.float32)
    zeros = {"b1": np.zeros(args.hidden, np.float32), "b2": np.zeros(10, np.float32)}
    return {"w1": first, "w2": second, **zeros}


def predict(weights: Weights, images: Array) -> tuple[Array, Array]:
    hidden = np.maximum(images @ weights["w1"] + weights["b1"], 0)
    scores = hidden @ weights["w2"] + weights["b2"]
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, chances / chances.sum(axis=1, keepdims=True)


def train_one_epoch(weights: Weights, images: Array, labels: Array, epoch: int, args: argparse.Namespace) -> float:
    """One pass over the images, in an order that depends on seed and epoch alone; returns the mean loss."""
    order = np.random.default_rng((args.seed, epoch)).permutation(len(images))
    losses = []
    for start in range(0, len(order), args.batch_size):
        batch = order[start : start + args.batch_size]
        hidden, chances = predict(weights, images[batch])
        losses.append(-np.log(chances[np.arange(len(batch)), labels[batch]] + 1e-9).mean())
        error = chances
        error[np.arange(len(batch)), labels[batch]] -= 1
        error /= len(batch)
        back = (error @ weights["w2"].T) * (hidden > 0)
        steps = {"w1": images[batch].T @ back, "b1": back.sum(0), "w2": hidden.T @ error, "b2": error.sum(0)}
        for name, step in steps.items():
            weights[name] -= args.learning_rate * step
    return float(np.mean(losses))


def accuracy(weights: Weights, images: Array, labels: Array) -> float:
    return float((predict(weights, images)[1].argmax(axis=1) == labels).mean())


# ======== The same for every model: checkpoint, progress, result, stopping when told to ================================
CHECKPOINTS = Path(os.environ.get("TRAINYARD_CHECKPOINT_DIR", "digits-run/checkpoints"))
OUTPUTS = Path(os.environ.get("TRAINYARD_OUTPUT_DIR", "digits-run/outputs"))


def save_checkpoint(weights: Weights, epoch: int, args: argparse.Namespace) -> None:
    """Write it beside the old one, then swap: whenever the power goes, one whole checkpoint is there."""
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    draft = CHECKPOINTS / "draft.npz"
    np.savez(draft, allow_pickle=False, epoch=epoch, options=json.dumps(vars(args), sort_keys=True), **weights)
    draft.replace(CHECKPOINTS / "latest.npz")


def resume(args: argparse.Namespace) -> tuple[Weights, int]:
    """The weights and the number of epochs done: from the checkpoint of a run with these options, or from scratch."""
    path = CHECKPOINTS / "latest.npz"
    if path.exists():
        with np.load(path) as saved:
            if str(saved["options"]) == json.dumps(vars(args), sort_keys=True):
                weights = {name: saved[name] for name in saved.files if name not in ("epoch", "options")}
                return weights, int(saved["epoch"])
    return new_weights(args), 0


def tell(**values: float) -> None:
    """Whoever watches, and the log. `progress` goes from 0 to 1, `step` counts; every other name is a metric."""
    if trainyard:
        trainyard.report(**values)
    print(" ".join(f"{name}={value:g}" for name, value in values.items()), flush=True)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train to the end, from a checkpoint if there is one; returns the options and the held-out accuracy."""
    images, labels, held_out_images, held_out_labels = load_data()
    weights, first = resume(args)
    print(f"epoch {first} of {args.epochs}; GPUs given: {os.environ.get('CUDA_VISIBLE_DEVICES') or 'none'}", flush=True)
    epochs = range(first, args.epochs)
    # Told to stop by SIGTERM, it ends its epoch, which writes a checkpoint, and exits: the next run goes on from there.
    for epoch in trainyard.stoppable(epochs) if trainyard else epochs:
        loss = train_one_epoch(weights, images, labels, epoch, args)
        score = accuracy(weights, held_out_images, held_out_labels)
        tell(progress=(epoch + 1) / args.epochs, step=epoch + 1, loss=loss, accuracy=score, epoch=epoch + 1)
        save_checkpoint(weights, epoch + 1, args)
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    np.savez(OUTPUTS / "model.npz", allow_pickle=False, **weights)
    result = {**vars(args), "accuracy": accuracy(weights, held_out_images, held_out_labels)}
    (OUTPUTS / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"held-out accuracy {result['accuracy']:.4f}", flush=True)
    return result


if __name__ == "__main__":
    run(options().parse_args())
