#!/usr/bin/env bash
# Adds the runs to the baseline: those of the default branch until it covers ten occasions, then none, so that a slow
# drift does not move it; or those that a person accepted, in place of all others.
set -euo pipefail

[[ -n $BASELINE ]] || exit 0
runs=("$REPORTS"/results/*)
[[ -e ${runs[0]} ]] || exit 0

if [[ $ACCEPT == true ]]; then
    if [[ $EXIT_CODE != 0 ]]; then
        echo "::error title=perfctl::not accepted as baseline, since the run did not pass; --fail-on none in args accepts it nevertheless"
        exit 0
    fi
    if [[ $CACHE != true ]]; then
        # A file of the user: it is for the user to replace it.
        "$PERFCTL" baseline add "$REPORTS/$(basename "$BASELINE")" "${runs[@]}"
        echo "::notice title=perfctl::the new baseline is in the artifacts; put it in the place of the old one"
        exit 0
    fi
    rm -f "$BASELINE"
    "$PERFCTL" baseline add "$BASELINE" "${runs[@]}"
    echo "changed=true" >>"$GITHUB_OUTPUT"
    exit 0
fi

[[ $CACHE == true && $EXIT_CODE == 0 && $COMPARABLE == true ]] || exit 0
[[ $GITHUB_EVENT_NAME == push || $GITHUB_EVENT_NAME == schedule ]] || exit 0
[[ $GITHUB_REF == "refs/heads/$DEFAULT_BRANCH" ]] || exit 0
before=$(sha256sum "$BASELINE" 2>/dev/null || true)
if ! "$PERFCTL" baseline add "$BASELINE" "${runs[@]}" --up-to 10; then
    echo "::warning title=perfctl::the run was not added to the baseline; the log says why"
    exit 0
fi
if [[ $(sha256sum "$BASELINE") != "$before" ]]; then
    echo "changed=true" >>"$GITHUB_OUTPUT"
fi
