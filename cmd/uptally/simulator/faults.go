package simulator

import (
	"slices"

	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/schedule"
)

// fault is something that goes wrong now and then; it says for how long.
type fault struct {
	name string
	// mean is the time between two of them on average, where the world has them at all.
	mean int64
	do   func(w *World) (who int, long int64)
}

// faults are in the order in which they are drawn; each world has about half of them.
var faults = []fault{
	{"kill the agent", 15 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(0, 2*minute)
		m.stop()
		m.restartIn(long)
		return m.index, long
	}},
	{"power cut at the agent", 20 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(10*second, 5*minute)
		m.powerCut()
		m.restartIn(long)
		return m.index, long
	}},
	{"suspend the agent", 30 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(2*second, 8*minute)
		m.sleep(long)
		return m.index, long
	}},
	{"kill the server", 15 * minute, func(w *World) (int, int64) {
		long := w.between(0, 2*minute)
		w.stopServer(long)
		return theServer, long
	}},
	{"long outage of the server", 80 * minute, func(w *World) (int, int64) {
		long := w.between(10*minute, 60*minute)
		w.stopServer(long)
		return theServer, long
	}},
	{"partition", 20 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(5*second, 40*minute)
		m.link.cutUp, m.link.cutDown = w.now+long, w.now+long
		return m.index, long
	}},
	{"nothing reaches the server", 30 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(5*second, 10*minute)
		m.link.cutUp = w.now + long
		return m.index, long
	}},
	{"no reply arrives", 20 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(5*second, 10*minute)
		m.link.cutAfter = w.now + long
		return m.index, long
	}},
	{"bad network", 30 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(minute, 15*minute)
		m.link.lost, m.link.twice, m.link.bent = w.between(100, 500), w.between(0, 200), w.between(0, 300)
		m.link.jitter = w.between(0, 20*second)
		w.after(long, func() {
			m.link.lost, m.link.twice, m.link.bent, m.link.jitter = w.weather.lost, w.weather.twice, w.weather.bent, w.weather.jitter
		})
		return m.index, long
	}},
	{"full disk at the agent", 30 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(10*second, 20*minute)
		m.fullUntil = w.now + long
		return m.index, long
	}},
	{"full disk at the server", 30 * minute, func(w *World) (int, int64) {
		long := w.between(10*second, 20*minute)
		w.server.fullUntil = w.now + long
		return theServer, long
	}},
	{"requests refused", 30 * minute, func(w *World) (int, int64) {
		long := w.between(5*second, 5*minute)
		w.server.refuseUntil = w.now + long
		w.server.refuseWith = []delivery.Failure{delivery.Unreachable, delivery.TooLarge, delivery.Denied}[w.rng.IntN(3)]
		return theServer, long
	}},
	{"damage to the spool", 30 * minute, func(w *World) (int, int64) {
		m := w.some()
		m.powerCut()
		m.damage()
		m.restartIn(w.between(0, minute))
		return m.index, 0
	}},
	{"loss of the spool", 90 * minute, func(w *World) (int, int64) {
		m := w.some()
		m.powerCut()
		m.disk.vanish()
		m.disk.incarnation = 0
		m.restartIn(w.between(0, minute))
		return m.index, 0
	}},
	{"restore of a backup", 25 * minute, func(w *World) (int, int64) { return theServer, w.restoreSome(true) }},
	{"restore, and another one of before, and one of between", 60 * minute, func(w *World) (int, int64) { return theServer, w.restoreToAndFro() }},
	{"ledger set back without a word", 60 * minute, func(w *World) (int, int64) { return theServer, w.restoreSome(false) }},
	{"rollback of the agent's disk", 40 * minute, func(w *World) (int, int64) {
		m := w.some()
		if m.old == nil {
			m.remember()
			return m.index, 0
		}
		m.powerCut()
		m.setBack()
		m.restartIn(w.between(0, minute))
		return m.index, w.now - m.oldAt
	}},
	{"resume from a snapshot", 30 * minute, func(w *World) (int, int64) {
		m := w.some()
		if m.old == nil || !m.oldRan {
			m.remember()
			return m.index, 0
		}
		m.resume()
		return m.index, w.now - m.oldAt
	}},
	{"clone of an agent", 60 * minute, func(w *World) (int, int64) {
		m, long := w.some(), w.between(minute, 20*minute)
		if len(w.machines) >= 6 {
			return m.index, 0
		}
		c := (*machine)(nil)
		if m.proc != nil && !w.restored && w.chance(2) {
			c = m.fork()
		} else {
			c = w.addMachine(m.place, func(index int) *disk { return m.disk.clone(index) })
			c.start()
		}
		w.after(long, func() {
			c.stop()
			c.gone = true
			c.disk.vanish()
		})
		return m.index, long
	}},
	{"step of a wall clock", 30 * minute, func(w *World) (int, int64) {
		m := w.some()
		w.clocks = true
		m.wallOff = w.between(-9*second, 9*second)
		if w.chance(3) {
			long := w.between(10*second, 10*minute)
			back := m.wallOff
			m.wallOff = w.between(-24*hour, 24*hour)
			proc := m.proc
			w.after(long, func() {
				if m.wallOff = back; m.proc != proc {
					m.wallOff = 0
				}
			})
			return m.index, long
		}
		return m.index, 0
	}},
}

// some returns a machine that is there.
func (w *World) some() *machine {
	for {
		if m := w.machines[w.rng.IntN(len(w.machines))]; !m.gone {
			return m
		}
	}
}

// schedule draws which faults this world has, and when.
func (w *World) schedule() {
	for i := range faults {
		if w.chance(2) {
			w.repeat(&faults[i])
		}
	}
	w.backupEvery(w.between(5*minute, 25*minute))
}

func (w *World) repeat(f *fault) {
	at := w.now + int64(w.rng.ExpFloat64()*float64(f.mean)) + second
	if at >= w.calm {
		return
	}
	w.at(at, func() {
		who, long := f.do(w)
		w.fault(f.name, who, long)
		w.counts.Faults[f.name]++
		w.repeat(f)
	})
}

func (w *World) backupEvery(d int64) {
	w.after(d, func() {
		w.server.backup()
		w.backupEvery(d)
	})
}

func (w *World) stopServer(long int64) {
	w.server.stop()
	w.after(long, func() {
		if w.server.down {
			w.server.start()
		}
	})
}

// restoreSome puts a backup back that is younger than the keeping time, and returns its age. Told, the ledger gets another name.
func (w *World) restoreSome(told bool) int64 {
	// Two copies of a running machine give one number to two batches. Each is asked for until the ledger has both, but a ledger that is
	// set back later says of the number that it has it, whichever of the two that is: no copies and restores in one world.
	if w.forked || !told && !w.allRemember() {
		return 0
	}
	w.restored = true
	young := slices.DeleteFunc(slices.Clone(w.server.backups), func(a archive) bool { return w.now-a.at >= w.keep || !told && a.at < w.server.line })
	if len(young) == 0 {
		return 0
	}
	a := young[w.rng.IntN(len(young))]
	if w.chance(2) {
		a = young[0]
	}
	w.server.restore(a, told)
	return w.now - a.at
}

// restoreToAndFro puts an old backup back, soon a newer one of before that, and later one of between, which lacks what the other has.
func (w *World) restoreToAndFro() int64 {
	c := w.server
	if n := len(c.backups); n < 2 || w.forked || c.down || w.now-c.backups[n-2].at >= w.keep {
		return 0
	}
	w.restored = true
	newer := c.backups[len(c.backups)-1]
	c.restore(c.backups[len(c.backups)-2], true)
	w.after(minute, func() {
		between := c.disk.clone(w.now)
		c.restore(newer, true)
		w.after(w.keep*9/10, func() {
			if !w.forked && w.now < w.calm {
				c.restore(between, true)
			}
		})
	})
	return minute + w.keep*9/10
}

// allRemember says that each process has had something acknowledged since it started: before that it knows no batch that a ledger which was
// set back without a word must lack.
func (w *World) allRemember() bool {
	return !slices.ContainsFunc(w.machines, func(m *machine) bool { return m.proc != nil && len(m.proc.sender.Acknowledged()) == 0 })
}

// damage alters or cuts a spool's file while nobody has it open.
func (m *machine) damage() {
	d, w := m.disk, m.w
	switch n := len(d.rows); {
	case n == 0:
	case w.chance(3): // the tail is cut off
		for range w.between(1, int64(min(n, 20))+1) {
			r := d.rows[len(d.rows)-1]
			w.told("cut off", m.index, r.Epoch, r.Seq)
			damaged := r.damaged
			d.destroy(r)
			r.damaged = true
			d.drop(r)
			_ = damaged
		}
	default:
		for range w.between(1, 6) {
			r := d.rows[w.rng.IntN(n)]
			if w.chance(2) {
				r = d.rows[max(0, n-1-w.rng.IntN(10))]
			}
			w.told("damage", m.index, r.Epoch, r.Seq)
			d.destroy(r)
			r.damaged = true
		}
	}
}

// remember takes a snapshot of the machine.
func (m *machine) remember() {
	m.old, m.oldAt, m.oldRan = m.disk.snapshot(), m.w.now, m.proc != nil && m.asleepFrom == 0
}

// heal ends every fault.
func (w *World) heal() {
	w.fault("calm", everyone, 0)
	if w.server.down {
		w.server.start()
	}
	w.server.fullUntil, w.server.refuseUntil = 0, 0
	for _, m := range w.machines {
		m.link = link{delay: w.weather.delay, jitter: w.weather.jitter}
		m.fullUntil = 0
		if m.asleepUntil > w.now {
			m.asleepUntil = w.now
		}
		m.start()
		m.wakeUp()
	}
}

// wakeUp wakes a process.
func (m *machine) wakeUp() {
	if m.proc != nil {
		m.proc.turn(nil)
	}
}

// measureNoMore ends the slots.
func (p *process) measureNoMore() { p.step(schedule.SetPlans(nil, p.now)) }

// restoreLast puts a backup back when nobody measures any more, in every other world.
func (w *World) restoreLast() bool {
	if !w.chance(2) {
		return false
	}
	w.fault("restore of a backup", theServer, w.restoreSome(true))
	return true
}
