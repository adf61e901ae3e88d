"""Train both networks for a few steps.    python examples/04_train_smoke.py

New here: presets and overrides; the two trainings, each of which goes on where it was stopped; the weights folder.
Takes the collection of example 03. With eight steps the networks learn nothing: it shows how, not how well.
Writes runs/.
"""

from pathlib import Path

from radiff import Collection
from radiff.models.io import describe_weights
from radiff.training.config import load_preset
from radiff.training.run import RunOptions, train_autoencoder, train_denoiser

collection = Collection.open("collection")
preset = load_preset("smoke", ["denoiser.network.num_steps=4"])  # 'cpu' or 'gpu' for real ones

runs = Path("runs")
state = train_autoencoder(collection, preset, RunOptions(runs / "autoencoder", device="cpu", workers=1))
print(f"autoencoder: step {state.step}")
options = RunOptions(runs / "denoiser", device="cpu", workers=1)
state = train_denoiser(collection, preset, options, runs / "autoencoder" / "weights")
print(f"denoiser: step {state.step}")

for name, network in describe_weights(runs / "denoiser" / "weights")["networks"].items():
    print(f"{name}: {network['parameters']:,} parameters")
