#!/bin/bash
# All that can be said about the code without running it. Each check runs, whatever the one before said.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=

# Versions are pinned so that a new release does not break an old commit.
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.7.0
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.1.4

check() {
	local name=$1
	shift
	if "$@"; then echo "lint: $name is content"; else
		echo "lint: $name is not"
		failed=1
	fi
}

formatted() {
	local files
	files=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l) || return 1
	[ -z "$files" ] || { echo "$files"; return 1; }
}

check gofmt formatted
check "go vet" go vet ./...
check staticcheck go run $staticcheck ./...
if timeout 20 bash -c 'exec 3<>/dev/tcp/vuln.go.dev/443' 2>/dev/null; then
	check govulncheck go run $govulncheck ./...
else
	echo "lint: govulncheck skipped: vuln.go.dev cannot be reached"
fi
[ -z "$failed" ]
