"""How long the cells of a benchmark take: an estimate for each, and the time left."""

import time

# Seconds of an untrained model; shares of a run's seconds that a draw and a second scoring take: few runs
# last for all their epochs.
SECONDS_UNTRAINED, DRAW, SCORED_AGAIN = 5.0, 0.6, 0.2


def estimate(planner, work):
    """Seconds that a work may take, by the benchmark file's for a whole run of its model."""
    if work.kind == "untrained":
        return SECONDS_UNTRAINED
    seconds = planner.shelf.seconds_of(work.part, work.model)
    record = planner.shelf.look(work).record
    if record and record["epochs"] >= planner.shelf.epochs(work):
        return SCORED_AGAIN * seconds
    if work.kind == "draw":
        return DRAW * seconds
    return (1 - DRAW) * seconds if work.kind == "finalist" else seconds


def still_to_train(planner, part):
    """The works of a part that are neither done nor failed, each folder once."""
    first, folders, left = planner.benchmark.seeds["first"], set(), []
    for work in planner.of_part(part):
        if planner.shelf.look(work).status != "missing":
            continue
        path = planner.shelf.path(work)
        if path is None and work.kind == "tuned" and work.seed == first and not part.tuned_as:
            continue  # one of the finalists
        if path not in folders:
            left.append(work)
        if path:
            folders.add(path)
    return left


class Clock:
    """Cells that this process trained, and the time left by estimates and how well they held so far."""

    def __init__(self, planner):
        self.planner, self.started = planner, time.time()
        self.expected, self.taken, self.done = 0.0, 0.0, 0

    def elapsed(self):
        """Seconds since the start."""
        return time.time() - self.started

    def count(self, expected, taken):
        """Notes that a work is done: seconds that were expected, and that it took."""
        self.expected, self.taken, self.done = (
            self.expected + expected,
            self.taken + taken,
            self.done + 1,
        )

    def told(self):
        """``12 cells trained, 310 to go, about 5 h 10 min left``."""
        left = [
            w for part in self.planner.benchmark.parts for w in still_to_train(self.planner, part)
        ]
        left = [work for work in left if work.part.log not in self.planner.shelf.absent]
        seconds = sum(estimate(self.planner, work) for work in left)
        seconds *= self.taken / self.expected if self.expected else 1.0
        seconds /= 1 + self.planner.shelf.trained_elsewhere()
        return f"{self.done} trained, {len(left)} to go, about {duration(seconds)} left"


def duration(seconds):
    """``5 h 10 min`` or ``3 min``."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
