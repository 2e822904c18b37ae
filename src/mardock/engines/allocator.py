"""How workers' memory is allocated: kept for the next batch; glibc would hand it back to the kernel after each one."""

from __future__ import annotations

from collections.abc import Mapping

_TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
_CHOSEN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that glibc reads this from (mallopt(3)); none where the caller chose an allocator.

    A convolution's outputs are tens of megabytes, which glibc maps afresh for each forward pass: a sixth to a third of
    a ResNet-18's time goes into page faults. A worker may keep up to 1 GiB that it freed.
    """
    return {} if any(name.startswith(_CHOSEN) for name in environ) else dict(_TUNED)
