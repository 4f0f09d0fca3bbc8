#!/bin/sh
# Checks deploy/gateway/: systemd accepts the unit and rates it well; the manifest and the secret for Kubernetes are valid;
# the image builds and its gateway starts there.
# What their settings say is checked by `make test-deploy`.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh systemd-analyze:systemd file

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
make gateway
file target/package/gateway | grep -Eq 'statically linked|static-pie linked' || {
    echo "check-gateway-files: target/package/gateway is not static" >&2
    exit 1
}
mkdir "$room/image"
cp target/package/gateway "$room/image/gateway"

# The commands of the unit have to be there to be accepted.
sed "s#/usr/local/bin/gateway#$room/image/gateway#" deploy/gateway/gateway.service >"$room/gateway.service"
systemd-analyze verify --man=no "$room/gateway.service" 2>"$room/complaints" || true
if grep -F "$room/gateway.service" "$room/complaints"; then
    echo "check-gateway-files: systemd has complaints about deploy/gateway/gateway.service" >&2
    exit 1
fi
# The scale ends at 100; the settings that a network service cannot have make up most of what is left.
systemd-analyze security --offline=true --threshold=20 "$room/gateway.service" | tail -n 1

scripts/from-pypi.sh target/kubernetes kubernetes-validate==1.37.0
scripts/need.sh kubectl:kubernetes-client
# The command of the guide, which stops before it asks a cluster.
sed -n '/kubectl create secret/,/[^\\]$/p' deploy/gateway/kubernetes.md | sed '$s/$/ --dry-run=client -o yaml/' >"$room/create-secret"
sh "$room/create-secret" >"$room/secret.yaml"
target/kubernetes/venv/bin/kubernetes-validate -k 1.30 --strict deploy/gateway/kubernetes.yaml "$room/secret.yaml"

if [ "$(id -u)" -ne 0 ]; then
    echo "check-gateway-files: NOT CHECKED whether the image builds: that needs root" >&2
    exit 0
fi
scripts/need.sh buildah
build() { # buildah with a store of its own, and without a daemon
    buildah --storage-driver vfs --root "$room/store" --runroot "$room/run" "$@"
}
build bud -q --isolation chroot -f deploy/gateway/Containerfile -t gateway "$room/image" >/dev/null
container=$(build from gateway)
build run --isolation chroot "$container" -- /gateway --help >"$room/help"
grep -q -- --listen "$room/help" || { echo "check-gateway-files: the gateway does not start in the image" >&2; exit 1; }
build rm "$container" >/dev/null
echo "deploy/gateway/kubernetes.md: NOT CHECKED what buildah push and kubectl apply do, which need a registry and a cluster" >&2
echo "deploy/gateway: the unit is accepted, the image builds and its gateway starts"
