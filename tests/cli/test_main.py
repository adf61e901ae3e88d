"""The command line's frame: verbs loaded when asked for, errors as one line, exit codes."""

import inspect
import os
import subprocess
import sys
import types
import warnings

import pytest
import typer
from typer.testing import CliRunner

from radiff.cli import main, outcome
from radiff.errors import InputError
from radiff.parallel import Failure

RUNNER = CliRunner()
RADIFF = [sys.executable, "-m", "radiff.cli.main"]


@pytest.fixture
def verb(monkeypatch):
    """Make the verb `info` run a given function of no arguments."""

    def install(action):
        def register(app: typer.Typer) -> None:
            app.command("info")(action)

        monkeypatch.setitem(sys.modules, "radiff.cli.info", types.SimpleNamespace(register=register))

    return install


def run(*arguments):
    return RUNNER.invoke(main.app, list(arguments))


def test_help_lists_every_verb_without_loading_one():
    code = (
        "import sys, radiff.cli.main as m\n"
        "try: m.app(['--help'])\n"
        "finally: print(sorted(k for k in sys.modules if k in ('torch', 'numpy') or k.startswith('radiff.cli.')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    for name, _, summary in main.VERBS:
        assert f"{name} " in result.stdout
        assert summary in result.stdout
    assert result.stdout.strip().endswith("['radiff.cli.main', 'radiff.cli.outcome']")


@pytest.mark.parametrize("name", [name for name, _, _ in main.VERBS])
def test_every_verb_has_help(name):
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert f" {name} " in result.output.splitlines()[0]


def test_version():
    import radiff

    assert run("--version").output == f"radiff {radiff.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["info"], ["info", "--nonsense"]])
def test_usage_errors_exit_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


def test_a_slip_in_a_verb_is_put_right():
    assert "generate" in run("generat").stderr


def test_input_error_is_one_line_and_exit_2(verb):
    def action():
        raise InputError("value 7 at (12, 40)\nis no class", "mask.fits")

    verb(action)
    result = run("info")
    assert result.exit_code == 2
    assert result.stderr == "radiff: mask.fits: value 7 at (12, 40) is no class\n"


def test_interruption_exits_130(verb):
    def action():
        raise KeyboardInterrupt

    verb(action)
    result = run("info")
    assert result.exit_code == 130
    assert result.stderr == "radiff: interrupted\n"


def test_errors_of_the_system_name_the_file(verb):
    def action():
        open("/nonsense/file")  # noqa: PTH123, SIM115

    verb(action)
    result = run("info")
    assert result.exit_code == 2
    assert result.stderr == "radiff: /nonsense/file: No such file or directory\n"


def test_a_missing_extra_names_its_install(verb):
    def action():
        raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate.utils")

    verb(action)
    result = run("info")
    assert result.exit_code == 2
    assert "pip install 'radiff[train]'" in result.stderr


def test_faults_of_the_program_keep_their_traceback(verb):
    def action():
        raise ZeroDivisionError

    verb(action)
    assert isinstance(run("info").exception, ZeroDivisionError)


def test_bad_files_are_listed_at_the_end_with_exit_1(verb):
    def action():
        main.finish([Failure("a.fits: is blank"), InputError("is a cube", "b.fits")], total=5)

    verb(action)
    result = run("info")
    assert result.exit_code == 1
    assert result.stderr == (
        "radiff: 2 of 5 files could not be used, the others are done:\n  a.fits: is blank\n  b.fits: is a cube\n"
    )


def test_a_single_bad_file_exits_2(verb):
    def action():
        main.finish([Failure("a.fits: is blank")], total=1)

    verb(action)
    result = run("info")
    assert result.exit_code == 2
    assert result.stderr == "radiff: a.fits: is blank\n"


def test_no_bad_files_is_a_good_end():
    assert main.finish([], total=3) is None


def test_closed_pipe_is_quiet():
    code = (
        "import sys, types, radiff.cli.main as m\n"
        "def many():\n"
        "    for number in range(200_000): print('line', number)\n"
        "sys.modules['radiff.cli.info'] = types.SimpleNamespace(register=lambda app: app.command('info')(many))\n"
        "sys.argv = ['radiff', 'info']\n"
        "m.main()"
    )
    reading, writing = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    stderr = process.communicate(timeout=60)[1]
    assert stderr == b""
    assert process.returncode == 0


def test_warnings_are_one_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        outcome.plain_warnings()
        warnings.warn("a.fits: no beam", UserWarning, stacklevel=1)
        warnings.warn("old", FutureWarning, stacklevel=1)
    assert capsys.readouterr().err == "radiff: warning: a.fits: no beam\n"


def test_the_installed_command_runs():
    result = subprocess.run([*RADIFF, "nonsense"], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""


def test_verbs_are_in_the_order_of_modules():
    assert len({name for name, _, _ in main.VERBS}) == len(main.VERBS)
    assert all(inspect.cleandoc(summary).endswith(".") and len(summary) <= 68 for _, _, summary in main.VERBS)
