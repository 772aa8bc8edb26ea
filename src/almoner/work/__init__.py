"""Work that is remembered and done once, whatever is killed meanwhile (decision 39).

What is to be done is a row of ``work_steps``; a library wakes the runners that look there. What a
step writes, its result and its new state are one transaction, so that own data is written exactly
once; what leaves the house is sent at least once."""
