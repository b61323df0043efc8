package document

import "time"

// stopwatch adds up what alternating contestants take.
type stopwatch struct {
	total time.Duration
	n     int
}

func (s *stopwatch) time(f func()) {
	t := time.Now()
	f()
	s.total += time.Since(t)
	s.n++
}

// mean is seconds a run.
func (s *stopwatch) mean() float64 { return s.total.Seconds() / float64(max(s.n, 1)) }
