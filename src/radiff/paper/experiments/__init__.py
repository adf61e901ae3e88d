"""The paper's experiments of section 5.2: does synthetic data help a segmenter, Tables 5 to 8."""

from radiff.paper.experiments.plan import NAMES, ExperimentSettings, load_settings, make_plan
from radiff.paper.experiments.run import prepare, reproduce_augmentation

__all__ = ["NAMES", "ExperimentSettings", "load_settings", "make_plan", "prepare", "reproduce_augmentation"]
