package simulator

import (
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/probes/schedule"
)

// machine is where an agent runs: its disk, its wall clock, and the process, which comes and goes.
type machine struct {
	w     *World
	index int
	place int
	disk  *disk
	proc  *process // nil while none runs
	// wallOff is the wall clock less true time.
	wallOff     int64
	fullUntil   int64 // somebody else fills the disk
	asleepUntil int64
	asleepFrom  int64
	gone        bool  // for good
	old         *disk // a snapshot
	oldAt       int64
	oldRan      bool
	ran         []agreements.Interval // when a process ran
	link        link
	slept       []agreements.Interval // when nothing ran, or what ran was forgotten
}

func (w *World) addMachine(place int, d func(index int) *disk) *machine {
	m := &machine{w: w, index: len(w.machines), place: place, link: w.weather}
	w.machines = append(w.machines, m)
	m.disk = d(m.index)
	return m
}

// start starts the process, unless one runs.
func (m *machine) start() {
	if m.proc != nil || m.gone {
		return
	}
	m.w.told("start", m.index, 0, 0)
	if m.wallOff > mostFollowed || m.wallOff < -mostFollowed {
		m.wallOff = 0 // machines set their clocks before they start an agent
	}
	m.ran = append(m.ran, agreements.Interval{From: m.w.now, To: agreements.Forever})
	m.proc = newProcess(m)
	m.disk.open()
	m.proc.begin(m.proc.now)
}

// stop ends the process at once: what it had in memory is gone.
func (m *machine) stop() {
	if m.proc == nil {
		return
	}
	m.w.told("stop", m.index, 0, 0)
	m.proc.abandon()
	m.proc = nil
	last := &m.ran[len(m.ran)-1]
	if last.To = m.w.now; m.asleepFrom != 0 {
		last.To = m.asleepFrom
	}
	m.asleepUntil, m.asleepFrom = 0, 0
}

// powerCut stops the process and takes what was not on the disk.
func (m *machine) powerCut() {
	m.stop()
	m.disk.powerCut()
}

// restartIn starts the process again after a while.
func (m *machine) restartIn(d int64) { m.w.after(d, m.start) }

// sleep suspends the machine.
func (m *machine) sleep(d int64) {
	if m.proc != nil && m.asleepFrom == 0 {
		m.asleepFrom, m.asleepUntil = m.w.now, m.w.now+d
		m.proc.now = max(m.proc.now, m.proc.count())
		m.slept = append(m.slept, agreements.Interval{From: m.w.now, To: m.w.now + d})
		m.w.at(m.asleepUntil, func() {
			if m.proc != nil {
				m.proc.turn(nil)
			}
		})
	}
}

// setBack puts a snapshot in the place of the disk. What the newer disk alone held is destroyed.
func (m *machine) setBack() {
	now := m.disk
	m.disk, m.old = m.old, nil
	m.disk.remember()
	for _, r := range now.rows {
		now.destroy(r)
	}
}

// fork makes a copy of a running machine, memory included: both give the same numbers from now on.
func (m *machine) fork() *machine {
	w := m.w
	w.forked = true
	c := w.addMachine(m.place, func(index int) *disk { return m.disk.clone(index) })
	c.wallOff = m.wallOff
	c.ran = append(c.ran, agreements.Interval{From: w.now, To: agreements.Forever})
	c.proc = newProcess(c)
	c.proc.skew, c.proc.read = m.proc.skew, m.proc.read
	c.proc.begin(c.proc.count())
	w.told("fork", c.index, c.disk.epoch, c.disk.seq)
	return c
}

// resume goes on from a snapshot of the whole machine, memory included: the process believes that it is the instant of the
// snapshot, finds that it has slept, and gives the numbers that it gave before once more.
func (m *machine) resume() {
	m.stop()
	then := m.oldAt
	m.slept = append(m.slept, agreements.Interval{From: then, To: m.w.now})
	m.setBack()
	m.wallOff = 0
	m.ran = append(m.ran, agreements.Interval{From: m.w.now, To: agreements.Forever})
	p := newProcess(m)
	m.proc = p
	now := p.now
	p.begin(then + p.skew)
	p.pausedTo = now
	p.now = now
	m.disk.open()
	p.step(schedule.Paused(then + p.skew))
	p.rest()
}
