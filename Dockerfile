# The four programs, each an image of its own: docker build --target onboard . (or trigger, scheduler, pipeline).
# One compilation makes all four. The tags are of versions, not digests: fix the digests where you can look them up.

# The version is the one of rust-toolchain.toml, and Debian 12 the one of the images at the end: its glibc is what the
# programs are linked with.
FROM rust:1.95.0-bookworm AS toolchain
WORKDIR /src

# What decides how dependencies are compiled: manifests and the lock file. Targets that manifests name or imply have to
# exist, so theirs stay as empty programs. An edit of the sources changes nothing here.
FROM toolchain AS manifests
COPY . .
RUN find . -type f ! -name 'Cargo.*' ! -name lib.rs ! -name main.rs ! -path './*/benches/*' -delete \
    && find . -type d -empty -delete \
    && echo 'fn main() {}' > /empty.rs \
    && find . -name '*.rs' -exec cp /empty.rs {} \;

# Compiled anew only where those differ. What was made of the empty programs is removed: by their times alone, it could
# pass for newer than the sources.
FROM toolchain AS dependencies
COPY --from=manifests /src .
RUN cargo build --release --locked -p onboard -p trigger -p scheduler -p pipeline \
    && cargo clean --release --locked -p common -p onboard -p trigger -p scheduler -p pipeline

FROM dependencies AS build
COPY configs configs
COPY common common
COPY functions functions
RUN cargo build --release --frozen -p onboard -p trigger -p scheduler -p pipeline

# glibc, libgcc_s and the certificates of public authorities, which the programs trust; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot AS base
COPY configs /configs
ENV CONFIGS_DIR=/configs
# The image's user `nonroot`.
USER 65532:65532

FROM base AS onboard
COPY --from=build /src/target/release/onboard /onboard
ENTRYPOINT ["/onboard"]

FROM base AS trigger
COPY --from=build /src/target/release/trigger /trigger
ENTRYPOINT ["/trigger"]

FROM base AS scheduler
COPY --from=build /src/target/release/scheduler /scheduler
ENTRYPOINT ["/scheduler"]

FROM base AS pipeline
COPY --from=build /src/target/release/pipeline /pipeline
ENTRYPOINT ["/pipeline"]
