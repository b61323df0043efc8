package testdeps

import (
	"strings"
	"testing"
)

func TestPostgres(t *testing.T) {
	a, b := Postgres(t), Postgres(t)
	if a == b || !strings.HasPrefix(a, "postgres://") {
		t.Fatalf("addresses %q and %q", a, b)
	}
}

func TestRedisForgetsWhenKilled(t *testing.T) {
	r := StartRedis(t)
	r.Do("SET", "k", "v")
	if got := r.Do("GET", "k"); got != "v" {
		t.Fatalf("GET %q", got)
	}
	r.Kill()
	if _, err := r.Command("PING"); err == nil {
		t.Fatal("a killed server answers")
	}
	r.Restart()
	if got := r.Do("GET", "k"); got != "" {
		t.Fatalf("after a kill GET gives %q", got)
	}
}
