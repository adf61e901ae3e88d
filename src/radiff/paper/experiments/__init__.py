"""The paper's experiments of section 5.2: does synthetic data help a segmenter, Tables 5 to 8."""

from radiff.paper.experiments.plan import NAMES, make_plan
from radiff.paper.experiments.run import prepare, reproduce_augmentation
from radiff.paper.experiments.settings import PRESETS, ExperimentSettings, load_settings

__all__ = ["NAMES", "PRESETS", "ExperimentSettings", "load_settings", "make_plan", "prepare", "reproduce_augmentation"]
