#!/usr/bin/env bash
# Comments on the pull request: once for each load test, and edits that comment from then on. A pull request on which
# nothing failed gets no comment, unless it has one already.
set -euo pipefail

[[ -n $PULL_REQUEST && $COMMENT != never && -s $REPORTS/report.md ]] || exit 0
is_wanted=false
[[ $COMMENT != always && $EXIT_CODE == 0 ]] || is_wanted=true

mkdir -p "$REPORTS/comment"
if [[ $HEAD_REPOSITORY != "$GITHUB_REPOSITORY" ]]; then
    # From a fork: the token can only read. `comment-fork.sh` goes on from here, in a workflow that may write.
    cp "$REPORTS/report.md" "$REPORTS/comment/report.md"
    echo "$is_wanted" >"$REPORTS/comment/wanted"
    echo "is-kept=true" >>"$GITHUB_OUTPUT"
    exit 0
fi
run=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID
bash "$(dirname "$0")/post.sh" "$REPORTS/report.md" "$PULL_REQUEST" "$NAME" "$is_wanted" "$run"
