"""Scores of pairs of catalogs by ska-sdc, for an interpreter that has it: ``run_ska_sdc.py FOLDER`` prints JSON.

FOLDER holds NAME.json ({frequency, centroids, training}), NAME.truth.txt and NAME.found.txt. Stands alone: that
interpreter knows neither radiff nor its tests.
"""

import json
import sys
import warnings
from pathlib import Path


def main():
    warnings.simplefilter("ignore")
    from ska_sdc import Sdc1Scorer

    scores = {}
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        told = json.loads(path.read_text())
        files = [str(path.with_name(f"{path.stem}.{kind}.txt")) for kind in ("found", "truth")]
        scorer = Sdc1Scorer.from_txt(*files, freq=told["frequency"], sub_skiprows=1, truth_skiprows=1)
        score = scorer.run(mode=int(told["centroids"]), train=told["training"], detail=True)
        scores[path.stem] = {
            name: float(getattr(score, name))
            for name in ("value", "n_det", "n_match", "n_false", "n_bad", "score_det", "acc_pc")
        }
        table = score.scores_df
        for part in ("position", "flux", "b_maj", "b_min", "pa", "core_frac", "class"):
            known = table is not None and len(table) > 0
            scores[path.stem][part] = float(table[part].sum()) if known else 0.0
    json.dump(scores, sys.stdout)


if __name__ == "__main__":
    main()
