# perfctl in a small image: no shell, not root, CA certificates. It writes to /results only, so it also runs with
# `--read-only`. See docs/ci.md.
#
#   docker build --tag perfctl .
#   docker run --rm --network host perfctl run http://localhost:8000/health -t 10s
#
# With a shell, for the jobs of CI systems:
#
#   docker build --target ci --tag perfctl-ci .

FROM rust:1-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY src src
COPY profiles profiles
# The benches are named in Cargo.toml, and are not built.
COPY benches benches
RUN cargo build --profile dist --locked --bin perfctl
# The owner of a new volume is that of this folder.
RUN mkdir /results

FROM debian:bookworm-slim AS ci
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist/perfctl /usr/local/bin/perfctl

# glibc, since the allocator of musl is slower under load.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/perfctl /usr/local/bin/perfctl
COPY --from=build --chown=65532:65532 /results /results
ENV PERFCTL_OUT=/results
# Scenarios are mounted here.
WORKDIR /work
VOLUME /results
# A stopped run writes its report; `docker stop --time 40` gives requests in flight the time to finish.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/perfctl"]
