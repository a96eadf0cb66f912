#!/usr/bin/env bash
# Measures everything anew, and renews budgets.md, peers/results.tsv, docs/performance.md and its chart: bash benches/renew.sh
# With --quick the peers take 2 minutes in place of 12, and their figures vary more.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --quiet --profile bench --test budgets -- --strict --write
cargo run --quiet --release --manifest-path benches/peers/Cargo.toml -- "$@"
