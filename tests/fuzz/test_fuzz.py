"""Hostile inputs to every reader end in a result or a ``UserError``: no traceback, hang or changed file.

A seeded sample runs by default; ``bash run.sh test -m slow tests/fuzz/test_fuzz.py -s`` runs thousands and
prints how many were tried on what and how they ended. ``DFAR_FUZZ`` is the number of cases a target then.
"""

import collections
import os
import time

import fuzz
import fuzz_released
import fuzz_runs
import fuzz_settings
import fuzz_tables
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

STRATEGIES = {
    "ratings": fuzz_tables.ratings,
    "blocks": fuzz_tables.blocks,
    "log": fuzz_tables.logs(),
    "hparams": fuzz_settings.hparams(),
    "flags": fuzz_settings.flags(),
    "rows": fuzz_tables.rows(),
    "histories": fuzz_tables.histories(),
    "lists": fuzz_tables.lists(),
    "released": fuzz_released.folders(),
    "released_rows": fuzz_released.batches(),
    "pickle": fuzz_released.pickles,
    "long_rows": fuzz_tables.long_rows(),
    "run_folder": fuzz_runs.folders(),
    "python": fuzz_runs.calls(),
    "grid": fuzz_runs.grids(),
}
QUICK, LONG_RUN, SEED = 18, 500, 2023


def tried(target, cases, start=SEED):
    """Tries a number of cases; returns (how many ended how, the shortest defect of each kind)."""
    counts, defects = collections.Counter(), {}

    @seed(start)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STRATEGIES[target])
    def each(case):
        outcome = fuzz.attempt(case)
        counts[outcome.kind] += 1
        if outcome.kind not in (fuzz.RESULT, fuzz.REFUSED):
            key = (outcome.kind, outcome.detail.strip()[-150:])
            if len(repr(case)) < len(repr(defects.get(key, ("x" * 10**6,))[0])):
                defects[key] = (case, outcome.detail)

    each()
    return counts, defects


def told(target, defects):
    return "\n\n".join(
        f"{target}: {kind}\n{detail}\n{repr(case)[:1500]}"
        for (kind, _), (case, detail) in defects.items()
    )


@pytest.mark.parametrize("target", sorted(STRATEGIES))
def test_sample(target):
    counts, defects = tried(target, QUICK)
    assert not defects, told(target, defects)
    assert sum(counts.values()) >= QUICK // 2


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(STRATEGIES))
def test_thousands(target):
    begun, cases = time.time(), int(os.environ.get("DFAR_FUZZ", LONG_RUN))
    counts, defects = tried(target, cases)
    total, seconds = sum(counts.values()), time.time() - begun
    ends = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
    print(f"\n{target}: {total} cases in {seconds:.0f} s ({total / seconds:.0f}/s): {ends}")
    assert not defects, told(target, defects)
