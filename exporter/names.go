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

	intakeBatches
	agentSpoke
	agentNewest
	agentWaiting
	agentOldest
	agentLeft
	agentDamaged
	agentBehind
	agentClock
	agentClockBound
	agentUntil
	agentTwins
	shipped
	shipFailures
	shipIncarnations
	spoolBytes
	spoolBound
	spoolLost
	requests
	problemBatches
	incarnations

	reloads
	reloadRefused

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

	intakeBatches: {"uptally_intake_batches_total", "counter", "batches", []string{"result"},
		"Batches that came, from agents or the process's own site: counted (stored), there already (duplicate), kept and not counted (held), not readable (refused), or not stored (failed)."},
	agentSpoke: {"uptally_agent_last_spoke_timestamp_seconds", "gauge", "seconds", []string{"agent", "site"},
		"When the agent and its server spoke last, in seconds since 1970; before that, when this process began. On a server a line for each agent that is enrolled, on an agent's own page its own."},
	agentNewest: {"uptally_agent_newest_result_timestamp_seconds", "gauge", "seconds", []string{"agent", "site"},
		"The newest send instant among the results that the agent delivered since this process began, in seconds since 1970; absent before the first."},
	agentWaiting: {"uptally_agent_batches_waiting", "gauge", "batches", []string{"agent", "site"},
		"Batches in the agent's spool that no server has acknowledged, as the agent told last."},
	agentOldest: {"uptally_agent_oldest_waiting_timestamp_seconds", "gauge", "seconds", []string{"agent", "site"},
		"When the oldest of them was appended to the spool, in seconds since 1970; absent where none waits."},
	agentLeft: {"uptally_agent_spool_left_seconds", "gauge", "seconds", []string{"agent", "site"},
		"How long the agent's spool has room at the rate of the last day if nothing is acknowledged; absent where that is not known."},
	agentDamaged: {"uptally_agent_spool_damaged_files", "gauge", "files", []string{"agent", "site"},
		"Damaged files that lie beside the agent's spool for a person to look at."},
	agentBehind: {"uptally_agent_plans_behind", "gauge", "flag", []string{"agent", "site"},
		"1 while the agent measures by other plans than the server has for it."},
	agentClock: {"uptally_agent_clock_offset_seconds", "gauge", "seconds", []string{"agent", "site"},
		"The agent's clock less the server's, by the exchange with the shortest round trip of the last eight; absent before the first."},
	agentClockBound: {"uptally_agent_clock_bound_seconds", "gauge", "seconds", []string{"agent", "site"},
		"How far that may be wrong."},
	agentUntil: {"uptally_agent_identity_until_timestamp_seconds", "gauge", "seconds", []string{"agent", "site"},
		"When the agent's certificate ends, in seconds since 1970; it renews itself after two thirds. Absent for a bearer token."},
	agentTwins: {"uptally_agent_twins_total", "counter", "signs", []string{"agent", "site"},
		"Signs that two agents deliver under one identity; on the server's page."},
	shipped: {"uptally_delivery_acknowledged_batches_total", "counter", "batches", nil,
		"Batches of this agent that its server acknowledged."},
	shipFailures: {"uptally_delivery_failures_total", "counter", "times", []string{"cause"},
		"Requests of this agent without a reply: nobody answered (no_answer), no server of this program did or it could not (unusable), the request was beyond a limit (too_large), the identity was not accepted (denied); and failures of the spool (spool)."},
	shipIncarnations: {"uptally_delivery_incarnations_total", "counter", "times", nil,
		"How often this agent met another ledger than before: one that was restored, or set back."},
	spoolBytes: {"uptally_spool_bytes", "gauge", "bytes", nil,
		"Bytes of the spool's file that are in use."},
	spoolBound: {"uptally_spool_bound_bytes", "gauge", "bytes", nil,
		"The most that it may have."},
	spoolLost: {"uptally_spool_lost_batches", "gauge", "batches", nil,
		"Batches of the spool that cannot be read any more and that no server was told of."},
	requests: {"uptally_agents_requests_total", "counter", "requests", []string{"result"},
		"Requests at the agents' port: answered (done), or refused: without a known identity (anonymous), with one that was revoked or has ended (denied), malformed, too_large, for want of room or of a ledger that takes anything (busy), or of no known route (stray)."},
	problemBatches: {"uptally_agents_batches_refused_total", "counter", "batches", []string{"problem"},
		"Batches that an agent did not get accepted: damaged, of another agent or site (foreign), under a number that was given before (reused), or of a newer form (newer)."},
	incarnations: {"uptally_ledger_incarnations_total", "counter", "times", nil,
		"How often an agent remembered a batch as acknowledged that the ledger lacks: it was set back, and all agents send again."},

	reloads: {"uptally_reloads_total", "counter", "reloads", []string{"result"},
		"Signals to read the files anew: put in force as a whole (result done), or refused for a mistake, so that nothing changed (refused)."},
	reloadRefused: {"uptally_reload_refused", "gauge", "flag", nil,
		"1 while the last reload was refused: the process goes on with what it had, and its files say something else."},

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
