"""How tidy the code is, counted from its syntax trees: one table, of several revisions side by side.

    python benchmarks/house.py                      # the working tree
    python benchmarks/house.py v0.1.0 HEAD          # revisions of git

Nothing is imported and nothing is run, so that revisions that no longer install can be counted too.
"""

import argparse
import ast
import io
import itertools
import subprocess
import sys
import tarfile
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/radiff/"
MOST_PARAMETERS = 8
"""What the linter allows of a function (PLR0913)."""
DOORS = {
    "json.load", "json.loads", "yaml.safe_load", "yaml.load", "np.load", "numpy.load", "fits.open", "fits.getdata",
    "fits.getheader", "Table.read", "Image.open", "csv.reader", "csv.DictReader", "safe_open", "load_file",
}  # fmt: skip
"""Calls that turn bytes of a file into values."""
NUMERICAL = ("sky", "diffusion", "generate", "models")
"""Rooms where a reader asks why of constants and orders."""

Sources = dict[str, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def of_tree(root: Path) -> Sources:
    """Text of every module of the package in a working tree, by its path in the package."""
    folder = root / PACKAGE
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.py"))}


def of_revision(root: Path, revision: str) -> Sources:
    """The same of a revision of git."""
    done = subprocess.run(["git", "archive", revision, PACKAGE], cwd=root, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{revision}: {done.stderr.decode().strip()}")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.endswith(".py") else None
            if file is not None:
                found[member.name.removeprefix(PACKAGE)] = file.read().decode()
    return dict(sorted(found.items()))


def count(sources: Sources) -> dict[str, str]:
    """Every figure of one state of the code, ready to print."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    code = {name: code_lines(text) for name, text in sources.items()}
    functions = [(name, one) for name, tree in trees.items() for one in ast.walk(tree) if isinstance(one, Function)]
    parameters = [parameters_of(one) for _, one in functions]
    stems, publics = defaultdict(set), defaultdict(set)
    for name, tree in trees.items():
        path = PurePosixPath(name)
        if path.stem != "__init__":
            stems[path.stem].add(room_of(name))
        for one in tree.body:
            if isinstance(one, Function) and not one.name.startswith("_"):
                publics[one.name].add(name)
    comments = {name: comment_lines(text) for name, text in sources.items()}
    numerical = [name for name in sources if room_of(name) in NUMERICAL]
    calls = [(name, one) for name, tree in trees.items() for one in door_calls(tree)]
    return {
        "modules": f"{len(sources)}",
        "lines of text": f"{sum(text.count(chr(10)) for text in sources.values())}",
        "lines of code": f"{sum(code.values())}",
        "modules above 400 lines": f"{sum(text.count(chr(10)) > 400 for text in sources.values())}",
        "functions": f"{len(functions)}",
        f"functions above {MOST_PARAMETERS} parameters": f"{sum(n > MOST_PARAMETERS for n in parameters)}",
        "parameters of the widest function": f"{max(parameters)}",
        "file stems used in two rooms or more": f"{sum(len(rooms) > 1 for rooms in stems.values())}",
        "names of public functions used twice": f"{sum(len(modules) > 1 for modules in publics.values())}",
        "calls that read files": f"{len(calls)} in {len({name for name, _ in calls})} modules",
        "comments a line of code": f"{sum(comments.values()) / sum(code.values()):.3f}",
        "comments a line of code, numerical rooms": f"{ratio(comments, code, numerical):.3f}",
        "modules of the paper": f"{sum(room_of(name) == 'paper' for name in sources)}",
    }


def room_of(name: str) -> str:
    """Folder below the package; the package itself is one too."""
    parts = PurePosixPath(name).parts
    return parts[0] if len(parts) > 1 else ""


def parameters_of(one: Function) -> int:
    """Parameters without `self` and `cls`."""
    names = [a.arg for a in [*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs]]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def code_lines(text: str) -> int:
    """Lines that hold code: no blank ones, comments or docstrings."""
    skipped = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    }  # fmt: skip
    held: set[int] = set()
    for token in tokens_of(text):
        if token.type not in skipped:
            held.update(range(token.start[0], token.end[0] + 1))
    for one in ast.walk(ast.parse(text)):
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
            held.difference_update(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    return len(held)


def comment_lines(text: str) -> int:
    """Comments and the strings below constants that say why; remarks to linters are none."""
    remarks = ("# fmt:", "# type:", "# noqa", "# pragma")
    found = sum(t.type == tokenize.COMMENT and not t.string.startswith(remarks) for t in tokens_of(text))
    body = ast.parse(text).body
    for before, one in itertools.pairwise(body):
        below = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
        if below and isinstance(before, ast.Assign | ast.AnnAssign):
            found += (one.end_lineno or one.lineno) - one.lineno + 1
    return found


def tokens_of(text: str) -> Iterator[tokenize.TokenInfo]:
    """Tokens of a module."""
    return tokenize.generate_tokens(io.StringIO(text).readline)


def door_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of `DOORS`."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Call) and ast.unparse(one.func) in DOORS:
            yield one


def ratio(comments: dict[str, int], code: dict[str, int], names: list[str]) -> float:
    """Comments a line of code of some modules."""
    return sum(comments[name] for name in names) / max(sum(code[name] for name in names), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", help="of git; default: the working tree")
    options = parser.parse_args()
    names = options.revisions or ["working tree"]
    tables = [count(of_revision(ROOT, name) if options.revisions else of_tree(ROOT)) for name in names]
    print("| figure | " + " | ".join(names) + " |")
    print("|---" * (1 + len(names)) + "|")
    for figure in tables[0]:
        print(f"| {figure} | " + " | ".join(table[figure] for table in tables) + " |")


if __name__ == "__main__":
    main()
