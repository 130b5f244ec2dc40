"""What holds for all tests.

Hypothesis draws the same examples on every CI run; on a developer's machine it goes on exploring. Models run
in one thread, here and in the processes that tests start: the miniatures are too small to be shared out, and
what comes out does not hang on the number of cores.
"""

import os

from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
