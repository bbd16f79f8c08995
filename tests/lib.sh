# Functions shared by the test scripts; sourced, never run.
# Who sources it has done `set -euo pipefail` and finds the project's root in $ROOT.

# shellcheck shell=bash
# shellcheck disable=SC2034 # $BINARY, $SERVER, $STATIC_TARGET are read by who sources this

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS_HOME=${CARGO_HOME:-$HOME/.cargo}/cattail-tools
# Servers live in sbin on Debian, which is not on everybody's path.
PATH=$TOOLS_HOME/bin:$PATH:/usr/sbin:/sbin
# What the tests in Python share lies beside this file.
PYTHONPATH=$ROOT/tests${PYTHONPATH:+:$PYTHONPATH}
export PATH PYTHONPATH

# === What is said ===

say() { printf '%s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# === What must be installed ===

# The Debian packages that bring a command.
packages_of() {
    case $1 in
    cc) echo gcc libc6-dev ;;
    c++) echo g++ libc6-dev ;;
    # Newer buildah does not start without its network tool, which is only recommended.
    buildah) echo buildah netavark ;;
    musl-gcc) echo musl-tools ;;
    java | javac) echo default-jdk-headless ;;
    mvn) echo maven ;;
    go) echo golang-go ;;
    nghttp | h2load) echo nghttp2-client ;;
    *) echo "$1" ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

may_become_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || return 1
    # With a terminal sudo may ask for the password; without one it must not have to.
    sudo -n true 2>/dev/null || [ -t 0 ]
}

# Installs the Debian packages of all commands named that are not there.
need_commands() {
    local command packages=()
    for command in "$@"; do
        # shellcheck disable=SC2207 # package names hold no spaces
        command -v "$command" >/dev/null || packages+=($(packages_of "$command"))
    done
    [ ${#packages[@]} -gt 0 ] || return 0

    local by_hand="apt-get update && apt-get install --no-install-recommends ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        fail "these are missing, and there is no apt-get to install them: ${packages[*]}"
    fi
    if ! may_become_root; then
        fail "these Debian packages are missing: ${packages[*]}
        Neither root nor sudo is to be had here. As root, run:
            $by_hand"
    fi
    say "installing Debian packages: ${packages[*]}"
    install_packages "${packages[@]}"
    hash -r
    for command in "$@"; do
        command -v "$command" >/dev/null || fail "$command is missing even after: $by_hand"
    done
}

# need_python_tool NAME VERSION: a command of PyPI's package of that name, kept in an environment of its own.
need_python_tool() {
    local name=$1 version=$2 home=$TOOLS_HOME/python/$1-$2
    if [ ! -x "$home/bin/$name" ]; then
        need_commands python3
        say "installing $name $version once, into $home"
        python3 -m venv "$home.new" || { install_packages python3-venv && python3 -m venv "$home.new"; }
        "$home.new/bin/pip" install --quiet --disable-pip-version-check "$name==$version" </dev/null
        rm -rf "$home"
        mv "$home.new" "$home"
        # Its own path stands in its commands.
        sed -i "1s|$home.new|$home|" "$home"/bin/*
    fi
    PATH=$home/bin:$PATH
    hash -r
}

# What tests with real parts call.
real_commands() { echo java javac mvn memcached redis-server python3 curl haproxy nginx openssl; }

# Debian's Tomcat 10.1, which is no command.
need_tomcat10() {
    [ -d /usr/share/tomcat10/lib ] && return 0
    may_become_root || fail "the Debian package tomcat10-common is missing, and neither root nor sudo is to be had"
    say "installing Debian packages: tomcat10-common"
    install_packages tomcat10-common
    [ -d /usr/share/tomcat10/lib ] || fail "Tomcat 10.1 is missing even after the installation of tomcat10-common"
}

install_packages() {
    # nginx and others start themselves when installed, on ports that are not theirs to take here.
    local policy=/usr/sbin/policy-rc.d ours=no status=0
    if [ ! -e $policy ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    as_root apt-get update -qq </dev/null || status=$?
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null || status=$?
    [ $ours = no ] || as_root rm -f $policy
    return $status
}

# Fails with advice when there is no Rust; adds the toolchain's parts that a minimal one lacks.
need_rust() {
    if ! command -v cargo >/dev/null && [ -f "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
        # shellcheck disable=SC1091 # rustup's file, where there is one
        . "${CARGO_HOME:-$HOME/.cargo}/env"
    fi
    command -v cargo >/dev/null || fail "cargo is missing; install Rust as https://rustup.rs says"
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
}

# need_cargo_tool NAME VERSION: this version on the path, else built once and kept in $TOOLS_HOME,
# so that a version of the user's own stays as it is.
need_cargo_tool() {
    local name=$1 version=$2
    if [ "$("$name" --version 2>/dev/null)" = "$name $version" ]; then
        return 0
    fi
    say "building $name $version once, into $TOOLS_HOME"
    # Unoptimised: the tool runs for seconds, its optimised build takes minutes.
    cargo install --quiet --locked --debug --root "$TOOLS_HOME" --version "$version" "$name" </dev/null
    hash -r
}

# need_go_tool NAME PACKAGE VERSION: built once by Go, from its module proxy, and kept in $TOOLS_HOME.
need_go_tool() {
    local name=$1 package=$2 version=$3 tool=$TOOLS_HOME/bin/$1
    if [ -x "$tool" ] && [ "$(cat "$tool.version" 2>/dev/null)" = "$version" ]; then
        return 0
    fi
    need_commands go
    say "building $name $version once, into $TOOLS_HOME"
    GOBIN=$TOOLS_HOME/bin go install "$package@$version" </dev/null
    echo "$version" >"$tool.version"
    hash -r
}

# === HTTP/2 by the letter ===

H2SPEC_VERSION=v2.2.1+incompatible

need_h2spec() { need_go_tool h2spec github.com/summerwind/h2spec/cmd/h2spec "$H2SPEC_VERSION"; }

# expect_h2spec HOW SUMMARY FAILED OPTION...: which cases fail, as section/name lines, and how many of all.
expect_h2spec() {
    local how=$1 summary=$2 known=$3 log failed
    shift 3
    log=$WORK/h2spec-${how// /-}.log
    # The exit code is that of a failure, which may be known to be.
    h2spec --host 127.0.0.1 --timeout 5 "$@" >"$log" 2>&1 || true
    failed=$(awk '/^Failures:/ { on = 1 } on && /^ +[0-9.]+\. / { part = $1 }
        on && /×/ { sub(/^ *× */, ""); sub(/\.$/, "", part); print part "/" $0 }' "$log")
    expect "h2spec $how: what fails" "$failed" "$known"
    expect "h2spec $how: how many" "$(tail -n 1 "$log")" "$summary"
}

# === Servers of a test ===

SERVERS=()
WORK=

# Gives the script a directory of its own in $WORK and ends its servers when the script ends, however it ends.
begin_test() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/cattail-test.XXXXXX")
    trap end_test EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# end_test [STATUS]
end_test() {
    local status=${1:-$?} pid
    trap - EXIT
    for pid in "${SERVERS[@]}"; do
        end_process "$pid" || true
    done
    if [ "$status" != 0 ]; then
        show_logs >&2
    fi
    rm -rf "$WORK"
    exit "$status"
}

show_logs() {
    local log
    for log in "$WORK"/*.log; do
        [ -s "$log" ] || continue
        say "--- $(basename "$log"), its last lines"
        tail -n 40 "$log"
    done
}

# start_server NAME COMMAND...: in the background, output to $WORK/NAME.log; its id is in $SERVER.
start_server() {
    local name=$1
    shift
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    SERVER=$!
    SERVERS+=("$SERVER")
}

# Ends a child of ours and what it started: asked first, then made to. The status is the child's.
end_process() {
    local pid=$1 tree
    mapfile -t tree < <(tree_of "$pid")
    if kill -TERM "${tree[@]}" 2>/dev/null && ! gone_within "$pid" 10; then
        say "process $pid did not end within 10 s of SIGTERM" >&2
        kill -KILL "${tree[@]}" 2>/dev/null || true
    fi
    wait "$pid" 2>/dev/null
}

# The process and all that descend from it, one a line.
tree_of() {
    local child
    echo "$1"
    # Threads have children of their own; the files end without a newline.
    # shellcheck disable=SC2013 # words are wanted
    for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do
        tree_of "$child"
    done
}

# gone_within PID SECONDS
gone_within() {
    local deadline=$((SECONDS + $2))
    while is_running "$1"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# A child that ended but was not waited for yet is a zombie, and does not count.
is_running() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}

# A TCP port of 127.0.0.1 that nobody has.
free_port() { python3 "$ROOT/tests/free_ports.py"; }

# Such a port whose next one is free too: a demonstration takes both.
free_pair() { python3 "$ROOT/tests/free_ports.py" 2; }

# wait_for_http URL SECONDS [PID]: until the URL answers 200; not longer than its server lives.
wait_for_http() {
    local url=$1 deadline=$((SECONDS + $2)) pid=${3:-}
    until curl -fsS -o /dev/null --max-time 5 "$url" 2>/dev/null; do
        [ -z "$pid" ] || is_running "$pid" || fail "the server ended before $url answered"
        [ $SECONDS -lt "$deadline" ] || fail "$url did not answer 200 in time"
        sleep 0.1
    done
}

# expect WHAT FOUND WANTED
expect() {
    [ "$2" = "$3" ] || fail "$1: found '$2', expected '$3'"
    say "ok: $1"
}

# === The binary ===

# The linked-for-speed binary of this machine's own target; its path is in $BINARY.
build_binary() {
    local profile=$1
    say "building cattail, profile $profile"
    (cd "$ROOT" && cargo build --quiet --locked --profile "$profile" --bin cattail)
    BINARY=$(target_directory)/$profile/cattail
}

# A binary that needs nothing of the system it runs on, for the image; its path is in $BINARY.
build_static_binary() {
    local arch flags=
    arch=$(uname -m)
    STATIC_TARGET=$arch-unknown-linux-musl
    if ! rustc --print target-libdir --target "$STATIC_TARGET" 2>/dev/null | xargs -r test -d &&
        ! rustup target add "$STATIC_TARGET" >/dev/null 2>&1; then
        STATIC_TARGET=$arch-unknown-linux-gnu
        flags='-C target-feature=+crt-static'
        say "no Rust for musl to be had here: linking glibc statically instead"
    fi
    say "building cattail for $STATIC_TARGET, profile dist"
    (cd "$ROOT" && RUSTFLAGS="$flags" \
        cargo build --quiet --locked --profile dist --target "$STATIC_TARGET" --bin cattail)
    BINARY=$(target_directory)/$STATIC_TARGET/dist/cattail
}

target_directory() {
    echo "${CARGO_TARGET_DIR:-$ROOT/target}"
}
