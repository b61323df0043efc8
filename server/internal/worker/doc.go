// Package worker turns rows that wait in SQL into work done: it leases unapplied inbox and outbox rows, wakes consumers through a queue, hands each row to
// the service, counts failures, resumes imports and sweeps.
//
// SQL is the truth and decides what is done, once; the queue only says where to look. A queue that forgets costs a lease (10 s); a queue that is down is gone
// round: rows are then handed over inside the process. It owns no rule of the register, no SQL and no Redis.
package worker
