package registry

import (
	"strconv"
	"time"
)

// DateOf is t's date in Beijing.
func DateOf(t interface{ Unix() int64 }) Date {
	return Date(time.Unix(t.Unix(), 0).In(Beijing).Format(time.DateOnly))
}

// NewDate is the date of a year, month and day; "" when there is no such day or the year has not four digits.
func NewDate(year, month, day int) Date {
	if year < 1000 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return ""
	}
	return Date(time.Date(year, time.Month(month), day, 0, 0, 0, 0, Beijing).Format(time.DateOnly))
}

// Valid reports whether d is a day of the calendar, written "2006-01-02".
func (d Date) Valid() bool {
	y, m, day, ok := d.split()
	return ok && y >= 1000 && m >= 1 && m <= 12 && day >= 1 && day <= daysIn(y, m)
}

// Time is midnight in Beijing at the beginning of d; the zero time for an invalid date.
func (d Date) Time() time.Time {
	if !d.Valid() {
		return time.Time{}
	}
	y, m, day, _ := d.split()
	return time.Date(y, time.Month(m), day, 0, 0, 0, 0, Beijing)
}

// Year is d's year; 0 for an invalid date.
func (d Date) Year() int {
	if !d.Valid() {
		return 0
	}
	y, _, _, _ := d.split()
	return y
}

// Weekday is d's day of the week.
func (d Date) Weekday() time.Weekday { return d.Time().Weekday() }

// AddDays moves by civil days; "" for an invalid date.
func (d Date) AddDays(n int) Date {
	if !d.Valid() {
		return ""
	}
	return Date(d.Time().AddDate(0, 0, n).Format(time.DateOnly))
}

// DaysUntil is the number of civil days from d to e; negative when e is earlier, 0 when either is invalid.
func (d Date) DaysUntil(e Date) int {
	if !d.Valid() || !e.Valid() {
		return 0
	}
	return int(e.Time().Sub(d.Time()) / (24 * time.Hour)) // Beijing is a fixed zone: every day has 24 hours
}

// AddMonths is the corresponding date n months on, or that month's last day when there is none (Civil Code 202); "" for an invalid date.
func (d Date) AddMonths(n int) Date {
	if !d.Valid() {
		return ""
	}
	y, m, day, _ := d.split()
	first := time.Date(y, time.Month(m+n), 1, 0, 0, 0, 0, Beijing)
	return NewDate(first.Year(), int(first.Month()), min(day, daysIn(first.Year(), int(first.Month()))))
}

// AgeOn is the number of birthdays passed by on for someone born on d; negative when d is later.
func (d Date) AgeOn(on Date) int {
	if !d.Valid() || !on.Valid() {
		return 0
	}
	age := on.Year() - d.Year()
	if on[5:] < d[5:] {
		age--
	}
	return age
}

func (d Date) split() (year, month, day int, ok bool) {
	if len(d) != 10 || d[4] != '-' || d[7] != '-' {
		return 0, 0, 0, false
	}
	for i, c := range []byte(d) {
		if i != 4 && i != 7 && (c < '0' || c > '9') {
			return 0, 0, 0, false
		}
	}
	year, _ = strconv.Atoi(string(d[:4]))
	month, _ = strconv.Atoi(string(d[5:7]))
	day, _ = strconv.Atoi(string(d[8:]))
	return year, month, day, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
