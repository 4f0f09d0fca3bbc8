#!/bin/sh
# Runs chromedriver until standard input ends, then ends it and its browsers: driver.sh PORT PROFILE-DIRECTORY
# The test holds the other end of the input, so that no browser is left behind even when the test is killed.
set -u
# Ctrl-C ends the test; this then sees the end of its input.
trap '' INT TERM HUP

chromedriver --port="$1" >/dev/null 2>&1 &
driver=$!
cat >/dev/null
kill -KILL "$driver" 2>/dev/null

# Nothing else names this directory on its command line but this script itself; the brackets keep grep from finding itself.
pattern="[/]${2#/}"
left() { grep -l "$pattern" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | grep -vx "$$"; }
tries=0
while pids=$(left) && [ "$tries" -lt 100 ]; do
    # shellcheck disable=SC2086 # a list of process ids
    kill -KILL $pids 2>/dev/null
    tries=$((tries + 1))
    sleep 0.05
done
rm -rf "$2"
