"""The logs that are never rewritten, chained by hash: sealed in batches, each of which has the hash
of the one before, so that a row that was changed, removed or put in between is noticed, and where.

Nothing is done at a write. A batch is sealed in the background once nothing can appear in it any
more; what a person's erasure changes is noted as an amendment, which is a row of such a log
itself."""
