package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// agentID is the identity of an agent that was never enrolled: 64 random bits kept in the data folder.
func agentID(data string) (uint64, error) {
	path := filepath.Join(data, "agent")
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id := random64()
		return id, writeWhole(path, fmt.Appendf(nil, "%016x\n", id))
	case err != nil:
		return 0, fmt.Errorf("read the agent's identity: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != 8 {
		return 0, fmt.Errorf("read the agent's identity %q: got %q, want sixteen hexadecimal digits", path, text)
	}
	return binary.BigEndian.Uint64(raw), nil
}

func random64() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}
