#!/usr/bin/env bash
# Removes a scratch folder's compiled modules where a source is newer than they are: drop_stale_modules.sh SCRATCH.
#
# An optimized incremental build of SwiftPM (6.3) compiles the module that changed, but can keep a module that uses it
# with the layout that its classes had before; such a program corrupts its memory. Compiling all of them takes a minute.
set -euo pipefail

scratch=$1
stamp=$scratch/modules.stamp
if [ -e "$stamp" ] && [ -z "$(find Package.swift Sources Tests -newer "$stamp" -print -quit)" ]; then exit 0; fi
mkdir -p "$scratch"
# What SwiftPM wrote for its own use stays: it would not write it again.
find "$scratch" -path '*/release/*.build/*' -name '*.swift.o' -delete
find "$scratch" -path '*/release/Modules/*' -name '*.swiftmodule' -delete
touch "$stamp"
