#!/usr/bin/env bash
# comment-fork.sh NAME: comments on a pull request from a fork, on `workflow_run`. The folder `comment` holds the artifact
# of the load test. Its text is that of a stranger, so it becomes a comment and nothing else; which pull request it is
# for, GitHub says.
set -euo pipefail

name=$1
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ && -s comment/report.md ]] || exit 0
# A link would show a file of this machine.
[[ ! -L comment && ! -L comment/report.md && ! -L comment/wanted ]] || exit 2
pull_request=$(gh api --method GET "repos/$GITHUB_REPOSITORY/pulls" \
    --raw-field state=open --raw-field "head=$HEAD_OWNER:$HEAD_BRANCH" \
    --jq "[.[] | select(.head.sha == \"$HEAD_SHA\")][0].number // \"\"")
[[ $pull_request =~ ^[0-9]+$ ]] || {
    echo "no open pull request has the commit $HEAD_SHA; a newer push may have replaced it"
    exit 0
}
is_wanted=false
[[ $(head -c 5 comment/wanted) != true* ]] || is_wanted=true
bash "$(dirname "$0")/post.sh" comment/report.md "$pull_request" "$name" "$is_wanted" "$RUN_URL"
