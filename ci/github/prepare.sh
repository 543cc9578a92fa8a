#!/usr/bin/env bash
# Checks the inputs of the action before anything is sent, and says where the files of the other steps are.
set -euo pipefail

# Ends with an annotation.
refuse() {
    echo "::error title=perfctl::$1"
    exit 2
}

[[ $NAME =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
    refuse "input name: use only letters, digits, dots, hyphens and underscores"
[[ $ACCEPT == true || $ACCEPT == false ]] || refuse "input accept-as-baseline: use true or false"
[[ $COMMENT == failure || $COMMENT == always || $COMMENT == never ]] ||
    refuse "input comment: use failure, always or never"
if [[ $ACCEPT == true ]]; then
    [[ -n $BASELINE ]] || refuse "accept-as-baseline needs the input baseline, the name of the file"
    # Pull requests see the caches of the default branch only.
    [[ $GITHUB_REF == "refs/heads/$DEFAULT_BRANCH" ]] ||
        refuse "a baseline is accepted on the default branch: run the workflow there"
fi

reports=$RUNNER_TEMP/perfctl/$NAME
# What an earlier step of this name left behind.
rm -rf "$reports"
mkdir -p "$reports"
build=false
source=
if [[ -z $BINARY ]]; then
    build=true
    # The cached program belongs to exactly this source.
    source=$(cd "$GITHUB_ACTION_PATH" &&
        find Cargo.toml Cargo.lock src profiles -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
fi
cache=false
# A baseline that is in the repository is pinned there.
if [[ -n $BASELINE && ! -e $BASELINE ]]; then
    cache=true
fi
{
    echo "reports=$reports"
    echo "root=$RUNNER_TEMP/perfctl-program"
    echo "build=$build"
    echo "source=$source"
    echo "cache=$cache"
} >>"$GITHUB_OUTPUT"
