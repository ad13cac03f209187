# Sourced by ./run and ./test: makes .venv fit requirements/$1.txt, once. POSIX shell, needs nothing but Python 3.11.
#
# $root is the folder of the repository. A stamp in .venv says which requirements it fits, so the next start is quick.

say() {
    printf 'segment-router: %s\n' "$1" >&2
}

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say 'Python 3.11 or newer is needed, and there is none in $PATH. On Debian 12: apt-get install python3 python3-venv'
    exit 1
}

make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say 'installing python3-venv'
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null || exit 1
        fi
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            say 'this Python cannot make virtual environments. Run this line once as root, then this script again:'
            printf 'apt-get install -y python3-venv\n' >&2
            exit 1
        fi
    fi
    "$python" -m venv --clear "$root/.venv"
}

pip_install() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input install "$@"
}

# Whether .venv fits requirements/$1.txt already.
fits() {
    [ -x "$venv/bin/python" ] && [ -f "$venv/stamp" ] || return 1
    case "$(cat "$venv/stamp")" in
        "$stamp test" | "$stamp $1") return 0 ;;
    esac
    return 1
}

# set_up run|test
set_up() {
    venv=$root/.venv
    stamp=$(cd "$root" && printf '%s ' "$root" && cat requirements/run.txt requirements/test.txt pyproject.toml | cksum)
    if fits "$1"; then
        return
    fi
    # Two of these at once would write into each other's .venv: the second one waits. Debian always has flock.
    exec 9>"$root/.venv.lock"
    if command -v flock >/dev/null && ! flock -n 9; then
        say 'another ./run or ./test is setting up .venv; waiting for it'
        flock 9
    fi
    if ! fits "$1"; then
        install_all "$1"
    fi
    exec 9>&-
}

install_all() {
    say "setting up $venv from requirements/$1.txt; this happens once and takes a minute or some"
    # .venv may be there from elsewhere: it will do when it has a Python that works, and pip
    if ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        make_venv
    fi
    rm -f "$venv/stamp"
    pip_install --require-hashes -r "$root/requirements/$1.txt" || exit 1
    pip_install --no-deps --no-build-isolation -e "$root" || exit 1
    printf '%s\n' "$stamp $1" >"$venv/stamp"
}
