package exporter

import "slices"

// Metric describes one metric family of the page.
type Metric struct {
	// Name is the family's name; a histogram's lines add _bucket, _sum and _count to it.
	Name string
	// Type is counter, gauge or histogram, as in the TYPE line.
	Type string
	// Unit is that of the value: seconds, or a plain word for a count, a share of one or a flag.
	Unit string
	// Labels are the names of the labels in written order, without a histogram's le.
	Labels []string
	// Help is the text of the HELP line: one line, without backslashes.
	Help string
}

// Metrics returns every metric of the page in its order. The caller owns the slice.
func Metrics() []Metric { return slices.Clone(table[:]) }

// family is the index of a metric in the table, which is also its place on the page.
type family int

const (
	buildInfo family = iota

	checkUp
	checkLast
	checkResults
	checkDuration
	checkCertificate
	checkState
	serviceState

	slotsMissed
	lateness
	fires
	inFlight
	workersBusy
	workersLimit

	resultsVoid
	pauses
	pausedTime
	clockOffset
	isolated
	isolations
	referenceUp
	focusChecks
	focusProbes
	focusDropped
	sitesHeard
	relayWords

	ledgerBatches
	ledgerResults
	ledgerAppend
	ledgerLast
	ledgerWaiting
	ledgerSeals
	ledgerSealed
	ledgerSealTime
	ledgerSealLost
	ledgerUnsealed
	ledgerLate
	ledgerBackup

	availability
	target
	classTime
	budget
	budgetLeft
	credit
	insufficient
	computed

	refused
	families
)

var table = [families]Metric{
	buildInfo: {"uptally_build_info", "gauge", "1", []string{"version", "go_version"},
		"Always 1; the labels name the running version and the Go release that built it."},

	checkUp: {"uptally_check_up", "gauge", "flag", []string{"check", "site"},
		"1 if the last decided result (up or down) of the check at the site was up, 0 if it was down; absent before the first."},
	checkLast: {"uptally_check_last_result_timestamp_seconds", "gauge", "seconds", []string{"check", "site"},
		"Send instant of the latest result of the check at the site, whatever its outcome, in seconds since 1970; absent before the first."},
	checkResults: {"uptally_check_results_total", "counter", "results", []string{"check", "site", "outcome", "reason"},
		"Results of the check at the site by outcome and reason; only reasons that occurred since the start."},
	checkDuration: {"uptally_check_duration_seconds", "histogram", "seconds", []string{"check", "site"},
		"Response times of the decided results (up or down) that have one."},
	checkCertificate: {"uptally_check_certificate_expiry_timestamp_seconds", "gauge", "seconds", []string{"check", "site"},
		"When the first certificate of the chain seen by the check at the site expires, in seconds since 1970; absent where none was seen."},

	checkState: {"uptally_check_state", "gauge", "state", []string{"check"},
		"What the newest results of all sites say of the check, provisionally: 0 up, 1 suspected, 2 down by a quorum of sites, 3 unknown since too few sites are known."},
	serviceState: {"uptally_service_state", "gauge", "state", []string{"service"},
		"The same of the service, which is up when all its checks are."},

	slotsMissed: {"uptally_slots_missed_total", "counter", "slots", []string{"reason"},
		"Slots that came due and were not probed, over all checks and sites, by reason."},
	lateness: {"uptally_scheduler_lateness_seconds", "histogram", "seconds", nil,
		"Send instant less scheduled instant of every result that was probed, in whole milliseconds."},
	fires: {"uptally_scheduler_fires_total", "counter", "slots", nil,
		"Slots that came due in this process since its start."},
	inFlight: {"uptally_probes_in_flight", "gauge", "probes", nil,
		"Probes running at this moment."},
	workersBusy: {"uptally_workers_busy", "gauge", "workers", []string{"kind"},
		"Workers of a kind of probe that are busy at this moment."},
	workersLimit: {"uptally_workers_limit", "gauge", "workers", []string{"kind"},
		"The most workers of a kind of probe that may be busy at once."},

	resultsVoid: {"uptally_results_void_total", "counter", "results", []string{"reason"},
		"Results that prove nothing because the site itself was at fault, over all checks and sites, by reason."},
	pauses: {"uptally_pauses_total", "counter", "pauses", nil,
		"How often the process did not run for five seconds or more: suspended, stopped or starved."},
	pausedTime: {"uptally_paused_seconds_total", "counter", "seconds", nil,
		"Time in which the process did not run."},
	clockOffset: {"uptally_clock_offset_seconds", "gauge", "seconds", nil,
		"Wall clock less the agent's own count of time; results are void(clock) while it is more than their lateness may be."},
	isolated: {"uptally_isolated", "gauge", "flag", []string{"part"},
		"1 while no reference answers (part uplink) or the site's resolver does not (part resolver); failures are void(local) then. Absent without references."},
	isolations: {"uptally_isolations_total", "counter", "times", []string{"cause"},
		"How often that began, by the part nearest to the agent that did not answer (uplink, gateway, resolver)."},
	referenceUp: {"uptally_reference_up", "gauge", "flag", []string{"reference"},
		"1 if the reference answered when it was last asked, which is beside a failure and once an hour; absent before."},
	focusChecks: {"uptally_focus_checks", "gauge", "checks", []string{"state"},
		"Checks that are looked at beyond their slots: each second (state focus), or as surely down (state down)."},
	focusProbes: {"uptally_focus_probes_total", "counter", "probes", nil,
		"Probes begun beside the slots: by focus, or to repeat one that the agent itself spoiled."},
	focusDropped: {"uptally_focus_dropped_total", "counter", "probes", nil,
		"Probes beside the slots that found no worker or came too late; no slot was due, so nothing is recorded."},

	sitesHeard: {"uptally_sites_heard", "gauge", "sites", nil,
		"Other sites of this agent's checks that it hears now; 0 also where the server cannot be reached: then it focuses alone. Absent where no check is shared."},
	relayWords: {"uptally_relay_words_total", "counter", "words", []string{"fate"},
		"Words that agents told this server for other sites (fate told), that listeners fetched, each for itself (passed), that were not of the agent's checks or too many (refused), and that nobody fetched in time (dropped)."},

	ledgerBatches: {"uptally_ledger_batches_appended_total", "counter", "batches", nil,
		"Batches made durable by this process since its start."},
	ledgerResults: {"uptally_ledger_results_appended_total", "counter", "results", nil,
		"Results made durable by this process since its start."},
	ledgerAppend: {"uptally_ledger_append_seconds_total", "counter", "seconds", nil,
		"Time spent in appends, from handing over to stable storage."},
	ledgerLast: {"uptally_ledger_last_append_timestamp_seconds", "gauge", "seconds", nil,
		"When the last append was on stable storage, in seconds since 1970; absent before the first."},
	ledgerWaiting: {"uptally_ledger_waiting_results", "gauge", "results", nil,
		"Results taken and not yet on stable storage."},
	ledgerSeals: {"uptally_ledger_seals_total", "counter", "days", []string{"kind"},
		"Days of a site sealed by this process: for good (kind final), again because results came later (again), or before they were over (provisional)."},
	ledgerSealed: {"uptally_ledger_sealed_results_total", "counter", "results", nil,
		"Results that these seals moved from the log into days, about: as many as were there when the day was listed."},
	ledgerSealTime: {"uptally_ledger_seal_seconds_total", "counter", "seconds", nil,
		"Time spent in sealing, failures included."},
	ledgerSealLost: {"uptally_ledger_seal_failures_total", "counter", "times", []string{"cause"},
		"How often the ledger could not list or seal days (cause error), or another server was faster (stale). Each is tried again."},
	ledgerUnsealed: {"uptally_ledger_unsealed_since_timestamp_seconds", "gauge", "seconds", nil,
		"Since when the oldest day has waited to be sealed, in seconds since 1970: its end, or when late results were first seen; absent where none waits."},
	ledgerLate: {"uptally_ledger_late_changes_total", "counter", "days", nil,
		"Days of a check at a site that late results changed after they had been sealed for good."},
	ledgerBackup: {"uptally_ledger_backup_timestamp_seconds", "gauge", "seconds", nil,
		"The instant of the newest checked backup of the ledger, in seconds since 1970; absent where there is none."},

	availability: {"uptally_agreement_availability_ratio", "gauge", "share of one", []string{"agreement", "service", "bound"},
		"Availability of the running period to date by the agreement's terms: the point figure (bound point) and its bounds (low, high); absent where nothing is eligible or measured."},
	target: {"uptally_agreement_target_ratio", "gauge", "share of one", []string{"agreement", "service"},
		"The availability that the version in force promises."},
	classTime: {"uptally_agreement_class_seconds", "gauge", "seconds", []string{"agreement", "service", "class"},
		"Time of the running period to date by class (up, down, excluded, outside, unknown); the classes add up to the time gone by."},
	budget: {"uptally_agreement_budget_seconds", "gauge", "seconds", []string{"agreement", "service"},
		"The downtime that the target allows over the whole period."},
	budgetLeft: {"uptally_agreement_budget_left_seconds", "gauge", "seconds", []string{"agreement", "service", "track"},
		"The allowed downtime less the downtime to date by track (certain, point, possible); negative where it is overspent."},
	credit: {"uptally_agreement_credit", "gauge", "major units of the currency", []string{"agreement", "service", "currency", "bound"},
		"The credit owed if the period ended now: proven, point and max."},
	insufficient: {"uptally_agreement_insufficient_evidence", "gauge", "flag", []string{"agreement", "service"},
		"1 if more of the eligible time is unknown than the agreement accepts."},
	computed: {"uptally_agreement_computed_timestamp_seconds", "gauge", "seconds", []string{"agreement"},
		"The instant up to which the agreement's figures were computed, in seconds since 1970."},

	refused: {"uptally_exporter_refused_total", "counter", "results", nil,
		"Results and certificate dates of a check and site that are not configured here, or with a reason that no agent writes."},
}
