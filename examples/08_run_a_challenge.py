"""Make a data challenge of a populated map, find its sources, score them.    python examples/08_run_a_challenge.py

New here: the public and the hidden half of a challenge; a finder; completeness and reliability; the report. The same on
the command line: radiff challenge new, radiff detect, radiff score. Runs 07 first where there is no sky/.
"""

import runpy
from pathlib import Path

from radiff.challenge import detect, make_challenge, read_answer, read_submission, score, write_submission
from radiff.challenge.report.page import write_report

if not Path("sky").is_dir():
    runpy.run_path(str(Path(__file__).with_name("07_populate_a_map.py")))

made = make_challenge("sky", "challenge", "A small challenge", training=0.1, overwrite=True)
print(f"{made.sources} sources to be found; hand out challenge/public, keep challenge/hidden")

write_submission("sep.fits", detect("challenge/public/map.fits"))  # participants do this, with finders of their own

answer = read_answer("challenge")
scores = score(answer, [("sep", read_submission("sep.fits"))])
print(write_report("scores", scores))
figures = scores.entries[0].figures
for name in ("completeness", "reliability"):
    share = figures[name]
    print(f"{name}: {share['value']:.2f} [{share['low']:.2f}, {share['high']:.2f}], {share['n']} of {share['of']}")
print(f"flux, measured over true, above 10 rms: {figures['errors']['int_flux']['bright']['median']:.3f}")
print(f"SDC1 score: {scores.entries[0].sdc1.value:.1f} of {made.sources}")
