"""Cut annotated maps into a collection.    python examples/03_cut_a_collection.py

New here: many maps on all cores (`annotate_maps`, `make_collection`); no extended source is cut by an edge; train and
val never share sky; `Collection`. The same on the command line: radiff annotate maps -o annotated; radiff cut ...
Writes maps/, annotated/ and collection/.
"""

import shutil
from pathlib import Path

from synthetic import write_maps

from radiff import Collection
from radiff.data.annotations import annotate_maps, annotation_jobs
from radiff.data.cut import CutOptions
from radiff.data.extract import find_maps, make_collection


def main() -> None:
    maps = write_maps(Path("maps"), 4)
    annotate_maps(annotation_jobs(maps, "annotated"), workers=2)
    jobs, _ = find_maps(["annotated"])
    shutil.rmtree("collection", ignore_errors=True)
    summary = make_collection(jobs, "collection", CutOptions(size=64), val_fraction=0.25, workers=2)
    for lost in summary.totals.lost:
        print("not kept:", lost.reason)

    collection = Collection.open("collection")
    train, val = collection.split("train"), collection.split("val")
    print(f"{len(train)} cutouts for training, {len(val)} for validation")
    row, cutout, mask = train.rows[0], train.image(0), train.mask(0)
    print(f"{row.image}: objects {row.counts}, rms {row.rms:.2e} Jy/beam, {cutout.shape}, {mask.max()=}")


if __name__ == "__main__":  # other processes read this file too
    main()
