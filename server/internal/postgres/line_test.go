package postgres

import "testing"

// A line to another machine is TLS with a verified certificate, unless its address says otherwise.
func TestLineToAnotherMachine(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for in, want := range map[string]string{
		"postgres://xueji:secret@db.example.cn:5432/xueji?pool_max_conns=9": "postgres://xueji:secret@db.example.cn:5432/xueji?pool_max_conns=9&sslmode=verify-full",
		"postgresql://10.1.2.3/xueji":                                       "postgresql://10.1.2.3/xueji?sslmode=verify-full",
		"postgres:///xueji?host=db.example.cn":                              "postgres:///xueji?host=db.example.cn&sslmode=verify-full",
		"postgres://db.example.cn/xueji?sslmode=disable":                    "",
		"postgres:///xueji?host=/run/postgresql":                            "",
		"postgres://localhost/xueji":                                        "",
		"postgres://127.0.0.1:5433/xueji":                                   "",
		"postgres://[::1]/xueji":                                            "",
	} {
		if want == "" {
			want = in
		}
		if got := guarded(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	t.Setenv("PGSSLMODE", "require")
	if got := guarded("postgres://db.example.cn/xueji"); got != "postgres://db.example.cn/xueji" {
		t.Error(got)
	}
}
