"""python -m emukern"""

import sys

from emukern.cli import main

sys.exit(main())
