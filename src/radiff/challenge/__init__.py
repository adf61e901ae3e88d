"""Data challenges in a box: a public map with hidden truth, finders, matching and scores. No torch."""

from radiff.challenge.answers import Answer, read_answer
from radiff.challenge.finders.islands import FindOptions
from radiff.challenge.finding import DetectOptions, detect
from radiff.challenge.making import Challenge, make_challenge
from radiff.challenge.scoring import Scored, Scores, score
from radiff.challenge.sdc1 import Sdc1Score, sdc1_score
from radiff.challenge.submission import read_submission, write_submission

__all__ = [
    "Answer",
    "Challenge",
    "DetectOptions",
    "FindOptions",
    "Scored",
    "Scores",
    "Sdc1Score",
    "detect",
    "make_challenge",
    "read_answer",
    "read_submission",
    "score",
    "sdc1_score",
    "write_submission",
]
