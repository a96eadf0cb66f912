"""No dependency needs a newer Rust than the one that Cargo.toml states. Clippy holds our own code to it."""

import json
import subprocess
import sys


def version(text):
    return tuple(int(part) for part in text.split("."))[:2]


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--all-features", "--locked"]
    metadata = json.loads(subprocess.check_output(command))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    stated = packages[root]["rust_version"]

    # What the library is built of; tests and examples may need more.
    needed, waiting = set(), [root]
    while waiting:
        package = waiting.pop()
        if package in needed:
            continue
        needed.add(package)
        for dependency in nodes[package]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])

    newer = [
        f"{packages[id]['name']} {packages[id]['version']} needs Rust {packages[id]['rust_version']}"
        for id in needed
        if packages[id]["rust_version"] and version(packages[id]["rust_version"]) > version(stated)
    ]
    print(f"{len(needed)} packages, Rust {stated} stated", *newer, sep="\n")
    sys.exit(bool(newer))


if __name__ == "__main__":
    main()
