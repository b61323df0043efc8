package registry_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"

	"xueji/server/registry"
)

// FuzzFormJSON: a form is read and written as encoding/json does a map of texts.
func FuzzFormJSON(f *testing.F) {
	for _, s := range []string{`{"name":"李思源","birth":"2019-05-06"}`, `{"name":"a\"b\\c\u003c<&>","x":"\ud800 \u2028"}`, `{}`, `null`, ` { "name" : "王" , "sex":null } `, `{"name":1}`, `["name"]`,
		`{"name":"王"`, "{\"a\":\"\xff\",\"\x00\":\"\"}", `{"a":"1","a":"2"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want map[registry.FieldKey]string
		var got registry.Form
		errWant, errGot := json.Unmarshal(b, &want), json.Unmarshal(b, &got)
		if (errWant == nil) != (errGot == nil) || errWant == nil && !maps.Equal(want, got) {
			t.Fatalf("%q: %v %q, encoding/json %v %q", b, errGot, got, errWant, want)
		}
		if errWant != nil || want == nil {
			return
		}
		a, _ := json.Marshal(want)
		if c, err := json.Marshal(got); err != nil || !bytes.Equal(a, c) {
			t.Fatalf("%s is written %s, by encoding/json %s", b, c, a)
		}
	})
}
