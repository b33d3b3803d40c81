package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/uptally/uptally"
)

// MaxPlans is the longest answer with plans in bytes.
const MaxPlans = 64 << 20

// Plans is what the agent of a site measures, whole: what a server hands out as JSON.
type Plans struct {
	// Site is the agent's. References are those of the installation as they were written, nil where none are given, so that the
	// site's own resolver and gateway decide.
	Site       string   `json:"site"`
	References []string `json:"references"`
	// Checks are in written order, each once.
	Checks []PlannedCheck `json:"checks"`
	// Moved are checks that the site measured before, and until when. A check that is in neither list ends within a minute.
	Moved []MovedCheck `json:"moved,omitempty"`
	// Given is what the settings refer to, secrets among it: of files by "file NAME", of environment variables by "env NAME".
	Given map[string][]byte `json:"given,omitempty"`
}

// PlannedCheck is a check under its newest plan, which may begin later: until then the agent goes on with what it has.
type PlannedCheck struct {
	Plan uptally.Plan `json:"plan"`
	// Settings are those of the probe, as JSON of probes.Settings.
	Settings json.RawMessage `json:"settings"`
}

// MovedCheck has no slot at the site from At on, in milliseconds UTC.
type MovedCheck struct {
	Check string `json:"check"`
	At    int64  `json:"at"`
}

// PlansVersion returns the version of plans from their JSON. It tells nothing of what is in them to whom the JSON is unknown,
// but whoever can guess all of the JSON but a weak secret can try that: it is no text for a log.
func PlansVersion(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}
