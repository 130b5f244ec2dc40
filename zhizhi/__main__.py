"""``python -m zhizhi``: the command line."""

import sys
from pathlib import Path

# Python puts the working directory first. A user's own folder ``training`` there is not ours.
if not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[1]:
    del sys.path[0]

from zhizhi.cli import main

if __name__ == "__main__":
    main()
