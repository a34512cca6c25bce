"""Memory that a process keeps: a block that is taken again brings no new pages."""

import os
import subprocess
import sys

import pytest
from places import CHECKOUT

# Page faults of taking and freeing a block of 64 MiB, five times, before and after keep_memory.
SCRIPT = """
import resource
import numpy as np
from dfar_tf.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones([1 << 26], np.int8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
print(int(keep_memory()), first, faults(), faults())
"""


def outcome(**variables):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**kept, "PYTHONPATH": str(CHECKOUT), **variables},
        stdout=subprocess.PIPE,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has mallopt")
def test_a_kept_block_is_not_asked_for_again():
    done, before, _, after = outcome()
    if not done:
        pytest.skip("the C library has no mallopt")
    # 64 MiB are 16,384 pages of 4 KiB, or 32 of 2 MiB.
    assert before >= 5 * 30
    assert after < before / 10


def test_settings_of_the_environment_stand():
    assert outcome(MALLOC_ARENA_MAX="2")[0] == 0
