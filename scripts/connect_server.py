"""A local Spark Connect server with Delta, for trying and testing what runs over Connect.

    python scripts/connect_server.py --port 15002

It says `sc://127.0.0.1:15002` once it listens, and ends when its standard input closes.
"""

import argparse
import sys

from deepkt_irt.session import local_session


def main() -> None:
    """Serve until nobody holds the other end of standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=15002)
    port = parser.parse_args().port
    local_session(
        profile="steady",
        more={
            "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
            # as a plain number: databricks-connect cannot read the default, which has a unit
            "spark.sql.session.localRelationSizeLimit": "3221225472",
        },
    )
    sys.stdout.write(f"sc://127.0.0.1:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
