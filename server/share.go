package server

import "sync"

// queueBytes bounds what all requests hold in memory at a time, as they travel and decompressed.
const queueBytes = 64 << 20

// small requests, such as those with the batch of a second, have reserve beyond it, so that live data finds room beside backlogs.
const small, reserve = 64 << 10, 4 << 20

// shares hands out the bytes of the queue. An agent gets no more than it leaves to the others, so that one with a large
// backlog never keeps a small one waiting. The zero value is ready.
type shares struct {
	mu    sync.Mutex
	used  int
	agent map[uint64]int
}

// take reserves n bytes for an agent and reports whether it got them.
func (s *shares) take(agent uint64, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agent == nil {
		s.agent = map[uint64]int{}
	}
	room := queueBytes - s.used - n
	if n <= small {
		room += reserve
	}
	if s.agent[agent]+n > room {
		return false
	}
	s.used += n
	s.agent[agent] += n
	return true
}

// give returns what take reserved.
func (s *shares) give(agent uint64, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	if s.agent[agent] -= n; s.agent[agent] == 0 {
		delete(s.agent, agent)
	}
}
