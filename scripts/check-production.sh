#!/bin/sh
# Runs every command of docs/in-production.md, in their order, in a new Debian with systemd: systemd-nspawn. Between them
# scripts/production/checks.sh looks at what they have done, with a real client over wss://. Only the Internet is played: certbot's
# authority, SCF, and the name chat.example.com. GATEWAY=path takes another program than `make gateway` builds.
set -eu
cd "$(dirname "$0")/.."
skip() {
    echo "check-production: SKIPPED: $*" >&2
    exit 0
}
[ "$(id -u)" -eq 0 ] || skip "a container with systemd needs root"
[ -d /run/systemd/system ] || [ -w /sys/fs/cgroup ] || skip "this system has no cgroups that a container could have a part of"
scripts/need.sh systemd-nspawn:systemd-container mmdebstrap || skip "systemd-nspawn and mmdebstrap cannot be installed"
if [ -z "${GATEWAY-}" ]; then
    make gateway
    GATEWAY=target/package/gateway
fi

# The packages are downloaded once; the system is new each time.
packages=systemd,systemd-sysv,dbus,certbot,curl,openssl,iproute2,python3-websockets,ca-certificates
image=${CARGO_TARGET_DIR:-target}/debian/production.tar
if [ ! -e "$image" ]; then
    mkdir -p "${image%/*}"
    mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" bookworm "$image.part" || skip "Debian's packages cannot be downloaded"
    mv "$image.part" "$image"
fi
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
root=$room/root
mkdir "$root"
tar -xf "$image" -C "$root" --exclude=./dev
mkdir -p "$root/dev" "$root/root/blocks"

# What the page brings to the server, its commands, and the file that it shows.
install -m 755 "$GATEWAY" "$root/root/gateway"
install -m 644 deploy/gateway/gateway.service "$root/root/"
install -m 755 scripts/production/certbot "$root/usr/local/bin/certbot"
install -m 644 scripts/production/cloud.py scripts/production/client.py scripts/production/checks.sh "$root/root/"
awk -v to="$root/root/blocks/" '
    /^ *```(sh|toml)$/ { language = $1; sub(/```/, "", language); indent = index($0, "`") - 1; name = sprintf("%s%02d.%s", to, ++count, language); next }
    /^ *```$/ { name = ""; next }
    name != "" { print substr($0, indent + 1) > name }
' docs/in-production.md

cat >"$root/etc/systemd/system/production.service" <<'END'
[Service]
Type=oneshot
ExecStart=/bin/sh /root/checks.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/root/said
StandardError=inherit
TimeoutStartSec=240
[Install]
WantedBy=multi-user.target
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../production.service "$root/etc/systemd/system/multi-user.target.wants/"
timeout 300 systemd-nspawn --quiet --boot --private-network --register=no --keep-unit --directory="$root" </dev/null >"$room/boot" 2>&1 || true
if [ ! -e "$root/root/said" ]; then
    tail -n 5 "$room/boot" >&2
    skip "systemd does not start in a container here"
fi
cat "$root/root/said"
tail -n 1 "$root/root/said" | grep -q '^check-production: all of it$' || {
    echo "check-production: FAILED; the last lines of the gateway's log:" >&2
    tail -n 40 "$root/root/journal" >&2 || true
    exit 1
}
