"""The index of a collection after other programs have written it: read, or refused with line and column."""

import numpy as np
import pytest

from radiff.data.collection import Row, read_index
from radiff.data.split import GivenSplits
from radiff.errors import InputError

NAMES = "image,annotation,nx,ny,rms,seed,n_compact\n"
ROWS = "s/imgs/a.fits,,64,64,0.0001,7,1\ns/imgs/b.fits,,64,64,,,2\n"
EXPECTED = [
    Row("s/imgs/a.fits", nx=64, ny=64, rms=0.0001, seed=7, n_compact=1),
    Row("s/imgs/b.fits", nx=64, ny=64, n_compact=2),
]
READ = {
    "as it is": NAMES + ROWS,
    "pandas: whole numbers with a point": NAMES + ROWS.replace("64,64", "64.0,64.0").replace(",7,", ",7.0,"),
    "pandas: with its own numbers": "," + NAMES + "0," + ROWS.replace("\ns", "\n1,s"),
    "pandas: missing as NaN": NAMES + ROWS.replace(",,,2", ",NaN,nan,2"),
    "polars: missing as null": NAMES + ROWS.replace(",,,2", ",null,null,2"),
    "R: missing as NA": NAMES + ROWS.replace(",,,2", ",NA,NA,2"),
    "pandas: missing as <NA>": NAMES + ROWS.replace(",,,2", ",<NA>,<NA>,2"),
    "Excel: a mark of bytes": "\ufeff" + NAMES + ROWS,
    "Excel: ends of lines": (NAMES + ROWS).replace("\n", "\r\n"),
    "Excel: semicolons and decimal commas": (NAMES + ROWS).replace(",", ";").replace("0.0001", "0,0001"),
    "Excel: its word for the delimiter": "sep=;\r\n" + (NAMES + ROWS).replace(",", ";"),
    "Excel: tabs": (NAMES + ROWS).replace(",", "\t"),
    "Excel: quotes": '"image",annotation,nx,ny,rms,seed,n_compact\n' + ROWS.replace("s/imgs/a.fits", '"s/imgs/a.fits"'),
    "LibreOffice: empty lines": NAMES + "\n" + ROWS + ",,,,,,\n\n",
    "another order": "nx,ny,image,n_compact,seed,rms\n64,64,s/imgs/a.fits,1,7,1e-4\n64,64,s/imgs/b.fits,2,,\n",
}  # fmt: skip


def same(one: Row, other: Row) -> bool:
    return all(np.array_equal(a, b, equal_nan=isinstance(a, float)) for a, b in zip(
        vars(one).values(), vars(other).values(), strict=True))  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_an_index_is_opened(tmp_path, kind):
    (tmp_path / "index.csv").write_bytes(READ[kind].encode())
    found = read_index(tmp_path / "index.csv")
    assert len(found) == 2
    assert all(same(one, other) for one, other in zip(found, EXPECTED, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("64,64", "64.5,64", "line 2, column nx: '64.5' is no number"),
        ("64,64", "1e9,64", "line 2, column nx: 1e9 cannot be"),
        ("64,64", "1e999,64", "line 2, column nx: '1e999' is no number"),
        ("64,64", "-64,64", "line 2, column nx: -64 cannot be"),
        (",7,", ",1.2345678901234567e+19,", "column seed: '1.2345678901234567e+19' is no number"),
        (",7,", ",-2,", "column seed: -2 cannot be"),
        ("0.0001", "-0.0001", "column rms: -0.0001 cannot be"),
        ("0.0001", "inf", "column rms: inf cannot be"),
        ("s/imgs/a.fits", "", "line 2 names no image"),
        (",1\n", ",1,2,3\n", "line 2 has 9 fields, the names are 7"),
    ],
)
def test_an_index_that_cannot_be(tmp_path, old, new, message):
    (tmp_path / "index.csv").write_text(NAMES + ROWS.replace(old, new, 1))
    with pytest.raises(InputError, match=r"index\.csv: ") as caught:
        read_index(tmp_path / "index.csv")
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp037"])
def test_an_index_in_another_encoding(tmp_path, encoding):
    (tmp_path / "index.csv").write_bytes((NAMES + ROWS.replace("a.fits", "å.fits")).encode(encoding))
    with pytest.raises(InputError, match=r"index\.csv: is no text file; save it as UTF-8 text"):
        read_index(tmp_path / "index.csv")


@pytest.mark.parametrize(
    "text", ["file,split\nm.fits,val\n", "\ufefffile;split;group\nm.fits;val;\n", "# x\nfile,split\nm.fits,val"]
)
def test_given_splits(tmp_path, text):
    (tmp_path / "splits.csv").write_bytes(text.encode())
    assert GivenSplits.read([tmp_path / "splits.csv"]).find("maps/m.fits") == ("val", "")
