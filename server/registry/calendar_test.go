package registry

import "testing"

// The worked example of domain.md 2: Friday 2013-09-27 and ten working days.
//
//	Sun 09-29 (make-up) 1, Mon 09-30 2, 10-01…10-07 off, 10-08 3, 10-09 4, 10-10 5, 10-11 6, Sat 10-12 (make-up) 7, 10-14 8, 10-15 9, 10-16 10
func TestWorkedExample(t *testing.T) {
	due, unsure := DefaultCalendar().AddWorkingDays("2013-09-27", 10)
	if due != "2013-10-16" || unsure {
		t.Fatalf("ten working days after 2013-09-27 = %s (unsure %v), want 2013-10-16", due, unsure)
	}
	if n, _ := DefaultCalendar().WorkingDaysBetween("2013-09-27", "2013-10-16"); n != 10 {
		t.Fatalf("counted back: %d", n)
	}
}
