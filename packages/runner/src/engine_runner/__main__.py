"""``python -m engine_runner`` is ``engine``, for launchers that start modules."""

import sys

from engine_runner.cli import main

sys.exit(main())
