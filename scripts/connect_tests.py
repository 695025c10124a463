"""Runs the Spark tests through databricks-connect against a local Spark Connect server.

    python scripts/connect_tests.py CLIENT_PYTHON [PYTEST_ARGUMENT ...]

The server is this interpreter's Spark; the client is an environment of its own, because
databricks-connect and pyspark overwrite each other. Ends as pytest does.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

SERVER = Path(__file__).with_name("connect_server.py")


def main() -> int:
    """Start the server, run pytest in the client environment, stop the server."""
    client, *arguments = sys.argv[1:]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(SERVER), "--port", str(port)]
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        said = (server.stdout or sys.stdin).readline().strip()
        if not said:
            sys.stderr.write("the Spark Connect server did not start, see above\n")
            return 1
        # whether Connect takes the code shows on a case of each kind; all cases are for a night
        tests = arguments or ["tests/spark", "-m", "connect"]
        environment = {**os.environ, "SPARK_REMOTE": said}
        ended = subprocess.run(  # noqa: S603 - the environment the caller named
            [client, "-m", "pytest", *tests], env=environment, check=False
        )
        server.communicate()  # closes its standard input, on which it ends
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
