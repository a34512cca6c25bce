"""Memory of a process: what TensorFlow frees after an operation is kept for the next one."""

import ctypes
import os

MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of glibc's mallopt
FREE = 1 << 30  # bytes of free memory at the end of the heap that are not given back


def keep_memory():
    """Has glibc keep freed blocks, which it would give back to the kernel.

    Blocks of more than 32 MiB are otherwise mapped, and zeroed page by page, each time they are used:
    where every record of a history meets every candidate, that takes about as long as the arithmetic.
    Nothing is done where the C library is another one, or where the environment has settings of glibc's own.

    Returns:
      Whether it was done.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; Windows
        return False
    return mallopt(MMAP_MAX, 0) == 1 and mallopt(TRIM_THRESHOLD, FREE) == 1
