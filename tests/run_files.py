"""What a training run left in its folder, for tests."""

import json
from pathlib import Path


def log(run: Path, *keys: str) -> list[tuple]:
    """The given figures of every line of a run's log that has them."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [tuple(line[k] for k in keys) for line in lines if all(k in line for k in keys)]


def weights_bytes(run: Path) -> dict[str, bytes]:
    """Every network file of a run's weights."""
    return {str(p.relative_to(run)): p.read_bytes() for p in (run / "weights").rglob("*.safetensors")}
