package delivery

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Secret is a token. It shows itself to nobody who prints, logs or formats it; only JSON of messages carries it.
type Secret struct{ text string }

// SecretOf keeps a text.
func SecretOf(text string) Secret { return Secret{text} }

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

// Format prints that there is a secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[secret]") }

// LogValue logs that there is a secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalJSON writes the text.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.text) }

// UnmarshalJSON reads it.
func (s *Secret) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &s.text) }

// Digest is SHA-256 of the text: what is kept of a token.
func (s Secret) Digest() []byte {
	sum := sha256.Sum256([]byte(s.text))
	return sum[:]
}

// The prefixes of tokens, by which people and scanners of leaked secrets know them.
const (
	joinPrefix  = "uptally-join-1."
	agentPrefix = "uptally-agent-1."
)

// NewJoinToken returns a token of 256 random bits that enrols an agent once. authority is SHA-256 of the certificate, as DER,
// of the server's own authority, by which the agent knows the server at the first contact; empty behind a proxy that ends TLS.
func NewJoinToken(authority []byte) Secret {
	return Secret{joinPrefix + random256() + "." + hex.EncodeToString(authority)}
}

// JoinAuthority returns the digest of the authority that a join token names, nil where it names none.
func JoinAuthority(token Secret) ([]byte, error) {
	rest, ok := strings.CutPrefix(token.text, joinPrefix)
	random, name, two := strings.Cut(rest, ".")
	authority, err := hex.DecodeString(name)
	if !ok || !two || len(random) != 43 || err != nil || len(authority) != 0 && len(authority) != sha256.Size {
		return nil, errors.New("read join token: got another text, want the whole line that uptally server token printed")
	}
	return authority, nil
}

// NewBearer returns a token of 256 random bits with which an agent names and shows itself.
func NewBearer(agent uint64) Secret {
	return Secret{agentPrefix + fmt.Sprintf("%016x", agent) + "." + random256()}
}

// BearerAgent returns the agent that a token names. What it is worth is another question.
func BearerAgent(token Secret) (agent uint64, ok bool) {
	rest, ok := strings.CutPrefix(token.text, agentPrefix)
	name, random, two := strings.Cut(rest, ".")
	var id ID
	err := id.UnmarshalText([]byte(name))
	return uint64(id), ok && two && err == nil && len(random) == 43
}

func random256() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Enrol asks to become an agent.
type Enrol struct {
	Token Secret `json:"token"`
	// Request is a certificate request as DER, made with the agent's own key; empty behind a proxy that ends TLS.
	Request []byte `json:"request,omitempty"`
}

// Renewal asks for a further certificate, or a further token, of the same agent.
type Renewal struct {
	Request []byte `json:"request,omitempty"`
}

// Enrolled answers Enrol and Renewal: who the agent is, and with what it shows it.
type Enrolled struct {
	Agent ID     `json:"agent"`
	Site  string `json:"site"`
	// Certificate and Authority are DER; Until is when the certificate ends, in milliseconds UTC.
	Certificate []byte `json:"certificate,omitempty"`
	Authority   []byte `json:"authority,omitempty"`
	Until       int64  `json:"until_ms,omitempty"`
	// Bearer is instead of them behind a proxy that ends TLS. Two are valid meanwhile: the one
	// that was shown, and this one.
	Bearer *Secret `json:"bearer,omitempty"`
}

// Refusal is the body of every answer that is no success.
type Refusal struct {
	Problem string `json:"problem"`
}
