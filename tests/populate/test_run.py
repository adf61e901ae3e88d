"""The same settings give the same bytes, whoever does the work and however often it was killed."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.table import Table

from populate_samples import files_of, noise_map
from radiff.errors import InputError
from radiff.masks import COMPACT
from radiff.parallel import open_pool, processes
from radiff.populate import Number, PopulateOptions, populate
from radiff.populate.package import MANIFEST, WORK, digest

COUNTS = ["--compact", "60", "--extended", "20", "--spurious", "5", "--seed", "7", "--no-pictures"]


def radiff(*arguments, **more):
    """Start the command line in a process (group) of its own."""
    command = [sys.executable, "-m", "radiff", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True, **more)


def wait_for(condition, process, seconds=60.0):
    end = time.time() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.time() < end
        time.sleep(0.005)


def test_any_window_and_another_seed(package, background, stamps, options, tmp_path):
    made = populate(background, tmp_path / "again", options, stamps=stamps, window=90, pictures=False)
    assert files_of(made.folder) == files_of(package)
    other = PopulateOptions(options.numbers, seed=8)
    made = populate(background, tmp_path / "other", other, stamps=stamps, pictures=False)
    assert files_of(made.folder)["map.fits"] != files_of(package)["map.fits"]


def test_more_objects_leave_the_draws_of_the_others_alone(package, background, stamps, options, tmp_path):
    """An object's draws follow from its own number."""
    from radiff.sky.truth import read_truth

    more = PopulateOptions(options.numbers | {COMPACT: Number(80)}, seed=7)
    made = populate(background, tmp_path / "more", more, stamps=stamps, pictures=False)
    old, new = read_truth(package), read_truth(made.folder)
    for name in ("seed", "k", "dx", "stamp", "turn", "x", "int_flux"):
        assert np.array_equal(np.asarray(old[name]), np.asarray(new[name][: len(old)]))


def test_two_processes_without_dask(package, background, stamps, options, tmp_path, monkeypatch):
    monkeypatch.setattr("radiff.parallel.find_spec", lambda name: None)
    made = populate(background, tmp_path / "two", options, stamps=stamps, workers=2, window=200, pictures=False)
    assert files_of(made.folder) == files_of(package)


def test_the_manifest(package, background, stamps):
    told = json.loads((package / MANIFEST).read_text())
    there = {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file() and not p.is_symlink()}
    assert set(told["files"]) == there - {MANIFEST}
    for name, file in told["files"].items():
        assert file == {"bytes": (package / name).stat().st_size, "sha256": digest(package / name)}
    assert told["objects"]["placed"] == {"spurious": 5, "compact": 60, "extended": 20}
    assert told["map"]["sha256"] == digest(background) and told["settings"]["stamps"] == digest(stamps)
    assert told["command"] == "radiff populate" and told["versions"]["numpy"] == np.__version__
    assert told["map"]["beam_arcsec_deg"] == [6.0, 4.8, 30.0] and told["settings"]["options"]["seed"] == 7
    assert told["map"]["median_rms_jy_beam"] == pytest.approx(1e-4, rel=0.03)
    assert not (package / WORK).exists() and not list(package.parent.rglob("*.lock"))


def test_run_again(package, background, stamps, options):
    before = {path: path.stat().st_mtime_ns for path in package.rglob("*")}
    made = populate(background, package, options, stamps=stamps)
    assert made.seconds == {} and made.placed["compact"] == 60
    assert {path: path.stat().st_mtime_ns for path in package.rglob("*") if path != package / MANIFEST} == {
        path: stamp for path, stamp in before.items() if path != package / MANIFEST
    }
    other = PopulateOptions({COMPACT: Number(3)}, seed=1)
    with pytest.raises(InputError, match="holds a truth package with other settings; choose another -o"):
        populate(background, package, other)


def test_more_than_fit(tmp_path):
    background = noise_map(tmp_path / "noise.fits", (100, 120))
    made = populate(background, tmp_path / "out", PopulateOptions({COMPACT: Number(1000)}), pictures=False)
    assert not made.complete and made.reasons == {"no room": made.not_placed["compact"]}
    assert made.placed["compact"] > 10 and made.placed["compact"] + made.not_placed["compact"] == 1000
    listed = Table.read(made.folder / "not_placed.ecsv")
    assert len(listed) == made.not_placed["compact"] and set(listed["reason"]) == {"no room"}
    few = PopulateOptions({COMPACT: Number(5)}, seed=1)
    made = populate(background, tmp_path / "out", few, pictures=False, overwrite=True)
    assert made.complete and not (made.folder / "not_placed.ecsv").exists()  # what is old is taken away


@pytest.mark.parametrize("step", ["stamps", "package/map.fits"])
def test_a_run_that_is_killed_goes_on(package, background, stamps, tmp_path, step):
    out = tmp_path / "out"
    arguments = ["populate", background, "-o", out, "--stamps", stamps, *COUNTS, "--window", "100"]
    process = radiff(*arguments)
    wait_for((out / WORK / step).exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "map.fits").exists() and not (out / MANIFEST).exists()  # nothing under a final name
    process = radiff(*arguments, stdout=subprocess.PIPE)
    told, said = process.communicate()
    assert process.returncode == 0, said
    assert "placed 5 spurious, 60 compact, 20 extended" in told.decode()
    assert files_of(out) == files_of(package)


def test_killed_while_the_files_are_moved(package, background, stamps, options, tmp_path, monkeypatch):
    from radiff.populate import package as module

    def stop(path, value):  # the manifest is the last thing that is written
        if path == tmp_path / "out" / MANIFEST:
            raise KeyboardInterrupt
        write_json(path, value)

    write_json = module.write_json
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "write_json", stop)
        populate(background, tmp_path / "out", options, stamps=stamps, pictures=False)
    assert (tmp_path / "out" / "map.fits").exists() and not (tmp_path / "out" / MANIFEST).exists()
    made = populate(background, tmp_path / "out", options, stamps=stamps)
    assert made.seconds == {} and (made.folder / MANIFEST).exists() and not (made.folder / WORK).exists()
    assert files_of(made.folder) == files_of(package)


def test_two_runs_in_one_folder(background, options, stamps, tmp_path):
    from radiff.populate.package import open_package

    with open_package(tmp_path / "out", {"a": 1}, False), pytest.raises(InputError) as error:
        populate(background, tmp_path / "out", options, stamps=stamps)
    assert str(error.value).endswith("another run is writing into this folder; wait for it or choose another -o")


def test_unfinished_with_other_settings(background, options, stamps, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("radiff.populate.run.measure", stop)
        populate(background, tmp_path / "out", options, stamps=stamps)
    with pytest.raises(InputError, match="holds an unfinished run with other settings; give the same ones"):
        populate(background, tmp_path / "out", PopulateOptions({COMPACT: Number(3)}))
    made = populate(background, tmp_path / "out", PopulateOptions({COMPACT: Number(3)}), overwrite=True, pictures=False)
    assert made.placed == {"compact": 3}


def test_a_map_that_somebody_writes(background, tmp_path, monkeypatch):
    copy = tmp_path / "growing.fits"
    copy.write_bytes(background.read_bytes())
    monkeypatch.setattr("radiff.populate.package.time.sleep", lambda seconds: copy.write_bytes(background.read_bytes()))
    with pytest.raises(InputError, match="is being written by another program; run this again when it is complete"):
        populate(copy, tmp_path / "out", PopulateOptions({COMPACT: Number(3)}))
    copy.write_bytes(background.read_bytes()[:100000])
    with pytest.raises(InputError, match="is truncated: 100000 bytes of"):
        populate(copy, tmp_path / "out", PopulateOptions({COMPACT: Number(3)}))
    copy.write_bytes(background.read_bytes())
    os.utime(copy, (1e9, 1e9))

    def change(*arguments, **more):
        os.utime(copy, (2e9, 2e9))
        return write_images(*arguments, **more)

    from radiff.populate.run import write_images

    monkeypatch.setattr("radiff.populate.run.write_images", change)
    with pytest.raises(InputError, match="is being written by another program"):
        populate(copy, tmp_path / "out", PopulateOptions({COMPACT: Number(3)}))
    assert not (tmp_path / "out" / "map.fits").exists()


def test_a_full_disk(background, tmp_path):
    """A limit on the size of files stands for the disk: the first file fits, the next does not."""
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000));"
        "from radiff.cli.main import main; main()"
    )
    command = [
        sys.executable,
        "-c",
        script,
        "populate",
        background,
        "-o",
        tmp_path / "out",
        "--compact",
        "5",
        "--no-pictures",
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 2
    assert "GB cannot be written (File too large); free some space or choose another -o" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [WORK]
    assert not [path for path in (tmp_path / "out" / WORK).rglob("*") if path.name.startswith(".tmp")]
    made = subprocess.run([sys.executable, "-m", "radiff", *map(str, command[3:])], capture_output=True, text=True)
    assert made.returncode == 0 and (tmp_path / "out" / MANIFEST).exists()  # there is room again: it goes on


# ---------------------------------------------------------------- workers


def die_once(item):
    """Kill the process that runs this, once."""
    path, number = item
    if number == 3:
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return number
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(item):
    raise InputError(f"item {item} is bad")


@pytest.mark.filterwarnings("default")
def test_dask_workers_may_be_killed(tmp_path):
    pytest.importorskip("distributed", reason="dask is not installed (pip install 'radiff[cluster]')")
    with open_pool(2, None, tmp_path) as pool:
        items = [(tmp_path / "died", number) for number in range(8)]
        assert pool(die_once, items, "dying") == list(range(8))
        assert (tmp_path / "died").exists()
        with pytest.raises(InputError, match="item 0 is bad"):
            pool(fail, [0], "failing")


def test_two_dask_workers_one_of_them_killed(package, background, stamps, tmp_path):
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("distributed", reason="dask is not installed (pip install 'radiff[cluster]')")
    out = tmp_path / "out"
    process = radiff("populate", background, "-o", out, "--stamps", stamps, *COUNTS, "--workers", 2, "--window", 64)
    wait_for((out / WORK / "survey").exists, process)
    workers = [
        one for one in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(one.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert files_of(out) == files_of(package)


def test_no_scheduler(background, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="dask is not installed (pip install 'radiff[cluster]')")

    def refuse(**named):
        raise OSError(f"timed out at {named['address']}")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(InputError, match="no dask scheduler answers at 'tcp://nowhere:1'"):
        populate(background, tmp_path / "out", PopulateOptions({COMPACT: Number(3)}), scheduler="tcp://nowhere:1")


def test_processes_hand_on_errors():
    with pytest.raises(InputError, match="item 1 is bad"):
        processes(1)(fail, [1, 2], "failing")
