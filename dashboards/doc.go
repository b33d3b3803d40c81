// Package dashboards holds what operators and account managers load into their own tools: uptally.json, a Grafana
// dashboard of both sides, and alerts.yaml, rules for Prometheus. It has no code; its test scrapes a running exporter with
// a real Prometheus and runs every query of both files.
package dashboards
