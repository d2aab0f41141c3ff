# Shortcuts; each is a command that also works by hand.

# Lists the recipes.
default:
    @just --list --unsorted

# All tests.
test:
    cargo test --workspace

# Format and lints, as CI holds them.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# One tenant, one run, over the sample data.
demo *args:
    cargo run -- demo {{ args }}

# All routes on 127.0.0.1.
serve *args:
    cargo run -- serve {{ args }}

# The run's life under more interleavings, each from its own seed.
simulate seeds="20000":
    SIMULATION_SEEDS={{ seeds }} cargo test -p local --test simulation

# What the engine adds to the work itself.
overhead *args:
    cargo bench -p local --bench overhead {{ args }}

# Writes the generated files anew: the template schema, the sample export, the OpenAPI document, the list of the embedded SQL.
generate:
    UPDATE=1 cargo test -p common --test templates the_committed_schema
    UPDATE=1 cargo test -p local --lib the_shipped_sample
    UPDATE=1 cargo test -p local --test openapi
    UPDATE=1 cargo test -p local --test googlesql_reference

# Known vulnerabilities in dependencies; fetches the advisory database.
advisories:
    cargo deny --locked check advisories

# Everything a change must pass.
ci:
    .ci/run
