"""Every bad input is refused in one line that names the file; odd but usable ones work."""

import errno
import os
import warnings

import numpy as np
import pytest

import bad_inputs
from radiff import HeaderWarning, InputError, read_cutout, read_mask, write_cutout
from radiff.files import make_folder


def refusal(call, path):
    """The message of the `InputError` that ``call(path)`` raises: one line that starts with a file name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        with pytest.raises(InputError) as caught:
            call(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", bad_inputs.BAD_IMAGES)
def test_bad_images_are_refused(name, tmp_path):
    write, part = bad_inputs.BAD_IMAGES[name]
    path = write(tmp_path)
    message = refusal(read_cutout, path)
    assert message.startswith(f"{path}: ")
    assert part in message.lower()


@pytest.mark.parametrize("name", bad_inputs.ODD_IMAGES)
def test_odd_images_are_read(name, tmp_path):
    write, warns = bad_inputs.ODD_IMAGES[name]
    path = write(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cutout = read_cutout(path)
    assert bool(caught) == warns
    assert all(issubclass(warning.category, HeaderWarning) for warning in caught)
    assert cutout.image.ndim == 2
    assert np.nanmax(cutout.image) == pytest.approx(200 * bad_inputs.RMS, rel=0.1)


@pytest.mark.parametrize("name", bad_inputs.BAD_MASKS)
def test_bad_masks_are_refused(name, tmp_path):
    write, part = bad_inputs.BAD_MASKS[name]
    message = refusal(read_mask, write(tmp_path))
    assert message.startswith(str(tmp_path))
    assert part.lower() in message.lower()


def test_the_good_ones_are_good(tmp_path):
    assert read_cutout(bad_inputs.good_image(tmp_path)).shape == (64, 64)
    mask = read_mask(bad_inputs.good_annotation(tmp_path / "sample"))
    np.testing.assert_array_equal(mask, bad_inputs.class_mask())


def test_folders_that_cannot_be_written(tmp_path):
    assert "cannot write into this folder" in refusal(make_folder, bad_inputs.READ_ONLY)
    assert "cannot write into this folder" in refusal(make_folder, bad_inputs.file_in_place(tmp_path))


def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    cutout = read_cutout(bad_inputs.good_image(tmp_path))
    with bad_inputs.nothing_new(tmp_path), bad_inputs.no_space(monkeypatch):
        message = refusal(lambda path: write_cutout(path, cutout), tmp_path / "out.fits")
    assert os.strerror(errno.ENOSPC) in message


def test_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = bad_inputs.good_image(tmp_path)
    cutout = read_cutout(path)
    with bad_inputs.nothing_new(tmp_path), bad_inputs.no_space(monkeypatch):
        refusal(lambda path: write_cutout(path, cutout), path)
