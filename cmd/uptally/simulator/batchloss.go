package simulator

// judgeLoss is called when a copy of a batch was destroyed: where it was the last and no ledger has it, the batch is lost and need
// not be in the ledger at the end, but in what is reported as missing.
func (w *World) judgeLoss(b *batch) {
	if b.copies == 0 && !b.inLedger && !b.lost {
		b.lost = true
		w.told("lost", everyone, b.Epoch, b.Seq)
	}
}
