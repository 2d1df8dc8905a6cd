"""`python -m llm_trace_exporter`."""

import sys

from .cli import main

sys.exit(main())
