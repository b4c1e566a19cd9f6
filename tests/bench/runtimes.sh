# SPDX-License-Identifier: Apache-2.0
# How each runtime starts a program. Sourced by run.sh, which sets: work (temporary folder), tools (what is run
# inside, visible there under the same path), runsc, platforms.

path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

runtimes_known() { # all that could run on this machine
    local p
    echo native
    for p in $platforms; do echo "$p"; done
    if [ -n "${GVISOR:-}" ]; then
        for p in ${GVISOR_PLATFORMS:-systrap}; do echo "gvisor-$p"; done
    fi
    for p in bwrap proot runc; do
        PATH=$path command -v $p >/dev/null && echo $p
    done
}

# runtime_command NAME PROGRAM ARG... : sets CMD, to be run in the host's / with the plain environment below.
runtime_command() {
    local name=$1 rootless=()
    shift
    [ "$(id -u)" = 0 ] || rootless=(--rootless)
    case $name in
    native) CMD=("$@") ;;
    bwrap)
        CMD=(bwrap --unshare-all --die-with-parent --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp
            --ro-bind "$tools" "$tools" --chdir / "$@")
        ;;
    proot) CMD=(proot -w / "$@") ;;
    runc)
        runc_bundle "$@" || return 1
        CMD=(runc --root "$work/runc" run --bundle "$work/bundle" "bench-$$-$RANDOM")
        ;;
    gvisor-*)
        CMD=("$GVISOR" "${rootless[@]}" --root "$work/gvisor" --platform="${name#gvisor-}" --network=none
            --ignore-cgroups do --quiet "$@")
        ;;
    *)
        CMD=("$runsc" "${rootless[@]}" --root "$work/state" --platform="$name" do --cwd / "$@")
        ;;
    esac
    CMD=(env -i PATH="$path" LC_ALL=C HOME=/tmp SCRATCH="$(scratch_of "$name")" "${CMD[@]}")
}

# Where the program writes: on the host for native and proot; the others have a /tmp of their own.
scratch_of() {
    case $1 in
    native | proot) echo "$scratch" ;;
    *) echo /tmp ;;
    esac
}

# A bundle whose root has the host's system folders, read-only, and a tmpfs on /tmp.
runc_bundle() {
    local b=$work/bundle f mounts="" rootless=() quoted
    mkdir -p "$b/rootfs" || return 1
    for f in /bin /sbin /lib /lib32 /lib64 /libx32 /usr /etc /opt; do
        if [ -L $f ]; then
            ln -sfn "$(readlink $f)" "$b/rootfs$f"
        elif [ -d $f ]; then
            mounts="$mounts {\"destination\": \"$f\", \"source\": \"$f\", \"options\": [\"rbind\", \"ro\"]},"
        fi
    done
    mounts="$mounts {\"destination\": \"/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"},"
    mounts="$mounts {\"destination\": \"$tools\", \"source\": \"$tools\", \"options\": [\"rbind\", \"ro\"]},"
    quoted=$(printf ', "%s"' "$@")
    [ "$(id -u)" = 0 ] || rootless=(--rootless)
    rm -f "$b/config.json"
    PATH=$path runc spec --bundle "$b" "${rootless[@]}" || return 1
    # Of the standard configuration only the program, the mounts and the terminal are changed.
    awk -v args="${quoted#, }" -v mounts="$mounts" -v scratch=/tmp -v path="$path" '
        /"terminal": true/ { sub(/true/, "false") }
        /"args": \[/ { print "\"args\": [" args "],"; skip = 1 }
        /"env": \[/ { print "\"env\": [\"PATH=" path "\", \"LC_ALL=C\", \"HOME=/tmp\", \"SCRATCH=" scratch "\"],"; skip = 1 }
        skip { if (/\]/) skip = 0; next }
        { print }
        /"mounts": \[/ { print mounts }' "$b/config.json" >"$b/config.new" &&
        mv "$b/config.new" "$b/config.json"
}

# What a runtime that was interrupted may have left.
runtimes_cleanup() {
    local id p
    if [ -d "$work/runc" ]; then
        for id in "$work/runc"/*/; do runc --root "$work/runc" delete -f "$(basename "$id")" 2>/dev/null; done
    fi
    [ -d "$work/gvisor" ] && for p in $(gvisor_processes); do kill -KILL "$p" 2>/dev/null; done
}

# gVisor's sandbox is no child of the program that was started: those that have our folder in their arguments.
gvisor_processes() {
    grep -l -a -s -F "$work/gvisor" /proc/[0-9]*/cmdline | cut -d / -f 3 | grep -vx $$
}
