package sqlstore

import (
	"slices"
	"testing"
)

// The rule itself must bite: a schema with each kind of breach.
func TestBreachesAreFound(t *testing.T) {
	var tables []string
	var primary []Constraint
	for name, key := range Distribution {
		tables = append(tables, name)
		primary = append(primary, Constraint{name, name + "_pkey", []string{key}})
	}
	if got := Breaches(tables, primary, nil); len(got) != 0 {
		t.Fatalf("a good schema: %v", got)
	}
	got := Breaches(append(tables, "stray"), append(primary, Constraint{"stray", "pk", []string{"x"}}), []Constraint{{"pupil", "pupil_number", []string{"number"}}})
	if len(got) != 3 { // undecided table, its key without a distribution key, the unique index off the key
		t.Fatalf("breaches %v", got)
	}
	i := slices.Index(tables, "inbox")
	got = Breaches(slices.Delete(slices.Clone(tables), i, i+1), primary, nil)
	if len(got) != 1 {
		t.Fatalf("a missing table: %v", got)
	}
}
