"""The paper's claims, one by one: what it says, what the cells of a log say, and a verdict.

A verdict rests on differences with intervals over users and seeds and on p-values after Holm's
correction (see ``comparisons``): the claim *holds* or *does not* where they are below .05, and is
otherwise *not distinguishable*; without the cells it is *not measured*, and *not planned* where the
benchmark asks for no such cells.
"""

import collections

from dfar_tf.experiments.book.benchmark import title_of
from dfar_tf.experiments.table2 import OURS
from dfar_tf.experiments.table3 import ABLATIONS, WHOLE
from dfar_tf.runs.paper import paper_table2, paper_table3
from dfar_tf.runs.tables import metric_name

HOLDS, FAILS, UNCLEAR = "holds", "does not", "not distinguishable"
UNKNOWN, UNPLANNED = "not measured", "not planned"
VERDICTS = (HOLDS, FAILS, UNCLEAR, UNKNOWN, UNPLANNED)
HEADERS = ("log", "objective", "of", "claim", "evidence", "verdict")
METRICS = ("auc", "mrr@10", "ndcg@10", "gauc")
LEVEL = 0.05
OUR_TITLE = title_of(OURS)
# What the paper's text says of its baselines beyond "ours is best": (lower, higher) by AUC.
ORDERS = {
    "amazon": [(low, high) for low in ("FeedRec", "DFN") for high in ("GRU4REC", "Caser")],
    "micro_video": [(low, "DFN") for low in ("GRU4REC", "Caser", "SASRec", "FeedRec")],
}
EXTRAS = {"Table 3": "ablation", "Figure 6": "weight"}  # kinds of cells that a part may go without
PEAKS = {"amazon": "0.001", "micro_video": "0.01"}  # of both weights (A.4)
SYMBOLS = {"lambda_bpr": "lambda_BPR", "lambda_d": "lambda_D"}


def claim_rows(log, objective, paper, cells, pairs, attention):
    """The claims of one part, dicts by ``HEADERS``.

    Args:
      log, objective: names of the part.
      paper: the column of the paper whose claims are judged.
      cells, pairs, attention: rows of the book, missing cells included; those of other parts are
        passed over.
    """
    own = [
        [r for r in rows if (r["log"], r["objective"]) == (log, objective)]
        for rows in (cells, pairs, attention)
    ]
    judge = _Judge(paper, *own)
    rows = [*judge.table2(), *judge.table3(), *judge.figure4(), *judge.figure5(), *judge.figure6()]
    kinds = {row["kind"] for row in own[0]}
    unplanned = {of for of, kind in EXTRAS.items() if kind not in kinds}
    found = [dict(zip(HEADERS, (log, objective, *row))) for row in rows]
    for row in found:
        if row["of"] in unplanned and row["verdict"] == UNKNOWN:
            row["verdict"] = UNPLANNED
    return found


def complexity_claim(rows):
    """The claim of appendix A.1.5 from the rows of ``complexity``, one dict by ``HEADERS``."""
    claim = "factorizing heads costs little over MHA, and less than talking heads"
    ratio = {(r["axis"], r["value"], r["layer"]): r["ratio to MHA"] for r in rows}
    points = [(axis, value) for axis, value, layer in ratio if layer == "FHA"]
    if not points:
        return dict(zip(HEADERS, ("any", "any", "A.1.5", claim, "", UNKNOWN)))
    fha, tha = ([ratio[(*point, layer)] for point in points] for layer in ("FHA", "THA"))
    below = sum(f < t for f, t in zip(fha, tha))
    evidence = (
        f"time relative to MHA: FHA {min(fha):.2f} to {max(fha):.2f}, THA {min(tha):.2f} to "
        f"{max(tha):.2f}; FHA is faster than THA at {below} of {len(points)} points"
    )
    verdict = HOLDS if below == len(points) else FAILS if not below else UNCLEAR
    return dict(zip(HEADERS, ("any", "any", "A.1.5", claim, evidence, verdict)))


def best_other(cells):
    """Title of the best tuned model but ours by mean validation score over seeds, or None."""
    scores = collections.defaultdict(list)
    for row in cells:
        if row["kind"] == "tuned" and row["status"] == "done" and row["model"] != OURS:
            scores[row["model"]].append(row["validation"])
    if not scores:
        return None
    return title_of(max(scores, key=lambda name: sum(scores[name]) / len(scores[name])))


def verdict(difference, p):
    """What a difference that the paper says is above 0 and its corrected p-value amount to."""
    if p is None or p != p or p >= LEVEL:
        return UNCLEAR
    return HOLDS if difference > 0 else FAILS


def told(row, sign=1):
    """``+.0092 [+.0030, +.0150], p .010``; with ``sign`` -1 the difference the other way round."""
    ends = sorted((sign * row["low"], sign * row["high"]))
    p = row["p Holm"]
    said = "-" if p is None or p != p else f"{p:.2g}"
    return f"{sign * row['difference']:+.4f} [{ends[0]:+.4f}, {ends[1]:+.4f}], p {said}"


class _Judge:
    def __init__(self, paper, cells, pairs, attention):
        self.paper, self.cells, self.attention = paper, cells, attention
        self.pairs = {}
        for row in pairs:
            key = row["family"], row["metric"]
            self.pairs[(*key, row["first"], row["second"])] = 1, row
            self.pairs[(*key, row["second"], row["first"])] = -1, row

    def above(self, family, metric, first, second):
        """(evidence, verdict) on whether ``first`` is above ``second``."""
        sign, row = self.pairs.get((family, metric, first, second), (0, None))
        if row is None:
            return "", UNKNOWN
        said = f"{first} minus {second}: {told(row, sign)}"
        return said, verdict(sign * row["difference"], row["p Holm"])

    def best(self, metric, rival):
        """(evidence, verdict) on whether ours is above the rival; any model that is above refutes it."""
        others = [key[3] for key in self.pairs if key[:3] == ("table2", metric, OUR_TITLE)]
        refuted = [self.above("table2", metric, OUR_TITLE, other) for other in others]
        refuted = [found for found in refuted if found[1] == FAILS]
        if refuted:
            return "; ".join(said for said, _ in refuted), FAILS
        return self.above("table2", metric, OUR_TITLE, rival) if rival else ("", UNKNOWN)

    def among_all(self, evidence, found):
        """Of a claim on all models: while one is missing, it can only be refuted."""
        return (evidence, UNKNOWN if self.waits() and found != FAILS else found)

    def waits(self, model=None):
        """Whether a seed of a model, or of any, is missing."""
        return any(
            row["kind"] == "tuned" and row["status"] != "done" and model in (None, row["model"])
            for row in self.cells
        )

    def table2(self):
        rival, figures = best_other(self.cells), paper_table2(self.paper)
        for metric in METRICS:
            best = max((t for t in figures if t != WHOLE), key=lambda t, m=metric: figures[t][m])
            gap = figures[WHOLE][metric] - figures[best][metric]
            claim = (
                f"{OUR_TITLE} is best by {metric_name(metric)} ({gap:+.4f} to {best} in the paper)"
            )
            yield ("Table 2", claim, *self.among_all(*self.best(metric, rival)))
        for low, high in ORDERS[self.paper]:
            yield (
                "Table 2",
                f"{low} is below {high} by AUC",
                *self.above("table2", "auc", high, low),
            )

    def table3(self):
        figures = paper_table3(self.paper)
        for name in ABLATIONS:
            for metric in METRICS if name != WHOLE else ():
                gap = figures[name][metric] - figures[WHOLE][metric]
                claim = f"{name}, {metric_name(metric)} drops ({gap:+.4f} in the paper)"
                yield ("Table 3", claim, *self.above("table3", metric, WHOLE, name))
        claim = "removing IBL costs more AUC than removing IDL"
        yield ("Table 3", claim, *self.above("table3 losses", "auc", "w/o IDL", "w/o IBL"))

    def figure4(self):
        key = {"amazon": "negative", "micro_video": "positive"}[self.paper]
        claim = f"after a negative record, attention to {key} ones is above their share"
        lifts = [
            row["attention"] / row["share of pairs"]
            for row in self.attention
            if (row["query"], row["key"]) == ("negative", key) and row["share of pairs"]
        ]
        if not lifts:
            yield ("Figure 4", claim, "", UNKNOWN)
            return
        over = sum(lift > 1 for lift in lifts)
        evidence = (
            f"attention / share of pairs {min(lifts):.2f} to {max(lifts):.2f}, above 1 with "
            f"{over} of {len(lifts)} seeds"
        )
        found = HOLDS if over == len(lifts) else FAILS if not over else UNCLEAR
        found = found if len(lifts) > 1 else UNCLEAR
        yield ("Figure 4", claim, evidence, UNKNOWN if self.waits(OURS) else found)

    def figure5(self):
        claim = f"{OUR_TITLE}'s AUC is above every attention model's at every history length"
        found = [
            verdict(sign * row["difference"], row["p Holm"])
            for (family, _, first, _), (sign, row) in self.pairs.items()
            if family.startswith("figure5") and first == OUR_TITLE
        ]
        if not found:
            yield ("Figure 5", claim, "", UNKNOWN)
            return
        count = collections.Counter(found)
        evidence = (
            f"of {len(found)} pairs of a model and a length, above in {count[HOLDS]}, below in "
            f"{count[FAILS]}, not distinguishable in {count[UNCLEAR]}"
        )
        yield ("Figure 5", claim, *self.among_all(evidence, _all(found)))

    def figure6(self):
        peak = PEAKS[self.paper]
        for key, symbol in SYMBOLS.items():
            claim = f"AUC peaks at a {symbol} of {peak}"
            family, name = f"figure6 {key}", f"{key} {peak}"
            found = {
                other: (sign, row)
                for (of, _, first, other), (sign, row) in self.pairs.items()
                if of == family and first == name
            }
            if not found:
                yield ("Figure 6", claim, "", UNKNOWN)
                continue
            evidence = f"{peak} minus " + "; ".join(
                f"{other.split(' ')[1]}: {told(row, sign)}" for other, (sign, row) in found.items()
            )
            verdicts = [
                verdict(sign * row["difference"], row["p Holm"]) for sign, row in found.values()
            ]
            yield ("Figure 6", claim, evidence, _all(verdicts))


def _all(verdicts):
    """Of a claim that is made of several: it fails with one of them, and holds with all."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNCLEAR
