#!/usr/bin/env bash
# prometheus-client 0.26.0 in multiprocess mode: a process that is forked while another thread changes a metric may
# never change one again.
#
# Expected: whichever thread works at the moment of a fork, metrics of the child go on, as its files are its own: the
# mode is for servers that fork, and looks for a changed process id with each change.
# Seen: all values share one lock (`values.py`, MultiProcessValue), which is not made anew in the child. Where another
# thread holds it at the moment of the fork, the child's first `inc` waits for ever.
#
# What helps: fork before threads change metrics, or keep them from it with os.register_at_fork.
#
# Output seen with prometheus-client 0.26.0, Python 3.11:
#   one thread counts, 200 forks: at least one child stands still
#   no thread counts, 200 forks: no child stands still
#
# Exit code: 0 while it is so, 1 once all children go on, another where it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env || exit 2
env/bin/pip install -q --disable-pip-version-check prometheus-client==0.26.0 || exit 2

cat >forks.py <<'EOF'
import os
import signal
import sys
import threading

from prometheus_client import Counter

counter = Counter("work", "Work done.")


def count():
    while True:
        counter.inc()


if sys.argv[1] == "counts":
    threading.Thread(target=count, daemon=True).start()
for number in range(200):
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        counter.inc()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        print("at least one child stands still", flush=True)
        break
else:
    print("no child stands still", flush=True)
os._exit(0)
EOF
try() {
  mkdir "$1"
  PROMETHEUS_MULTIPROC_DIR="$PWD/$1" env/bin/python forks.py "$1"
}
first=$(try counts) || exit 2
echo "one thread counts, 200 forks: $first"
second=$(try rests) || exit 2
echo "no thread counts, 200 forks: $second"
[ "$second" = "no child stands still" ] || exit 2
[ "$first" = "at least one child stands still" ] || exit 1
