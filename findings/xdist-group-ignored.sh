#!/usr/bin/env bash
# pytest-xdist 3.8.0 under pytest 9.2.0 does not keep the groups of `--dist loadgroup` together.
#
# Expected, as its documentation promises: all tests marked with one xdist_group run in one worker.
# Seen: tests of one group run on several workers; what they share is set up in each of them.
#
# Guess: xdist's worker writes the group into `item._nodeid` (xdist/remote.py,
# pytest_collection_modifyitems); pytest 9.2 keeps the id in `item._id`, from which `item.nodeid` is
# read (_pytest/nodes.py). So the scheduler gets ids without `@group`, and sends each test where there is room.
# With pytest 8.4.2 in its place, the same tests run on one worker.
#
# Output seen with pytest 9.2.0 and pytest-xdist 3.8.0:
#   workers that ran tests of the one group: gw0 gw1
#
# Exit code: 0 while it is so, 1 once the group is kept together, another where it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env || exit 2
env/bin/pip install -q --disable-pip-version-check pytest==9.2.0 pytest-xdist==3.8.0 || exit 2

cat > test_group.py <<'END'
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("one")


@pytest.mark.parametrize("number", range(12))
def test_of_the_group(number, worker_id):
    time.sleep(0.05)
    with Path("workers.txt").open("a") as file:
        file.write(f"{worker_id}\n")
END
env/bin/python -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup test_group.py || exit 2
[ "$(wc -l < workers.txt)" = 12 ] || exit 2
workers=$(sort -u workers.txt | tr '\n' ' ')
echo "workers that ran tests of the one group: $workers"
[ "$(wc -w <<< "$workers")" -gt 1 ] || exit 1
