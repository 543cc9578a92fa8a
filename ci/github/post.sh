#!/usr/bin/env bash
# post.sh REPORT PULL_REQUEST NAME IS_WANTED RUN_URL: writes the report as a comment, or edits the one that is there.
# Without permission it warns, and does not fail the job.
set -euo pipefail

report=$1 pull_request=$2 name=$3 is_wanted=$4 run=$5
marker='<!-- perfctl-report -->'
job="<!-- perfctl-job: $name -->"
# The longest comment of GitHub has 65,536 characters.
longest=64000

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
body=$folder/body text=$folder/text
# The report begins with the marker, too.
grep -vxF -- "$marker" "$report" >"$text" || true
{
    printf '%s\n%s\n' "$marker" "$job"
    if (($(wc -c <"$text") <= longest)); then
        cat "$text"
    else
        # Whole lines.
        head -c "$longest" "$text" | sed '$d'
        printf '\n\nThe report is too long for a comment; the whole of it is in the job summary.\n'
    fi
    printf '\n[Job summary and artifacts](%s)\n' "$run"
} >"$body"

comments=repos/$GITHUB_REPOSITORY/issues
# Only comments of bots: nobody else's text is overwritten.
begins="startswith(\"$marker\\n$job\") or startswith(\"$marker\\r\\n$job\")"
mine=".[] | select(.user.type == \"Bot\" and (.body | $begins)) | .id"
if ! ids=$(gh api --paginate "$comments/$pull_request/comments?per_page=100" --jq "$mine"); then
    echo "::warning title=perfctl::the comments of the pull request cannot be read; the job needs the permission pull-requests: write"
    exit 0
fi
id=${ids%%$'\n'*}
if [[ -n $id ]]; then
    request=(--method PATCH "$comments/comments/$id")
elif [[ $is_wanted == true ]]; then
    request=(--method POST "$comments/$pull_request/comments")
else
    exit 0
fi
if ! gh api --silent "${request[@]}" --field "body=@$body"; then
    echo "::warning title=perfctl::cannot comment on the pull request; the job needs the permission pull-requests: write"
fi
