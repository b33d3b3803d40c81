# uptally: two commands do all the set-up on a fresh Debian machine with Go: `make run` and `make test`.
# Everything a target needs beyond Go it installs itself (apt-get, as root or through sudo).

SHELL := /bin/bash
.DEFAULT_GOAL := help
export CGO_ENABLED := 0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
SOURCES := $(shell find . -name '*.go' -o -name '*.html' -o -name '*.css' -o -name '*.json' -o -name '*.yaml' -o -name '*.yml' | grep -v '^./bin/')
PEERS   := systemd nginx-light knot knot-dnsutils unbound postfix openssh-server openssl postgresql prometheus prometheus-blackbox-exporter \
           nftables iproute2 strace python3-icalendar python3-dateutil victoria-metrics patroni etcd-server
FUZZTIME ?= 20s

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: deps
deps: ## fetch the Go modules (falls back to Debian's sources for VictoriaMetrics/metrics)
	@tools/deps

.PHONY: build
build: bin/uptally ## build the static binary bin/uptally

bin/uptally: go.mod go.sum Makefile $(SOURCES)
	@$(MAKE) --no-print-directory deps
	go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/uptally

.PHONY: run
run: build ## run the main job with the quickstart configuration: probes, embedded ledger, http://127.0.0.1:8080
	bin/uptally run -c configs/quickstart.yaml

.PHONY: demo
demo: build ## the self-contained tour: little services that fail on a script, and a live statement
	bin/uptally demo

.PHONY: peers
peers: ## install the real servers that the tests talk to (Debian packages, kept from starting)
	@tools/peers $(PEERS)

.PHONY: test
test: deps peers check ## everything that must hold, in minutes
	UPTALLY_REQUIRE_PEERS=1 go test -timeout 15m ./...

.PHONY: soak
soak: deps peers ## the long loops: kills, fuzzing, random logs
	UPTALLY_REQUIRE_PEERS=1 UPTALLY_SOAK=1 go test -timeout 80m -count=1 ./...
	$(MAKE) --no-print-directory fuzz FUZZTIME=2m

.PHONY: check
check: deps ## formatting, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { echo 'gofmt would change:'; gofmt -l .; exit 1; }
	go vet ./...
	tools/lint

.PHONY: race
race: deps peers ## the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -short -timeout 30m ./...

.PHONY: fuzz
fuzz: deps ## each fuzz target for FUZZTIME (20s)
	@set -e; go list ./... | while read -r p; do \
	  go test -list '^Fuzz' $$p | grep '^Fuzz' | while read -r f; do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p </dev/null; done; done

.PHONY: bench
bench: deps ## the benchmarks, as in docs/benchmarks.md
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: golden
golden: deps ## write the golden files anew; read the diff before committing
	go test $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -run 'Golden|TestRealServers' -update

.PHONY: image
image: ## build the container image (needs a container engine)
	docker build -t uptally:$(VERSION) --build-arg VERSION=$(VERSION) .
