"""Shows one student of the demo: python scripts/demo_trace.py --student-id test --topic algebra."""

import sys

from deepkt_irt.cli import main

if __name__ == "__main__":
    main(["trace", *sys.argv[1:]])
