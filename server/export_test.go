package server

// Routes returns the table: method, path, and whether an agent's identity is asked for.
func Routes() (rs []struct {
	Method, Path string
	Agent        bool
	Limit        int64
}) {
	for _, r := range routes() {
		rs = append(rs, struct {
			Method, Path string
			Agent        bool
			Limit        int64
		}{r.method, r.path, r.who == anAgent, r.limit})
	}
	return rs
}

// QueueBytes is the bound of all requests in memory.
const QueueBytes = queueBytes

// Small is the largest request that finds room beyond it.
const Small = small

// Reserve takes and gives back room of the queue.
func (a *Agents) Reserve(agent uint64, n int) bool { return a.shares.take(agent, n) }

// Release gives back what Reserve took.
func (a *Agents) Release(agent uint64, n int) { a.shares.give(agent, n) }

// Waits reports whether an agent's request waits at the relay.
func (r *Relay) Waits(agent uint64, site string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.ears[site][agent]
	return e != nil && e.open
}

// Listen is the beginning and the end of a Hear that takes all there is.
func (r *Relay) Listen(agent uint64, site string) {
	e, turn := r.listen(agent, site)
	r.look(e, turn)
	r.leave(e, turn)
}

// Forget lets each agent speak as if it had said nothing.
func (r *Relay) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.voice)
}
