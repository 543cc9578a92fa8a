#!/usr/bin/env bash
# Runs the load test, writes its reports, and adds one to the job summary. It succeeds whatever the verdict is, so that
# the reports are kept; the last step of the action fails the job.
set -euo pipefail

# The words of `args`, quoted as in a shell. Nothing in them is expanded.
if ! xargs -r printf '%s\0' <<<"$ARGS" >"$REPORTS/arguments"; then
    echo "::error title=perfctl::input args: a quote is not closed"
    exit 2
fi
mapfile -d '' -t arguments <"$REPORTS/arguments"
rm "$REPORTS/arguments"

command=("$PERFCTL" run)
[[ -z $SCENARIO ]] || command+=("$SCENARIO")
command+=(
    --no-progress
    --write "markdown=$REPORTS/report.md"
    --write "json=$REPORTS/report.json"
    --write "junit=$REPORTS/junit.xml"
    --write "github=/dev/stdout"
    "${arguments[@]}"
)
# As variables, so that the same options in `args` override them.
export PERFCTL_PROFILE=$PROFILE PERFCTL_OUT=$REPORTS/results PERFCTL_HTML=$REPORTS/report.html
export PERFCTL_INCONCLUSIVE=$INCONCLUSIVE
unset PERFCTL_BASELINE PERFCTL_REPEAT
[[ $REPEAT == auto ]] || export PERFCTL_REPEAT=$REPEAT
if [[ $ACCEPT != true && -n $BASELINE && -f $BASELINE ]]; then
    export PERFCTL_BASELINE=$BASELINE PERFCTL_REPEAT=$REPEAT
fi

errors=$REPORTS/errors.txt
# What perfctl prints appears at once; its errors are kept besides.
run() {
    status=0
    { "${command[@]}" 2>&1 >&3 3>&- | tee "$errors" >&2; } 3>&1 || status=$?
}
run
is_comparable=true
if [[ $status == 4 && ! -s $REPORTS/report.md && -n ${PERFCTL_BASELINE:-} ]] && grep -q '^error: not comparable' "$errors"; then
    echo "::warning title=perfctl::not compared, the log says why; to make this load the baseline, run the workflow by hand and accept it"
    is_comparable=false
    unset PERFCTL_BASELINE
    [[ $REPEAT != auto ]] || unset PERFCTL_REPEAT
    run
fi

verdict=error
grade=
if [[ -s $REPORTS/report.json ]]; then
    verdict=$(jq -r .verdict "$REPORTS/report.json")
    grade=$(jq -r '.grade // ""' "$REPORTS/report.json")
fi
if [[ ! -s $REPORTS/report.md ]]; then
    echo "::error title=perfctl::perfctl could not run the load test (exit code $status); the log says why"
    {
        echo "<!-- perfctl-report -->"
        printf '## perfctl could not run the load test\n\nExit code %s:\n\n' "$status"
        # Indented: nothing in it is markup.
        head -c 20000 "$errors" | sed 's/^/    /'
    } >"$REPORTS/report.md"
fi
rm "$errors"
cat "$REPORTS/report.md" >>"$GITHUB_STEP_SUMMARY"
{
    echo "exit-code=$status"
    echo "verdict=$verdict"
    echo "grade=$grade"
    echo "comparable=$is_comparable"
} >>"$GITHUB_OUTPUT"
