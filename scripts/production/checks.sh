# Runs in the container: the blocks of the page one after the other, and after some of them a look at what they did.
set -eu
cd /root
trap 'journalctl -u gateway --no-pager >/root/journal 2>&1' EXIT
ip address add 10.0.0.5/32 dev lo
echo 127.0.0.1 chat.example.com >>/etc/hosts
python3 cloud.py &
settings=/etc/scf-websocket/gateway.toml

say() { echo "check-production: $*"; }
fail() { say "$*" && exit 1; }
pid() { systemctl show -p MainPID --value gateway; }
is_up() { systemctl is-active -q gateway && python3 client.py; }
soon() { # waits until the command succeeds
    for _ in $(seq 100); do
        "$@" && return
        sleep 0.1
    done
    fail "did not happen: $*"
}
is_logged() { journalctl -u gateway --no-pager | grep -qF "$1"; }
is_another() { [ "$(pid)" != "$1" ]; }
refused() { "$@" >/dev/null 2>&1 && fail "this should have failed: $*" || true; }

after() {
    case $1 in
    *"sed -n 's/^GATEWAY_PUSH_TOKEN"*)
        sh -c "$1" >token
        is_up
        [ "$(stat -c %a /etc/scf-websocket/gateway.env)" = 600 ] || fail "everybody may read the secrets"
        ! is_logged "$(cat token)" || fail "the journal has the token"
        python3 client.py stay seen &
        stays=$!
        soon grep -q open seen
        before=$(pid)
        certbot renew
        soon is_logged "new certificate"
        is_up
        say "a renewed certificate is served by the same process"
        [ "$(pid)" = "$before" ] || fail "the process is another one"
        chmod 600 /etc/scf-websocket/tls/privkey.pem
        refused check-gateway
        chmod 640 /etc/scf-websocket/tls/privkey.pem
        say "a key that the gateway's user cannot read is found by the check"
        ;;
    *"systemctl reload gateway"*)
        soon is_logged "configuration reloaded"
        cp $settings good
        echo 'nonsense = 1' | cat - good >$settings
        refused check-gateway
        refused systemctl reload gateway
        refused gateway --config $settings --replace
        soon is_logged "nothing has changed"
        [ "$(pid)" = "$before" ] && is_up || fail "a wrong file has changed something"
        cp good $settings
        ! grep -v open seen || fail "the client was cut"
        say "a reload cuts nobody, and a wrong file changes nothing"
        ;;
    *--replace*)
        soon is_another "$before"
        soon is_logged "the process before this one has ended"
        is_up
        ! grep failed seen || fail "a handshake was refused"
        grep -q 'closed 1001' seen || fail "the client was not closed with 1001"
        say "another process serves, no handshake was refused, and systemd knows the process"
        before=$(pid)
        systemctl kill -s USR2 --kill-whom=main gateway
        soon is_another "$before"
        is_up || fail "SIGUSR2 has not replaced the process"
        kill $stays
        ;;
    *"systemctl restart gateway"*) is_up && say "a restart comes up" ;;
    *"systemctl stop gateway"*)
        [ "$(systemctl show -p Result --value gateway)" = success ] || fail "it did not end in order"
        soon is_logged " clients, "
        ;;
    esac
}

for block in blocks/*; do
    case $block in
    *.toml)
        # SCF is played here.
        sed 's|^\[scf\]|&\nendpoint = "http://127.0.0.1:9100"|' "$block" >$settings
        continue
        ;;
    esac
    say "$block: $(head -n 1 "$block")"
    # check-production.sh has brought it.
    ! grep -q '^scp ' "$block" || continue
    # Without a network, what would be downloaded is there.
    sed -i 's/^apt-get update$/:/' "$block"
    sh -eu "$block" >printed 2>&1 || { cat printed && fail "it has failed"; }
    after "$(cat "$block")"
done
say "all of it"
