#!/bin/sh
# Installs the vendor's Python SDK into a virtual environment under target/, unless it is there, and prints the path
# of the environment's python3. The stand-in for the cloud API checks signatures with it.
set -eu
cd "$(dirname "$0")/.."
folder=${CARGO_TARGET_DIR:-target}/vendor-sdk
# Those that the signatures in the unit tests were computed with.
scripts/from-pypi.sh "$folder" tencentcloud-sdk-python-common==3.1.195 tencentcloud-sdk-python-scf==3.1.100
echo "$(cd "$folder" && pwd)/venv/bin/python3"
