package service

import (
	"testing"

	"xueji/server/registry"
)

// A face keeps for years: the year of entry stands on it, not the grade of the day.
func TestFaceClass(t *testing.T) {
	for want, p := range map[string]registry.Pupil{
		"2026 级 1 班": {Class: "1 班", EnrolledOn: "2026-09-01", Grade: 1},
		"2023 级 3 班": {Class: "3 班", EnrolledOn: "2023-09-01", Grade: 4},
		"2025级2班":    {Class: "2025级2班", EnrolledOn: "2025-09-01"},
		"4 班":        {Class: "4 班"},
		"":           {EnrolledOn: "2026-09-01"},
	} {
		if got := faceClass(&p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
