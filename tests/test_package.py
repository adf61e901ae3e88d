"""The package as a whole: public names, lazy loading, version, metadata."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import radiff

ROOT = Path(__file__).parent.parent


def test_import_loads_nothing_heavy():
    heavy = "{'torch', 'diffusers', 'numpy', 'astropy', 'scipy', 'matplotlib', 'typer'}"
    code = f"import sys, radiff; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_reading_images_and_masks_loads_no_torch():
    code = "import sys, radiff; radiff.read_cutout, radiff.annotate, radiff.read_mask; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("room", ["generate", "training.run", "models.io", "evaluate"])
def test_rooms_load_no_baseline(room):
    command = [sys.executable, "-X", "importtime", "-c", f"import radiff.{room}"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"radiff.{room}" in run.stderr and "radiff.paper" not in run.stderr


@pytest.mark.parametrize("name", radiff.__all__)
def test_public_names_exist(name):
    assert getattr(radiff, name) is not None
    assert name in dir(radiff)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        radiff.nonsense  # noqa: B018


def test_version_is_that_of_the_project_and_the_citation():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert radiff.__version__ == version
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_docs_link_to_files_that_exist():
    import re

    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
