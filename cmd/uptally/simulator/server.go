package simulator

import (
	"context"
	"maps"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
)

// center is the server: the ledger that is on its disk, and the process, which comes and goes.
type center struct {
	w           *World
	disk        archive
	down        bool
	born        int
	line        int64 // when the ledger was put back last: no backup of before is of its own past
	fullUntil   int64
	refuseUntil int64
	refuseWith  delivery.Failure
	waiting     []*request // for the next commit
	sealing     *ledger.SealTurns
	backups     []archive
}

// archive is all that a backup holds.
type archive struct {
	at          int64
	store       *ledger.Memory
	incarnation uint64
	taken       []*batch // in order of the commits: what the ledger must hold
	gone        map[[2]uint64]delivery.Ranges
	counted     map[*batch]int
	log         map[[3]uint64]uint32 // agent, epoch, number: CRC of the first, never 0
}

func (a *archive) clone(now int64) archive {
	c := archive{at: now, store: a.store.Clone(), incarnation: a.incarnation, taken: slices.Clone(a.taken), gone: map[[2]uint64]delivery.Ranges{}, counted: map[*batch]int{}, log: map[[3]uint64]uint32{}}
	for k, v := range a.gone {
		c.gone[k] = slices.Clone(v)
	}
	maps.Copy(c.counted, a.counted)
	maps.Copy(c.log, a.log)
	return c
}

func newCenter(w *World) *center {
	c := &center{w: w, disk: archive{store: &ledger.Memory{}, incarnation: w.rng.Uint64(), gone: map[[2]uint64]delivery.Ranges{}, counted: map[*batch]int{}, log: map[[3]uint64]uint32{}}}
	if err := c.disk.store.AddPlans(context.Background(), w.plans...); err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}

func (c *center) start() {
	c.born++
	c.down, c.waiting = false, nil
	c.sealing = ledger.NewSealTurns(ledger.SealerOptions{Store: c.disk.store}, c.w.now)
	c.seal(c.born)
	c.w.told("start", theServer, 0, 0)
}

// stop ends the process at once.
func (c *center) stop() {
	c.down = true
	c.born++
	c.w.told("stop", theServer, 0, 0)
}

func (c *center) seal(born int) {
	if c.born != born {
		return
	}
	next := c.sealing.Turn(context.Background(), c.w.now)
	c.w.at(max(next, c.w.now+1_000), func() { c.seal(born) })
}

// receive takes a request that arrived.
func (c *center) receive(r *request) {
	w := c.w
	switch {
	case c.down:
		w.refuse(r, delivery.Unreachable, 0)
	case w.now < c.refuseUntil && (c.refuseWith != delivery.TooLarge || r.size() > 600):
		w.refuse(r, c.refuseWith, 0)
	case r.hello != nil:
		c.hello(r)
	case len(r.parcels) == 0:
		c.remembers(r)
		w.reply(r, c.newReply())
	default:
		if w.per1000(r.from.link.bent) {
			bent := *r
			bent.parcels = w.bend(r.parcels)
			r = &bent
		}
		if c.waiting = append(c.waiting, r); len(c.waiting) == 1 {
			born := c.born
			w.after(w.between(5, 40), func() {
				if c.born == born {
					c.commit()
				}
			})
		}
	}
}

// remembers gives the ledger another name where an agent remembers more than it has. It is asked after a request's batches were stored.
func (c *center) remembers(r *request) {
	if c.lacks(r) {
		c.disk.incarnation = c.w.rng.Uint64()
	}
}

// lacks says that the ledger has not what an agent knows to be acknowledged: it was set back without a word.
func (c *center) lacks(r *request) bool {
	if r.incarnation != c.disk.incarnation || c.w.bug == NothingRemembered || c.w.bug == NoIncarnation {
		return false
	}
	return slices.ContainsFunc(r.remembered, func(n delivery.Number) bool {
		return c.disk.log[[3]uint64{r.agent, n.Epoch, n.Seq}] == 0
	})
}

func (c *center) newReply() delivery.Reply {
	return delivery.Reply{Incarnation: delivery.ID(c.disk.incarnation)}
}

// hello answers what the ledger took of an agent's epochs, and notes what the agent cannot give any more.
func (c *center) hello(r *request) {
	reply := c.newReply()
	c.w.told("hello", r.from.index, c.disk.incarnation, uint64(len(r.hello.Epochs)))
	for _, h := range r.hello.Epochs {
		taken := c.taken(r.agent, uint64(h.Epoch))
		reply.Taken = append(reply.Taken, delivery.Taken{Epoch: h.Epoch, Ranges: taken})
		key := [2]uint64{r.agent, uint64(h.Epoch)}
		c.disk.gone[key] = c.disk.gone[key].Union(h.Gone(taken))
	}
	c.w.reply(r, reply)
}

// missing are the numbers of an epoch that the server reports: what a hello could not give any more, and the holes in what was taken.
func (c *center) missing(agent, epoch uint64) delivery.Ranges {
	taken, told := c.taken(agent, epoch), c.disk.gone[[2]uint64{agent, epoch}]
	if n := len(taken); n > 0 && c.w.bug != GapsByHello {
		told = told.Union(delivery.Ranges{{From: 1, To: taken[n-1].To}})
	}
	return told.Without(taken)
}

func (c *center) taken(agent, epoch uint64) delivery.Ranges {
	ranges, err := c.disk.store.Taken(context.Background(), agent, epoch)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var rs delivery.Ranges
	for _, r := range ranges {
		rs = append(rs, delivery.Range{From: r[0], To: r[1]})
	}
	return rs
}

// commit joins the requests that wait into one transaction and answers them.
func (c *center) commit() {
	group := c.waiting
	c.waiting = nil
	if c.w.now < c.fullUntil {
		for _, r := range group {
			c.w.refuse(r, delivery.Unreachable, 1_000)
		}
		return
	}
	var in []ledger.Incoming
	replies := make([]delivery.Reply, len(group))
	for i, r := range group {
		replies[i] = c.newReply()
		for _, p := range r.parcels {
			b, v := c.judge(r, p)
			replies[i].Accepted = append(replies[i].Accepted, v)
			if b.Data != nil {
				in = append(in, b)
			}
		}
	}
	if c.w.bug == AckBeforeCommit {
		c.commitLater(in)
	} else {
		c.append(in)
	}
	for i, r := range group {
		c.remembers(r)
		replies[i].Incarnation = delivery.ID(c.disk.incarnation)
		c.w.reply(r, replies[i])
	}
}

// judge is what a server does with one batch.
func (c *center) judge(r *request, p parcel) (ledger.Incoming, delivery.Verdict) {
	v := delivery.Verdict{Epoch: delivery.ID(p.Epoch), Seq: p.Seq}
	b, err := uptally.DecodeBatch(p.data)
	switch {
	case err != nil && c.w.bug == DamagedIsTaken:
		return ledger.Incoming{}, v
	case err != nil:
		v.Problem = delivery.Damaged
		return ledger.Incoming{}, v
	case b.Agent != r.agent:
		v.Problem = delivery.Foreign
		return ledger.Incoming{}, v
	case c.w.bug == SequenceOnly && c.taken(b.Agent, b.Epoch).Has(b.Seq),
		c.w.bug == LateIsDropped && c.sealed(b):
		return ledger.Incoming{}, v
	}
	key := [3]uint64{b.Agent, b.Epoch, b.Seq}
	crc, _ := uptally.CRC(p.data)
	if was, known := c.disk.log[key]; known && was != max(crc, 1) {
		v.Problem = delivery.Reused
	} else {
		c.disk.log[key] = max(crc, 1)
	}
	return ledger.Incoming{Batch: b, Data: p.data, Held: server.Judge(b, c.w.known, c.w.now)}, v
}

// sealed says that a batch's day is sealed for good.
func (c *center) sealed(b uptally.Batch) bool {
	u, err := c.disk.store.Unsealed(context.Background(), ledger.SiteDay{Site: b.Site, Day: b.Day})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return u.Final
}

// append is the commit.
func (c *center) append(in []ledger.Incoming) {
	if len(in) == 0 {
		return
	}
	if _, err := c.disk.store.Append(context.Background(), in); err != nil {
		panic("BUG: " + err.Error())
	}
	for _, i := range in {
		b := c.w.find(i)
		c.w.told("commit", theServer, i.Batch.Epoch, i.Batch.Seq)
		if b == nil {
			c.w.violate("I2", "the ledger took a batch that no agent appended", [2]uint64{i.Batch.Epoch, i.Batch.Seq})
			continue
		}
		c.disk.counted[b]++
		if !b.inLedger {
			b.inLedger = true
			c.disk.taken = append(c.disk.taken, b)
		}
	}
}

// commitLater is AckBeforeCommit.
func (c *center) commitLater(in []ledger.Incoming) {
	born := c.born
	c.w.after(c.w.between(1_000, 5_000), func() {
		if c.born == born {
			c.append(in)
		}
	})
}

// backup keeps a copy of the ledger.
func (c *center) backup() {
	if !c.down {
		c.backups = append(c.backups, c.disk.clone(c.w.now))
		c.w.told("backup", theServer, uint64(len(c.disk.taken)), 0)
	}
}

// restore puts a copy in the place of the ledger and starts anew. Told, the ledger has another name then.
func (c *center) restore(a archive, told bool) {
	c.stop()
	if told {
		c.line = c.w.now
	}
	was := c.disk.taken
	name := c.disk.incarnation
	c.disk = a.clone(a.at)
	if told && c.w.bug != NoIncarnation {
		c.disk.incarnation = c.w.rng.Uint64()
	} else if !told {
		c.disk.incarnation = name
	}
	for _, b := range was {
		b.inLedger = false
	}
	for _, b := range c.disk.taken {
		b.inLedger = true
	}
	for _, b := range was {
		if !b.inLedger {
			c.w.told("set back", theServer, b.Epoch, b.Seq)
			if c.w.now-a.at >= c.w.keep || b.hurt {
				c.w.judgeLoss(b)
			}
		}
	}
	c.start()
}
