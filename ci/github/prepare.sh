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
    [[ $BASELINE != none ]] || refuse "accept-as-baseline needs a baseline: set the input baseline to cache or a file"
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
case $BASELINE in
cache)
    cache=true
    # Only what the cache has.
    rm -rf .perfctl-baseline
    mkdir .perfctl-baseline
    file=.perfctl-baseline/baseline.json.gz
    ;;
none) file= ;;
*)
    [[ -f $BASELINE || $ACCEPT == true ]] || refuse "input baseline: there is no such file; use cache, a file or none"
    file=$BASELINE
    ;;
esac
{
    echo "reports=$reports"
    echo "root=$RUNNER_TEMP/perfctl-program"
    echo "build=$build"
    echo "source=$source"
    echo "cache=$cache"
    echo "baseline=$file"
} >>"$GITHUB_OUTPUT"
