#!/bin/sh
# Runs the commands of documents that describe a machine: docs/cluster.md as it is, the way from a bare server in
# docs/in-production.md and deploy/gateway/virtual-machine.md below a temporary directory, with stand-ins for what would change this
# machine or reach another one. Commands of make are only looked up. Run after `make` and `make gateway`.
set -eu
cd "$(dirname "$0")/.."
scripts/need.sh redis-server curl openssl /usr/lib/python3/dist-packages/websockets:python3-websockets

checkout=$PWD
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
    echo "check-documents: $*" >&2
    exit 1
}

commands() { # DOCUMENT: its ```sh blocks, without the indentation of lists
    awk '
        /^ *```/ && inside { inside = 0; next }
        /^ *```sh$/ { inside = 1; indentation = index($0, "`") - 1; next }
        inside { print substr($0, indentation + 1) }
    ' "$1"
}

# Each command of make names targets and variables that there are.
for document in docs/deploy.md docs/in-a-web-function.md; do
    commands "$document" | grep '^make ' | sed 's/#.*//' >"$room/make"
    [ -s "$room/make" ] || fail "$document has no commands"
    while read -r line; do
        sh -c "make -n ${line#make }" >/dev/null || fail "$document: $line"
    done <"$room/make"
done

# Two nodes, as the document has them. Built by now: the first line.
mkdir -p "$room/cluster/target"
ln -s "$checkout/target/package" "$room/cluster/target/package"
commands docs/cluster.md | grep -v '^make ' >"$room/cluster/commands"
(cd "$room/cluster" && sh -eu ./commands >printed) || fail "docs/cluster.md: $(cat "$room"/cluster/printed "$room"/cluster/*.log)"
for expected in '"errNo":0' '< hello' 'is lost: this node calls the cleanup function' 'is taken over: 1 cleanup'; do
    grep -qF "$expected" "$room/cluster/printed" || fail "docs/cluster.md does not print $expected: $(cat "$room/cluster/printed")"
done
[ "$(grep -c 'role=cleanup connection' "$room/cluster/two.log")" -eq 2 ] || fail "docs/cluster.md: not a cleanup for each client"
echo "docs/cluster.md: its commands do what it says"

# From a bare server to wss://, with a certificate of our own, and without the online part of the check.
root=$room/server
mkdir -p "$room/stand-ins" "$root/root" "$root/etc/systemd/system" "$root/usr/local/bin" "$root/var/lib"
stand_in() { # NAME: a program on the PATH with this text
    { printf '#!/bin/sh\nset -eu\nroot=%s checkout=%s\n' "$root" "$checkout"; cat; } >"$room/stand-ins/$1"
    chmod 755 "$room/stand-ins/$1"
}
for name in apt-get useradd; do stand_in "$name" </dev/null; done
stand_in scp <<'END'
while [ $# -gt 1 ]; do cp "$1" "$root/root/"; shift; done
END
stand_in certbot <<'END'
mkdir -p "$root/etc/letsencrypt/live/chat.example.com" && cd "$root/etc/letsencrypt/live/chat.example.com"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=chat.example.com -days 30 -keyout privkey.pem -out fullchain.pem 2>/dev/null
END
# Without the owner, whom only useradd would make.
stand_in install <<'END'
command=/usr/bin/install
while [ $# -gt 0 ]; do
    case $1 in
    -g) shift ;;
    *) command="$command $1" ;;
    esac
    shift
done
$command
END
# `gateway --config FILE --check`, with its paths below the directory.
stand_in gateway <<'END'
sed "s#\"/etc/#\"$root/etc/#" "$2" >"$root/gateway.toml"
exec "$root/usr/local/bin/gateway" --config "$root/gateway.toml" --check
END
stand_in systemctl <<'END'
case $1 in
enable) [ -s "$root/etc/systemd/system/gateway.service" ] ;;
*) exit 0 ;;
esac
. "$root/etc/scf-websocket/gateway.env"
export GATEWAY_PUSH_TOKEN TENCENTCLOUD_SECRET_ID TENCENTCLOUD_SECRET_KEY
gateway --config "$root/etc/scf-websocket/gateway.toml" >"$root/checked"
END

for document in docs/in-production.md deploy/gateway/virtual-machine.md; do
    rm -rf "$root/etc/scf-websocket" "$root/checked"
    mkdir -p "$root/etc/scf-websocket"
    printf 'GATEWAY_PUSH_TOKEN=0123\nTENCENTCLOUD_SECRET_ID=AKID\nTENCENTCLOUD_SECRET_KEY=x\n' >"$root/etc/scf-websocket/gateway.env"
    # Its file is the first one with an API, if it has one.
    awk '
        /^ *```/ && inside { inside = 0; if (text ~ /\[\[api\]\]/) { printf "%s", text; exit } }
        /^ *```toml$/ { inside = 1; text = ""; next }
        inside { sub(/^   /, ""); text = text $0 "\n" }
    ' "$document" >"$room/gateway.toml"
    [ ! -s "$room/gateway.toml" ] || cp "$room/gateway.toml" "$root/etc/scf-websocket/gateway.toml"
    commands "$document" | sed -E "s#(^|[ \"'=(>])/(etc|usr/local|var/lib)/#\1$root/\2/#g" |
        sed "/^scp /a cd $root/root" >"$room/commands"
    PATH=$room/stand-ins:$PATH sh -eu "$room/commands" >"$room/printed" 2>&1 || fail "$document: $(cat "$room/printed")"
    grep -q '^clients  *wss://' "$root/checked" || fail "$document: its gateway does not serve wss://: $(cat "$root/checked")"
    echo "$document: its commands lead to wss://"
done
