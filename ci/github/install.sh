#!/usr/bin/env bash
# Finds perfctl, or builds it from the source of the action.
set -euo pipefail

if [[ -n $BINARY ]]; then
    program=$(command -v "$BINARY") || {
        echo "::error title=perfctl::input binary: there is no such program"
        exit 2
    }
    program=$(realpath "$program")
else
    program=$ROOT/bin/perfctl
    if [[ ! -x $program ]]; then
        command -v cargo >/dev/null || {
            echo "::error title=perfctl::perfctl is built with Rust: install Rust and a C compiler, or set the input binary"
            exit 2
        }
        cargo install --locked --path "$GITHUB_ACTION_PATH" --root "$ROOT"
    fi
fi
"$program" --version
echo "perfctl=$program" >>"$GITHUB_OUTPUT"
